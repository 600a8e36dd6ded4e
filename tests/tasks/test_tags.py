"""Tags make the entities that seqeval finds, whatever their scheme; doubt is said or refused."""

from __future__ import annotations

import random
import warnings
from collections.abc import Sequence

import pytest

from automl.tasks import _entities, _tags
from automl.tasks._tagging import Tagged
from automl.tasks._words import joined

LABELS = ("B-LOC", "B-PER", "B-one-two", "I-LOC", "I-PER", "I-one-two", "O")


def _drawn(generator: random.Random, labels: Sequence[str], most: int = 9) -> list[str]:
    return [generator.choice(labels) for _ in range(generator.randint(1, most))]


def _tagged(tags: Sequence[str]) -> Tagged:
    document = joined([f"w{place}" for place in range(len(tags))])
    return Tagged(document.text, document.words, list(tags), [0.5] * len(tags))


@pytest.mark.parametrize("prefixes", ["BI", "BIES"])
def test_entities_are_those_of_seqeval(prefixes: str) -> None:
    from seqeval.metrics.sequence_labeling import get_entities

    generator = random.Random(7)
    labels = ("O", *(f"{prefix}-{kind}" for prefix in prefixes for kind in ("X", "Y-Z")))
    for _ in range(2000):
        tags = _drawn(generator, labels)
        expected = [(kind, first, last + 1) for kind, first, last in get_entities(tags)]
        assert _tags.entities(tags) == expected


@pytest.mark.parametrize("seed", range(20))
def test_scores_are_those_of_seqeval(seed: int) -> None:
    from seqeval import metrics

    generator = random.Random(seed)
    truth = [_drawn(generator, LABELS) for _ in range(30)]
    said = [
        [tag if generator.random() < 0.6 else generator.choice(LABELS) for tag in row]
        for row in truth
    ]
    found = _entities.score([_tagged(row) for row in said], truth, LABELS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "f1": metrics.f1_score(truth, said),
            "precision": metrics.precision_score(truth, said),
            "recall": metrics.recall_score(truth, said),
            "macro_f1": metrics.f1_score(truth, said, average="macro"),
            "accuracy": metrics.accuracy_score(truth, said),
        }
        table = metrics.classification_report(truth, said, output_dict=True)
    assert found == pytest.approx(expected)
    report = _entities.report([_tagged(row) for row in said], truth, LABELS, 0)
    for kind in ("LOC", "PER", "one-two"):
        assert report.per_class[kind]["f1"] == pytest.approx(table[kind]["f1-score"])
        assert report.per_class[kind]["support"] == table[kind]["support"]
    assert (report.unit, report.confusion) == ("entities", ())


def test_rows_without_any_entity_score_nothing_and_break_nothing() -> None:
    rows = [["O", "O"], ["O"]]
    found = _entities.score([_tagged(row) for row in rows], rows, LABELS)
    assert (found["f1"], found["accuracy"]) == (0.0, 1.0)


def test_plain_tags_are_scored_one_by_one_with_their_confusion() -> None:
    labels = ("DET", "NOUN", "VERB")
    truth, said = [["DET", "NOUN", "VERB"]], [["DET", "NOUN", "NOUN"]]
    report = _entities.report([_tagged(row) for row in said], truth, labels, 0)
    assert report.metrics["f1"] == report.metrics["accuracy"] == pytest.approx(2 / 3)
    assert report.metrics["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert report.confusion == ((1, 0, 0), (0, 1, 0), (0, 1, 0))
    assert report.unit == "words"


def test_bio_is_left_as_it_is_without_a_note() -> None:
    rows = [["B-PER", "I-PER", "O", "B-PER", "B-PER"], ["O"]]
    assert _tags.read(rows) == _tags.Read(rows)


def test_bioes_and_bilou_become_bio_with_a_note() -> None:
    wanted = [["B-PER", "I-PER", "I-PER", "O", "B-LOC"]]
    for rows, said in (
        ([["B-PER", "I-PER", "E-PER", "O", "S-LOC"]], "E-, S-"),
        ([["B-PER", "I-PER", "L-PER", "O", "U-LOC"]], "L-, U-"),
    ):
        found = _tags.read(rows)
        assert found.rows == wanted
        assert found.notes == (f"tags with {said} were rewritten with B- and I-",)
        assert not found.malformed


def test_iob1_is_recognised_where_b_only_parts_neighbours() -> None:
    found = _tags.read([["I-PER", "I-PER", "B-PER", "I-LOC"], ["O", "I-LOC"]])
    assert found.rows == [["B-PER", "I-PER", "B-PER", "B-LOC"], ["O", "B-LOC"]]
    assert found.notes == ("tags are IOB1: 3 entities that begin with I- were rewritten with B-",)
    assert not found.malformed


def test_an_entity_that_lacks_its_b_is_given_one_with_a_note() -> None:
    found = _tags.read([["O", "I-PER", "I-PER"], ["B-LOC", "I-LOC"]])
    assert found.rows == [["O", "B-PER", "I-PER"], ["B-LOC", "I-LOC"]]
    assert found.notes == ("1 entities in 1 rows began without B- and were given one",)


def test_an_i_of_another_type_is_refused_where_b_is_in_use() -> None:
    (wrong,) = _tags.read([["B-PER", "O"], ["B-PER", "I-LOC"]]).malformed
    assert wrong.row == 1
    assert wrong.rule == "tag 'I-LOC' at 2 follows 'B-PER': one entity or two?"
    assert wrong.hint == "write B-LOC for a new one, I-PER for the same"


@pytest.mark.parametrize(
    ("tag", "rule"),
    [
        ("PER", "tag 'PER' at 2 has no B- or I- before it, as others have"),
        ("B-", "tag 'B-' at 2 has no type"),
    ],
)
def test_a_tag_that_says_nothing_certain_is_refused(tag: str, rule: str) -> None:
    (wrong,) = _tags.read([["B-PER", tag]]).malformed
    assert wrong.rule == rule


def test_numbers_without_names_are_plain_tags_and_said_to_be() -> None:
    found = _tags.read([["0", "1", "2"]])
    assert found.rows == [["0", "1", "2"]]
    assert "without names" in found.notes[0]


def test_what_is_written_is_read_again() -> None:
    entities = [("PER", 0, 2), ("PER", 2, 3), ("LOC", 4, 5)]
    assert _tags.entities(_tags.written(entities, 6)) == entities
