"""How much memory `models convert` takes, against the largest file it reads."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.report import Measurement

REFERENCE = Path(__file__).parent.parent / "tests" / "data" / "reference" / "chatglm2-6b"
WIDTH, INNER, DEPTH, VOCABULARY, SHARDS = 2048, 6848, 8, 65024, 5
# Linux's own count, in KiB; ru_maxrss would start with what this process had when it was forked.
PEAK = "print([line.split()[1] for line in open('/proc/self/status') if 'VmHWM' in line][0])"
IMPORTS = "from glmcore.models.native.convert import convert_folder; from pathlib import Path; import sys; "
RUN = IMPORTS + "convert_folder(Path(sys.argv[1]), Path(sys.argv[2])); "


def measure() -> Iterator[Measurement]:
    with TemporaryDirectory() as name:
        source = Path(name) / "chatglm2-6b"
        largest, total = _make_folder(source)
        idle = _peak_kib(IMPORTS + PEAK) * 1024
        peak = _peak_kib(RUN + PEAK, str(source), str(Path(name) / "converted")) * 1024
        grown = peak - idle
        detail = f"{grown / 2**20:.0f} MiB more than idle, {largest / 2**20:.0f} of {total / 2**20:.0f} MiB"
        yield Measurement("conversion's peak / largest file", grown / largest, detail, at_most=1.5)


def _peak_kib(program: str, *arguments: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True
    )
    return int(done.stdout.split()[-1])


def _make_folder(folder: Path) -> tuple[int, int]:
    """A ChatGLM2 of WIDTH and DEPTH in several files; gives the bytes of the largest and of all."""
    folder.mkdir()
    for name in ("tokenizer.model", "tokenizer_config.json"):
        shutil.copy(REFERENCE / name, folder)
    config = json.loads((REFERENCE / "config.json").read_text())
    config |= {"hidden_size": WIDTH, "ffn_hidden_size": INNER, "num_layers": DEPTH, "kv_channels": 128}
    config |= {"num_attention_heads": WIDTH // 128, "padded_vocab_size": VOCABULARY}
    (folder / "config.json").write_text(json.dumps(config))
    parts: list[dict[str, torch.Tensor]] = [{} for _ in range(SHARDS)]
    for number, (tensor_name, shape) in enumerate(shapes := list(_shapes())):
        parts[number * SHARDS // len(shapes)][tensor_name] = torch.zeros(shape, dtype=torch.float16)
    files = [folder / f"pytorch_model-{n + 1:05}-of-{SHARDS:05}.bin" for n in range(SHARDS)]
    index = {name: file.name for part, file in zip(parts, files, strict=True) for name in part}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))
    for file in files:
        torch.save(parts.pop(0), file)
    sizes = [file.stat().st_size for file in files]
    return max(sizes), sum(sizes)


def _shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "transformer.embedding.word_embeddings.weight", (VOCABULARY, WIDTH)
    for number in range(DEPTH):
        layer = f"transformer.encoder.layers.{number}."
        yield layer + "input_layernorm.weight", (WIDTH,)
        yield layer + "self_attention.query_key_value.weight", (WIDTH + 512, WIDTH)
        yield layer + "self_attention.query_key_value.bias", (WIDTH + 512,)
        yield layer + "self_attention.dense.weight", (WIDTH, WIDTH)
        yield layer + "post_attention_layernorm.weight", (WIDTH,)
        yield layer + "mlp.dense_h_to_4h.weight", (2 * INNER, WIDTH)
        yield layer + "mlp.dense_4h_to_h.weight", (WIDTH, INNER)
    yield "transformer.encoder.final_layernorm.weight", (WIDTH,)
    yield "transformer.output_layer.weight", (VOCABULARY, WIDTH)
