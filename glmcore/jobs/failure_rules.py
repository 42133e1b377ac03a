"""The named rules by which the end of a job is told: on what evidence, what it usually means, what to do.

The first that holds counts, so a cause stands before what follows from it: a process that ran out of memory
leaves the others of its run waiting until they time out.
"""

import re
from dataclasses import dataclass

from glmcore.core.i18n import mark
from glmcore.jobs.job import JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRule:
    """A usual end.

    Attributes:
        meaning: what it usually means and what to do; "" where the sentence says that.
        pattern: found in the error that the run told, or in the last lines of its log.
        signals: that ended the process.
        states: of the job.
    """

    name: str
    meaning: str
    pattern: re.Pattern[str] | None = None
    signals: tuple[int, ...] = ()
    states: tuple[JobState, ...] = ()


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


SAID = FailureRule(name="said", meaning="")
OTHER = FailureRule(
    name="other",
    meaning=mark(
        "This is none of the usual ends. The whole log tells more; Resume goes on from the last whole "
        "checkpoint, if there is one."
    ),
)
KILLED = FailureRule(
    name="killed",
    meaning=mark(
        "Somebody killed it, or the system did because memory ran out. If nobody did, lower "
        "per_device_train_batch_size or max_input_length, or end other programs. Resume goes on from the "
        "last whole checkpoint."
    ),
    pattern=_any_of(
        r"exitcode\s{0,9}: -9\b",
        r"Signal 9 \(SIGKILL\)",
        r"killed by signal: Killed",
        r"oom-kill",
        r"died with <Signals\.SIGKILL",
    ),
    signals=(9,),
)
CRASHED = FailureRule(
    name="crashed",
    meaning=mark(
        "A library written in another language crashed: often one that does not fit this machine or its "
        "driver, or damaged memory. Resume once; if it happens again, run `python -m glmcore doctor` and "
        "install the requirements anew."
    ),
    pattern=_any_of(
        r"exitcode\s{0,9}: -(?:11|7|4)\b",
        r"Segmentation fault",
        r"Fatal Python error",
        r"Illegal instruction",
        r"Bus error",
    ),
    signals=(11, 7, 4, 8),
)

SIGNAL_RULES: tuple[FailureRule, ...] = (
    KILLED,
    CRASHED,
    FailureRule(
        name="ended",
        meaning=mark(
            "It was asked to end from outside, as when the machine is shut down or a service is stopped. "
            "Resume goes on from the last whole checkpoint."
        ),
        signals=(15, 2, 1),
    ),
    FailureRule(
        name="lost",
        meaning=mark(
            "The machine was restarted, or the process was killed together with what watched it. Resume "
            "goes on from the last whole checkpoint."
        ),
        states=(JobState.LOST,),
    ),
)

TEXT_RULES: tuple[FailureRule, ...] = (
    FailureRule(
        name="gpu_memory",
        meaning=mark(
            "The memory of the GPU ran out. Lower per_device_train_batch_size (and raise "
            "gradient_accumulation_steps by as much), lower max_input_length, set gradient_checkpointing or "
            "quantization_bits, or unload a chat model that is on the same GPU."
        ),
        pattern=_any_of(
            r"(?:CUDA|HIP|MPS backend|CUDA error:) out of memory",
            r"torch\.(?:cuda\.)?OutOfMemoryError",
            r"CUBLAS_STATUS_ALLOC_FAILED",
        ),
    ),
    FailureRule(
        name="memory",
        meaning=mark(
            "Memory ran out. Lower per_device_train_batch_size or max_input_length, tune a smaller model, "
            "or end other programs and jobs on the machine."
        ),
        pattern=_any_of(
            r"\bMemoryError\b",
            r"DefaultCPUAllocator: (?:not enough|can't allocate) memory",
            r"Cannot allocate memory",
            r"std::bad_alloc",
            r"Unable to allocate .{1,80} for an array",
            r"Memory ran out",
            r"GiB are free; ",
        ),
    ),
    FailureRule(
        name="disk_full",
        meaning=mark(
            "The disk is full. Delete old checkpoints or jobs, lower keep_checkpoints, or move the home "
            "folder to a larger disk; then Resume goes on from the last whole checkpoint."
        ),
        pattern=_any_of(
            r"No space left on device",
            r"Disk quota exceeded",
            r"The disk of .{1,300} is full",
            r"the disk of .{1,300} GiB free",
            r"database or disk is full",
        ),
    ),
    FailureRule(
        name="loss_not_a_number",
        meaning=mark(
            "The training has diverged. Duplicate the job with a lower learning_rate (a tenth is a good "
            "try) or with warmup_steps, and with precision bf16 or fp32; look in the preview for odd rows."
        ),
        pattern=_any_of(r"the loss is -?(?:nan|inf)", r"the gradient is no number"),
    ),
    FailureRule(
        name="nothing_learnt",
        meaning=mark(
            "Usually no token of the rows is learnt: the answers are empty or cut off. See in the preview "
            "which tokens count, and set the columns or max_output_length."
        ),
        pattern=_any_of(r"the loss has been exactly 0", r"nothing in it can be learnt"),
    ),
    FailureRule(
        name="hub",
        meaning=mark(
            "The model is not here and could not be fetched. Check its name and the network, log in to the "
            "hub where it asks for that, or copy the model's folder into a model folder."
        ),
        pattern=_any_of(
            r"cannot be fetched from the model hub",
            r"The (?:model hub has no|hub) model",
            r"(?:LocalEntryNotFound|HfHubHTTP|RepositoryNotFound|GatedRepo|OfflineModeIsEnabled)",
            r"Temporary failure in name resolution",
            r"Max retries exceeded with url|couldn't connect to 'https",
        ),
    ),
    FailureRule(
        name="model",
        meaning=mark(
            "The base model is missing, damaged, or not what its files say. Choose it anew from the list, "
            "or copy its folder again; `python -m glmcore models list` shows what is there."
        ),
        pattern=_any_of(
            r"there is no such model folder",
            r"is not a model folder",
            r"has no (?:weights|tokenizer);",
            r"truncated or damaged",
            r"is not a readable (?:safetensors|GGUF|weight) file",
            r"SafetensorError",
        ),
    ),
    FailureRule(
        name="data",
        meaning=mark(
            "The data file is not as it was when the job was queued, or a row of it cannot be read. Mend "
            "the file as the sentence says; then Resume, or duplicate the job if rows were changed."
        ),
        pattern=_any_of(
            r"broken JSON",
            r"has no rows; there is nothing",
            r"There is no file ",
            r"_file: there is no ",
            r"none is known as ",
            r"is no Parquet file",
            r"has no known ending",
            r"has changed since the run in ",
            r"found a null byte",
            r"the row that begins here is broken",
            r"UnicodeDecodeError",
            r"ArrowInvalid",
        ),
    ),
    FailureRule(
        name="no_device",
        meaning=mark(
            "The GPU that the job is for is not there, or its driver does not go with this PyTorch. Set "
            "device to auto or cpu, or to a GPU that `python -m glmcore doctor` lists; a GPU in exclusive "
            "use must be freed first."
        ),
        pattern=_any_of(
            r"[Nn]o CUDA-capable device",
            r"No CUDA GPUs are available",
            r"not compiled with CUDA",
            r"Found no NVIDIA driver",
            r"NVIDIA driver on your system is too old",
            r"CUDA driver version is insufficient",
            r"invalid device ordinal",
            r"devices? (?:is|are|is/are) busy or unavailable",
            r"no kernel image is available for execution",
        ),
    ),
    FailureRule(
        name="gpu_fault",
        meaning=mark(
            "The GPU broke off: a fault of the card or its driver, or numbers out of range that reached it. "
            "Resume once; if it happens at the same step again, run a few steps with device: cpu to get a "
            "clear message."
        ),
        pattern=_any_of(
            r"CUDA error: (?:an illegal memory access|unspecified launch failure|misaligned address)",
            r"uncorrectable (?:NVLink|ECC) error",
            r"device-side assert triggered",
            r"GPU (?:is lost|has fallen off the bus)",
        ),
    ),
    FailureRule(
        name="port",
        meaning=mark(
            "Another program had the port over which the processes of the run find each other. Resume: a "
            "free one is looked for each time."
        ),
        pattern=_any_of(r"EADDRINUSE", r"[Aa]ddress already in use"),
    ),
    FailureRule(
        name="processes",
        meaning=mark(
            "The processes of the run lost each other: one of them ended or hung, and the others waited in "
            "vain. The log of the first that stopped tells why; Resume goes on from the last whole "
            "checkpoint."
        ),
        pattern=_any_of(
            r"collective operation timeout",
            r"nccl(?:System|UnhandledCuda|Remote|Internal)Error",
            r"NCCL (?:error|WARN|timeout)",
            r"Dist(?:Store|Network|Backend)Error",
            r"Connection closed by peer",
            r"RendezvousTimeoutError",
        ),
    ),
    FailureRule(
        name="environment",
        meaning=mark(
            "The installation is not whole, or of other versions than it should be. Install the "
            "requirements into the environment of the dashboard and run `python -m glmcore doctor`; then "
            "Resume."
        ),
        pattern=_any_of(
            r"(?:ModuleNotFound|Import)Error",
            r"cannot open shared object file",
            r"undefined symbol",
            r"version `GLIBC",
            r"could not be started in ",
        ),
    ),
    FailureRule(
        name="in_use",
        meaning=mark(
            "An earlier process of this job still lives and holds its folder. Wait for its end or stop it, "
            "then Resume."
        ),
        pattern=_any_of(r"is in use by another run"),
    ),
    FailureRule(
        name="permission",
        meaning=mark(
            "The user that runs the dashboard may not write or read there, or the disk is read-only. Give "
            "it the right, then Resume."
        ),
        pattern=_any_of(
            r"PermissionError", r"Permission denied", r"Read-only file system", r"cannot be written"
        ),
    ),
    KILLED,
    CRASHED,
)
