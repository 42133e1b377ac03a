"""Failures in words: each rule on a log as it really ends, and nothing that a hostile log could break."""

import json
import time

import pytest

from glmcore.core.errors import GlmcoreError, JobError, StorageError
from glmcore.jobs.failure_rules import OTHER, SAID, SIGNAL_RULES, TEXT_RULES
from glmcore.jobs.failures import LONGEST_READ, SHOWN_LINES, explain_failure, read_reason
from glmcore.jobs.job import JobState

TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "train.py", line 139, in run',
    "    done = train()",
]
LAUNCHER = """
[rank1]:[W1122 20:00:01.000000000 ProcessGroupGloo.cpp:760] Warning: destroying the group
============================================================
glmcore.tuning.run FAILED
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  rank      : 1 (local_rank: 1)
  exitcode  : {code} (pid: 4711)
  traceback : Signal {number} received by PID 4711
============================================================
""".strip()

# The rule, and how a log ends that it holds for; exit code 1 unless said otherwise.
ENDINGS = [
    (
        "gpu_memory",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total "
        "capacity of 23.65 GiB of which 512.00 MiB is free.",
    ),
    (
        "gpu_memory",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ),
    (
        "memory",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate "
        "memory: you tried to allocate 68719476736 bytes. Error code 12 (Cannot allocate memory)",
    ),
    ("memory", "numpy.exceptions.MemoryError: Unable to allocate 14.9 GiB for an array with shape (2, 1000)"),
    ("memory", "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc"),
    ("disk_full", "OSError: [Errno 28] No space left on device: 'checkpoints/checkpoint-200/optimizer.pt'"),
    ("disk_full", "sqlite3.OperationalError: database or disk is full"),
    (
        "loss_not_a_number",
        "Step 40: the loss is nan; nothing after it can be learnt. Lower the learning rate.",
    ),
    ("nothing_learnt", "Step 3: the loss has been exactly 0 for 3 points, so nothing is learnt."),
    (
        "hub",
        "some-lab/absent is not a model here, and it cannot be fetched from the model hub (offline)",
    ),
    (
        "hub",
        "huggingface_hub.errors.LocalEntryNotFoundError: An error happened while trying to locate the file.",
    ),
    ("model", "/models/x: there is no such model folder or file; check the path or choose one of: SmolLM2."),
    ("model", "safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge"),
    (
        "data",
        "train.jsonl, line 12, character 3: broken JSON (Expecting value); expected one object per line.",
    ),
    (
        "data",
        "job.yaml: train_file: there is no /data/train.csv; paths count from the folder that one starts in.",
    ),
    (
        "data",
        "train.csv has changed since the run in jobs/a began, so it cannot go on as if it had not stopped",
    ),
    ("no_device", "RuntimeError: No CUDA GPUs are available"),
    ("no_device", "AssertionError: Torch not compiled with CUDA enabled"),
    (
        "no_device",
        "RuntimeError: CUDA error: no kernel image is available for execution on the device\nCUDA kernel "
        "errors might be asynchronously reported at some other API call",
    ),
    ("gpu_fault", "RuntimeError: CUDA error: device-side assert triggered"),
    ("gpu_fault", "torch.AcceleratorError: CUDA error: an illegal memory access was encountered"),
    (
        "port",
        "torch.distributed.DistNetworkError: The server socket has failed to listen on any local network "
        "address. port: 29500, useIpv6: false, code: -98, name: EADDRINUSE, message: address already in use",
    ),
    (
        "processes",
        "[rank0]:[E1122 20:00:00 ProcessGroupNCCL.cpp:633] Watchdog caught collective operation timeout: "
        "WorkNCCL(SeqNum=12, OpType=ALLREDUCE, Timeout(ms)=600000) ran for 600010 milliseconds",
    ),
    (
        "processes",
        "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:3690, ncclRemoteError",
    ),
    ("environment", "ModuleNotFoundError: No module named 'peft'"),
    (
        "environment",
        "ImportError: libcudart.so.12: cannot open shared object file: No such file or directory",
    ),
    (
        "in_use",
        "jobs/demo-1a2b is in use by another run; wait for its end, or set output_dir to a new folder.",
    ),
    ("permission", "PermissionError: [Errno 13] Permission denied: '/srv/jobs/a/metrics.jsonl'"),
    ("killed", LAUNCHER.format(code=-9, number="9 (SIGKILL)")),
    ("killed", "RuntimeError: DataLoader worker (pid 4711) is killed by signal: Killed."),
    ("crashed", LAUNCHER.format(code=-11, number="11 (SIGSEGV)")),
    (
        "crashed",
        "Fatal Python error: Segmentation fault\n\nCurrent thread 0x00007f (most recent call first):",
    ),
]


def told(text="", code=1, reason=None, state=JobState.FAILED):
    return explain_failure(code, reason, text.split("\n"), state)


@pytest.mark.parametrize(("rule", "ending"), ENDINGS)
def test_ending_is_known(rule, ending):
    failure = told("\n".join(["Loading the model", *TRACEBACK, ending]))
    assert failure.rule == rule and failure.meaning is not None and len(failure.meaning.text) > 40
    assert failure.sentence.template == "Its process ended with the exit code {code}."
    assert failure.lines[-1] == ending.split("\n")[-1]


def test_every_rule_has_an_ending_here():
    by_code = {"killed", "crashed", "ended", "lost"}
    assert {rule.name for rule in TEXT_RULES} == {rule for rule, _ in ENDINGS}
    assert {rule.name for rule in SIGNAL_RULES} == by_code


@pytest.mark.parametrize(
    ("code", "rule", "name"),
    [
        (-9, "killed", "SIGKILL"),
        (137, "killed", "SIGKILL"),
        (-11, "crashed", "SIGSEGV"),
        (139, "crashed", "SIGSEGV"),
        (-7, "crashed", "SIGBUS"),
        (-15, "ended", "SIGTERM"),
        (143, "ended", "SIGTERM"),
        (130, "ended", "SIGINT"),
        (-6, "other", "SIGABRT"),
    ],
)
def test_signal_tells_more_than_a_warning_before_it(code, rule, name):
    failure = told("UserWarning: cache not written, Permission denied" if rule != "other" else "", code)
    assert failure.rule == rule and name in failure.sentence.text


def test_aborted_process_is_told_by_its_log():
    assert told("terminate called after throwing an instance of 'std::bad_alloc'", -6).rule == "memory"


def test_cause_stands_before_what_follows_from_it():
    log = (
        "[rank0] CUDA out of memory. Tried to allocate\n[rank1] Watchdog caught collective operation timeout"
    )
    assert told(log).rule == "gpu_memory"


def test_lost_job_goes_on_from_its_last_checkpoint():
    failure = told("step 12", None, state=JobState.LOST)
    assert failure.rule == "lost" and "nobody saw" in failure.sentence.text
    assert failure.meaning is not None and "last whole checkpoint" in failure.meaning.text


def test_users_error_is_its_own_sentence():
    failure = told("Reading rows\nrow 7: max_input_length is 2, expected 4 or more.", 2)
    assert (failure.rule, failure.meaning) == (SAID.name, None)
    assert failure.sentence.text == "Its log ends with: row 7: max_input_length is 2, expected 4 or more."


def test_error_that_the_run_told_is_said_and_explained():
    full = StorageError("The disk of {folder} is full; free some space.", folder="jobs/a")
    failure = told("Traceback\nImportError: x", 2, full)
    assert failure.sentence is full and failure.rule == "disk_full"
    odd = JobError("The optimizer is at odds with {what}.", what="it")
    assert told("ImportError: of an earlier step", 2, odd).meaning is None


def test_own_fault_is_told_by_what_it_quotes_or_by_the_log():
    own = "The run broke off, which is a fault of this program: {fault}."
    quoted = JobError(own, fault="OSError(28, 'No space left on device')")
    assert told("", 1, quoted).rule == "disk_full"
    assert told("CUDA out of memory", 1, JobError(own, fault="RuntimeError('x')")).rule == "gpu_memory"
    assert told("", 1, JobError(own, fault="KeyError('x')")).rule == OTHER.name


def test_earlier_attempt_does_not_explain_a_later_one():
    began = "=== attempt {}, 2025-11-22T20:00:00+0000"
    failure = told("\n".join([began.format(1), "CUDA out of memory", "", began.format(2), "hm"]))
    assert failure.rule == OTHER.name and failure.lines == ("hm",)


@pytest.mark.parametrize("code", [None, 0, 1, 3, 127, 128, 255, 256, -64, -65, -1000, 10**30])
@pytest.mark.parametrize("state", list(JobState))
def test_any_code_in_any_state_has_a_sentence(code, state):
    failure = explain_failure(code, None, [], state)
    assert failure.sentence.text and failure.lines == ()


@pytest.mark.parametrize(
    "lines",
    [
        ["\x00\x1b[2J\u202e" * 1000],
        ["the disk of " * 200_000],
        ["exitcode" + " " * 1_000_000 + ": -9"],
        ["{fault!r:>999999999}", "{x.__class__}", "%s%s%n"],
        ["x" * 100_000] * 500,
        ["\ud800"],
    ],
)
def test_hostile_lines_are_told_quickly(lines):
    began = time.monotonic()
    failure = explain_failure(2, None, lines, JobState.FAILED)
    assert time.monotonic() - began < 0.5 and len(failure.lines) <= SHOWN_LINES
    assert failure.sentence.text.endswith(lines[-1])


def test_only_the_beginning_of_a_line_is_looked_at():
    assert told("x" * LONGEST_READ + "CUDA out of memory").rule == OTHER.name


def test_stored_reason_is_an_error_again():
    error = GlmcoreError(
        "{path}: {free:.1f} of {needed:g} GiB in {name!r} {{sic}}", path="a", free=1.26, needed=2, name="b"
    )
    found = read_reason(error.to_dict())
    assert found is not None and str(found) == "a: 1.3 of 2 GiB in 'b' {sic}"


def test_errors_inside_a_stored_reason_are_errors_again():
    inner = JobError("The {what} broke.", what="pump")
    found = read_reason(json.loads(json.dumps(JobError("Row 7: {fault}", fault=inner).to_dict())))
    assert str(found) == "Row 7: The pump broke." and isinstance(found.values["fault"], GlmcoreError)
    deep = inner.to_dict()
    for _ in range(100):
        deep = {"template": "{fault}", "values": {"fault": deep}}
    assert str(read_reason(deep)) == "None"


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "text",
        [],
        {},
        {"template": "x"},
        {"template": 1, "values": {}},
        {"template": "", "values": {}},
        {"template": "x", "values": []},
        {"template": "{a}", "values": {}},
        {"template": "{", "values": {}},
        {"template": "}", "values": {}},
        {"template": "{0}", "values": {}},
        {"template": "{a.__class__}", "values": {"a": 1}},
        {"template": "{a[0]}", "values": {"a": "x"}},
        {"template": "{a:>999999999}", "values": {"a": "x"}},
        {"template": "{a:{b}}", "values": {"a": "x", "b": 99999999}},
        {"template": "{a:.1f}", "values": {"a": "x"}},
        {"template": "{a:d}", "values": {"a": 10**5000}},
        {"template": "x" * 100_000, "values": {}},
    ],
)
def test_stored_reason_that_is_none_is_none(stored):
    assert read_reason(stored) is None


@pytest.mark.parametrize("name", ["self", "template", "a b", ""])
def test_odd_names_of_values_are_no_fault(name):
    found = read_reason({"template": "It is so.", "values": {name: {"deep": None}}})
    assert found is not None and str(found) == "It is so."
