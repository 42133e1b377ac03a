"""The process that converts: `python -m glmcore.models.openvino.convert MODEL FOLDER`.

In a process of its own, since the memory that it takes is given back at its end, and native code that breaks
on a damaged file breaks nothing else. It writes the part that is done to its standard output, a line each;
the last line of its standard error says what went wrong.
"""

import errno
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from glmcore.models.files.checkpoint import OPENVINO_GRAPH
from glmcore.models.files.gguf_file import read_header
from glmcore.models.openvino.about import write_about
from glmcore.models.openvino.gguf_layout import gguf_of
from glmcore.models.openvino.graph import check_and_name
from glmcore.models.openvino.native_faults import fault_line
from glmcore.models.openvino.readable_gguf import write_readable

DISK_IS_FULL = errno.ENOSPC  # the exit code that says so
LEAST_FREE_BYTES = 2**20
Done = Callable[[float], None]


def convert(model: Path, folder: Path, done: Done) -> None:
    """Fill a folder with what the openvino engine needs of a model.

    Raises:
        ModelLoadError: it does not come out right.
    """
    if (gguf := gguf_of(model)) is not None:
        with TemporaryDirectory(prefix=".work.", dir=folder.parent) as work:
            _convert_weights(gguf, Path(work), folder, done)
    write_about(model, folder)


def _convert_weights(gguf: Path, work: Path, folder: Path, done: Done) -> None:
    import openvino as ov
    import openvino_genai
    from gguf import GGUFReader

    reader = GGUFReader(gguf)
    readable = write_readable(reader, work / "model.gguf", lambda part: done(0.3 * part))
    # The only way to the reader is a whole pipeline; it writes its graph beside the file.
    openvino_genai.LLMPipeline(readable, "CPU", enable_save_ov_model=True)
    readable.unlink()
    graph = ov.Core().read_model(work / OPENVINO_GRAPH)
    check_and_name(graph, reader, read_header(gguf).metadata, lambda part: done(0.5 + 0.3 * part))
    ov.save_model(graph, folder / OPENVINO_GRAPH, compress_to_fp16=False)
    done(0.9)


def main() -> int:
    # What OpenVINO prints would stand among the lines.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    model, folder = map(Path, sys.argv[1:])
    try:
        convert(model, folder, lambda part: print(f"{part:.3f}", file=out, flush=True))
    except (Exception, MemoryError) as fault:  # native code and transformers raise nearly anything
        is_full = isinstance(fault, OSError) and fault.errno in (errno.ENOSPC, errno.EDQUOT)
        if is_full or shutil.disk_usage(folder).free < LEAST_FREE_BYTES:
            return DISK_IS_FULL
        print(fault_line(fault), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
