"""Models prepared by the real process, and what they answer."""

import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from glmcore.core.errors import ModelLoadError, StorageError
from glmcore.core.messages import Message
from glmcore.core.settings import EMBEDDED_MODEL, Settings
from glmcore.models import find_model, load_model
from glmcore.models.openvino import conversion, prepare
from glmcore.models.progress import ignore_progress
from tests.models.openvino.tiny_gguf import write_tiny_gguf
from tests.sources import ROOT

pytestmark = pytest.mark.slow

WORDS = ["river", "stone", "cloud", "music", "garden", "window", "letter", "winter", "bridge", "market"]
READS = """
import sys
from contextlib import suppress
from pathlib import Path
from glmcore.core.messages import Message
from glmcore.models.openvino import read_model
model = read_model(Path(sys.argv[1]), "tiny")
print(model.text.prompt_ids([Message("user", "ab 你好")]))
print({"torch", "openvino", "openvino_genai"} & set(sys.modules) or "light")
"""


def prepared(path, settings, progress=ignore_progress):
    return prepare(find_model(path, settings), settings, progress)


def test_process_tells_how_far_it_is_and_reading_needs_no_torch(tmp_path, settings):
    path = write_tiny_gguf(tmp_path / "tiny.gguf", "qwen2", "Q4_1")
    parts = []
    model = prepared(path, settings, lambda stage, part: parts.append((stage, part)))
    assert {stage for stage, _ in parts} == {conversion.PREPARING}
    assert parts == sorted(parts)
    assert parts[-1][1] == 1.0
    command = [sys.executable, "-c", READS, str(model.folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    ids = load_model(path, device="cpu").prompt_ids([Message("user", "ab 你好")])
    assert done.stdout.splitlines() == [str(ids), "light"], done.stderr


def test_openvino_folder_of_somebody_else_is_described_once(tmp_path, tiny_model_dir, settings):
    made = prepared(write_tiny_gguf(tmp_path / "tiny.gguf"), settings)
    theirs = tmp_path / "theirs"
    ignored = shutil.ignore_patterns("*.safetensors")
    shutil.copytree(tiny_model_dir, theirs, ignore=ignored)
    for name in ("openvino_model.xml", "openvino_model.bin"):
        shutil.copy(made.folder / name, theirs)
    model = prepared(theirs, settings)
    loaded = load_model(tiny_model_dir, device="cpu")
    assert model.folder == theirs
    assert model.text.template_hash == loaded.template_hash
    assert (model.window, model.eos_token_ids) == (loaded.window, loaded.eos_token_ids)
    with pytest.raises(ModelLoadError, match="is an OpenVINO model, which the openvino engine answers with"):
        load_model(theirs, device="cpu")


def test_what_goes_wrong_in_the_process_is_one_sentence(tmp_path, settings):
    path = write_tiny_gguf(tmp_path / "tiny.gguf", extra_keys=[("feed_forward_length", 7)])
    data = bytearray(path.read_bytes())
    data[-40_000:] = b"\xff" * 40_000  # weights that are no numbers
    path.write_bytes(data)
    with pytest.raises(ModelLoadError, match=r"tiny.gguf could not be prepared .* came out wrong by nan"):
        prepared(path, settings)


def test_process_that_is_killed_is_one_sentence(tmp_path, settings):
    path = write_tiny_gguf(tmp_path / "tiny.gguf")

    def kill(stage, part):
        for child in psutil.Process().children():
            with suppress(psutil.Error):  # it is dead already, and its last lines are read
                if str(path) in child.cmdline():
                    child.kill()

    with pytest.raises(ModelLoadError, match="was killed by signal 9"):
        prepared(path, settings, kill)


def test_full_disk_in_the_process_is_said_as_such(tmp_path, settings, monkeypatch):
    path = write_tiny_gguf(tmp_path / "tiny.gguf")
    monkeypatch.setattr(conversion, "DISK_IS_FULL", 1)
    path.write_bytes(path.read_bytes()[:-5000] + b"\xff" * 5000)
    with pytest.raises(StorageError, match="is full"):
        prepared(path, settings)


@pytest.fixture(scope="module")
def own_home(embedded_home, tmp_path_factory) -> Path:
    """A home where the embedded model's folder is its own, so that nothing is written beside the real one."""
    home = tmp_path_factory.mktemp("own")
    folder = home / "models" / EMBEDDED_MODEL
    folder.mkdir(parents=True)
    for path in (embedded_home / "models" / EMBEDDED_MODEL).iterdir():
        if path.is_file():
            (folder / path.name).symlink_to(path.resolve())
    return home


def test_embedded_model_answers_as_in_transformers(own_home):
    import torch

    settings = Settings(home=own_home)
    model = prepared(EMBEDDED_MODEL, settings)
    loaded = load_model(EMBEDDED_MODEL, settings=settings, device="cpu", dtype="float32")
    agreed = total = 0
    for word in WORDS:
        question = [Message("user", f"Tell me about {word} and why it matters.")]
        ids = loaded.prompt_ids(question)
        assert model.text.prompt_ids(question) == ids
        answer = greedy_answer(model.folder, ids)
        with torch.no_grad():
            logits = loaded.model(input_ids=torch.tensor([ids + answer])).logits[0]
        agreed += (logits[len(ids) - 1 : -1].argmax(-1) == torch.tensor(answer)).sum().item()
        total += len(answer)
    assert agreed / total > 0.9, agreed / total


def greedy_answer(folder, ids):
    import numpy as np
    import openvino as ov
    import openvino_genai as genai

    pipeline = PIPELINES.get(folder)
    if pipeline is None:
        scheduler = genai.SchedulerConfig()
        scheduler.num_kv_blocks = 64
        pipeline = PIPELINES[folder] = genai.ContinuousBatchingPipeline(str(folder), scheduler, "CPU", {})
    config = genai.GenerationConfig()
    config.max_new_tokens, config.ignore_eos, config.apply_chat_template = 60, True, False
    config.set_eos_token_id(2)
    handle = pipeline.add_request(len(ids), ov.Tensor(np.array([ids])), config)
    answer = []
    while pipeline.has_non_finished_requests():
        pipeline.step()
        while handle.can_read():
            for output in handle.read().values():
                answer += output.generated_ids
    return answer


PIPELINES = {}
