"""Forks writers that change the history in every way until they are killed; see `test_kills`.

Imports once and forks often: a new interpreter for each of a thousand kills would take ten minutes.
A line `seed` on standard input starts a writer and gives its pid back; what a writer was told to be stored it
adds to the file of acknowledgements with one `write`.
"""

import itertools
import json
import os
import sys
from collections.abc import Callable

from glmcore.core.messages import AnswerFacts, GenerationParams, StopReason
from glmcore.history import HistoryStore, Judgement, open_history

OWNER = "ann"
FACTS = AnswerFacts(model="m", stop_reason=StopReason.END, params=GenerationParams())
Acknowledge = Callable[..., object]


def write_until_killed(store: HistoryStore, seed: int, acknowledge: Acknowledge) -> None:
    talk = store.conversations.create(OWNER, model="m", title=f"talk {seed}")
    acknowledge("talk", talk.id)
    parent_id = None
    for number in itertools.count():
        word = f"w{seed}x{number}"
        question = store.messages.add_question(OWNER, talk.id, parent_id, f"question {word}")
        acknowledge("question", question.id, f"question {word}")
        answer = store.messages.start_answer(OWNER, talk.id, question.id)
        store.messages.save_text(OWNER, answer.id, "half")
        store.messages.finish_answer(OWNER, answer.id, f"answer {word}", FACTS)
        acknowledge("answer", answer.id, f"answer {word}")
        store.judgements.judge(OWNER, Judgement(message_id=answer.id, thumb=1, repair=f"better {word}"))
        acknowledge("judgement", answer.id, f"better {word}")
        store.conversations.rename(OWNER, talk.id, f"title {number}")
        acknowledge("title", talk.id, number)
        store.tags.add(OWNER, [talk.id], f"tag {number}")
        acknowledge("tag", talk.id, f"tag {number}")
        gone = store.conversations.create(OWNER, model="m", title=f"gone {word}")
        store.conversations.put_on(OWNER, [gone.id], "deleted")
        store.conversations.remove(OWNER, [gone.id])
        acknowledge("gone", gone.id)
        parent_id = answer.id


def main(url: str, acknowledged: str) -> None:
    store = open_history(url)
    store.conversations.create(OWNER, model="m", title="warmed up")
    store.close()  # no connection may cross a fork; a writer opens its own
    for line in sys.stdin:
        pid = os.fork()
        if pid:
            print(pid, flush=True)
            os.waitpid(pid, 0)
            print("ended", flush=True)
        else:
            write_until_killed(store, int(line), acknowledging_in(acknowledged))


def acknowledging_in(path: str) -> Acknowledge:
    out = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    return lambda *told: os.write(out, json.dumps(told).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
