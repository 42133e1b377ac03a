import itertools

import numpy as np

from glmcore.curves.views.colours import PALETTE, SAFE, assign_colours, greyed, rgba

# How a screen looks without red and without green cones (Machado et al. 2009), on linear RGB.
BLINDNESS = [
    [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
]


def linear(colour):
    values = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def oklab(rgb):
    cones = [[0.41222, 0.53633, 0.05145], [0.21190, 0.68070, 0.10740], [0.08830, 0.28172, 0.62998]]
    axes = [[0.21045, 0.79362, -0.00407], [1.97800, -2.42859, 0.45059], [0.02590, 0.78277, -0.80868]]
    return np.array(axes) @ np.cbrt(np.array(cones) @ np.clip(rgb, 0, 1))


def least_distance(points):
    return min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(points, 2))


def contrast(a, b):
    light = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) + 0.05 for colour in (a, b))
    return light[1] / light[0]


def test_twenty_colours_are_readable_on_white_and_on_dark_and_far_apart():
    assert len(set(PALETTE)) == 20
    assert min(contrast(colour, page) for colour in PALETTE for page in ("#ffffff", "#0e1117")) >= 3.0
    assert least_distance([oklab(linear(colour)) for colour in PALETTE]) > 0.11


def test_the_first_eight_differ_for_colour_blind_eyes():
    for matrix in BLINDNESS:
        assert least_distance([oklab(np.array(matrix) @ linear(colour)) for colour in SAFE]) > 0.1


def test_a_later_run_never_changes_an_earlier_ones_colour():
    ids = [f"run-{number}" for number in range(50)]
    colours = assign_colours(ids)
    for count in range(51):
        assert assign_colours(ids[:count]) == {name: colours[name] for name in ids[:count]}


def test_eight_runs_get_the_safe_colours_and_twenty_all():
    ids = [f"run-{number}" for number in range(28)]
    colours = list(assign_colours(ids).values())
    assert (
        set(colours[:8]) == set(SAFE) and set(colours[:20]) == set(PALETTE) and set(colours[20:]) == set(SAFE)
    )


def test_an_id_alone_has_the_colour_it_would_like_whoever_comes_later():
    assert (
        assign_colours(["x"])["x"] == assign_colours(["x", "y", "z"])["x"] == assign_colours(["x", "x"])["x"]
    )


def test_colours_can_be_thinned_and_greyed():
    assert rgba("#ff8000", 0.25) == "rgba(255,128,0,0.25)" and greyed("#ff8000") == "#c38444"
