"""Takes the place of the process that computes: an answer counts on from the last id of its prompt.

The first id of a prompt may be an order: see `ORDERS`. The folder that it is started with may be one, too.
"""

import os
import signal
import sys

from glmcore.chat.openvino.wire import Add, Cancel, Failed, Ready, Start, Step, from_line, to_line

ORDERS = {"die": 900, "fail": 901, "refuse": 902, "hang": 903, "babble": 904}
BROKEN, SILENT = "broken", "silent"
END_ID = 2


def say(said):
    sys.stdout.buffer.write(to_line(said))
    sys.stdout.buffer.flush()


def answer(said):
    order = said.prompt_ids[0]
    if order == ORDERS["die"]:
        os.kill(os.getpid(), signal.SIGKILL)
    if order == ORDERS["fail"]:
        say(Failed("the device is gone"))
        sys.exit()
    if order == ORDERS["babble"]:
        print("[ WARNING ] not a line of the wire", flush=True)
    if order == ORDERS["refuse"]:
        say(Step([], [(said.number, "the prompt is strange")]))
    elif order == ORDERS["hang"]:
        say(Step([(said.number, [said.prompt_ids[-1] + 1])], []))
    else:
        first = said.prompt_ids[-1] + 1
        for at in range(said.max_new_tokens - 1):
            say(Step([(said.number, [first + at])], []))
        say(Step([(said.number, [END_ID])], [(said.number, "stop")]))


def main():
    start = from_line(sys.stdin.buffer.readline())
    assert isinstance(start, Start)
    if start.folder == BROKEN:
        return say(Failed("it is no model"))
    if start.folder == SILENT:
        return sys.exit(3)
    say(Ready(1000, 24))
    for line in sys.stdin.buffer:
        said = from_line(line)
        if isinstance(said, Add):
            answer(said)
        else:
            assert isinstance(said, Cancel)
            say(Step([(said.number, [77])], [(said.number, "length")]))  # what it had made before it heard
    return None


if __name__ == "__main__":
    main()
