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


def memory(
    config: dict[str, object], parameters: int, batch: int, length: int, target: int = 0
) -> float:
    whole = fit.Trained(parameters)
    cost = fit.fit(config, whole, batch, length, target, download_bytes=0, other_bytes=0)
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


T5 = {
    "is_encoder_decoder": True, "d_model": 192, "num_layers": 3, "num_decoder_layers": 3,
    "num_heads": 6, "d_ff": 768, "vocab_size": 8000, "dropout_rate": 0.1,
}  # fmt: skip
BART = {
    "is_encoder_decoder": True, "d_model": 192, "encoder_layers": 3, "decoder_layers": 3,
    "encoder_attention_heads": 6, "encoder_ffn_dim": 768, "vocab_size": 8000,
    "attention_dropout": 0.0,
}  # fmt: skip
DEEP = {
    **T5,
    "d_model": 256,
    "num_layers": 4,
    "num_decoder_layers": 4,
    "num_heads": 8,
    "d_ff": 1024,
}
WORDY = {**T5, "d_model": 128, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 4,
         "d_ff": 512, "vocab_size": 32000}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "parameters", "batch", "length", "target", "measured"),
    [
        (T5, 4_636_000, 16, 256, 64, 1.65),
        (BART, 5_046_000, 16, 256, 64, 1.16),
        (WORDY, 5_015_000, 16, 64, 64, 1.18),
        (DEEP, 9_394_000, 4, 512, 128, 1.86),
    ],
)
def test_the_estimate_of_an_encoder_decoder_counts_what_it_writes(
    config: dict[str, object],
    parameters: int,
    batch: int,
    length: int,
    target: int,
    measured: float,
) -> None:
    """Peaks of whole processes taking two training steps on a CPU, in GB."""
    estimate = memory(config, parameters, batch, length, target)
    assert measured <= estimate <= 1.2 * measured
    whole, room = fit.Trained(parameters), int(estimate * 1e9) + 1
    assert fit.affordable_batch(config, whole, length, room, target) == batch


def test_the_affordable_batch_is_the_largest_that_fits() -> None:
    batch = fit.affordable_batch(MINILM, fit.Trained(22_743_000), 128, 4_000_000_000)
    assert (
        memory(MINILM, 22_743_000, batch, 128) <= 4.0 < memory(MINILM, 22_743_000, batch + 1, 128)
    )


def test_nothing_is_affordable_where_the_weights_alone_do_not_fit() -> None:
    assert fit.affordable_batch(MINILM, fit.Trained(1_000_000_000), 128, 10_000_000_000) == 0


def test_adapters_need_gradients_and_states_of_their_own_weights_alone() -> None:
    whole, beside = fit.Trained(10**9), fit.Trained(10**9, adapters=10**7)
    assert (whole.bytes, beside.bytes) == (16e9, 4e9 + 16e7)
    assert fit.affordable_batch(MINILM, whole, 128, 10 * 10**9) == 0
    assert fit.affordable_batch(MINILM, beside, 128, 10 * 10**9) > 100


def test_adapters_need_room_for_the_copy_that_they_are_merged_into() -> None:
    beside = fit.Trained(10**9, adapters=10**7)
    four_bits = fit.Trained(10**9, adapters=10**7, quantized=True)
    assert four_bits.bytes == 0.6e9 + 16e7
    assert fit.affordable_batch(MINILM, beside, 128, 8 * 10**9) == 0
    assert fit.affordable_batch(MINILM, four_bits, 128, 6 * 10**9) > 100
    assert fit.affordable_batch(MINILM, four_bits, 128, 5 * 10**9) == 0
    cost = fit.fit(MINILM, beside, 1, 16, download_bytes=0, other_bytes=0)
    assert cost.memory_bytes == fit.PROCESS + beside.merged_bytes


def test_a_configuration_without_a_width_counts_weights_alone() -> None:
    assert fit.activation_bytes({}, 32, 128) == 0


def test_disk_is_the_saved_model() -> None:
    cost = fit.fit(MINILM, fit.Trained(1000), 8, 16, download_bytes=5, other_bytes=70)
    assert (cost.disk_bytes, cost.download_bytes) == (4070, 5)


def test_telling_every_token_counts_the_vocabularys_logits() -> None:
    config = {**STORIES, "vocab_size": 50_000}
    plain = fit.activation_bytes(config, 4, 128)
    told = fit.activation_bytes(config, 4, 128, words=True)
    assert told - plain == fit.LOGITS * 4 * 128 * 50_000 * fit.FLOAT
    small = fit.Trained(265_000)
    fewer = fit.affordable_batch(config, small, 128, 4_000_000_000, words=True)
    assert 0 < fewer < fit.affordable_batch(config, small, 128, 4_000_000_000)


def test_of_rows_that_hold_two_texts_half_as_many_fit() -> None:
    whole = fit.Trained(22_743_000)
    one = fit.affordable_batch(MINILM, whole, 128, 4_000_000_000)
    assert fit.affordable_batch(MINILM, whole, 128, 4_000_000_000, texts=2) == one // 2
