"""Devices handed out by need: never more than there is, and nobody waits for ever."""

from __future__ import annotations

from collections import defaultdict, deque
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from automl.compiler.layout import Need
from automl.executors import Slot
from automl.scheduler.pool import Pool


def gpus(count: int) -> tuple[Slot, ...]:
    return tuple(Slot(index, (str(index),), 8, 1) for index in range(count))


def everywhere(count: int, at_once: int = 1, devices: int = 1) -> Need:
    return Need({str(index): at_once for index in range(count)}, devices)


def test_without_needs_each_trial_has_a_slot_as_it_is():
    slots = (Slot(0, (), 3, 2), Slot(1, (), 3, 2))
    pool = Pool(slots)
    assert pool.at_once == 2
    assert [pool.take(number, "any") for number in (0, 1)] == list(slots)
    assert not pool.has_room()
    pool.give(slots[1])
    assert pool.take(2, "any") is slots[1]


def test_small_trials_spread_before_they_share_a_gpu():
    pool = Pool(gpus(2), {"small": everywhere(2, at_once=2)})
    taken = [pool.take(number, "small") for number in range(4)]
    assert [slot.devices for slot in taken] == [("0",), ("1",), ("0",), ("1",)]
    assert {slot.share for slot in taken} == {0.5}
    assert {slot.threads for slot in taken} == {4}
    assert [slot.label for slot in taken[:2]] == ["cuda:0 1/2", "cuda:1 1/2"]
    assert len({slot.index for slot in taken}) == 4
    assert not pool.has_room()


def test_a_large_trial_has_several_gpus_alone():
    pool = Pool(gpus(3), {"large": everywhere(3, devices=2), "small": everywhere(3, at_once=2)})
    slot = pool.take(0, "large")
    assert (slot.devices, slot.processes, slot.share) == (("0", "1"), 2, 1.0)
    assert pool.take(1, "small").devices == ("2",)
    assert pool.has_room()


def test_what_is_too_large_for_a_gpu_is_put_on_another():
    pool = Pool(gpus(2), {"large": Need({"1": 1}), "small": everywhere(2, at_once=4)})
    assert pool.take(0, "large").devices == ("1",)
    assert pool.take(1, "large") is None
    assert pool.take(2, "small").devices == ("0",)


def test_a_waiting_trial_keeps_its_gpus_from_those_that_come_after_it():
    pool = Pool(gpus(2), {"large": everywhere(2, devices=2), "small": everywhere(2, at_once=2)})
    first = [pool.take(number, "small") for number in range(2)]
    assert pool.take(2, "large") is None
    assert pool.waiting == {2}
    assert not pool.has_room()
    assert pool.take(3, "small") is None
    pool.give(first[0])
    assert pool.take(2, "large") is None
    pool.give(first[1])
    assert pool.take(2, "large").devices == ("0", "1")
    assert pool.waiting == set()


def test_a_trial_that_waits_for_one_gpu_does_not_hold_up_the_others():
    pool = Pool(gpus(2), {"large": Need({"0": 1}), "small": everywhere(2)})
    pool.take(0, "small")
    assert pool.take(1, "large") is None
    assert pool.has_room()
    assert pool.take(2, "small").devices == ("1",)


def test_a_gpu_that_is_gone_is_used_no_more_and_what_needs_it_does_not_fit():
    pool = Pool(gpus(2), {"large": everywhere(2, devices=2), "small": everywhere(2, at_once=2)})
    slot = pool.take(0, "small")
    pool.lose(slot.devices)
    pool.give(slot)
    assert not pool.is_gone
    assert pool.fits("small")
    assert not pool.fits("large")
    assert {pool.take(number, "small").devices for number in (1, 2)} == {("1",)}
    assert pool.take(3, "small") is None
    pool.lose(("1",))
    assert pool.is_gone


def test_who_ran_out_of_memory_in_a_part_of_a_gpu_has_twice_as_much_of_it():
    pool = Pool(gpus(1), {"small": everywhere(1, at_once=4)})
    quarter, same = pool.take(0, "small"), pool.take(1, "small")
    assert pool.widen("small", quarter)
    assert pool.widen("small", same)
    pool.give(quarter)
    pool.give(same)
    half = pool.take(2, "small")
    assert half.share == 0.5
    assert pool.widen("small", half)
    pool.give(half)
    whole = pool.take(3, "small")
    assert whole.share == 1
    assert not pool.widen("small", whole)


@st.composite
def boxes(draw: st.DrawFn) -> tuple[int, dict[str, Need]]:
    """GPUs, and needs of candidates that each fit some of them."""
    count = draw(st.integers(1, 4))
    needs = {}
    for name in "abc":
        able = draw(st.sets(st.integers(0, count - 1), min_size=1))
        devices = draw(st.integers(1, len(able)))
        at_once = draw(st.sampled_from([1, 2, 3, 4])) if devices == 1 else 1
        needs[name] = Need({str(place): at_once for place in able}, devices)
    return count, needs


@given(box=boxes(), wishes=st.lists(st.sampled_from("abc"), max_size=40), dice=st.randoms())
def test_nothing_is_given_twice_and_everybody_gets_a_turn(box, wishes, dice):
    count, needs = box
    pool = Pool(gpus(count), needs)
    coming, line, running = deque(enumerate(wishes)), deque(), {}
    ahead: dict[int, set[int]] = {}
    """Trial that waits for GPUs kept for it → those that ran when it began to."""
    while coming or line or running:
        for waiting in list(line):
            slot = pool.take(*waiting)
            if slot is not None:
                line.remove(waiting)
                running[waiting[0]] = (waiting[1], slot)
        while coming and pool.has_room():
            wanted = coming.popleft()
            slot = pool.take(*wanted)
            if slot is None:
                line.append(wanted)
            else:
                running[wanted[0]] = (wanted[1], slot)
        held: dict[str, Fraction] = defaultdict(Fraction)
        for name, slot in running.values():
            assert len(slot.devices) == needs[name].devices == slot.processes
            for device in slot.devices:
                held[device] += Fraction(1, needs[name].gpus[device])
        assert all(share <= 1 for share in held.values())
        assert running, "all wait although nothing runs"
        for number in pool.waiting:
            before = ahead.setdefault(number, set(running))
            assert before & running.keys(), "it waits although all that ran before it have ended"
        ended = dice.choice(sorted(running))
        pool.give(running.pop(ended)[1])
