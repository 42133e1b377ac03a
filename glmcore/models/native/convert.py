"""Writes a folder in the form of 2023 as an ordinary safetensors folder, tensor by tensor.

ChatGLM2, ChatGLM3 and GLM-4-9B become GlmForCausalLM, which any program can load; ChatGLM-6B stays what it
is, under this program's model type. Quantized weights become full ones. A prefix among the weights becomes an
adapter of its own.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from glmcore.core.errors import ConfigError, ModelLoadError
from glmcore.core.i18n import mark
from glmcore.models.adapters.manifest import AdapterManifest, write_manifest
from glmcore.models.catalog import Family, find_family
from glmcore.models.files.checkpoint import Checkpoint, read_checkpoint, read_json, write_json
from glmcore.models.files.number_formats import LOADED_FORMATS
from glmcore.models.files.tensor_files import PREFIX, iter_tensors, list_tensors
from glmcore.models.files.whole_folder import check_free_name, whole_folder
from glmcore.models.native.architectures import convert_tensor
from glmcore.models.native.chatglm_config import ChatGLMConfig
from glmcore.models.native.loader import SCALE, Source, check_tensors, empty_model
from glmcore.models.native.original import generation_config_of, open_source
from glmcore.models.native.quantized import dequantize
from glmcore.models.native.shards import ShardWriter
from glmcore.models.places.devices import GIB
from glmcore.models.progress import Progress, ignore_progress
from glmcore.models.prompt_forms import template_hash
from glmcore.models.tokenizers.fast import fast_tokenizer_of
from glmcore.models.tokenizers.originals import original_tokenizer
from glmcore.models.traits import eos_token_ids

CONVERTING = mark("Converting the weights")
SHARD_BYTES = 2 * GIB
OTHER_FILES_BYTES = 32_000_000  # tokenizer and configs
PREFIX_FOLDER = "ptuning"
ROWS_AT_ONCE = 1024  # of a quantized weight, made full


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was written; `prefix` is the folder of a prefix that lay among the weights."""

    folder: Path
    family: Family
    dtype: str
    num_files: int
    bytes: int
    prefix: Path | None


def convert_folder(
    source_folder: Path,
    target: Path,
    *,
    dtype: str = "auto",
    shard_bytes: int = SHARD_BYTES,
    progress: Progress = ignore_progress,
) -> Conversion:
    """Convert a model, reading and writing one tensor after the other.

    Args:
        dtype: "auto" keeps numbers as they are stored, and gives quantized weights their scales' format.
        shard_bytes: largest size of a file.

    Raises:
        ConfigError: source, target or dtype is of no use here.
        ModelLoadError: the model is broken.
        StorageError: the disk is too small, or cannot be written.
    """
    if dtype not in ("auto", *LOADED_FORMATS):
        raise ConfigError(
            "dtype is {dtype!r}; expected auto or one of {known}.",
            dtype=dtype,
            known=", ".join(LOADED_FORMATS),
        )
    source_folder, target = source_folder.expanduser().resolve(), target.expanduser().resolve()
    if source_folder == target:
        raise ConfigError("{path} is the folder to convert itself; name another to write to.", path=target)
    check_free_name(target)
    work = _open(source_folder, None if dtype == "auto" else getattr(torch, dtype))
    size = sum(tensor.nbytes for tensor in (*work.weights.values(), *work.prefix.values()))
    with whole_folder(target, size + OTHER_FILES_BYTES) as folder:
        tokenizer = work.write_description(folder)
        writer = ShardWriter(folder, work.weights, shard_bytes)
        prefix_writer = None
        if work.prefix:
            prefix_folder = folder / PREFIX_FOLDER
            work.write_prefix_description(prefix_folder, target.name, tokenizer)
            prefix_writer = ShardWriter(prefix_folder, work.prefix)
        work.write_tensors(writer, prefix_writer, progress)
    return Conversion(
        folder=target,
        family=work.family,
        dtype=work.dtype,
        num_files=len(writer.files),
        bytes=size,
        prefix=target / PREFIX_FOLDER if work.prefix else None,
    )


def write_description(source_folder: Path, target: Path) -> None:
    """Write all of a converted model but its weights: config, generation config, tokenizer.

    Raises:
        ModelLoadError: the source is broken.
    """
    _open(source_folder, None).write_description(target)


def _open(folder: Path, dtype: torch.dtype | None) -> "_Work":
    """Read and check everything but the numbers."""
    checkpoint = read_checkpoint(folder)
    family = find_family(checkpoint.config, folder)
    if not family.is_original or checkpoint.config["model_type"] == ChatGLMConfig.model_type:
        raise ConfigError(
            "{path} is a model of the type {model_type}, which needs no conversion; load it as it is.",
            path=folder,
            model_type=checkpoint.config["model_type"],
        )
    source = open_source(checkpoint, list_tensors(folder), family)
    check_tensors(source, empty_model(source, torch.float32, source.stored_bits))
    planned = dict(_convert(source, source.empty_tensors(), dtype))
    weights = {name: tensor for name, tensor in planned.items() if not name.startswith(PREFIX)}
    prefix = {name: tensor for name, tensor in planned.items() if name.startswith(PREFIX)}
    return _Work(checkpoint, family, source, dtype, weights, prefix)


@dataclass(frozen=True, slots=True)
class _Work:
    """One conversion; `weights` and `prefix` are what will be written, without numbers."""

    checkpoint: Checkpoint
    family: Family
    source: Source
    asked: torch.dtype | None  # None: as stored
    weights: Mapping[str, Tensor]
    prefix: Mapping[str, Tensor]

    @property
    def dtype(self) -> str:
        """The number format of most weights."""
        counts: Counter[str] = Counter()
        for tensor in self.weights.values():
            counts[str(tensor.dtype).removeprefix("torch.")] += tensor.numel()
        return counts.most_common(1)[0][0]

    def write_description(self, folder: Path) -> Any:
        """Write all but the weights. Gives the tokenizer."""
        config = self.source.config
        tokenizer = self._write_tokenizer(folder)
        generation = generation_config_of(self.source)
        ends = list(eos_token_ids(generation, tokenizer, self.family.stop_tokens))
        generation.eos_token_id = ends if len(ends) > 1 else ends[0]
        _recommend_sampling(generation, self.family)
        generation.save_pretrained(folder)
        model = empty_model(self.source, getattr(torch, self.dtype), None)
        config.architectures = [type(model).__name__]
        config.save_pretrained(folder)
        if config.model_type == "glm":
            rope = config.rope_parameters
            _change_json(  # the names that programs of before transformers 5 read
                folder / "config.json",
                eos_token_id=generation.eos_token_id,
                torch_dtype=self.dtype,
                rope_theta=rope["rope_theta"],
                partial_rotary_factor=rope["partial_rotary_factor"],
            )
        return tokenizer

    def write_prefix_description(self, folder: Path, base_model: str, tokenizer: Any) -> None:
        """Make the folder of a P-tuning checkpoint, but for its weights."""
        folder.mkdir()
        sizes = {
            "pre_seq_len": self.prefix[f"{PREFIX}embedding.weight"].shape[0],
            "prefix_projection": f"{PREFIX}trans.0.weight" in self.prefix,
        }
        config = {name: value for name, value in self.checkpoint.config.items() if name != "auto_map"}
        write_json(folder / "config.json", config | sizes)
        family = find_family(self.source.config.to_dict())  # of the converted model
        manifest = AdapterManifest(
            base_model=base_model,
            family=family.name,
            template_hash=template_hash(family.prompt_form, tokenizer),
            method="ptuning_v2",
            sizes=sizes,
        )
        write_manifest(folder, manifest)

    def write_tensors(
        self, writer: ShardWriter, prefix_writer: ShardWriter | None, progress: Progress
    ) -> None:
        progress(CONVERTING, 0.0)
        total = sum(tensor.numel() for tensor in (*self.weights.values(), *self.prefix.values()))
        done = 0
        for name, tensor in _convert(self.source, iter_tensors(self.source.folder), self.asked):
            place = prefix_writer if prefix_writer and name in self.prefix else writer
            place.write(name, tensor)
            done += tensor.numel()
            progress(CONVERTING, done / total)
        for place in filter(None, (writer, prefix_writer)):
            place.finish()

    def _write_tokenizer(self, folder: Path) -> Any:
        source, vocabulary = self.source.folder, self.family.vocabulary
        tokenizer = original_tokenizer(source, self.family, self.source.config)  # checks the file
        if tokenizer.vocab_size > self.source.config.vocab_size:
            raise ModelLoadError(
                "{path}: the tokenizer has {found} tokens, the model {expected}; they are of different "
                "models.",
                path=source,
                found=tokenizer.vocab_size,
                expected=self.source.config.vocab_size,
            )
        if vocabulary == "chatglm2" or vocabulary == "chatglm3":
            tokenizer = fast_tokenizer_of(source, vocabulary)
        # The template inside the config, and the class under its old name: so that older programs find them.
        tokenizer.save_pretrained(folder, save_jinja_files=False)
        if tokenizer.is_fast:
            path = folder / "tokenizer_config.json"
            _change_json(path, backend=None, tokenizer_class="PreTrainedTokenizerFast")
        return tokenizer


def _convert(
    source: Source, stored: Iterable[tuple[str, Tensor]], dtype: torch.dtype | None
) -> Iterator[tuple[str, Tensor]]:
    """The tensors under today's names, with full weights; as stored where no number format is asked for."""
    for stored_name, tensor in _dequantize(source, stored, dtype):
        for name, part in convert_tensor(source.weights, stored_name, tensor, source.config):
            is_kept = dtype is None or name.startswith(PREFIX) or not part.is_floating_point()
            yield name, part if is_kept else part.to(dtype)


def _dequantize(
    source: Source, stored: Iterable[tuple[str, Tensor]], dtype: torch.dtype | None
) -> Iterator[tuple[str, Tensor]]:
    """Full weights. A quantized one and its scale may come in any order; the first waits for the other."""
    waiting: dict[str, Tensor] = {}
    for name, tensor in stored:
        weight_name = name.removesuffix(SCALE) + "weight" if name.endswith(SCALE) else name
        if weight_name.removesuffix("weight") + SCALE not in source.tensors:
            yield name, tensor
        elif weight_name not in waiting:
            waiting[weight_name] = tensor
        else:
            bits = source.stored_bits or 8
            yield weight_name, _full_weight(tensor, waiting.pop(weight_name), bits, dtype)


def _full_weight(one: Tensor, other: Tensor, bits: int, dtype: torch.dtype | None) -> Tensor:
    """From a packed weight and its scale, whichever is which; some rows at a time, to need little memory."""
    scale, packed = sorted((one, other), key=lambda tensor: tensor.ndim)
    rows, columns = packed.shape
    full = torch.empty(rows, columns * 8 // bits, dtype=dtype or scale.dtype, device=packed.device)
    for start in range(0, rows, ROWS_AT_ONCE):
        some = slice(start, start + ROWS_AT_ONCE)
        full[some] = dequantize(packed[some], scale[some], bits, torch.float32)
    return full


def _recommend_sampling(generation: GenerationConfig, family: Family) -> None:
    """What the family's programs sampled with, where the folder itself does not say."""
    if family.sampling is None or generation.do_sample is False:
        return
    generation.do_sample = True
    for name in ("temperature", "top_p", "max_new_tokens"):
        if getattr(generation, name) is None:
            setattr(generation, name, getattr(family.sampling, name))


def _change_json(path: Path, **values: Any) -> None:
    """Set values of a file; None removes one."""
    changed = {name: value for name, value in (read_json(path) | values).items() if value is not None}
    write_json(path, changed)
