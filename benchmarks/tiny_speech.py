"""Makes a small, untrained model that hears: for trying the tasks over sounds without the hub.

    python benchmarks/tiny_speech.py -o models/tiny-whisper --family whisper --seconds 1
    python benchmarks/tiny_speech.py -o models/tiny-asr --texts train.csv transcription

A recipe takes the folder as ``{path: models/tiny-whisper}``. ``whisper`` and ``ast`` hear mel bands
of as many seconds as are said here; ``wav2vec2`` hears samples of any length. With ``--texts`` a
Whisper gets a tokenizer, byte-level BPE trained on a data file's column, so that it can be taught
to write what is said; wav2vec 2.0 needs none: its letters come from the training data. The weights
are drawn from a seed. What such a model learns says how the search works, not how good pretrained
models are.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

END, START, SILENT, TIMELESS = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|nospeech|>",
    "<|notimestamps|>",
)
TASKS = ("<|translate|>", "<|transcribe|>")
HEAD_WIDTH = 32
FRAMES = 100
"""Mel frames a second."""
POSITIONS = 64
"""Tokens that a Whisper writes at most."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a model is."""

    width: int = 96
    layers: int = 3
    mels: int = 40
    seconds: int = 1
    patch: int = 16
    vocabulary: int = 300


USUAL = Size()


def main() -> None:
    """Read the arguments, make the model, and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Plain)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the model")
    parser.add_argument("--family", choices=("whisper", "ast", "wav2vec2"), default="whisper")
    parser.add_argument("--texts", nargs=2, metavar=("DATA", "COLUMN"), help="what is to be said")
    parser.add_argument("--width", type=int, default=USUAL.width, help=f"times {HEAD_WIDTH}")
    parser.add_argument("--layers", type=int, default=USUAL.layers)
    parser.add_argument("--mels", type=int, default=USUAL.mels, help="bands; AST: times --patch")
    parser.add_argument("--seconds", type=int, default=USUAL.seconds)
    parser.add_argument("--patch", type=int, default=USUAL.patch, help="AST: a patch's side")
    parser.add_argument("--vocabulary", type=int, default=USUAL.vocabulary, help="tokens at most")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    size = Size(given.width, given.layers, given.mels, given.seconds, given.patch, given.vocabulary)
    texts = None if given.texts is None else list(said(Path(given.texts[0]), given.texts[1]))
    found = make(given.output, size, given.family, texts, given.seed)
    print(f"{given.output}: {found:,} parameters", file=sys.stderr)


class _Plain(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the description's lines."""


def said(data: Path, column: str) -> Iterable[str]:
    """Yield the column's texts; SystemExit names a row that lacks it."""
    from automl.serving.rows import read

    for row in read(data):
        if column not in row.columns:
            raise SystemExit(f"{row.place}: there is no column {column!r}")
        yield str(row.columns[column])


def make(
    folder: Path,
    size: Size = USUAL,
    family: str = "whisper",
    texts: Iterable[str] | None = None,
    seed: int = 0,
) -> int:
    """Write an untrained model and what it hears with into ``folder``; return its weights."""
    import torch

    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    model = {"whisper": _whisper, "ast": _ast, "wav2vec2": _wav2vec2}[family](folder, size, texts)
    model.save_pretrained(folder)
    return int(model.num_parameters())


def _whisper(folder: Path, size: Size, texts: Iterable[str] | None) -> Any:
    from transformers import (
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    hears = WhisperFeatureExtractor(feature_size=size.mels, chunk_length=size.seconds)
    hears.save_pretrained(folder)
    heads = max(1, size.width // HEAD_WIDTH)
    config = WhisperConfig(
        vocab_size=size.vocabulary,
        num_mel_bins=size.mels,
        d_model=size.width,
        encoder_layers=size.layers,
        decoder_layers=size.layers if texts is not None else 1,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=4 * size.width,
        decoder_ffn_dim=4 * size.width,
        max_source_positions=size.seconds * FRAMES // 2,
        max_target_positions=POSITIONS,
        dropout=0.1,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=1,
        begin_suppress_tokens=None,
    )
    if texts is not None:
        tokenizer = whisper_tokenizer(texts, size.vocabulary)
        tokenizer.save_pretrained(folder)
        config.vocab_size = len(tokenizer)
        for name, token in (("pad", END), ("bos", END), ("eos", END)):
            setattr(config, f"{name}_token_id", tokenizer.convert_tokens_to_ids(token))
        config.decoder_start_token_id = tokenizer.convert_tokens_to_ids(START)
    model = WhisperForConditionalGeneration(config)
    if texts is not None:
        model.generation_config.no_timestamps_token_id = tokenizer.convert_tokens_to_ids(TIMELESS)
        model.generation_config.is_multilingual = False
    return model


def whisper_tokenizer(texts: Iterable[str], vocabulary: int, languages: Iterable[str] = ()) -> Any:
    """Return a Whisper's tokenizer: byte-level BPE, the same in every process.

    Without ``languages`` it is an English one's; else these are its first, in Whisper's order.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import WhisperTokenizer

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    bpe = json.loads(made.to_str())["model"]
    return WhisperTokenizer(
        vocab=bpe["vocab"],
        merges=[tuple(each) for each in bpe["merges"]],
        pad_token=END,
        additional_special_tokens=[
            START,
            *(f"<|{language}|>" for language in languages),
            *(TASKS if languages else ()),
            SILENT,
            TIMELESS,
        ],
    )


def _ast(folder: Path, size: Size, texts: Iterable[str] | None) -> Any:
    from transformers import ASTConfig, ASTFeatureExtractor, ASTModel

    bands = {"num_mel_bins": size.mels, "max_length": size.seconds * FRAMES}
    ASTFeatureExtractor(**bands).save_pretrained(folder)
    return ASTModel(
        ASTConfig(
            **bands,
            patch_size=size.patch,
            time_stride=size.patch // 2,
            frequency_stride=size.patch,
            hidden_size=size.width,
            num_hidden_layers=size.layers,
            num_attention_heads=max(1, size.width // HEAD_WIDTH),
            intermediate_size=4 * size.width,
        )
    )


def _wav2vec2(folder: Path, size: Size, texts: Iterable[str] | None) -> Any:
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
    return Wav2Vec2Model(
        Wav2Vec2Config(
            hidden_size=size.width,
            num_hidden_layers=size.layers,
            num_attention_heads=max(1, size.width // HEAD_WIDTH),
            intermediate_size=4 * size.width,
            conv_dim=(size.width // 2,) * 7,
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=4,
            feat_extract_norm="layer",
            do_stable_layer_norm=True,
            classifier_proj_size=size.width,
        )
    )


if __name__ == "__main__":
    main()
