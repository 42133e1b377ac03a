import pytest

from glmcore.core.errors import DataError, NotFoundError
from glmcore.core.messages import GenerationParams
from glmcore.history import HistoryStore, Preset

OWNER = "ann"


def test_presets_are_listed_by_name(store: HistoryStore) -> None:
    exact = store.presets.save(OWNER, " exact\n work ", GenerationParams(temperature=0), "Be exact.")
    store.presets.save(OWNER, "creative", GenerationParams(temperature=1.5, stop=("x",)), "")
    assert exact == Preset(
        name="exact work", params=GenerationParams(temperature=0), system_prompt="Be exact."
    )
    assert [preset.name for preset in store.presets.list(OWNER)] == ["creative", "exact work"]
    assert store.presets.list(OWNER)[1] == exact


def test_saving_under_the_same_name_replaces(store: HistoryStore) -> None:
    store.presets.save(OWNER, "mine", GenerationParams(), "old")
    new = store.presets.save(OWNER, "mine", GenerationParams(top_k=3), "new")
    assert store.presets.list(OWNER) == [new]


def test_presets_of_two_owners_are_apart(store: HistoryStore) -> None:
    mine = store.presets.save(OWNER, "same", GenerationParams(), "mine")
    store.presets.save("bob", "same", GenerationParams(), "his")
    store.presets.delete("bob", "same")
    assert store.presets.list(OWNER) == [mine]
    assert store.presets.list("bob") == []
    with pytest.raises(NotFoundError, match="no preset 'same'"):
        store.presets.delete("bob", "same")


@pytest.mark.parametrize("name", ["", " \n ", "x" * 101])
def test_unusable_name_is_refused(store: HistoryStore, name: str) -> None:
    with pytest.raises(DataError, match="preset"):
        store.presets.save(OWNER, name, GenerationParams(), "")
    assert store.presets.list(OWNER) == []
