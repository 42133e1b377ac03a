"""Which server process writes an answer, and whether that process still lives.

Two servers may share one database, so a starting one must not end the answers of the other.
"""

import platform

import psutil

# The start time of a process is derived from the clock, which may be corrected a little while it runs.
START_TOLERANCE_SECONDS = 2.0
# All that is known of a process on another host (or in another container) is that it stores text about
# once a second.
SILENCE_SECONDS = 600.0


def this_server() -> str:
    """The name of this process; a later process never has the same one, even with the same pid."""
    process = psutil.Process()
    return f"{process.pid}/{process.create_time()}/{platform.node()}"


def is_gone(server_id: str, silent_seconds: float) -> bool:
    """Whether a server has ended, given how long ago it last stored anything."""
    pid, started, host = server_id.split("/", 2)
    if host != platform.node():
        return silent_seconds > SILENCE_SECONDS
    try:
        process = psutil.Process(int(pid))
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return True
        return bool(abs(process.create_time() - float(started)) > START_TOLERANCE_SECONDS)
    except psutil.NoSuchProcess:
        return True
