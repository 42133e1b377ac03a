"""One device or several: what is asked for, what fits, what is planned."""

import pytest

from glmcore.core.errors import ConfigError
from glmcore.models.places.devices import Device
from glmcore.models.places.layout import layout_of
from glmcore.models.places.placement import choose_placement

CPU = Device("cpu", "", 100, 100)
GPUS = [Device("cuda:0", "", 10, 10), Device("cuda:1", "", 8, 10)]
ALL = [*GPUS, CPU]
LAYOUT = layout_of(
    {"model.embed_tokens.weight": 2, "lm_head.weight": 2}
    | {f"model.layers.{number}.mlp.weight": 2 for number in range(4)}
)  # 12 bytes


def test_model_that_fits_stays_on_one_device():
    placement = choose_placement(GPUS[0], ALL, 9, None, None, LAYOUT)
    assert (placement.device_map, placement.place, placement.free_bytes) == ({"": "cuda:0"}, "cuda:0", 10)
    assert placement.plan is None


def test_model_on_the_cpu_is_not_spread():
    assert choose_placement(CPU, ALL, 500, None, None, LAYOUT).device_map == {"": "cpu"}


def test_model_too_big_for_one_gpu_is_planned_over_all():
    placement = choose_placement(GPUS[0], ALL, 12, None, None, LAYOUT, extra=["model.rotary_emb"])
    assert placement.device_map["model.embed_tokens"] == placement.device_map["model.rotary_emb"] == 0
    assert {placement.device_map[f"model.layers.{number}"] for number in range(4)} == {0, 1}
    assert placement.place == "cuda:0, cuda:1"
    assert placement.plan is not None and not placement.plan.warnings
    assert placement.free_bytes >= 12


def test_model_too_big_for_a_single_gpu_goes_to_the_memory_of_the_machine_with_a_warning():
    placement = choose_placement(GPUS[0], [GPUS[0], CPU], 12, None, None, LAYOUT)
    assert {placement.device_map[f"model.layers.{number}"] for number in range(4)} == {0, "cpu"}
    assert placement.plan is not None and "go to the machine" in placement.plan.warnings[0].text


def test_room_for_the_cache_is_left_on_every_device():
    limits = [Device("cuda:0", "", 12, 12), Device("cuda:1", "", 12, 12), CPU]
    tight = choose_placement(limits[0], limits, 15, None, None, LAYOUT).plan
    assert tight is not None
    assert [row.free_bytes for row in tight.rows] == [9, 9]


def test_memory_limits_mean_spreading_and_may_come_as_texts():
    placement = choose_placement(GPUS[0], ALL, 1, None, {"0": "10B", "1": 4, "cpu": "60B"}, LAYOUT)
    assert placement.device_map["lm_head"] == 0
    assert set(placement.device_map.values()) == {0, 1}


def test_spreading_of_unknown_parts_is_left_to_accelerate():
    placement = choose_placement(GPUS[0], ALL, 1, None, {"0": "5GiB", "cpu": "60GiB"})
    assert placement.device_map == "auto"
    assert placement.max_memory == {0: "5GiB", "cpu": "60GiB"}
    assert placement.free_bytes == 118


def test_written_device_map_is_passed_on():
    placement = choose_placement(CPU, ALL, 1, {"model": "cpu", "lm_head": 0}, None, LAYOUT)
    assert placement.device_map == {"model": "cpu", "lm_head": 0}
    assert placement.devices == {"cpu", 0}


def test_unknown_device_map_is_refused():
    with pytest.raises(
        ConfigError, match="device_map is 'sequential'; expected one of auto, balanced, chatglm"
    ):
        choose_placement(CPU, ALL, 1, "sequential", None, LAYOUT)
