from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.compiler.priors import DECODERS, PRIORS, SMALL_DATA_ROWS, prior

M = 1_000_000


@pytest.mark.parametrize(
    ("family", "parameters", "rate"),
    [
        ("bert", 22 * M, 3e-4),
        ("bert", 110 * M, 2e-5),
        ("roberta", 355 * M, 2e-5),
        ("deberta-v2", 141 * M, 4.5e-5),
        ("deberta-v2", 184 * M, 1.5e-5),
        ("deberta-v2", 435 * M, 7e-6),
        ("electra", 109 * M, 1e-4),
        ("electra", 335 * M, 5e-5),
        ("modernbert", 149 * M, 3e-5),
        ("qwen3", 600 * M, 2e-5),
        ("t5", 60 * M, 2e-4),
        ("bart", 139 * M, 3e-5),
        ("marian", 77 * M, 3e-5),
        ("t5", 4 * M, 1e-3),
    ],
)
def test_each_family_and_size_has_its_learning_rate(
    family: str, parameters: int, rate: float
) -> None:
    assert prior(family, parameters, 10_000).learning_rate == rate


def test_a_small_decoder_starts_higher_than_a_large_one() -> None:
    small, large = prior("llama", M, 10_000), prior("llama", 1000 * M, 10_000)
    assert small.learning_rate > 10 * large.learning_rate


def test_small_data_may_be_trained_longer() -> None:
    few = prior("bert", 22 * M, SMALL_DATA_ROWS - 1)
    many = prior("bert", 22 * M, SMALL_DATA_ROWS)
    assert few.epochs == (2, 3, 10)
    assert many.epochs == (1, 3, 5)


def test_an_encoder_decoders_shared_embeddings_are_not_frozen_on_small_data() -> None:
    assert prior("t5", 60 * M, SMALL_DATA_ROWS - 1).frozen_embeddings == (False,)
    assert prior("bert", 110 * M, SMALL_DATA_ROWS - 1).frozen_embeddings == (True, False)


@given(st.sampled_from(sorted(DECODERS)) | st.text(), st.integers(1, 10**12), st.integers(1, 10**9))
def test_every_model_has_a_prior_with_a_source(family: str, parameters: int, rows: int) -> None:
    found = prior(family, parameters, rows)
    assert found.source
    assert found.epochs[0] <= found.epochs[1] <= found.epochs[2]


def test_every_row_can_be_reached() -> None:
    reached = {
        (found.families, found.largest)
        for row in PRIORS
        for family in (row.families or {"bert"})
        for found in [prior(family, int(min(row.largest, 1e12)), SMALL_DATA_ROWS)]
    }
    assert reached == {(row.families, row.largest) for row in PRIORS}
