"""The address of a comparison: what is compared, and the two conversations, so that a reload finds them."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import streamlit as st

from glmcore.core.settings import Settings
from glmcore.ui.adapter_picker import adapter_name, listed_model
from glmcore.ui.compare.sides import name_in_address


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """/compare?model=…&adapter=…&base=…&tuned=…, each of which may be missing or anything.

    Attributes:
        left, adapter: names of `sides`, of the left and the right column; an empty one is the base.
        base, tuned: conversations of the left and the right column.
    """

    model: str | None = None
    left: str | None = None
    adapter: str | None = None
    base: str | None = None
    tuned: str | None = None

    def swapped(self) -> "Address":
        return replace(
            self, left=self.adapter or "", adapter=self.left or "", base=self.tuned, tuned=self.base
        )


def read_address() -> Address:
    return Address(**{field.name: st.query_params.get(field.name) for field in fields(Address)})


def put_address(address: Address) -> None:
    """Put it into the address of this page."""
    st.query_params.from_dict(_values(address))


def compare_query(settings: Settings, model: str, checkpoint: Path) -> dict[str, str]:
    """What leads to the page with a base model and a checkpoint that was tuned on it.

    It is for a link: `st.switch_page` puts it behind the address of the page that is left first, where "back"
    would lead. A checkpoint that has gone is said by the page.
    """
    name = adapter_name(settings, checkpoint) or name_in_address(checkpoint)
    return _values(Address(model=listed_model(settings, model), adapter=name))


def _values(address: Address) -> dict[str, str]:
    named = {field.name: getattr(address, field.name) for field in fields(address)}
    return {name: value for name, value in named.items() if value is not None}
