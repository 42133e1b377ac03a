"""What can stand in a column: a model as it was, with an adapter, or a model of its own that a job tuned.

An address is anybody's text. It chooses among names that are listed here and never names a path.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from glmcore.core.errors import GlmcoreError
from glmcore.core.settings import Settings
from glmcore.jobs.folder import job_folder
from glmcore.models.adapters.folders import is_tuned_model
from glmcore.ui.adapter_picker import adapter_label, fitting_adapters, listed_model, short_name
from glmcore.ui.services import Services
from glmcore.ui.text import _

BASE = ""  # the name of the model as it was


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that answer."""

    name: str
    model: str
    adapter: str | None
    title: str

    @property
    def is_model_of_its_own(self) -> bool:
        return self.name != BASE and self.adapter is None


def offered_models(services: Services, names: Iterable[str | None]) -> list[str]:
    """The models to choose from: those that are listed, and those that conversations and jobs are about.

    Args:
        names: of adapters whose job knows its base, or of models that were stored with a conversation.
    """
    offered = [entry.name for entry in services.models.entries()]
    for extra in (services.settings.model, *names):
        if extra and extra not in offered:
            offered.append(extra)
    return offered


def base_of(services: Services, name: str | None) -> str | None:
    """The base model of the job that a checkpoint is of, as its job says; None where there is no such job."""
    parts = (name or "").split("/")
    if len(parts) != 4 or parts[0] != "jobs":
        return None
    try:
        return listed_model(services.settings, services.jobs.queue.get(parts[1]).base_model)
    except GlmcoreError:
        return None


def offered_sides(services: Services, model: str, names: Iterable[str | None]) -> dict[str, Side]:
    """What can be compared on a base model, by name; of tuned models those that are named already."""
    fitting = fitting_adapters(services, model)
    sides = {BASE: Side(BASE, model, None, _("Base model"))}
    for name in fitting:
        sides[name] = Side(name, model, name, adapter_label(name, model, fitting))
    for named in names:
        path = _tuned_model(services.settings, named) if named and named not in sides else None
        if named and path is not None:
            title = short_name(named) + " · " + _("Full fine-tuning")
            sides[named] = Side(named, str(path), None, title)
    return sides


def name_in_address(checkpoint: Path) -> str:
    """What stands for a tuned model in an address: jobs/<job>/checkpoints/<checkpoint>."""
    return "/".join(checkpoint.parts[-4:])


def _tuned_model(settings: Settings, name: str) -> Path | None:
    """The folder of a tuned model, which is inside the jobs folder whatever the name is."""
    parts = name.split("/")
    if len(parts) != 4 or (parts[0], parts[2]) != ("jobs", "checkpoints") or parts[3].startswith("."):
        return None
    try:
        path = job_folder(settings.jobs_dir.absolute(), parts[1]).checkpoints / parts[3]
        return path if is_tuned_model(path) else None
    except (GlmcoreError, OSError, ValueError):  # no name of a file at all
        return None
