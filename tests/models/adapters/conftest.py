"""Small models to attach adapters to; they must come out of every file of tests as they went in."""

import pytest

from glmcore.core.settings import Settings
from tests.models.adapters.making import BASES, assert_same_numbers, numbers
from tests.models.original_folders import make_original


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)  # two would wait for each other longer than they compute
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """Loaded models by name; they must come out of every test as they went in."""
    from glmcore.models import load_model

    root = tmp_path_factory.mktemp("bases")
    made = {}
    for name in BASES:
        family, _, bits = name.partition("-int")
        folder = make_original(root / name, family, bits=int(bits) if bits else None)
        made[name] = load_model(folder, dtype="float32", device="cpu")
    before = {name: numbers(loaded.model) for name, loaded in made.items()}
    yield made
    for name, loaded in made.items():
        assert_same_numbers(loaded.model, before[name])


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", allow_hub=False)


@pytest.fixture
def attach(settings):
    return lambda loaded, folder: loaded.with_adapter(folder, settings)
