"""Rows of many requests are answered together, and none suffers from another."""

from __future__ import annotations

import asyncio
import threading

import pytest

from automl.errors import DataError
from automl.serving.server.batching import Batcher, Failed
from automl.serving.server.padding import split


class Told:
    def __init__(self):
        self.batches = []

    def batch(self, rows, seconds):
        self.batches.append(rows)


class Echo:
    """Says each row in capitals; some it can't read, some break it, and it can be held up."""

    def __init__(self):
        self.go = threading.Event()
        self.go.set()
        self.observed = []
        self.kinds = []

    def split(self, rows):
        return [list(range(len(rows)))]

    def answer(self, rows, top):
        self.go.wait(5)
        self.kinds.append({type(row) for row in rows})
        if "unreadable" in rows:
            raise DataError("it can't be read")
        if "broken" in rows:
            raise RuntimeError("out of memory")
        return [{"said": str(row).upper(), "top": top} for row in rows]

    def observe(self, row, answer):
        self.observed.append(row)
        if row == "unobservable":
            raise ValueError("who watches fails")


@pytest.fixture
def at_work():
    """A function: settings → an async function that asks for rows, and what it is made of."""
    made = []

    def start(max_batch=8, max_wait_ms=20.0):
        told, model = Told(), Echo()
        batcher = Batcher(max_batch, max_wait_ms, told)
        batcher.start(lambda: model, lambda fault: None)
        made.append(batcher)

        async def ask(*rows, top=1):
            return await asyncio.gather(*batcher.put(rows, top), return_exceptions=True)

        return ask, model, told, batcher

    yield start
    for each in made:
        each.stop()


def test_rows_of_several_requests_are_answered_in_one_batch(at_work):
    ask, model, told, _ = at_work(max_batch=4, max_wait_ms=5000)
    model.go.clear()

    async def five():
        first = asyncio.ensure_future(ask("first"))
        await asyncio.sleep(0.05)
        others = [asyncio.ensure_future(ask(each)) for each in "abcd"]
        await asyncio.sleep(0.05)
        model.go.set()
        return await asyncio.gather(first, *others)

    answers = asyncio.run(five())
    assert [found["said"] for (found,) in answers] == ["FIRST", "A", "B", "C", "D"]
    assert told.batches == [1, 4]


def test_a_row_waits_for_others_no_longer_than_it_may(at_work):
    ask, _, told, _ = at_work(max_batch=100, max_wait_ms=30)
    loop_time = []

    async def one():
        await ask("a", "b", "c")
        began = asyncio.get_running_loop().time()
        await ask("a")
        loop_time.append(asyncio.get_running_loop().time() - began)

    asyncio.run(one())
    assert 0.025 < loop_time[0] < 2
    assert told.batches[-1] == 1


def test_one_client_alone_is_not_made_to_wait(at_work):
    ask, _, told, _ = at_work(max_batch=100, max_wait_ms=500)

    async def three():
        await ask("a")
        began = asyncio.get_running_loop().time()
        await ask("b")
        await ask("c")
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(three()) < 0.4
    assert told.batches == [1, 1, 1]


def test_a_batch_holds_no_more_rows_than_it_may(at_work):
    ask, _, told, _ = at_work(max_batch=3)
    asyncio.run(ask(*"abcdefgh"))
    assert max(told.batches) <= 3
    assert sum(told.batches) == 8


def test_one_rows_fault_is_told_to_it_alone(at_work):
    ask, _, _, _ = at_work()
    found = asyncio.run(ask("a", "unreadable", "b", "broken", "c"))
    assert [each["said"] for each in (found[0], found[2], found[4])] == ["A", "B", "C"]
    assert isinstance(found[1], DataError)
    assert isinstance(found[3], Failed)
    assert "RuntimeError" in str(found[3])


def test_who_watches_does_not_end_who_answers(at_work):
    ask, _, _, _ = at_work()
    assert asyncio.run(ask("unobservable"))[0]["said"] == "UNOBSERVABLE"
    assert asyncio.run(ask("a"))[0]["said"] == "A"


def test_rows_of_other_forms_are_answered_apart(at_work):
    ask, model, _, _ = at_work()
    asyncio.run(ask("a", {"text": "b"}, "c", {"text": "d", "pair": "e"}))
    assert all(len(each) == 1 for each in model.kinds)
    assert len(model.kinds) == 3


def test_a_row_that_nobody_waits_for_is_not_answered(at_work):
    _, model, _, batcher = at_work(max_batch=1)
    model.go.clear()

    async def give_up():
        first, second = batcher.put(["held"], 1)[0], batcher.put(["given up"], 1)[0]
        await asyncio.sleep(0.05)
        second.cancel()
        model.go.set()
        return await first

    assert asyncio.run(give_up())["said"] == "HELD"
    batcher.stop()
    assert model.observed == ["held"]


def test_what_is_in_the_queue_is_answered_before_the_end(at_work):
    batcher = at_work(max_wait_ms=10_000)[-1]

    async def ended():
        waiting = batcher.put(["a", "b"], 1)
        await asyncio.to_thread(batcher.stop)
        return await asyncio.gather(*waiting)

    assert [each["said"] for each in asyncio.run(ended())] == ["A", "B"]


def test_a_model_that_can_not_be_loaded_is_told():
    faults = []
    batcher = Batcher(1, 0, Told())

    def load():
        raise DataError("no such bundle")

    batcher.start(load, faults.append)
    batcher.stop()
    assert isinstance(faults[0], DataError)


def test_a_thread_that_breaks_down_is_told():
    class Broken(Echo):
        def split(self, rows):
            raise ZeroDivisionError

    faults = []
    batcher = Batcher(1, 0, Told())
    batcher.start(Broken, faults.append)

    async def ask():
        batcher.put(["a"], 1)

    asyncio.run(ask())
    batcher.stop()
    assert [type(each) for each in faults] == [type(None), ZeroDivisionError]


def test_pieces_hold_every_row_once_and_rows_of_like_length():
    sizes = [20, 500, 22, 21, 480, 19]
    pieces = split(sizes, overhead=40)
    assert sorted(place for piece in pieces for place in piece) == list(range(6))
    assert {frozenset(piece) for piece in pieces} == {frozenset({0, 2, 3, 5}), frozenset({1, 4})}


def test_where_a_pass_costs_much_all_rows_are_one_piece():
    assert len(split([1, 100, 1000], overhead=1e9)) == 1
    assert split([], overhead=1) == []


def test_pieces_cost_no_more_than_any_cut_in_order_of_length():
    from itertools import combinations

    sizes, overhead = [3, 90, 14, 15, 92, 65, 35, 8], 25.0

    def cost(pieces):
        return sum(overhead + len(piece) * max(sizes[at] for at in piece) for piece in pieces)

    order = sorted(range(len(sizes)), key=sizes.__getitem__)
    least = min(
        cost([order[a:b] for a, b in zip((0, *cuts), (*cuts, len(order)), strict=True)])
        for count in range(len(sizes))
        for cuts in combinations(range(1, len(sizes)), count)
    )
    assert cost(split(sizes, overhead)) == least
