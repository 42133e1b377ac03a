import platform
import subprocess
import sys

import psutil

from glmcore.history.servers import is_gone, this_server


def test_this_process_is_not_gone_however_silent() -> None:
    assert not is_gone(this_server(), silent_seconds=1e9)
    assert this_server() == this_server()


def test_ended_process_is_gone_also_while_nobody_has_collected_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = psutil.Process(child.pid).create_time()
    server_id = f"{child.pid}/{started}/{platform.node()}"
    assert not is_gone(server_id, silent_seconds=0)
    child.kill()
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    assert is_gone(server_id, silent_seconds=0)
    child.communicate()
    assert is_gone(server_id, silent_seconds=0)


def test_later_process_with_the_same_pid_is_another_server() -> None:
    pid, started, host = this_server().split("/", 2)
    assert is_gone(f"{pid}/{float(started) - 60}/{host}", silent_seconds=0)


def test_server_on_another_host_is_gone_when_it_was_silent_for_long() -> None:
    pid, started, _ = this_server().split("/", 2)
    elsewhere = f"{pid}/{started}/another/host"
    assert not is_gone(elsewhere, silent_seconds=60)
    assert is_gone(elsewhere, silent_seconds=3600)
