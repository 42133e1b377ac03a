"""Exports and imports of the history: messages a second, and the memory that ten times as much needs."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.report import Measurement

NUM_MESSAGES, MESSAGES_EACH = 100_000, 10
MESSAGES_A_SECOND = 5_000
FEW, MANY = 10_000, 100_000  # conversations of one question and its answer
MEGABYTES_MORE = 100  # that the many may need beside the few: 90,000 ids and short hashes
_WORDS = ["the", "panda", "of", "model", "学习", "and", "数据", "trains", "训练", "forest", "问题", "快"]
# Seconds and peak memory of reading, storing and exporting a file, in a process of its own.
WORK = """
import json, sys, time
from pathlib import Path
from glmcore.history import ConversationFilter, open_history
from glmcore.history.carry import carry_out, export, read_import
began = time.perf_counter()
store = open_history(sys.argv[2])
preview = read_import(store, "ann", Path(sys.argv[1]))
read = time.perf_counter()
report = carry_out(store, "ann", preview, skip_problems=False)
stored = time.perf_counter()
assert report.imported == preview.num_conversations and not report.known
assert sum(map(len, export(store, "ann", ConversationFilter(), "json"))) > Path(sys.argv[1]).stat().st_size
exported = time.perf_counter()
# Not getrusage's: that one is inherited from the process that started this one.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
peak = int(status["VmHWM"].split()[0]) // 1024
print(json.dumps([preview.num_messages, read - began, stored - read, exported - stored, peak]))
"""


def measure() -> Iterator[Measurement]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        source = _write(folder / "talks.jsonl", NUM_MESSAGES // MESSAGES_EACH, MESSAGES_EACH)
        count, read, stored, exported, _peak = _work(source, folder)
        speed = count / (read + stored)
        detail = f"{speed:,.0f} a second: {count:,} read in {read:.1f} s, stored in {stored:.1f} s"
        yield Measurement("import / 5,000 messages a second", speed / MESSAGES_A_SECOND, detail, at_least=1.0)
        speed = count / exported
        detail = f"{speed:,.0f} a second"
        yield Measurement("export / 5,000 messages a second", speed / MESSAGES_A_SECOND, detail, at_least=1.0)
        peaks = []
        for number in (FEW, MANY):
            *_seconds, peak = _work(_write(folder / f"{number}.jsonl", number, 2), folder)
            peaks.append(peak)
        more = peaks[1] - peaks[0]
        detail = f"{peaks[0]:.0f} MiB for {FEW:,} conversations, {peaks[1]:.0f} MiB for {MANY:,}"
        yield Measurement("memory for ten times more / 100 MiB", more / MEGABYTES_MORE, detail, at_most=1.0)


def _write(path: Path, num_conversations: int, num_messages: int) -> Path:
    chance = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        for _number in range(num_conversations):
            said = [
                {"role": ("user", "assistant")[at % 2], "content": " ".join(chance.choices(_WORDS, k=40))}
                for at in range(num_messages)
            ]
            file.write(json.dumps({"messages": said}, ensure_ascii=False) + "\n")
    return path


def _work(source: Path, folder: Path) -> list[float]:
    url = f"sqlite:///{folder / f'{time.monotonic_ns()}.db'}"
    found: list[float] = json.loads(
        subprocess.check_output([sys.executable, "-c", WORK, str(source), url], text=True)
    )
    return found
