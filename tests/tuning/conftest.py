"""What tests of runs share."""

import pytest

from tests.models import reference

one_thread = pytest.fixture(reference.one_thread, scope="module")
