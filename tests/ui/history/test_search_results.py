"""Snippets of what a search found."""

from glmcore.history.search.snippets import SnippetPart
from glmcore.ui.history.search_results import snippet_html


def test_html_in_a_snippet_is_shown_as_it_was_written_and_the_words_are_marked() -> None:
    parts = (
        SnippetPart("<img src=x onerror=alert(1)> & ", False),
        SnippetPart("</mark><script>", True),
        SnippetPart("微调", False),
    )
    html = snippet_html(parts)
    assert html.count("<mark>") == html.count("</mark>") == 1
    assert "<img" not in html and "<script" not in html
    assert "&lt;img src=x onerror=alert(1)&gt; &amp; <mark>&lt;/mark&gt;&lt;script&gt;</mark>微调" in html
