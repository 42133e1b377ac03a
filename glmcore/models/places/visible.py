"""Which GPUs a process may see, and what the machine calls them: CUDA_VISIBLE_DEVICES as CUDA reads it."""

import re
from collections.abc import Mapping
from functools import partial
from itertools import takewhile

VISIBLE = "CUDA_VISIBLE_DEVICES"
NO_GPU = "-1"  # as a name: none is seen
_FORMS = (r"[0-9]{1,6}", r"GPU-\S+", r"MIG-\S+")  # a list is of one form


def visible_gpus(environ: Mapping[str, str]) -> tuple[str, ...] | None:
    """The names that are listed; None where no list restricts them.

    A list ends at the first name that is none, and counts as empty where one is there twice.
    """
    if VISIBLE not in environ:
        return None
    names = [name.strip() for name in environ[VISIBLE].split(",")]
    form = next((form for form in _FORMS if re.fullmatch(form, names[0])), None)
    if form is None:
        return ()
    found = tuple(takewhile(partial(re.fullmatch, form), names))
    return found if len(set(found)) == len(found) else ()


def gpu_name(index: int, environ: Mapping[str, str]) -> str:
    """What a list for another process calls a GPU that processes of this environment count as `index`."""
    visible = visible_gpus(environ)
    if visible is None:
        return str(index)
    return visible[index] if index < len(visible) else NO_GPU
