"""One device or several."""

from glmcore.models.devices import Device
from glmcore.models.placement import choose_placement

CPU = Device("cpu", "", 100, 100)
GPUS = [Device("cuda:0", "", 10, 10), Device("cuda:1", "", 8, 10)]
ALL = [*GPUS, CPU]


def test_model_that_fits_stays_on_one_device():
    placement = choose_placement(GPUS[0], ALL, 9, None, None)
    assert (placement.device_map, placement.place, placement.free_bytes) == ({"": "cuda:0"}, "cuda:0", 10)


def test_model_too_big_for_one_gpu_is_spread_over_all():
    placement = choose_placement(GPUS[0], ALL, 12, None, None)
    assert (placement.device_map, placement.place, placement.free_bytes) == ("auto", "cuda:0, cuda:1", 18)


def test_single_gpu_is_never_spread_unasked():
    assert choose_placement(GPUS[0], [GPUS[0], CPU], 50, None, None).free_bytes == 10


def test_memory_limits_mean_spreading_and_may_come_as_texts():
    placement = choose_placement(GPUS[0], ALL, 1, None, {"0": "5GiB", "cpu": "60GiB"})
    assert placement.device_map == "auto"
    assert placement.max_memory == {0: "5GiB", "cpu": "60GiB"}
    assert placement.free_bytes == 118


def test_written_device_map_is_passed_on():
    assert choose_placement(CPU, ALL, 1, {"model": "cpu", "lm_head": 0}, None).device_map == {
        "model": "cpu",
        "lm_head": 0,
    }
