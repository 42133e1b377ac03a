"""Folders of training runs as the trainer writes them, small and the same at every call."""

import json
import math
import time
from pathlib import Path
from typing import Any

BEGAN = 1_790_000_000.0


def write_run(
    folder: Path,
    *,
    steps: int = 60,
    rate: float = 1e-3,
    seed: int = 1,
    pid: int | None = None,
    losses: dict[int, float] | None = None,
    began: float = BEGAN,
    **config: Any,
) -> Path:
    """A finished run; a live one where `pid` is a process that lives.

    Args:
        losses: step -> a loss that is logged there instead of a falling one.
    """
    folder.mkdir(parents=True)
    settings = {"method": "lora", "learning_rate": rate, "seed": seed, **config}
    (folder / "job.yaml").write_text("".join(f"{name}: {value}\n" for name, value in settings.items()))
    with (folder / "metrics.jsonl").open("w") as file:
        for step in range(1, steps + 1):
            loss = (losses or {}).get(step, 1 + 2 * math.exp(-step * rate * 30))
            row = {"loss": loss, "learning_rate": rate * (1 - step / steps), "epoch": step / steps}
            row |= {"step": step, "time": began + step, "tokens_seen": 100 * step}
            file.write(json.dumps(row) + "\n")
            if step % 20 == 0:
                file.write(
                    json.dumps({"eval_loss": 1.1 + 0.01 * seed, "step": step, "time": began + step}) + "\n"
                )
    now = time.time()
    status = {"state": "running" if pid else "finished", "pid": pid or 1, "started": now, "updated": now}
    (folder / "status.json").write_text(
        json.dumps(status | {"step": steps, "total": 2 * steps if pid else steps})
    )
    return folder
