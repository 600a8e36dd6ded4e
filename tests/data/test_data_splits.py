"""Splits follow from content and seed: no order, no leak, shares kept, every class in train."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.data.splits import divide, same_text

SHARES = {"validation": 0.1, "test": 0.2}
Row = tuple[str, str, str | None]


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    """Rows of text, class and group, with many repeated texts and groups."""
    size = draw(st.integers(3, 120))
    texts = st.integers(0, size).map(lambda n: f"t{n}")
    labels = st.sampled_from("aaaaabbbc")
    groups = st.none() | st.integers(0, max(1, size // 5)).map(lambda n: f"g{n}")
    return draw(st.lists(st.tuples(texts, labels, groups), min_size=size, max_size=size))


def _sides(rows: list[Row], seed: int, grouped: bool) -> list[str]:
    texts, labels, groups = (list(column) for column in zip(*rows, strict=True))
    return list(divide(texts, labels, groups if grouped else None, SHARES, seed).sides)


@given(tables(), st.integers(0, 5), st.booleans(), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_order_of_rows_changes_no_side(
    rows: list[Row], seed: int, grouped: bool, shuffler: random.Random
) -> None:
    order = list(range(len(rows)))
    shuffler.shuffle(order)
    straight = _sides(rows, seed, grouped)
    shuffled = _sides([rows[place] for place in order], seed, grouped)
    assert shuffled == [straight[place] for place in order]


@given(tables(), st.integers(0, 5), st.booleans())
@settings(deadline=None, max_examples=40)
def test_equal_texts_and_groups_fall_on_one_side(rows: list[Row], seed: int, grouped: bool) -> None:
    sides: dict[str, set[str]] = {}
    for (text, _, group), side in zip(rows, _sides(rows, seed, grouped), strict=True):
        sides.setdefault(f"text {text}", set()).add(side)
        if grouped and group is not None:
            sides.setdefault(f"group {group}", set()).add(side)
    assert all(len(found) == 1 for found in sides.values())


@given(tables(), st.integers(0, 5), st.booleans())
@settings(deadline=None, max_examples=40)
def test_every_class_is_in_train(rows: list[Row], seed: int, grouped: bool) -> None:
    sides = _sides(rows, seed, grouped)
    train = {label for (_, label, _), side in zip(rows, sides, strict=True) if side == "train"}
    assert train == {label for _, label, _ in rows}


@given(st.lists(st.integers(10, 200), min_size=1, max_size=8), st.integers(0, 5))
@settings(deadline=None, max_examples=40)
def test_distinct_rows_give_each_split_its_share_of_every_class(
    sizes: list[int], seed: int
) -> None:
    rows: list[Row] = [
        (f"{c} {n}", str(c), None) for c, size in enumerate(sizes) for n in range(size)
    ]
    counts = Counter(zip(_sides(rows, seed, False), (row[1] for row in rows), strict=True))
    for split, share in SHARES.items():
        total = sum(count for (side, _), count in counts.items() if side == split)
        assert abs(total - share * len(rows)) <= 1
        for c, size in enumerate(sizes):
            assert abs(counts[split, str(c)] - share * size) <= 1


def test_groups_of_moderate_size_keep_shares_and_classes_nearly() -> None:
    rows: list[Row] = [(f"t{n}", "ab"[n % 4 == 0], f"g{n // 5}") for n in range(1000)]
    sides = _sides(rows, 0, True)
    for split, share in SHARES.items():
        held = [row for row, side in zip(rows, sides, strict=True) if side == split]
        assert len(held) == pytest.approx(share * 1000, rel=0.1)
        assert sum(row[1] == "b" for row in held) == pytest.approx(share * 250, rel=0.2)


def test_seed_changes_the_split_and_nothing_else_does() -> None:
    rows: list[Row] = [(f"t{n}", "ab"[n % 2], None) for n in range(200)]
    assert _sides(rows, 0, False) == _sides(rows, 0, False)
    assert _sides(rows, 0, False) != _sides(rows, 1, False)


def test_added_rows_move_few_others() -> None:
    rows: list[Row] = [(f"t{n}", "ab"[n % 2], None) for n in range(1000)]
    before = _sides(rows, 0, False)
    after = _sides([*rows, *((f"new{n}", "a", None) for n in range(20))], 0, False)[:1000]
    assert sum(one != other for one, other in zip(before, after, strict=True)) <= 12


def test_known_split_stays_what_it_was() -> None:
    rows: list[Row] = [(f"t{n}", "ab"[n % 2], None) for n in range(20)]
    sides = _sides(rows, 7, False)
    found = {split: [n for n, side in enumerate(sides) if side == split] for split in SHARES}
    # A change here changes every user's split and with it the meaning of their locks.
    assert found == {"validation": [14, 17], "test": [8, 9, 13, 16]}


def test_rows_that_say_the_same_in_two_classes_stay_together() -> None:
    rows: list[Row] = [("same", "a", None), ("same", "b", None)]
    rows += [(f"t{n}", "a", None) for n in range(40)]
    assert len(set(_sides(rows, 3, False)[:2])) == 1


def test_small_and_absent_classes_are_warned_of() -> None:
    texts = [f"t{n}" for n in range(42)]
    division = divide(texts, ["a"] * 40 + ["rare"] * 2, None, {"test": 0.1}, 0)
    assert division.warnings == (
        "test has no row of 1 classes: rare",
        "1 classes have fewer than 3 distinct rows, too few for every split: rare",
    )


@given(
    st.lists(st.sets(st.sampled_from("abcde"), max_size=3), min_size=3, max_size=60),
    st.integers(0, 99),
    st.booleans(),
)
def test_every_class_of_rows_with_several_is_in_train(
    rows: list[set[str]], seed: int, grouped: bool
) -> None:
    texts = [f"text {number}" for number in range(len(rows))]
    groups = [f"group {number // 3}" for number in range(len(rows))] if grouped else None
    several = [sorted(names) for names in rows]
    sides = divide(texts, None, groups, SHARES, seed, several).sides
    kept = {
        name for names, side in zip(rows, sides, strict=True) if side == "train" for name in names
    }
    assert kept == set().union(*rows)


def test_rare_classes_of_rows_with_several_are_spread_over_all_splits() -> None:
    several = [["common", *(["rare"] if number % 20 == 0 else [])] for number in range(400)]
    texts = [f"text {number}" for number in range(400)]
    division = divide(texts, None, None, {"validation": 0.15, "test": 0.15}, 3, several)
    held = Counter(
        side for names, side in zip(several, division.sides, strict=True) if "rare" in names
    )
    assert held == {"train": 14, "validation": 3, "test": 3}
    assert division.warnings == ()


def test_share_that_units_cannot_meet_is_warned_of() -> None:
    texts = [f"t{n}" for n in range(40)]
    groups = [f"g{n // 10}" for n in range(40)]
    division = divide(texts, None, groups, {"test": 0.05}, 0)
    assert division.sides.count("test") == 10
    assert "test holds 10 rows where 2 were asked for" in division.warnings[0]


def test_one_group_of_all_rows_stays_in_train() -> None:
    division = divide(["x", "y", "z"], None, ["g", "g", "g"], SHARES, 0)
    assert division.sides == ("train",) * 3


def test_letter_case_and_spacing_do_not_make_another_text() -> None:
    assert same_text("  Hello\n\tWORLD ") == same_text("hello world")
    assert same_text("Straße") == same_text("STRASSE")
    assert same_text("hello, world") != same_text("hello world")
