"""Text of models and users made ready for `st.markdown`, outside of code only.

HTML is inert in Streamlit already. Here: images become links (a picture's address can carry what was
said to somebody else's server), Streamlit's own directives are shown as typed, LaTeX in brackets gets the
dollars that Streamlit knows, and dollars that are money stay dollars. And: where a growing text may be cut.
"""

import re

# Fenced blocks (also one still open at the end) and inline code are left as they are.
_CODE = re.compile(
    r"(^ {0,3}(?P<fence>`{3,}|~{3,}).*?(?:^ {0,3}(?P=fence)[`~]*[ \t]*$|\Z)|`[^`\n]+`)", re.M | re.S
)
_DISPLAY_MATH = re.compile(r"\\\[(.+?)\\\]", re.S)
_INLINE_MATH = re.compile(r"\\\((.+?)\\\)")
_DIRECTIVE = re.compile(r":(?=[a-z][\w-]*\[|material/\w|[a-z0-9_+-]+:)")
_IMAGE = re.compile(r"!(?=\[)")
# Pandoc's rule: an opening dollar is followed by a non-space, a closing one follows a non-space and has no
# digit after it.
_DOLLARS = re.compile(r"\\\$|\$\$.+?\$\$|\$(?=\S)[^$\n]*?(?<=\S)\$(?!\d)|(?P<money>\$)", re.S)

MIN_BLOCK_CHARACTERS = 400  # shorter finished blocks are sent again rather than become elements of their own


def to_markdown(text: str) -> str:
    """The text as Markdown that shows what was written and fetches nothing."""
    parts, end = [], 0
    for code in _CODE.finditer(text):
        parts += [_prose(text[end : code.start()]), code.group()]
        end = code.end()
    return "".join([*parts, _prose(text[end:])])


def _prose(text: str) -> str:
    text = _DISPLAY_MATH.sub(r"$$\1$$", text)
    text = _INLINE_MATH.sub(r"$\1$", text)
    text = _DOLLARS.sub(lambda found: r"\$" if found.group("money") else found.group(), text)
    text = _DIRECTIVE.sub(r"\\:", text)
    return _IMAGE.sub("", text)


def finished_length(text: str) -> int:
    """How much of a growing text is finished Markdown blocks that later text cannot change; 0 when little is.

    A block ends at a blank line outside of a code fence and of display maths, before a line that is
    not indented (an indented one would belong to a list item above).
    """
    if len(text) < MIN_BLOCK_CHARACTERS:
        return 0
    end = len(text)
    while (at := text.rfind("\n\n", 0, end)) >= 0:
        head, tail = text[:at], text[at + 2 :]
        fences = sum(1 for line in head.splitlines() if line.lstrip().startswith(("```", "~~~")))
        is_open = fences % 2 or head.count("$$") % 2 or head.count("\\[") > head.count("\\]")
        if not is_open and tail and not tail[0].isspace():
            return at + 2
        end = at + 1
    return 0
