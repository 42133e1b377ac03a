"""The first rows as the model reads them: every token, and whether it is learnt."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from glmcore.tuning.preview import Piece, PreviewRow
from glmcore.ui.text import _, plural

MOST_PIECES = 400  # of a row that are drawn; of a longer one the middle is left out
# A colour that lies over light and dark alike; what is learnt is also underlined, for who sees no colour.
STYLE = """<style>
.glm-tokens {font-family: monospace; font-size: 0.8rem; line-height: 1.7; white-space: pre-wrap;
  overflow-wrap: anywhere; max-height: 18rem; overflow-y: auto; margin-bottom: 0.6rem}
.glm-tokens mark, .glm-legend mark {background: rgba(34, 160, 90, 0.28); color: inherit;
  border-bottom: 2px solid rgb(34, 160, 90); border-radius: 2px}
.glm-tokens span:hover, .glm-tokens mark:hover {outline: 1px solid currentColor}
.glm-legend {font-size: 0.85rem}
</style>"""


def show_tokens(rows: Sequence[PreviewRow]) -> None:
    """Ids are told by the tokens' titles. Texts of data files are escaped: they may be anything."""
    learnt, read, hint = map(escape, (_("learnt"), _("only read"), _("point at a token for its id")))
    st.html(f'{STYLE}<div class="glm-legend"><mark>{learnt}</mark> · {read} · {hint}</div>')
    for row in rows:
        st.caption(_about(row))
        st.html(f'<div class="glm-tokens">{"".join(_drawn(row.pieces))}</div>')


def _about(row: PreviewRow) -> str:
    said = [
        _("Row {number}", number=row.number),
        _(
            "{learnt} of {tokens} tokens learnt",
            learnt=row.num_learnt,
            tokens=sum(len(piece.ids) for piece in row.pieces),
        ),
    ]
    if row.cut_turns:
        said.append(plural("the oldest turn is cut", "the {count} oldest turns are cut", row.cut_turns))
    if row.is_answer_cut:
        said.append(_("the answer is cut"))
    return " · ".join(said)


def _drawn(pieces: Sequence[Piece]) -> list[str]:
    left_out = len(pieces) - MOST_PIECES
    if left_out <= 0:
        return [_token(piece) for piece in pieces]
    half = MOST_PIECES // 2
    gap = plural("… one token …", "… {count} tokens …", left_out)
    return [
        *(_token(piece) for piece in pieces[:half]),
        f"<em>\n{escape(gap)}\n</em>",
        *(_token(piece) for piece in pieces[-half:]),
    ]


def _token(piece: Piece) -> str:
    tag = "mark" if piece.is_learnt else "span"
    text = piece.text.encode("utf-8", "replace").decode().replace("\n", "↵\n")
    return f'<{tag} title="{" ".join(map(str, piece.ids))}">{escape(text)}</{tag}>'
