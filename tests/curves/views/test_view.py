import math

import pytest

from glmcore.core.errors import ConfigError
from glmcore.curves.views.view import View


@pytest.mark.parametrize("x_range", [(2.0, 1.0), (0.0, math.inf), (math.nan, 1.0)])
def test_a_range_of_x_that_is_none_is_refused(x_range):
    with pytest.raises(ConfigError):
        View(x_range=x_range)


def test_views_can_be_compared_and_kept_as_keys():
    assert View() == View() and len({View(), View(), View(x_range=(1.0, 2.0))}) == 2
