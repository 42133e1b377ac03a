"""Where a converted model is kept, and when it is made again; what converts is replaced by a fake."""

import errno
import os
import shutil
import threading
from collections import namedtuple

import pytest

from glmcore.core.errors import ModelLoadError, StorageError
from glmcore.models import find_model
from glmcore.models.files.one_maker import WAITING
from glmcore.models.openvino import about, prepare, prepared
from glmcore.models.progress import ignore_progress
from tests.models.openvino.tiny_gguf import write_tiny_gguf


@pytest.fixture
def made(monkeypatch):
    """Stands for the process that converts; the folders it has filled."""
    folders = []

    def convert(model, folder, progress):
        folders.append(folder)
        (folder / about.ABOUT).write_text("{}")

    monkeypatch.setattr(prepared, "run_conversion", convert)
    monkeypatch.setattr(prepared, "read_model", lambda folder, name, weights: (folder, name, weights))
    return folders


@pytest.fixture
def gguf(tmp_path):
    return write_tiny_gguf(tmp_path / "tiny.gguf")


def prepared_folder(path, settings, progress=ignore_progress):
    return prepare(find_model(path, settings), settings, progress)[0]


def folders_in(root):
    return [path for path in root.iterdir() if path.is_dir()]


def test_model_is_converted_once_beside_its_file(gguf, made, settings):
    folder = prepared_folder(gguf, settings)
    assert folder.parent == gguf.parent / ".tiny.gguf.openvino"
    assert prepared_folder(gguf, settings) == folder
    assert len(made) == 1
    assert folders_in(folder.parent) == [folder]


def test_copied_file_is_not_hashed_again(gguf, made, settings, monkeypatch):
    folder = prepared_folder(gguf, settings)
    monkeypatch.setattr(prepared.hashlib, "file_digest", None)
    assert prepared_folder(gguf, settings) == folder


def test_changed_file_and_other_versions_are_converted_again_and_the_old_form_goes(
    gguf, made, settings, monkeypatch
):
    folders = [prepared_folder(gguf, settings)]
    write_tiny_gguf(gguf, quantization="Q8_0")
    folders.append(prepared_folder(gguf, settings))
    monkeypatch.setattr(prepared, "version", lambda name: "9999.1")
    folders.append(prepared_folder(gguf, settings))
    assert len(set(folders)) == 3
    assert folders_in(folders[0].parent) == [folders[-1]]


def test_same_content_with_another_time_is_the_same_model(gguf, made, settings):
    folder = prepared_folder(gguf, settings)
    os.utime(gguf, (1, 1))
    assert prepared_folder(gguf, settings) == folder
    assert len(made) == 1


def test_where_nothing_can_be_written_beside_it_lies_with_the_models(gguf, made, settings, monkeypatch):
    monkeypatch.setattr(prepared.os, "access", lambda path, mode: settings.models_dir in path.parents)
    folder = prepared_folder(gguf, settings)
    assert folder.parent.parent == settings.models_dir
    monkeypatch.setattr(prepared.os, "access", lambda path, mode: False)
    with pytest.raises(StorageError, match=r"can be written, so tiny\.gguf cannot be converted"):
        prepared_folder(gguf, settings)


def test_two_that_need_it_at_once_make_it_once(gguf, made, settings):
    stages, folders = [], []

    def need():
        folders.append(prepared_folder(gguf, settings, lambda stage, part: stages.append(stage)))

    lock = prepared.one_maker(gguf.parent / ".tiny.gguf.openvino" / "lock", ignore_progress)
    (gguf.parent / ".tiny.gguf.openvino").mkdir()
    threads = [threading.Thread(target=need) for _ in range(3)]
    with lock:
        for thread in threads:
            thread.start()
        while stages.count(WAITING) < 3:
            threads[0].join(0.01)
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len(set(folders)) == 1


def test_failed_conversion_leaves_nothing_and_is_tried_again(gguf, made, settings, monkeypatch):
    def fail(model, folder, progress):
        raise ModelLoadError("No.")

    with monkeypatch.context() as other:
        other.setattr(prepared, "run_conversion", fail)
        with pytest.raises(ModelLoadError, match="No"):
            prepared_folder(gguf, settings)
    assert folders_in(gguf.parent / ".tiny.gguf.openvino") == []
    assert prepared_folder(gguf, settings).is_dir()


def test_disk_that_is_or_becomes_full_is_one_sentence(gguf, made, settings, monkeypatch):
    def fail(model, folder, progress):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as other:
        other.setattr(prepared, "run_conversion", fail)
        with pytest.raises(StorageError, match="is full"):
            prepared_folder(gguf, settings)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 5_000_000))
    with pytest.raises(StorageError, match=r"is full: 0\.0 GiB are free, 0\.1 GiB are needed"):
        prepared_folder(gguf, settings)
    assert made == []


def test_what_killed_programs_left_is_removed(gguf, made, settings):
    left = gguf.parent / ".tiny.gguf.openvino" / ".0123.unfinished"
    left.mkdir(parents=True)
    folder = prepared_folder(gguf, settings)
    assert folders_in(folder.parent) == [folder]


def test_what_the_engine_cannot_have_is_refused_at_once(tiny_model_dir, made, settings):
    with pytest.raises(ModelLoadError, match="file nor an OpenVINO folder"):
        prepared_folder(tiny_model_dir, settings)
    assert made == []


def test_weights_of_an_openvino_folder_are_used_in_place(tmp_path, made, settings):
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name in ("config.json", "openvino_model.xml", "openvino_model.bin", "tokenizer.json"):
        (folder / name).write_text("{}")
    found, _, weights = prepare(find_model(folder, settings), settings, ignore_progress)
    assert weights == folder
    assert found.parent == tmp_path / ".theirs.openvino"
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert prepared_folder(folder, settings) != found
