"""From a recipe's data section to tables and plan, and what is refused on the way."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl import documents
from automl.data.load import load_data
from automl.errors import DataError, Problem
from automl.plan import DataPlan
from automl.tasks import Task
from tests.data.samples import MakeRecipe, Write, csv_of, numbered_rows, recipe_in


def _problems(recipe: MakeRecipe, task: Task, **data: object) -> tuple[Problem, ...]:
    with pytest.raises(DataError) as caught:
        load_data(recipe(**data), task)
    return caught.value.problems


def test_shares_give_three_tables_by_role(recipe: MakeRecipe, write: Write, task: Task) -> None:
    rows = numbered_rows(100)
    write("tickets.csv", csv_of(rows).replace("text,label", "body,queue"))
    data = load_data(recipe(train="tickets.csv"), task)
    assert data.plan.rows == {"train": 80, "validation": 10, "test": 10}
    assert data.plan.columns == {"text": "body", "label": "queue"}
    assert data.plan.labels == ("a", "b")
    assert data.tables["train"].column_names == ["text", "label", "__source__"]
    together = [(row["text"], row["label"]) for t in data.tables.values() for row in t.to_pylist()]
    assert sorted(together) == sorted(rows)


def test_source_column_leads_back_to_the_line(recipe: MakeRecipe, write: Write, task: Task) -> None:
    path = write("train.csv", csv_of(numbered_rows(40)))
    lines = path.read_text().splitlines()
    for row in load_data(recipe(), task).tables["train"].to_pylist():
        name, number = row["__source__"].split(":")
        assert name == "train.csv"
        assert row["text"] in lines[int(number) - 1]


def test_plan_says_how_the_data_was_split(recipe: MakeRecipe, write: Write, task: Task) -> None:
    write("train.csv", csv_of(numbered_rows(40)))
    write("test.csv", csv_of([("a text of its own", "a"), ("another one", "b")]))
    plan = load_data(recipe(test="test.csv", seed=3), task).plan
    assert (plan.split.seed, plan.split.validation_share, plan.split.test_share) == (3, 0.1, None)
    assert (plan.split.stratified_by, plan.split.grouped_by) == ("label", None)
    assert [(s.split, s.reference, s.files[0].path) for s in plan.sources] == [
        ("train", "train.csv", "train.csv"),
        ("test", "test.csv", "test.csv"),
    ]
    assert plan.profile.class_counts["test"] == {"a": 1, "b": 1}
    assert plan.profile.characters == {"p50": 22, "p95": 22, "max": 22}


@given(
    rows=st.lists(st.tuples(st.text(), st.sampled_from("abc")), min_size=30, max_size=60),
    shuffler=st.randoms(use_true_random=False),
)
@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_order_of_rows_changes_neither_plan_nor_tables(
    tmp_path: Path, task: Task, rows: list[tuple[str, str]], shuffler: random.Random
) -> None:
    rows = [("text " + text, label) for text, label in rows]
    rows += [(f"fixed {label} {n}", label) for n in range(4) for label in "abc"]
    both = []
    for _ in range(2):
        encoded = [json.dumps({"text": text, "label": label}) for text, label in rows]
        (tmp_path / "train.jsonl").write_text("\n".join(encoded))
        both.append(load_data(recipe_in(tmp_path, train="train.jsonl", validation=0.2), task))
        shuffler.shuffle(rows)
    one, other = both
    assert one.plan.fingerprint == other.plan.fingerprint
    assert one.plan.split == other.plan.split
    assert one.plan.profile == other.plan.profile
    for split in one.tables:
        shown = [t[split].drop_columns(["__source__"]) for t in (one.tables, other.tables)]
        assert shown[0].equals(shown[1])


def test_one_changed_letter_changes_the_fingerprint(
    recipe: MakeRecipe, write: Write, task: Task
) -> None:
    rows = numbered_rows(40)
    write("train.csv", csv_of(rows))
    before = load_data(recipe(), task).plan
    write("train.csv", csv_of([("This is text number 0", "a"), *rows[1:]]))
    assert load_data(recipe(), task).plan.fingerprint != before.fingerprint
    assert load_data(recipe(), task).plan.split.hash != before.split.hash


def test_seed_changes_the_split_hash_and_not_the_fingerprint(
    recipe: MakeRecipe, write: Write, task: Task
) -> None:
    write("train.csv", csv_of(numbered_rows(40)))
    one, other = (load_data(recipe(seed=seed), task).plan for seed in (0, 1))
    assert one.fingerprint == other.fingerprint
    assert one.split.hash != other.split.hash


def test_same_rows_in_another_format_give_the_same_fingerprint(
    recipe: MakeRecipe, write: Write, tmp_path: Path, task: Task
) -> None:
    rows = numbered_rows(40)
    write("train.csv", csv_of(rows))
    texts, labels = zip(*rows, strict=True)
    table = pa.table({"text": pa.array(texts, pa.large_string()),
                      "label": pa.array(labels).dictionary_encode()})  # fmt: skip
    pq.write_table(table, tmp_path / "train.parquet")
    plans = [load_data(recipe(train=name), task).plan for name in ("train.csv", "train.parquet")]
    assert plans[0].fingerprint == plans[1].fingerprint
    assert plans[0].split == plans[1].split


def test_plan_is_a_document_that_round_trips(
    recipe: MakeRecipe, write: Write, task: Task, tmp_path: Path
) -> None:
    from pydantic import TypeAdapter

    write("train.csv", csv_of(numbered_rows(40)))
    plan = load_data(recipe(train=str(tmp_path / "train.csv"), validation=0.2), task).plan
    text = documents.to_json(plan)
    assert TypeAdapter(DataPlan).validate_json(text) == plan
    hidden = text.decode().replace(json.dumps(str(tmp_path / "train.csv")), "")
    assert str(tmp_path) not in hidden


def test_grouped_rows_stay_together(recipe: MakeRecipe, write: Write, task: Task) -> None:
    lines = [f"words of speaker {n // 4} take {n},{'ab'[n % 2]},s{n // 4}" for n in range(200)]
    write("train.csv", "text,label,speaker\n" + "\n".join(lines))
    data = load_data(recipe(group_by="speaker"), task)
    speakers = {
        split: {text.split()[3] for text in table["text"].to_pylist()}
        for split, table in data.tables.items()
    }
    assert not speakers["train"] & speakers["test"]
    assert not speakers["train"] & speakers["validation"]
    assert data.plan.split.grouped_by == "speaker"
    assert data.tables["train"].column_names == ["text", "label", "__source__"]


def test_numeric_classes_are_ordered_by_value(recipe: MakeRecipe, write: Write, task: Task) -> None:
    write("train.csv", csv_of(numbered_rows(44, ("10", "9", "-1", "2"))))
    assert load_data(recipe(), task).plan.labels == ("-1", "2", "9", "10")


def test_labels_that_look_like_numbers_stay_what_they_are(
    recipe: MakeRecipe, write: Write, task: Task
) -> None:
    write("train.csv", csv_of(numbered_rows(40, ("01", "1e5"))))
    assert load_data(recipe(), task).plan.labels == ("01", "1e5")


def _declaring(folder: Path, names: list[str]) -> None:
    """Write a table of the first and the last of the classes it declares."""
    described = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
    ends = [0, len(names) - 1] * 20
    table = pa.table({"text": [f"text {n}" for n in range(40)], "label": ends})
    table = table.replace_schema_metadata({"huggingface": json.dumps(described)})
    pq.write_table(table, folder / "train.parquet")


def test_declared_class_order_is_kept_and_unused_classes_warned_of(
    recipe: MakeRecipe, tmp_path: Path, task: Task
) -> None:
    _declaring(tmp_path, ["zero", "unused", "alpha"])
    plan = load_data(recipe(train="train.parquet"), task).plan
    assert plan.labels == ("zero", "alpha")
    assert plan.warnings == ("1 declared classes have no train row: unused",)


@pytest.mark.parametrize(
    ("values", "labels"),
    [([1.0, 2.0], ("1", "2")), ([True, False], ("false", "true"))],
)
def test_whole_floats_and_booleans_are_classes(
    recipe: MakeRecipe, tmp_path: Path, task: Task, values: list[object], labels: tuple[str, ...]
) -> None:
    table = pa.table({"text": [f"text {n}" for n in range(40)], "label": values * 20})
    pq.write_table(table, tmp_path / "train.parquet")
    assert load_data(recipe(train="train.parquet"), task).plan.labels == labels


def test_fractions_are_no_classes(recipe: MakeRecipe, tmp_path: Path, task: Task) -> None:
    table = pa.table({"text": [f"text {n}" for n in range(40)], "label": [0.5, 1.0] * 20})
    pq.write_table(table, tmp_path / "train.parquet")
    (problem,) = _problems(recipe, task, train="train.parquet")
    assert problem.message == ("train.parquet: column 'label' (label) holds fractions, not classes")


def test_rows_without_text_are_dropped_and_counted(
    recipe: MakeRecipe, write: Write, task: Task
) -> None:
    write("train.csv", csv_of([("", "a"), (" \t", "b"), *numbered_rows(40)]))
    plan = load_data(recipe(), task).plan
    assert sum(plan.rows.values()) == 40
    assert plan.profile.dropped_rows == 2
    assert plan.warnings == ("2 rows without text were left out: train.csv:2, train.csv:3",)


def test_rows_without_label_are_an_error_that_names_them(
    recipe: MakeRecipe, write: Write, task: Task
) -> None:
    write("train.csv", csv_of([*numbered_rows(40), ("one", ""), ("two", " ")]))
    (problem,) = _problems(recipe, task)
    assert problem.message == ("2 rows have no label (column 'label'): train.csv:42, train.csv:43")
    assert problem.place is not None
    assert problem.place.line == 5


def test_classes_only_in_test_are_an_error_with_their_rows(
    recipe: MakeRecipe, write: Write, task: Task
) -> None:
    write("train.csv", csv_of(numbered_rows(40)))
    write("test.csv", csv_of([("fine", "a"), *((f"odd {n}", "c") for n in range(12))]))
    (problem,) = _problems(recipe, task, test="test.csv")
    assert problem.message.startswith(
        "test has classes that train has not: 'c' in column 'label', 12 rows: test.csv:3, "
    )
    assert problem.message.endswith("test.csv:12 and 2 more")


def test_classes_that_differ_by_case_or_spaces_are_an_error_with_a_fix(
    recipe: MakeRecipe, write: Write, task: Task
) -> None:
    write("train.csv", csv_of([*numbered_rows(40, ("ham", "spam")), ("x", "Ham "), ("y", "HAM")]))
    (problem,) = _problems(recipe, task)
    assert problem.message == (
        "column 'label': 'HAM' (1 row: train.csv:43), 'Ham ' (1 row: train.csv:42) differ from "
        "'ham' (20 rows) only by case, spaces or Unicode form"
    )
    assert problem.hint == (
        "write 'ham' everywhere, or merge them, under data: labels: {HAM: ham, 'Ham ': ham}"
    )
    loaded = load_data(recipe(labels={"HAM": "ham", "Ham ": "ham"}), task)
    assert loaded.plan.labels == ("ham", "spam")
    assert loaded.plan.warnings == (
        "classes were renamed as data.labels says: 'HAM' is 'ham' (1 rows), 'Ham ' is 'ham' "
        "(1 rows)",
    )


@pytest.mark.parametrize(
    ("labels", "said", "fix"),
    [
        (("a", " b"), "' b' (20 rows: ", {" b": "b"}),
        (("a", "nan"), "'nan' (20 rows: ", {"nan": "nan"}),
        (("a", "straße", "STRASSE"), "'straße' (13 rows: ", {"straße": "STRASSE"}),
        (
            ("a", "caf\u00e9", "cafe\u0301"),
            "from 'cafe\\u0301' (13 rows)",
            {"cafe\u0301": "caf\u00e9"},
        ),
    ],
)
def test_classes_that_are_likely_none_of_their_own_are_errors_until_they_are_named(
    recipe: MakeRecipe, write: Write, task: Task, labels: tuple[str, ...], said: str, fix: dict
) -> None:
    write("train.csv", csv_of(numbered_rows(40, labels)))
    (problem,) = _problems(recipe, task)
    assert said in problem.message
    assert problem.hint is not None
    assert f"{next(iter(fix.values()))}}}" in problem.hint
    assert load_data(recipe(labels=fix), task).plan.rows["train"] == 32


def test_classes_that_are_meant_as_they_are_written_are_named_as_themselves(
    recipe: MakeRecipe, write: Write, task: Task
) -> None:
    write("train.csv", csv_of(numbered_rows(40, ("US", "us"))))
    assert _problems(recipe, task)
    loaded = load_data(recipe(labels={"US": "US", "us": "us"}), task)
    assert loaded.plan.labels == ("US", "us")
    assert loaded.plan.warnings == ()


def test_rows_without_a_class_are_left_out_where_the_recipe_says_so(
    recipe: MakeRecipe, write: Write, task: Task
) -> None:
    rows = [*numbered_rows(40, ("a", "b", "junk")), ("one", ""), ("two", " ")]
    write("train.csv", csv_of(rows))
    (problem,) = _problems(recipe, task)
    assert problem.hint is not None
    assert problem.hint.endswith("to leave them out, under data: labels: {'': null}")
    loaded = load_data(recipe(labels={"": None, "junk": None}), task)
    assert loaded.plan.labels == ("a", "b")
    assert sum(loaded.plan.rows.values()) == 27
    (note,) = loaded.plan.warnings
    assert note.startswith("15 rows were left out as data.labels says: train.csv:4, ")


def test_a_name_for_a_class_that_no_row_has_is_an_error(
    recipe: MakeRecipe, write: Write, task: Task
) -> None:
    write("train.csv", csv_of(numbered_rows(40, ("refund", "billing"))))
    (problem,) = _problems(recipe, task, labels={"Refnud": "refund"})
    assert problem.message == "no row has the class 'Refnud'"
    assert problem.hint == "did you mean 'refund'?"


def test_classes_of_several_a_row_are_renamed_and_left_out_one_by_one(
    recipe: MakeRecipe, write: Write, task: Task
) -> None:
    several = [["joy"], ["Joy", "anger"], ["anger", "joy"], ["noise", "anger"]]
    rows = ({"text": f"this is text number {n}", "labels": several[n % 4]} for n in range(40))
    write("train.jsonl", "\n".join(map(json.dumps, rows)))
    (problem,) = _problems(recipe, task, train="train.jsonl")
    assert "'Joy' (10 rows: " in problem.message
    loaded = load_data(recipe(train="train.jsonl", labels={"Joy": "joy", "noise": None}), task)
    assert loaded.plan.labels == ("anger", "joy")
    found = [sorted(row) for table in loaded.tables.values() for row in table["label"].to_pylist()]
    assert Counter(map(tuple, found)) == {("joy",): 10, ("anger", "joy"): 20, ("anger",): 10}


def test_declared_classes_are_renamed_with_the_rest(
    recipe: MakeRecipe, tmp_path: Path, task: Task
) -> None:
    _declaring(tmp_path, ["zero", "unused", "alpha"])
    renamed = {"zero": "naught", "alpha": "first"}
    loaded = load_data(recipe(train="train.parquet", labels=renamed), task)
    assert loaded.plan.labels == ("naught", "first")


def test_single_class_is_an_error(recipe: MakeRecipe, write: Write, task: Task) -> None:
    write("train.csv", csv_of(numbered_rows(40, ("only",))))
    (problem,) = _problems(recipe, task)
    assert "one class only, 'only', in all train rows" in problem.message


def test_label_column_of_mostly_different_values_is_an_error(
    recipe: MakeRecipe, write: Write, task: Task
) -> None:
    write("train.csv", csv_of([(f"text {n}", f"id-{n}") for n in range(60)]))
    (problem,) = _problems(recipe, task)
    assert "has 60 classes in 60 rows" in problem.message


def test_too_few_train_rows_are_an_error(recipe: MakeRecipe, write: Write, task: Task) -> None:
    write("train.csv", csv_of(numbered_rows(10)))
    (problem,) = _problems(recipe, task)
    assert problem.message == "train has 8 rows; it takes at least 10"


def test_groups_that_hang_together_are_an_error_that_says_why(
    recipe: MakeRecipe, write: Write, task: Task
) -> None:
    lines = [
        f"{t},{label},g{n}" for n in range(20) for t, label in (("hello", "a"), (f"t{n}", "b"))
    ]
    write("train.csv", "text,label,group\n" + "\n".join(lines))
    problems = _problems(recipe, task, group_by="group")
    assert "equal texts link the groups of 'group' into one" in problems[0].message


def test_all_unreadable_sources_are_named_at_their_places(recipe: MakeRecipe, task: Task) -> None:
    problems = _problems(recipe, task, train=["one.csv", "two.csv"], test="three.csv")
    assert [problem.message for problem in problems] == [
        "one.csv does not exist",
        "two.csv does not exist",
        "three.csv does not exist",
    ]
    assert [problem.place.line for problem in problems if problem.place] == [5, 5, 6]


def test_several_sources_make_one_train_set(recipe: MakeRecipe, write: Write, task: Task) -> None:
    rows = numbered_rows(40)
    write("a.csv", csv_of(rows[:20]))
    write("b.tsv", csv_of(rows[20:]).replace(",", "\t"))
    plan = load_data(recipe(train=["a.csv", "b.tsv"]), task).plan
    assert sum(plan.rows.values()) == 40
    assert [source.reference for source in plan.sources] == ["a.csv", "b.tsv"]


def test_column_that_another_split_lacks_is_an_error(
    recipe: MakeRecipe, write: Write, task: Task
) -> None:
    write("train.csv", csv_of(numbered_rows(40)))
    write("test.csv", "text,klass\nhi,a\n")
    (problem,) = _problems(recipe, task, test="test.csv")
    assert problem.message == "test.csv has no column 'label' (label); it has text, klass"


def test_column_of_mixed_json_types_is_an_error_only_when_it_is_read(
    recipe: MakeRecipe, write: Write, task: Task
) -> None:
    rows = [{"text": t, "label": lb, "note": n} for n, (t, lb) in enumerate(numbered_rows(40))]
    rows[3]["note"] = "odd"
    write("train.jsonl", "\n".join(map(json.dumps, rows)))
    assert sum(load_data(recipe(train="train.jsonl"), task).plan.rows.values()) == 40
    (problem,) = _problems(recipe, task, train="train.jsonl", columns={"label": "note"})
    assert problem.message == "train.jsonl:4: 'note' is text where row 1 has a number"


def test_test_file_needs_no_grouping_column(recipe: MakeRecipe, write: Write, task: Task) -> None:
    lines = [f"words of speaker {n // 4} take {n},{'ab'[n % 2]},s{n // 4}" for n in range(80)]
    write("train.csv", "text,label,speaker\n" + "\n".join(lines))
    write("test.csv", csv_of([("fresh", "a")]))
    assert load_data(recipe(group_by="speaker", test="test.csv"), task).plan.rows["test"] == 1


def test_groups_on_two_sides_of_given_splits_are_warned_of(
    recipe: MakeRecipe, write: Write, task: Task
) -> None:
    lines = [f"words of speaker {n // 4} take {n},{'ab'[n % 2]},s{n // 4}" for n in range(80)]
    write("train.csv", "text,label,speaker\n" + "\n".join(lines))
    write("test.csv", "text,label,speaker\nfresh,a,s0\n")
    plan = load_data(recipe(group_by="speaker", test="test.csv"), task).plan
    assert any(
        text.startswith("1 groups are in both ") and text.endswith("and test: s0")
        for text in plan.warnings
    )


def test_split_without_any_text_is_an_error(recipe: MakeRecipe, write: Write, task: Task) -> None:
    write("train.csv", csv_of(numbered_rows(40)))
    write("test.csv", csv_of([("", "a")]))
    (problem,) = _problems(recipe, task, test="test.csv")
    assert problem.message == "test has no row with text"


def test_leaks_and_conflicts_are_warned_of(recipe: MakeRecipe, write: Write, task: Task) -> None:
    write("train.csv", csv_of([*numbered_rows(40), ("twice said", "a"), ("Twice  said", "b")]))
    write("test.csv", csv_of([("this is text NUMBER 0", "a"), ("new", "b")]))
    warnings = load_data(recipe(test="test.csv", validation=0.2), task).plan.warnings
    assert any("1 texts have different classes" in text for text in warnings)
    assert any("test.csv:2 = train.csv:2" in text for text in warnings)


def test_real_data_keeps_shares_and_classes(shared: Path, task: Task) -> None:
    folder = shared / "data" / "text-classification" / "banking77"
    begin = time.perf_counter()
    data = load_data(recipe_in(folder), task)
    seconds = time.perf_counter() - begin
    assert data.plan.rows == {"train": 8002, "validation": 1000, "test": 1001}
    assert len(data.plan.labels) == 77
    assert all(set(c) == set(data.plan.labels) for c in data.plan.profile.class_counts.values())
    assert seconds < 5  # about .5 s alone; the bound leaves room for a busy machine


def test_real_test_rows_that_are_in_train_are_found(shared: Path, task: Task) -> None:
    folder = shared / "data" / "text-classification" / "sms_spam"
    plan = load_data(recipe_in(folder, test="test.csv"), task).plan
    assert plan.labels == ("ham", "spam")
    (warning,) = plan.warnings
    assert warning.startswith("5 of 1035 test rows have a text that train has too: test.csv:")


def test_loading_a_csv_needs_neither_torch_nor_pandas_nor_datasets(
    write: Write, tmp_path: Path
) -> None:
    write("train.csv", csv_of(numbered_rows(40)))
    code = """
import sys
from pathlib import Path
from automl import tasks
from automl.data.load import load_data
from automl.data.tables import write_table
from tests.data.samples import recipe_in
data = load_data(recipe_in(Path(sys.argv[1])), tasks.get("text-classification"))
write_table(data.tables["train"], Path(sys.argv[1]) / "train.arrow")
heavy = {"torch", "transformers", "datasets", "pandas", "huggingface_hub", "sklearn", "optuna"}
print(sorted(heavy & set(sys.modules)))
"""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
