"""Text of models and users made ready for the places that Streamlit reads as Markdown.

HTML is inert in Streamlit already. An answer (`to_markdown`) keeps its Markdown, but outside of code images
become links (a picture's address can carry what was said to somebody else's server), Streamlit's own
directives are shown as typed, LaTeX in brackets gets the dollars that Streamlit knows, and dollars that are
money stay dollars. A title or a sentence (`plain`) is shown letter by letter. And: where a growing text may
be cut. Good manners, no wall: what a page may fetch is for the browser's content policy to bound.
"""

import re

# One pass from left to right, the first that fits; what none of them takes stays as it is.
_TOKENS = re.compile(
    r"""
      (?P<code>
          # A fenced block, also one still open. One inside a list item may end at any depth.
          ^(?P<deep>[ ]{4}[ \t]*|\t[ \t]*)?[ ]{0,3}(?P<fence>`{3,}(?=[^`\n]*$)|~{3,})
          .*?(?:^(?(deep)[ \t]*|[ ]{0,3})(?P=fence)[`~]*[ \t]*$|\Z)
        | (?<!`)(?P<ticks>`+)(?!`)[^\n]*?(?<!`)(?P=ticks)(?!`)
      )
      # The bounds on the length keep a text of nothing but opening brackets from taking minutes.
    | \\\[(?P<display>(?:(?!\n[ \t]*\n).){1,1000}?)\\\]
    | \\\((?P<inline>[^\n]{1,1000}?)\\\)
      # An escaped sign, or math. Pandoc's rule: an opening dollar is followed by a non-space, a closing one
      # follows a non-space and has no digit after it.
    | (?P<kept>\\[!-/:-@\[-`{-~] | \$\$(?:(?!\n[ \t]*\n).)+?\$\$ | \$(?=\S)[^$\n]*?(?<=\S)\$(?!\d))
    | (?P<money>\$)
    | (?P<directive>^[ \t]*:(?=::?\w) | :(?=\w[\w-]*[\[{]))
    | (?P<icon>:material(?=/\w))
    | (?P<picture>(?<![!\\])!(?=\[[^\]\n]{1,300}\]\()) | (?P<image>!(?=\[))
    """,
    re.M | re.S | re.X,
)
_HALVES = re.compile("[\ud800-\udfff]")  # halves of characters, which no browser can be sent
_SIGNS = re.compile(r"([!-/:-@\[-`{-~])")

MIN_BLOCK_CHARACTERS = 400  # shorter finished blocks are sent again rather than become elements of their own


def to_markdown(text: str) -> str:
    """The text as Markdown that shows what was written and fetches nothing."""
    return _TOKENS.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    token = found.group()
    match found.lastgroup:
        case "display":
            return f"$${found['display']}$$"
        case "inline":
            return f"${found['inline'].strip()}$"
        case "money" | "image" | "directive":
            return f"{token[:-1]}\\{token[-1]}"
        case "icon":
            return token + "\\"
        case "picture":
            return ""
    return token


def plain(text: str) -> str:
    """The text as Markdown that shows it as it is, for a button's label or a sentence with names in it."""
    return _SIGNS.sub(r"\\\1", _HALVES.sub("\ufffd", text))


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
