"""The reference checkpoints, once per session: complete folders, loaded models, what the original answers.

Nothing that these functions give may be changed; `copy_of` gives a folder to damage.
"""

import json
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from glmcore.models import LoadedModel, Message, load_model

DATA = Path(__file__).parents[1] / "data" / "reference"
FAMILIES = ("chatglm-6b", "chatglm2-6b", "chatglm3-6b")
PREFIXES = ("prefix", "prefix_projection")
# The name of a form -> its folder's ending and the bits to load it with.
STORED = {"full": ("", None), "int8": ("-int8", None), "int4": ("-int4", None)}
ON_LOAD = {"int8 on load": ("", 8), "int4 on load": ("", 4)}
FORMS = (*STORED, *ON_LOAD, *PREFIXES)
VOCABULARIES = {
    "chatglm-6b": "ice_text.model",
    "chatglm2-6b": "tokenizer.model",
    "chatglm3-6b": "tokenizer.model",
}

_FOLDERS = TemporaryDirectory(prefix="glmcore-reference-")


@cache
def folder_of(family: str, form: str = "full") -> Path:
    """A complete folder; the stored quantized ones get their vocabulary from the full one."""
    ending, _ = (STORED | ON_LOAD)[form]
    if not ending:
        return DATA / family
    return copy_of(family, form, Path(_FOLDERS.name) / f"{family}{ending}")


def copy_of(family: str, form: str, target: Path) -> Path:
    """A complete folder of one's own."""
    ending, _ = STORED[form]
    leave_out = shutil.ignore_patterns("ptuning", "expected.*")
    shutil.copytree(DATA / f"{family}{ending}", target, ignore=leave_out)
    shutil.copyfile(DATA / family / VOCABULARIES[family], target / VOCABULARIES[family])
    return target


def prefix_folder(family: str, form: str) -> Path:
    return DATA / family / "ptuning" / form / "checkpoint-3000"


@cache
def loaded_model(family: str, form: str = "full") -> LoadedModel:
    if form in PREFIXES:
        return loaded_model(family).with_adapter(prefix_folder(family, form))
    _, bits = (STORED | ON_LOAD)[form]
    return load_model(folder_of(family, form), dtype="float32", device="cpu", quantization_bits=bits)


@cache
def expected(family: str) -> dict:
    return json.loads((DATA / family / "expected.json").read_text(encoding="utf-8"))


@cache
def tensors(family: str) -> dict:
    from safetensors.torch import load_file

    return load_file(DATA / family / "expected.safetensors")


def expected_logits(family: str, form: str) -> list:
    """Of rows 0 and 1, each the last positions of its true length."""
    name = "" if form == "full" else form.removesuffix(" on load") + "_"
    return [tensors(family)[f"{name}logits.{row}"] for row in (0, 1)]


def expected_ids(family: str, form: str) -> list[list[int]]:
    """The greedy answers to the first prompts."""
    if form == "full":
        return [entry["new_ids"] for entry in expected(family)["greedy"]]
    return expected(family)[f"{form}_greedy"]


def prompts_of(family: str) -> list[list[int]]:
    return [entry["input_ids"] for entry in expected(family)["chat_prompt"]]


def conversation(entry: dict) -> list[Message]:
    """The messages of an entry of expected.json."""
    system = [Message("system", entry["system"])] if "system" in entry else []
    turns = [(Message("user", q), Message("assistant", a)) for q, a in entry.get("history", ())]
    return [*system, *(message for turn in turns for message in turn), Message("user", entry["query"])]


def relative_error(found, expected) -> float:
    return float((found - expected).norm() / expected.norm())


def change_json(path: Path, **values) -> None:
    """Set values of a JSON file; None removes one."""
    config = {**json.loads(path.read_text(encoding="utf-8")), **values}
    path.write_text(json.dumps({name: value for name, value in config.items() if value is not None}))


def one_thread():
    """A fixture: these models are so small that a second thread only costs time."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
