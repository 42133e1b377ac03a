from glmcore.curves.views.names import cell, encodable, plotly_text, short_name


def test_names_are_bounded_and_encodable():
    assert len(short_name("x" * 1_000)) == 200 and short_name("短") == "短"
    assert encodable("a\udcffb").encode("utf-8") == b"a?b"


def test_plotly_reads_no_tags_in_names():
    assert plotly_text("<a href='x'>&amp;") == "&lt;a href='x'&gt;&amp;amp;"


def test_no_name_is_a_formula():
    assert [cell(text) for text in ("=1+1", "+1", "-1", "@x", "\t=1", "a=b")] == [
        "'=1+1",
        "'+1",
        "'-1",
        "'@x",
        "'\t=1",
        "a=b",
    ]
