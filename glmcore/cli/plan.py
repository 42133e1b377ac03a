"""`models plan`: which part of a model would go where, without loading it."""

import argparse
import re
from functools import partial

from glmcore.cli.arguments import Commands, add_command
from glmcore.cli.progress_line import shown_progress
from glmcore.cli.table import NOTHING, format_table
from glmcore.core.errors import ConfigError
from glmcore.core.i18n import mark, translate
from glmcore.core.settings import Settings
from glmcore.models.blueprint import Blueprint, read_blueprint
from glmcore.models.loading import fetch_model
from glmcore.models.places.devices import GIB, Device, describe_devices
from glmcore.models.places.memory import check_fits
from glmcore.models.places.plan import DEVICE_MAPS, Plan, plan_layers
from glmcore.models.sources import find_model

ON_ONE = mark(
    "It fits on one device, where several people are answered at once; --device-map auto spreads it."
)


def add_plan(commands: Commands, language: str) -> None:
    _ = partial(translate, language=language)
    plan_help = _("show which layers of a model would go to which device")
    plan = add_command(commands, "plan", plan_help, run_plan, language)
    group = plan.add_argument_group(_("Model and devices"))
    group.add_argument("model", metavar="MODEL", help=_("a name or the folder of a model"))
    option = group.add_argument
    gpus_help = _("plan for GPUs of so many GiB instead of this machine's, such as 24,24,40")
    option("--gpus", metavar="GIB", help=gpus_help)
    map_help = _("auto or balanced: by free memory; chatglm: ChatGLM-6B's fixed rule")
    option("--device-map", metavar="NAME", choices=DEVICE_MAPS, help=map_help)
    option(
        "--dtype", metavar="NAME", help=_("auto, float32, bfloat16 or float16; the setting dtype by default")
    )
    option("--quantization-bits", metavar="N", type=int, help=_("8 or 4: quantize the layers"))
    memory_help = _("most memory per device, such as 0=20GiB,cpu=60GiB; a device not named is not used")
    option("--max-memory", metavar="SIZES", help=memory_help)


def run_plan(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    entry = find_model(arguments.model, settings)
    with shown_progress(language) as progress:
        path = fetch_model(entry, settings, progress)
    devices = describe_devices()
    device = settings.device
    if arguments.gpus is not None:
        devices = [*_made_up_gpus(arguments.gpus), *(found for found in devices if found.name == "cpu")]
        device = "auto"
    blueprint = read_blueprint(
        entry.name,
        path,
        devices,
        dtype=arguments.dtype or settings.dtype,
        device=device,
        quantization_bits=arguments.quantization_bits,
        usual_bits=settings.quantize_bits,
    )
    plan = _plan(blueprint, devices, arguments)
    _show(blueprint, plan, language)
    if arguments.device_map is None and len(plan.rows) == 1 and len(devices) > 2:
        print(translate(ON_ONE, language))
    return 0


def _plan(blueprint: Blueprint, devices: list[Device], arguments: argparse.Namespace) -> Plan:
    """What loading with these options would do."""
    layout = blueprint.layout
    if layout is None:
        raise ConfigError(
            "{path} is a GGUF file, whose parts are known only when it is loaded; name a model folder.",
            path=blueprint.checkpoint.path,
        )
    max_memory = None if arguments.max_memory is None else _memory_sizes(arguments.max_memory)
    placement = blueprint.place(devices, arguments.device_map, max_memory)
    if placement.plan is not None:
        return placement.plan
    check_fits(
        blueprint.name,
        dtype=blueprint.dtype,
        place=placement.place,
        needed=blueprint.needed_bytes,
        free=placement.free_bytes,
    )
    reserve = blueprint.needed_bytes - blueprint.weight_bytes
    return plan_layers(layout, [blueprint.device], reserve_bytes=reserve)


def _show(blueprint: Blueprint, plan: Plan, language: str) -> None:
    _ = partial(translate, language=language)
    title = _("{name} ({family}) as {dtype}: {size:.2f} GiB of weights").format(
        name=blueprint.name,
        family=blueprint.family.title,
        dtype=blueprint.dtype,
        size=blueprint.weight_bytes / GIB,
    )
    rows = [(_("device"), _("layers"), _("planned"), _("free"), _("other parts"))]
    for row in plan.rows:
        layers = f"{row.first_layer}–{row.last_layer} ({row.num_layers})" if row.num_layers else NOTHING
        free = NOTHING if row.free_bytes is None else f"{row.free_bytes / GIB:.2f} GiB"
        parts = ", ".join(row.parts) or NOTHING
        rows.append((row.device, layers, f"{row.bytes / GIB:.2f} GiB", free, parts))
    print(title)
    print(format_table(rows, right=(2, 3)))
    for warning in plan.warnings:
        print(translate(warning.template, language).format(**warning.values))


def _made_up_gpus(text: str) -> list[Device]:
    sizes = [size.strip() for size in text.split(",")]
    if not all(re.fullmatch(r"\d+(\.\d+)?", size) for size in sizes):
        raise ConfigError("--gpus is {text!r}; expected the GiB of each GPU, such as 24,24,40.", text=text)
    free = [int(float(size) * GIB) for size in sizes]
    return [Device(f"cuda:{number}", "", size, size) for number, size in enumerate(free)]


def _memory_sizes(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(name.strip() and size.strip() for name, _, size in pairs):
        raise ConfigError(
            "--max-memory is {text!r}; expected a size per device, such as 0=20GiB,cpu=60GiB.", text=text
        )
    return {name.strip(): size.strip() for name, _, size in pairs}
