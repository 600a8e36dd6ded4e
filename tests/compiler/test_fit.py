from __future__ import annotations

import pytest

from automl.compiler import fit

MINILM = {
    "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12,
    "intermediate_size": 1536, "attention_probs_dropout_prob": 0.1,
}  # fmt: skip
STORIES = {
    "hidden_size": 64, "num_hidden_layers": 5, "num_attention_heads": 8,
    "intermediate_size": 172, "attention_dropout": 0.0, "rms_norm_eps": 1e-5,
}  # fmt: skip


def memory(config: dict[str, object], parameters: int, batch: int, length: int) -> float:
    cost = fit.fit(config, parameters, batch, length, download_bytes=0, other_bytes=0)
    return cost.memory_bytes / 1e9


@pytest.mark.parametrize(
    ("config", "parameters", "batch", "length", "measured"),
    [
        (MINILM, 22_743_000, 32, 128, 2.15),
        (MINILM, 22_743_000, 64, 56, 1.68),
        (MINILM, 22_743_000, 16, 256, 2.62),
        (MINILM, 22_743_000, 8, 512, 3.58),
        (MINILM, 22_743_000, 96, 96, 3.61),
        (MINILM, 22_743_000, 64, 24, 1.11),
        (STORIES, 265_000, 64, 128, 0.73),
        (STORIES, 265_000, 16, 512, 0.79),
        (STORIES, 265_000, 128, 64, 0.71),
        (STORIES, 265_000, 64, 256, 1.09),
    ],
)
def test_the_estimate_lies_just_above_measured_peaks(
    config: dict[str, object], parameters: int, batch: int, length: int, measured: float
) -> None:
    """Peaks of whole processes taking two training steps on a CPU, in GB."""
    assert measured <= memory(config, parameters, batch, length) <= 1.15 * measured


def test_the_affordable_batch_is_the_largest_that_fits() -> None:
    batch = fit.affordable_batch(MINILM, 22_743_000, 128, 4_000_000_000)
    assert (
        memory(MINILM, 22_743_000, batch, 128) <= 4.0 < memory(MINILM, 22_743_000, batch + 1, 128)
    )


def test_nothing_is_affordable_where_the_weights_alone_do_not_fit() -> None:
    assert fit.affordable_batch(MINILM, 1_000_000_000, 128, 10_000_000_000) == 0


def test_a_configuration_without_a_width_counts_weights_alone() -> None:
    assert fit.activation_bytes({}, 32, 128) == 0


def test_disk_is_the_saved_model() -> None:
    cost = fit.fit(MINILM, 1000, 8, 16, download_bytes=5, other_bytes=70)
    assert (cost.disk_bytes, cost.download_bytes) == (4070, 5)


def test_telling_every_token_counts_the_vocabularys_logits() -> None:
    config = {**STORIES, "vocab_size": 50_000}
    plain = fit.activation_bytes(config, 4, 128)
    told = fit.activation_bytes(config, 4, 128, words=True)
    assert told - plain == fit.LOGITS * 4 * 128 * 50_000 * fit.FLOAT
    fewer = fit.affordable_batch(config, 265_000, 128, 4_000_000_000, words=True)
    assert 0 < fewer < fit.affordable_batch(config, 265_000, 128, 4_000_000_000)


def test_of_rows_that_hold_two_texts_half_as_many_fit() -> None:
    one = fit.affordable_batch(MINILM, 22_743_000, 128, 4_000_000_000)
    assert fit.affordable_batch(MINILM, 22_743_000, 128, 4_000_000_000, texts=2) == one // 2
