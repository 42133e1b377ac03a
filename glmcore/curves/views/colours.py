"""A colour for each run that stays its own.

Twenty colours, each with a contrast of at least 3 on white and on the dark page, computed for the greatest
least distance in OKLab: the first eight also as seen with red or green blindness.
"""

import hashlib
from collections.abc import Iterable

SAFE = ("#004bff", "#ff5a1e", "#2d6969", "#873cb4", "#f04bc3", "#3c96ff", "#a54b00", "#2da569")
FURTHER = (
    *("#b48796", "#c30087", "#c300ff", "#c38700", "#007800", "#b478f0"),
    *("#875a78", "#4b69c3", "#781eff", "#ff0069", "#0096b4", "#78783c"),
)
PALETTE = SAFE + FURTHER


def assign_colours(ids: Iterable[str]) -> dict[str, str]:
    """Give each id a colour, those first that all eyes tell apart.

    An id's hash says which it would like; a taken one goes to the next. What comes later never changes an
    earlier one's colour. After twenty the colours begin again.

    Args:
        ids: in the order of their first appearance.
    """
    colours: dict[str, str] = {}
    slots: tuple[str, ...] = SAFE
    taken: set[str] = set()
    for name in dict.fromkeys(ids):
        if taken.issuperset(slots):
            slots, taken = (SAFE if slots is FURTHER else FURTHER), set()
        wish = int.from_bytes(hashlib.sha256(name.encode("utf-8", "replace")).digest()[:8], "big") % len(
            slots
        )
        colours[name] = next(slot for slot in slots[wish:] + slots[:wish] if slot not in taken)
        taken.add(colours[name])
    return colours


def rgba(colour: str, opacity: float) -> str:
    """A colour of the palette that lets shine through what lies behind."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def greyed(colour: str) -> str:
    """Halfway to grey."""
    return "#" + "".join(f"{(int(colour[at : at + 2], 16) + 136) // 2:02x}" for at in (1, 3, 5))
