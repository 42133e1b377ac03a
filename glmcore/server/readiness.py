"""Whether this server can answer a question just now, and what is in the way where it cannot."""

from dataclasses import dataclass

from glmcore.core.errors import BusyError, EngineError
from glmcore.server.services import Services


@dataclass(frozen=True, slots=True)
class Readiness:
    """The models that can answer; the reason, in English, where there is none."""

    models: tuple[str, ...] = ()
    reason: str = ""


def readiness(shared: Services) -> Readiness:
    """Looks only at what is there, so it may be asked often."""
    try:
        shared.answers.check_room()
    except BusyError:
        pass  # a full server is a working one
    except EngineError as error:
        return Readiness(reason=str(error))
    troubles = {name: shared.models.trouble(name) for name in shared.models.loaded_names()}
    able = tuple(name for name, trouble in troubles.items() if trouble is None)
    if able:
        return Readiness(able)
    if troubles:
        return Readiness(reason=" ".join(f"{name}: {trouble}" for name, trouble in troubles.items()))
    state = shared.models.state(shared.settings.model)
    if state is None:
        return Readiness(reason="no model has been asked for")
    return Readiness(reason=str(state.error or state.stage or "loading"))
