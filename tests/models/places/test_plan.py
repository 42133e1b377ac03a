"""The sharding planner: arithmetic on made-up models and devices, in bytes."""

from itertools import combinations_with_replacement, pairwise

import pytest

from glmcore.core.errors import ConfigError, NotEnoughMemoryError
from glmcore.models.places.devices import GIB, Device
from glmcore.models.places.layout import Layout, Part
from glmcore.models.places.plan import plan_layers

EXTRA = ("model.rotary_emb",)
LAYER, EMBEDDING, HEAD = 400, 1000, 1000
PINNED = EMBEDDING + HEAD + 1  # one for the norm


def layout(num_layers=28, layer=LAYER, embedding=EMBEDDING, head=HEAD):
    return Layout(
        embedding=(Part("transformer.word_embeddings", embedding),),
        layers=tuple(Part(f"transformer.layers.{number}", layer) for number in range(num_layers)),
        tail=(Part("transformer.final_layernorm", 1), Part("lm_head", head)),
    )


def devices(*gpus, cpu=None):
    found = [Device(f"cuda:{number}", "", free, free) for number, free in enumerate(gpus)]
    return found if cpu is None else [*found, Device("cpu", "", cpu, cpu)]


def counts(plan):
    return [row.num_layers for row in plan.rows]


def check(model, plan, available, reserve=0):
    """What holds for every plan: all is placed once, layers in runs, no device over its memory."""
    names = [part.name for part in model.parts]
    assert sorted(plan.device_map) == sorted([*names, *EXTRA])
    pinned = {plan.device_map[name] for name in [part.name for part in model.pinned] + list(EXTRA)}
    assert len(pinned) == 1
    layers = [plan.device_map[part.name] for part in model.layers]
    runs = [key for number, key in enumerate(layers) if number == 0 or layers[number - 1] != key]
    assert len(runs) == len(set(runs))
    free = {(int(d.name[5:]) if d.name != "cpu" else "cpu"): d.free_bytes - reserve for d in available}
    for key in {*layers, *pinned} - {"disk"}:
        assert sum(part.bytes for part in model.parts if plan.device_map[part.name] == key) <= free[key]
    assert sum(row.bytes for row in plan.rows) == sum(part.bytes for part in model.parts)
    assert sum(row.num_layers for row in plan.rows) == len(model.layers)
    assert all(row.free_bytes is None or row.bytes <= row.free_bytes for row in plan.rows)


@pytest.mark.parametrize("num_layers", [28, 40])
@pytest.mark.parametrize("num_gpus", range(1, 9))
def test_equal_gpus_are_all_used_and_nearly_equally_full(num_gpus, num_layers):
    model, available = layout(num_layers), devices(*[24_000] * num_gpus, cpu=90_000)
    plan = plan_layers(model, available, extra=EXTRA)
    check(model, plan, available)
    assert min(counts(plan)) >= 1
    assert {plan.device_map[name] for name in ("transformer.word_embeddings", "lm_head", *EXTRA)} == {0}
    others = [row.bytes for row in plan.rows[1:]]
    assert not others or max(others) - min(others) <= LAYER
    assert not plan.warnings


@pytest.mark.parametrize("num_layers", [28, 40])
@pytest.mark.parametrize("num_gpus", range(2, 9))
def test_unequal_gpus_are_all_used_in_proportion(num_gpus, num_layers):
    model = layout(num_layers)
    available = devices(*[12_000 * (1 + number % 3) for number in range(num_gpus)])
    plan = plan_layers(model, available, extra=EXTRA)
    check(model, plan, available)
    assert min(counts(plan)) >= 1
    fills = [row.bytes / row.free_bytes for row in plan.rows[1:]]
    assert max(fills) - min(fills) <= 2 * LAYER / 12_000


@pytest.mark.parametrize(
    "free", [(5000, 3000, 4000), (6000, 900, 2500), (3000, 8000, 410), (4000, 4000, 4000)]
)
def test_no_other_split_leaves_the_fullest_gpu_emptier(free):
    model = layout(num_layers=12)
    plan = plan_layers(model, devices(*free), extra=EXTRA)
    check(model, plan, devices(*free))
    found = max(row.bytes / row.free_bytes for row in plan.rows)
    cuts = [(0, *cut, 12) for cut in combinations_with_replacement(range(13), 2)]
    splits = [[end - start for start, end in pairwise(cut)] for cut in cuts]
    sizes = [
        [PINNED * (not place) + LAYER * n for place, n in enumerate(split)] for split in splits if all(split)
    ]
    assert found == min(max(size / room for size, room in zip(row, free, strict=True)) for row in sizes)


def test_layers_of_unequal_size_are_balanced_by_bytes():
    layers = tuple(Part(f"model.layers.{number}", 100 if number < 6 else 300) for number in range(8))
    plan = plan_layers(Layout((), layers, ()), devices(5000, 5000))
    assert [row.bytes for row in plan.rows] == [600, 600]


def test_first_gpu_nearly_full_keeps_the_embedding_and_gets_few_layers():
    model, available = layout(), devices(PINNED + LAYER, 20_000, 20_000)
    plan = plan_layers(model, available, extra=EXTRA)
    check(model, plan, available)
    assert counts(plan) == [1, 14, 13]
    assert plan.device_map["lm_head"] == 0


def test_embedding_goes_to_the_next_gpu_where_the_first_has_no_room_for_it():
    model, available = layout(), devices(PINNED - 1, 20_000, 20_000)
    plan = plan_layers(model, available, extra=EXTRA)
    check(model, plan, available)
    assert plan.device_map["transformer.word_embeddings"] == plan.device_map["transformer.layers.0"] == 1
    assert min(counts(plan)) >= 1


def test_tiny_last_gpu_gets_the_one_layer_it_can_hold():
    model, available = layout(), devices(24_000, 24_000, LAYER)
    plan = plan_layers(model, available, extra=EXTRA)
    check(model, plan, available)
    assert counts(plan)[2] == 1


def test_gpu_without_room_for_a_layer_stays_idle_and_is_shown():
    plan = plan_layers(layout(), devices(24_000, 24_000, LAYER - 1))
    assert counts(plan)[2] == 0
    assert plan.rows[2].first_layer is None


def test_exact_fit_is_found_and_one_byte_less_is_refused():
    exact = devices(PINNED + 10 * LAYER, 12 * LAYER, 6 * LAYER)
    gpus_only = {0: 10**6, 1: 10**6, 2: 10**6}
    plan = plan_layers(layout(), exact, extra=EXTRA)
    check(layout(), plan, exact)
    assert counts(plan) == [10, 12, 6]
    with pytest.raises(NotEnoughMemoryError):
        plan_layers(layout(), devices(PINNED + 10 * LAYER, 12 * LAYER, 6 * LAYER - 1), max_memory=gpus_only)


def test_fewer_layers_than_gpus_go_to_as_many_gpus():
    model, available = layout(3), devices(*[24_000] * 8)
    plan = plan_layers(model, available, extra=EXTRA)
    check(model, plan, available)
    assert sorted(counts(plan)) == [0, 0, 0, 0, 0, 1, 1, 1]


def test_reserve_is_left_free_on_every_gpu():
    model, available = layout(), devices(9000, 9000)
    check(model, plan_layers(model, available, extra=EXTRA, reserve_bytes=2200), available, reserve=2200)
    with pytest.raises(NotEnoughMemoryError):
        plan_layers(model, available, reserve_bytes=3000, max_memory={0: 9000, 1: 9000})


def test_only_the_gpus_that_max_memory_names_are_used():
    limits = {0: 24_000, 1: 24_000}
    plan = plan_layers(layout(), devices(24_000, 24_000, 24_000), max_memory=limits)
    assert set(plan.device_map.values()) == {0, 1}


def test_what_does_not_fit_goes_to_the_cpu_with_one_warning():
    model, available = layout(), devices(PINNED + 11 * LAYER, cpu=90_000)
    plan = plan_layers(model, available, extra=EXTRA)
    check(model, plan, available)
    assert [(row.device, row.first_layer, row.last_layer) for row in plan.rows] == [
        ("cuda:0", 0, 9),  # one layer less than fits: those of the CPU are computed here
        ("cpu", 10, 27),
    ]
    (warning,) = plan.warnings
    assert "18 of 28 layers" in warning.text
    assert "slow" in warning.text


def test_what_fits_nowhere_else_goes_to_the_disk_with_a_second_warning():
    model, available = layout(layer=GIB), devices(8 * GIB, 8 * GIB, cpu=5 * GIB)
    plan = plan_layers(model, available, extra=EXTRA)
    check(model, plan, available)
    assert counts(plan) == [6, 8, 5, 9]
    assert plan.rows[3].free_bytes is None
    assert [
        "5 of 28 layers, 5.0 GiB" in plan.warnings[0].text,
        "9 of 28 layers, 9.0 GiB" in plan.warnings[1].text,
    ]
    assert plan.device_map["transformer.layers.27"] == "disk"


def test_without_a_gpu_the_cpu_is_filled_and_the_disk_takes_the_rest():
    model, available = layout(), devices(cpu=PINNED + 6 * LAYER)
    plan = plan_layers(model, available, extra=EXTRA)
    check(model, plan, available)
    assert counts(plan) == [5, 23]  # one layer of room to read those of the disk into
    assert plan.device_map["lm_head"] == plan.device_map["model.rotary_emb"] == "cpu"
    assert [warning.values["count"] for warning in plan.warnings] == [23]


def test_model_that_fits_on_the_cpu_of_a_machine_without_gpu_needs_no_warning():
    plan = plan_layers(layout(), devices(cpu=90_000))
    assert set(plan.device_map.values()) == {"cpu"}
    assert not plan.warnings


def test_gpus_too_small_for_the_embedding_leave_the_model_to_the_cpu():
    plan = plan_layers(layout(), devices(PINNED - 1, PINNED - 1, cpu=90_000))
    assert set(plan.device_map.values()) == {"cpu"}
    assert [warning.values["count"] for warning in plan.warnings] == [28]


def test_gpu_of_the_machines_own_memory_is_not_counted_twice():
    model = layout()
    apple = [Device("mps", "", 9000, 9000), Device("cpu", "", 9000, 9000)]
    assert set(plan_layers(model, apple).device_map.values()) == {"mps", "disk"}


@pytest.mark.parametrize(
    "max_memory",
    [{0: "9KB", "1": 9000, "cpu": "1GiB"}, {"cuda:0": "8.7890625 KiB", 1: "9000", "cpu": "500MB"}],
)
def test_max_memory_is_honoured_in_every_form(max_memory):
    plan = plan_layers(layout(), devices(24_000, 24_000, 24_000, cpu=90_000), max_memory=max_memory)
    assert set(plan.device_map.values()) == {0, 1}
    assert [row.free_bytes for row in plan.rows] == [9000, 9000]


def test_max_memory_does_not_plan_over_what_is_free():
    plan = plan_layers(layout(), devices(9000, 9000), max_memory={0: "80GiB", 1: "80GiB"})
    assert [row.free_bytes for row in plan.rows] == [9000, 9000]


def test_max_memory_of_cpu_and_disk_leaves_the_gpus_alone():
    plan = plan_layers(layout(), devices(24_000, cpu=90_000), max_memory={"cpu": 5000, "disk": "1GB"})
    assert set(plan.device_map.values()) == {"cpu", "disk"}
    assert plan.rows[-1].free_bytes == 10**9
    assert len(plan.warnings) == 1


@pytest.mark.parametrize(
    "max_memory", [{0: 5000}, {0: 5000, "cpu": 3000}, {"cpu": 5000, "disk": 3000}, {0: 900}]
)
def test_model_that_fits_nowhere_is_refused_with_both_numbers(max_memory):
    gib = {key: size * GIB for key, size in max_memory.items()}
    model = layout(28, LAYER * GIB, EMBEDDING * GIB, HEAD * GIB)
    with pytest.raises(NotEnoughMemoryError) as caught:
        plan_layers(model, devices(24_000 * GIB, cpu=90_000 * GIB), max_memory=gib)
    assert "needs 13200.0 GiB" in str(caught.value)
    assert f"{sum(max_memory.values())}.0 GiB free" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"max_memory": {7: "1GiB"}}, "max_memory names 7; this machine has cuda:0, cpu, disk"),
        ({"max_memory": {"tpu": "1GiB"}}, "max_memory names 'tpu'"),
        ({"max_memory": {0: "many"}}, "max_memory of device 0 is 'many'; expected bytes"),
        ({"max_memory": {0: "-1GiB"}}, "is '-1GiB'"),
        ({"max_memory": {0: True}}, "is True"),
        ({"max_memory": {"disk": "1GiB"}}, "No device is left to compute on"),
        ({"device_map": "sequential"}, "'sequential'; expected one of auto, balanced, chatglm"),
        ({"device_map": "chatglm", "max_memory": {"cpu": "1GiB"}}, "needs a GPU"),
    ],
)
def test_wrong_option_is_a_sentence(options, sentence):
    with pytest.raises(ConfigError) as caught:
        plan_layers(layout(), devices(24_000, cpu=90_000), **options)
    assert sentence in str(caught.value)


CHATGLM_COUNTS = [
    [28],
    [13, 15],
    [8, 10, 10],
    [6, 8, 8, 6],
    [4, 6, 6, 6, 6],
    [3, 5, 5, 5, 5, 5],
    [3, 5, 5, 5, 5, 5, 0],
    [2, 4, 4, 4, 4, 4, 4, 2],
]


@pytest.mark.parametrize("expected", CHATGLM_COUNTS)
def test_fixed_rule_of_chatglm_is_reproduced(expected):
    model, available = layout(), devices(*[24_000] * len(expected), cpu=90_000)
    plan = plan_layers(model, available, device_map="chatglm", extra=EXTRA)
    check(model, plan, available)
    assert counts(plan) == expected
    assert plan.device_map["lm_head"] == 0


@pytest.mark.parametrize(("num_layers", "num_gpus"), [(40, 4), (2, 8), (40, 3), (1, 2)])
def test_fixed_rule_places_any_number_of_layers(num_layers, num_gpus):
    model, available = layout(num_layers), devices(*[24_000] * num_gpus)
    plan = plan_layers(model, available, device_map="chatglm", extra=EXTRA)
    check(model, plan, available)
    assert sum(counts(plan)) == num_layers


def test_fixed_rule_is_refused_where_a_gpu_would_be_overfull():
    with pytest.raises(NotEnoughMemoryError, match='By device_map "chatglm" cuda:1 gets'):
        plan_layers(layout(), devices(24_000, 15 * LAYER - 1), device_map="chatglm")
