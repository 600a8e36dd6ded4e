"""Cut texts are said where they are many, with what to do."""

from __future__ import annotations

import pytest

from automl.compiler.truncation import warnings
from automl.plan import Lengths
from automl.tasks.text_classification import TASK
from tests import factories


def candidate(share, **changes):
    return factories.candidate(lengths=Lengths(60, 212, 431, share), max_length=64, **changes)


def test_few_cut_texts_are_not_worth_a_word():
    assert warnings([candidate(0.05), factories.candidate()], None, TASK) == ()


@pytest.mark.parametrize(
    ("wish", "fix"),
    [
        (64, "data.max_length: 212 cuts one in twenty, left out fewer still"),
        (None, "it can read no more: take a model that reads longer texts, or shorten them"),
        (128, "it can read no more: take a model that reads longer texts, or shorten them"),
    ],
)
def test_many_are_said_with_a_fix_for_what_limits_them(wish, fix):
    (said,) = warnings([candidate(0.234)], wish, TASK)
    assert said == (
        "small reads 64 tokens of a text: 23% of the training texts are longer and are cut "
        f"(p95 212, longest 431); {fix}"
    )
