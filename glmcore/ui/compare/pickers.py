"""Who answers left and right: what the address means, and the widgets that change it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from glmcore.core.errors import NotFoundError
from glmcore.core.messages import GenerationParams
from glmcore.history import Conversation
from glmcore.ui.adapter_picker import short_name
from glmcore.ui.compare.address import Address, put_address, read_address
from glmcore.ui.compare.sides import BASE, Side, base_of, offered_models, offered_sides
from glmcore.ui.engine_picker import chosen_engine, pick_engine
from glmcore.ui.services import Services
from glmcore.ui.text import _, error_text

MODEL_KEY, LEFT_KEY, RIGHT_KEY = "compare_model", "compare_left", "compare_right"
SEED_KEY = "compare_seed"
DRAFT_KEY = "compare_draft"  # a question for the input box of the next run
FIRST_SEED, LAST_SEED = 1, 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the address means, as far as it is there.

    Attributes:
        names: of the left and the right column; None where nothing is chosen.
        sides: what can be chosen, by name.
    """

    model: str
    models: list[str]
    names: tuple[str | None, str | None]
    sides: dict[str, Side]

    def side(self, place: int) -> Side | None:
        name = self.names[place]
        return self.sides.get(name) if name is not None else None

    def title(self, place: int) -> str:
        side = self.side(place)
        return side.title if side else short_name(self.names[place] or "–")


def read_choice(services: Services, address: Address, stored: Sequence[Conversation | None]) -> Choice:
    """What is to be compared; where the address does not say on which model, its conversations do."""
    named = (address.left, address.adapter)
    bases = [base_of(services, name) for name in named]
    models = offered_models(services, bases)
    wanted = [address.model, *(conversation.model for conversation in stored if conversation), *bases]
    model = next((name for name in wanted if name in models), None) or services.settings.model
    return Choice(
        model=model,
        models=models,
        names=(address.left or BASE, address.adapter),
        sides=offered_sides(services, model, named),
    )


def show_pickers(services: Services, choice: Choice, last_question: str) -> None:
    """The widgets. Who changes one begins a new comparison, and finds the last question in the input box."""
    st.session_state[MODEL_KEY] = choice.model
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            _("Base model"),
            choice.models,
            key=MODEL_KEY,
            on_change=_choose_model,
            args=(services, last_question),
            width=360,
        )
        pick_engine(services, choice.model)
        _show_seed()
        st.button(
            _("Swap"), icon=":material/swap_horiz:", key="compare_swap", on_click=_swap, width="content"
        )
    for place, (area, key, label) in enumerate(
        zip(st.columns(2), (LEFT_KEY, RIGHT_KEY), (_("Left"), _("Right")), strict=True)
    ):
        with area:
            _show_side(choice, place, key, label, last_question)


def current_seed() -> int:
    return int(st.session_state.get(SEED_KEY) or FIRST_SEED)


def put_seed(params: GenerationParams) -> None:
    """Take over the seed of a comparison that is opened; before the widget is drawn in this run."""
    st.session_state[SEED_KEY] = params.seed if params.seed is not None else FIRST_SEED


def next_seed() -> None:
    st.session_state[SEED_KEY] = current_seed() % LAST_SEED + 1


def _show_seed() -> None:
    st.session_state.setdefault(SEED_KEY, FIRST_SEED)
    st.number_input(
        _("Seed"),
        min_value=1,
        max_value=LAST_SEED,
        key=SEED_KEY,
        on_change="ignore",
        persist_state="session",
        width=150,
        help=_("Both draw their words by the same seed, so that the models are what differs."),
    )


def _show_side(choice: Choice, place: int, key: str, label: str, last_question: str) -> None:
    name = choice.names[place]
    options = [*choice.sides, *([name] if name is not None and name not in choice.sides else [])]
    st.session_state[key] = name
    st.selectbox(
        label,
        options,
        index=None if name is None else 0,  # what is chosen cannot be cleared
        key=key,
        format_func=lambda name: choice.sides[name].title if name in choice.sides else short_name(name),
        placeholder=_("Choose an adapter"),
        on_change=_choose_side,
        args=(place, key, last_question),
    )
    side = choice.side(place)
    if name is not None and side is None:
        missing = NotFoundError(
            "{name} is not there (any more), or does not fit {model}; choose another one.",
            name=short_name(name),
            model=choice.model,
        )
        st.warning(error_text(missing), icon=":material/warning:")
    elif side is not None and side.is_model_of_its_own:
        st.caption(_("All its weights were tuned: it is loaded as a second model beside the base."))


def _choose_model(services: Services, last_question: str) -> None:
    put_address(Address(model=st.session_state[MODEL_KEY]))
    model = st.session_state[MODEL_KEY]
    services.models.start_loading(model, chosen_engine(services, model))
    st.session_state[DRAFT_KEY] = last_question


def _choose_side(place: int, key: str, last_question: str) -> None:
    now, name = read_address(), st.session_state[key]
    changed = replace(now, adapter=name) if place else replace(now, left=name or BASE)
    put_address(replace(changed, base=None, tuned=None))
    st.session_state[DRAFT_KEY] = last_question


def _swap() -> None:
    put_address(read_address().swapped())
