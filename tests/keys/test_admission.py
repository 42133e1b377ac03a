"""Who is let in, for what, how often and with how many answers at once."""

import threading
from dataclasses import replace

import pytest

from glmcore.core.errors import BusyError, ConfigError, RefusedError, StorageError, UnknownCallerError
from glmcore.keys import LOCAL_CALLER, Caller, Key, Right
from glmcore.keys.admission import Admission
from glmcore.keys.store import KeyStore


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class FewKeys:
    """Keys without a database."""

    def __init__(self, **keys: Key) -> None:
        self.keys = keys
        self.used: list[str] = []

    def find(self, secret: str) -> Key | None:
        return self.keys.get(secret)

    def any_made(self) -> bool:
        return bool(self.keys)

    def note_use(self, key: Key) -> None:
        self.used.append(key.id)


KEY = Key(
    id="k1",
    name="one",
    user="ann",
    hint="abcd",
    rights=frozenset({Right.CHAT}),
    requests_per_minute=0,
    answers_at_once=0,
    stores_chats=False,
    created_at=0.0,
)


def door(clock: Clock | None = None, **keys: Key) -> Admission:
    return Admission(FewKeys(**keys), clock or Clock())  # type: ignore[arg-type]


def times_admitted(admission: Admission, caller: Caller, most: int = 1000) -> int:
    for count in range(most):
        try:
            admission.admit(caller, Right.CHAT)
        except BusyError:
            return count
    return most


def test_without_any_key_this_machine_needs_none_and_others_are_refused() -> None:
    assert door().identify(None, is_local=True) is LOCAL_CALLER
    assert door().identify("anything", is_local=True) is LOCAL_CALLER  # clients insist on sending one
    for secret in (None, "anything"):
        with pytest.raises(RefusedError, match="no API keys"):
            door().identify(secret, is_local=False)


def test_who_has_no_key_may_do_everything_without_limit() -> None:
    admission = door(one=KEY)
    for right in Right:
        admission.admit(LOCAL_CALLER, right)
    with admission.answering(LOCAL_CALLER, 1000):
        assert LOCAL_CALLER.may(Right.JOBS)


@pytest.mark.parametrize("is_local", [True, False])
def test_with_a_key_made_everybody_needs_one(is_local: bool) -> None:
    admission = door(one=KEY)
    assert admission.identify("one", is_local=is_local) == Caller("ann", KEY)
    for wrong in (None, "", "two"):
        with pytest.raises(UnknownCallerError) as caught:
            admission.identify(wrong, is_local=is_local)
        assert not wrong or repr(wrong) not in str(caught.value)


def test_with_all_keys_revoked_nobody_gets_in(keys: KeyStore) -> None:
    made, secret = keys.make("one")
    admission = Admission(keys)
    assert admission.identify(secret, is_local=True).key == made
    keys.revoke(made.id)
    for sent in (secret, None):
        with pytest.raises(UnknownCallerError):
            admission.identify(sent, is_local=True)


def test_who_was_let_in_stays_until_his_key_is_revoked_or_without_one_a_key_is_made(keys: KeyStore) -> None:
    door = Admission(keys)
    door.check_again(LOCAL_CALLER)
    key, secret = keys.make("one")
    caller = door.identify(secret, is_local=False)
    door.check_again(caller)
    with pytest.raises(UnknownCallerError):
        door.check_again(LOCAL_CALLER)
    keys.revoke(key.id)
    with pytest.raises(UnknownCallerError):
        door.check_again(caller)


def test_an_unreadable_database_lets_nobody_in() -> None:
    class Broken(FewKeys):
        def any_made(self) -> bool:
            raise StorageError("damaged")

    with pytest.raises(StorageError):
        Admission(Broken()).identify(None, is_local=True)  # type: ignore[arg-type]


def test_a_use_is_noted_and_a_wrong_secret_is_not() -> None:
    few = FewKeys(one=KEY)
    admission = Admission(few)  # type: ignore[arg-type]
    admission.identify("one", is_local=False)
    with pytest.raises(UnknownCallerError):
        admission.identify("two", is_local=False)
    assert few.used == ["k1"]


def test_a_key_is_for_its_rights_only_and_the_sentence_names_them() -> None:
    admission = door()
    caller = Caller("ann", replace(KEY, rights=frozenset({Right.CHAT, Right.METRICS})))
    admission.admit(caller, Right.METRICS)
    with pytest.raises(RefusedError) as caught:
        admission.admit(caller, Right.JOBS)
    assert "'one' may not be used for jobs; it may be for: chat, metrics." in str(caught.value)


def test_a_refused_request_does_not_count() -> None:
    admission, caller = door(), Caller("ann", replace(KEY, requests_per_minute=1))
    for _ in range(3):
        with pytest.raises(RefusedError):
            admission.admit(caller, Right.JOBS)
    assert times_admitted(admission, caller) == 1


def test_a_minutes_requests_may_come_at_once_and_come_back_evenly() -> None:
    clock = Clock()
    admission, caller = door(clock), Caller("ann", replace(KEY, requests_per_minute=30))
    assert times_admitted(admission, caller) == 30
    clock.now += 1.9
    assert times_admitted(admission, caller) == 0
    clock.now += 0.1
    assert times_admitted(admission, caller) == 1
    clock.now += 3600
    assert times_admitted(admission, caller) == 30


def test_who_asks_again_when_told_to_is_let_in() -> None:
    for limit in (1, 7, 30, 60, 600):
        clock = Clock()
        admission, caller = door(clock), Caller("ann", replace(KEY, requests_per_minute=limit))
        times_admitted(admission, caller)
        with pytest.raises(BusyError) as caught:
            admission.admit(caller, Right.CHAT)
        assert 1 <= caught.value.values["seconds"] <= 61 and f"{limit} requests" in str(caught.value)
        clock.now += caught.value.values["seconds"]
        assert times_admitted(admission, caller) >= 1


def test_asking_too_often_does_not_push_the_next_turn_away() -> None:
    clock = Clock()
    admission, caller = door(clock), Caller("ann", replace(KEY, requests_per_minute=1))
    admitted = 0
    for _ in range(121):  # every second for two minutes
        admitted += times_admitted(admission, caller)
        clock.now += 1
    assert admitted == 3


def test_each_key_has_its_own_allowance() -> None:
    admission = door()
    limited = replace(KEY, requests_per_minute=2)
    assert times_admitted(admission, Caller("ann", limited)) == 2
    assert times_admitted(admission, Caller("ann", replace(limited, id="k2"))) == 2
    assert times_admitted(admission, Caller("ann", KEY)) == 1000


def test_threads_share_one_allowance() -> None:
    admission, caller = door(), Caller("ann", replace(KEY, requests_per_minute=100))
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(times_admitted(admission, caller))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 100


def test_so_many_answers_run_at_once_and_an_ended_one_makes_room() -> None:
    admission, caller = door(), Caller("ann", replace(KEY, answers_at_once=2))
    with admission.answering(caller):
        with admission.answering(caller):
            with (
                pytest.raises(BusyError, match="has 2 answers running") as caught,
                admission.answering(caller),
            ):
                pytest.fail("let in")
            assert caught.value.values["seconds"] == 1
        with admission.answering(caller):
            pass
    with admission.answering(caller, 2):
        pass


def test_a_place_comes_back_when_the_answer_fails() -> None:
    admission, caller = door(), Caller("ann", replace(KEY, answers_at_once=1))
    for _ in range(3):
        with pytest.raises(RuntimeError), admission.answering(caller):
            raise RuntimeError
    with admission.answering(caller):
        assert caller.key is not None


def test_several_answers_get_all_their_places_or_none() -> None:
    admission, caller = door(), Caller("ann", replace(KEY, answers_at_once=3))
    with admission.answering(caller, 2):
        with pytest.raises(BusyError), admission.answering(caller, 2):
            pytest.fail("let in")
        with admission.answering(caller, 1):
            pass


def test_more_answers_than_the_key_ever_allows_are_not_worth_asking_again() -> None:
    admission, caller = door(), Caller("ann", replace(KEY, answers_at_once=3))
    with pytest.raises(ConfigError, match="at once, and 4 are asked for"), admission.answering(caller, 4):
        pytest.fail("let in")
