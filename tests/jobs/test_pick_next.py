"""Who is next: no device is given twice, in the order of the queue, nobody starves."""

from hypothesis import given, settings
from hypothesis import strategies as st

from glmcore.jobs.devices import never_fits, pick_next
from glmcore.jobs.job import Job, JobState, Needs

CPU, GPU = Needs(), Needs(kind="cuda")
MACHINE = ("cpu:0", "cpu:1", "cuda:0", "cuda:1", "cuda:2", "cuda:3")


def job(name, needs=CPU, held=()):
    state = JobState.RUNNING if held else JobState.QUEUED
    return Job(
        id=name,
        name=name,
        owner="local",
        config="",
        method="lora",
        base_model="tiny",
        data="",
        needs=needs,
        devices=tuple(held),
        state=state,
        position=0.0,
        created_at=0.0,
        queued_at=0.0,
    )


def test_a_job_that_waits_for_gpus_holds_up_those_behind_it_and_no_job_for_the_cpu():
    live = [job("a", GPU, ["cuda:1"])]
    queued = [job("b", Needs(kind="cuda", count=4)), job("c", GPU), job("d")]
    assert pick_next(queued, live, MACHINE) == (queued[2], ("cpu:0",))
    assert pick_next(queued[:2], live, MACHINE) is None
    assert pick_next(queued, [], MACHINE) == (queued[0], ("cuda:0", "cuda:1", "cuda:2", "cuda:3"))


def test_a_job_that_waits_for_a_busy_gpu_holds_up_nobody():
    live = [job("a", GPU, ["cuda:1"])]
    queued = [job("b", Needs(kind="cuda", index=1)), job("c", Needs(kind="cuda", count=2))]
    assert pick_next(queued, live, MACHINE) == (queued[1], ("cuda:0", "cuda:2"))
    assert pick_next(queued, [], MACHINE) == (queued[0], ("cuda:1",))


def test_a_job_that_can_never_run_here_is_left_out():
    queued = [job("a", Needs(kind="cuda", count=9)), job("b", GPU)]
    assert pick_next(queued, [], MACHINE) == (queued[1], ("cuda:0",))
    assert pick_next(queued, [], ("cpu:0",)) is None
    assert pick_next([], [], MACHINE) is None


some_needs = st.one_of(
    st.just(CPU),
    st.builds(Needs, kind=st.just("cuda"), count=st.integers(1, 6)),
    st.builds(Needs, kind=st.just("cuda"), index=st.integers(0, 5)),
)
# Two of three moments somebody submits a job; in the others one of the live ones ends.
moments = st.lists(st.one_of(some_needs, some_needs, st.integers(0, 9)), max_size=30)


def start_all(queued, live):
    """Start what can be started; the rules hold at each start."""
    while (picked := pick_next(queued, live, MACHINE)) is not None:
        chosen, slots = picked
        held = [slot for other in live for slot in other.devices]
        assert not set(slots) & set(held) and set(slots) <= set(MACHINE)
        assert len(set(slots)) == len(slots) == chosen.needs.count
        assert all(slot.startswith(chosen.needs.kind) for slot in slots)
        assert chosen.needs.index is None or slots == (str(chosen.needs),)
        for earlier in queued[: queued.index(chosen)]:
            overtaken = earlier.needs.kind == chosen.needs.kind and never_fits(earlier.needs, MACHINE) is None
            assert not overtaken or str(earlier.needs) in held, "only who waits for a busy GPU is overtaken"
        queued.remove(chosen)
        live.append(job(chosen.id, chosen.needs, slots))


@settings(max_examples=150, deadline=None)
@given(moments)
def test_no_slot_is_held_twice_order_is_kept_and_everybody_gets_a_turn(moments):
    queued, live = [], []
    for number, moment in enumerate(moments):
        if isinstance(moment, Needs):
            queued.append(job(str(number), moment))
        elif live:
            live.pop(moment % len(live))
        start_all(queued, live)
    possible = [one for one in queued if never_fits(one.needs, MACHINE) is None]
    for _ in range(len(live) + len(possible)):  # nobody comes any more, one job ends after the other
        if live:
            live.pop(0)
        start_all(queued, live)
    assert not live and all(never_fits(one.needs, MACHINE) for one in queued)


@settings(max_examples=50, deadline=None)
@given(st.lists(some_needs, max_size=6), st.data())
def test_a_stream_of_small_jobs_starves_nobody(others, data):
    """The first in the queue has started at the latest when all that ran before it have ended."""
    live = []
    start_all([job(f"live {number}", needs) for number, needs in enumerate(others)], live)
    first = job("first", data.draw(some_needs.filter(lambda needs: never_fits(needs, MACHINE) is None)))
    queued, before = [first], list(live)
    while before and first in queued:
        queued += [job(f"{len(before)}", GPU), job(f"{len(before)} cpu")]
        start_all(queued, live)
        ended = before.pop(0)
        live[:] = [one for one in live if one.id != ended.id]
    start_all(queued, live)
    assert first not in queued
