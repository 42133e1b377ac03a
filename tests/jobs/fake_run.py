"""A run without a model: writes what a real one writes, obeys what a real one obeys. Started as a process.

    python fake_run.py FOLDER STEPS SECONDS_PER_STEP [deaf | fails | silent]

deaf obeys nothing but kill -9, fails ends with an error it tells, silent prepares for ever.
"""

import os
import signal
import sys
import time
from pathlib import Path

from glmcore.tuning.run_folder import LineFile, RunFolder, read_whole, write_whole


def main() -> int:
    folder, steps, seconds = RunFolder(Path(sys.argv[1])), int(sys.argv[2]), float(sys.argv[3])
    how = sys.argv[4] if len(sys.argv) > 4 else ""
    with (folder.path / "starts.txt").open("a") as starts:
        starts.write(f"{os.getpid()}\n")
    if how == "silent":
        time.sleep(600)
    if how == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    values = {"pid": os.getpid(), "started": time.time(), "total": steps}
    done = int(read_whole(folder.status).get("step") or 0)
    lines = LineFile(folder.metrics)
    for step in range(done, steps + 1):
        write_whole(folder.status, {**values, "state": "running", "step": step, "updated": time.time()})
        lines.append({"loss": 1.0 / (step + 1), "step": step, "time": time.time()})
        if how == "fails" and step == 2:
            reason = {"template": "Step {step}: the loss is no number.", "values": {"step": step}}
            write_whole(folder.status, {**values, "state": "failed", "step": step, "reason": reason})
            return 2
        if folder.stop_request.exists() and how != "deaf":
            folder.stop_request.unlink()
            write_whole(folder.status, {**values, "state": "stopped", "step": step})
            return 0
        time.sleep(seconds)
    write_whole(folder.status, {**values, "state": "finished", "step": steps})
    return 0


if __name__ == "__main__":
    sys.exit(main())
