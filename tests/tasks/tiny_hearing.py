"""Sounds that can be told apart by their pitch, and tiny models that hear them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

PITCHES = (300.0, 900.0, 2700.0)
RATE = 16_000
CONVOLUTIONS = {"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 8}
SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}


def tone(number: int, pitch: float, seconds: float = 0.4, rate: int = RATE) -> Any:
    """Return float32 samples of a tone in noise, another one for each number."""
    import numpy as np

    generator = np.random.default_rng(number)
    time = np.arange(round(seconds * rate)) / rate
    found = 0.5 * np.sin(2 * np.pi * pitch * time + generator.uniform(0, 6))
    return (found + generator.normal(0, 0.02, len(time))).astype(np.float32)


def encoded(samples: Any, rate: int = RATE, kind: str = "WAV", subtype: str = "PCM_16") -> bytes:
    """Return the samples, of one channel or several, as a file's bytes."""
    import soundfile

    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format=kind, subtype=subtype)
    return stream.getvalue()


def wav(number: int, pitch: float, seconds: float = 0.4) -> bytes:
    """Return a tone as a file's bytes."""
    return encoded(tone(number, pitch, seconds))


def wav2vec2(folder: Path, family: str = "Wav2Vec2", **settings: Any) -> Path:
    """Write an untrained model of the family that reads samples and masks what is padding."""
    import transformers

    config = getattr(transformers, f"{family}Config")(
        **{
            **SMALL,
            **CONVOLUTIONS,
            "num_conv_pos_embedding_groups": 2,
            "feat_extract_norm": "layer",
            "do_stable_layer_norm": True,
            "hidden_dropout": 0.0,
            **settings,
        }
    )
    getattr(transformers, f"{family}Model")(config).save_pretrained(folder)
    masks = config.feat_extract_norm == "layer"
    transformers.Wav2Vec2FeatureExtractor(return_attention_mask=masks).save_pretrained(folder)
    return folder


def ast(folder: Path) -> Path:
    """Write an untrained Audio Spectrogram Transformer of 0.64 s."""
    from transformers import ASTConfig, ASTFeatureExtractor, ASTModel

    bands = {"num_mel_bins": 32, "max_length": 64}
    ASTFeatureExtractor(**bands).save_pretrained(folder)
    config = ASTConfig(**SMALL, **bands, patch_size=16, time_stride=16, frequency_stride=16)
    ASTModel(config).save_pretrained(folder)
    return folder


def whisper_settings(**more: Any) -> dict[str, Any]:
    """Return the configuration of a Whisper that hears a second."""
    return {
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64,
        "num_mel_bins": 32,
        "max_source_positions": 50,
        "max_target_positions": 64,
        "pad_token_id": 0,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "decoder_start_token_id": 1,
        "begin_suppress_tokens": None,
        "vocab_size": 300,
        **more,
    }


def whisper_ears(folder: Path) -> None:
    """Write Whisper's feature extractor, for a second."""
    from transformers import WhisperFeatureExtractor

    WhisperFeatureExtractor(feature_size=32, chunk_length=1).save_pretrained(folder)


def whisper(folder: Path) -> Path:
    """Write an untrained Whisper without a tokenizer."""
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    whisper_ears(folder)
    WhisperForConditionalGeneration(WhisperConfig(**whisper_settings())).save_pretrained(folder)
    return folder
