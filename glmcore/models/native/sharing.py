"""A second tree of modules over the weights of a model that is in memory already."""

import copy
from typing import TypeVar

from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def on_same_weights(model: Module) -> Module:
    """A copy of a model that shares its numbers but neither modules, config, hooks nor flags.

    What is done to the copy (an adapter, another attention, a config that is changed while it computes) does
    not reach the model, and both can compute at the same time.
    """
    shared: dict[int, object] = {}
    for parameter in model.parameters():
        shared[id(parameter)] = nn.Parameter(parameter.detach(), requires_grad=parameter.requires_grad)
    for buffer in model.buffers():
        shared[id(buffer)] = buffer
    for module in model.modules():  # weights that accelerate keeps outside the modules
        hook = getattr(module, "_hf_hook", None)
        for part in getattr(hook, "hooks", [hook]):
            for name in ("weights_map", "tied_params_map"):
                kept = getattr(part, name, None)
                if kept is not None:
                    shared[id(kept)] = kept
    return copy.deepcopy(model, shared)
