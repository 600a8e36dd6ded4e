"""Makes a small, untrained encoder-decoder and its tokenizer out of a data file's own texts.

    python benchmarks/tiny_seq2seq.py train.csv meaning_representation target -o models/tiny-t5

For trying the tasks that write (summarization, translation, text2text-generation) where no
pretrained model can be had: a recipe takes the folder as ``{path: models/tiny-t5}``. The tokenizer
is byte-level BPE trained on the named columns (``translation.en`` is the field ``en`` of
``translation``), so that it knows every text; the weights are drawn from a seed. The defaults give
about 4 million of them. What such a model learns says how the search works, not how good
pretrained models are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
HEAD_WIDTH = 32
INNER = 4
"""Width of the feed-forward layers, in widths of the model."""
POSITIONS = 1024
"""Of a BART; a T5's are relative."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a model is; layers are those of the encoder, and of the decoder."""

    vocabulary: int = 4000
    width: int = 192
    layers: int = 3


USUAL = Size()


def main() -> None:
    """Read the arguments, make the model, and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Plain)
    parser.add_argument("data", type=Path, help="csv, tsv, jsonl or json with the training rows")
    parser.add_argument("columns", nargs="+", help="columns whose texts the tokenizer is made of")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the model")
    parser.add_argument("--family", choices=("t5", "bart"), default="t5")
    parser.add_argument("--vocabulary", type=int, default=USUAL.vocabulary)
    parser.add_argument("--width", type=int, default=USUAL.width, help=f"times {HEAD_WIDTH}")
    parser.add_argument("--layers", type=int, default=USUAL.layers)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    size = Size(given.vocabulary, given.width, given.layers)
    found = make(texts(given.data, given.columns), given.output, size, given.family, given.seed)
    print(f"{given.output}: {found:,} parameters", file=sys.stderr)


class _Plain(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the description's lines."""


def texts(data: Path, columns: Sequence[str]) -> Iterator[str]:
    """Yield the columns' texts, row by row; SystemExit names a column that a row lacks."""
    from automl.serving.rows import read

    for row in read(data):
        for column in columns:
            value: Any = row.columns
            for part in [column] if column in value else column.split("."):
                if not isinstance(value, dict) or part not in value:
                    raise SystemExit(f"{row.place}: there is no column {column!r}")
                value = value[part]
            yield str(value)


def make(corpus: Iterable[str], folder: Path, size: Size, family: str = "t5", seed: int = 0) -> int:
    """Write an untrained model and its tokenizer into ``folder``; return its number of weights."""
    import torch

    tokenizer = tokenizer_of(corpus, size.vocabulary)
    torch.manual_seed(seed)
    model = (_t5 if family == "t5" else _bart)(size, len(tokenizer))
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return int(model.num_parameters())


def tokenizer_of(corpus: Iterable[str], vocabulary: int) -> Any:
    """Return byte-level BPE of the corpus, the same in every process; texts end with ``</s>``."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, END, UNKNOWN],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator(corpus, trainer)
    made.post_processor = TemplateProcessing(single=f"$A {END}", special_tokens=[(END, 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token=PAD, eos_token=END, unk_token=UNKNOWN
    )


def _t5(size: Size, vocabulary: int) -> Any:
    from transformers import T5Config, T5ForConditionalGeneration

    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=vocabulary,
            d_model=size.width,
            d_kv=HEAD_WIDTH,
            d_ff=INNER * size.width,
            num_layers=size.layers,
            num_heads=max(1, size.width // HEAD_WIDTH),
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
        )
    )


def _bart(size: Size, vocabulary: int) -> Any:
    from transformers import BartConfig, BartForConditionalGeneration

    heads = max(1, size.width // HEAD_WIDTH)
    return BartForConditionalGeneration(
        BartConfig(
            vocab_size=vocabulary,
            d_model=size.width,
            encoder_layers=size.layers,
            decoder_layers=size.layers,
            encoder_attention_heads=heads,
            decoder_attention_heads=heads,
            encoder_ffn_dim=INNER * size.width,
            decoder_ffn_dim=INNER * size.width,
            max_position_embeddings=POSITIONS,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=1,
            decoder_start_token_id=1,
            forced_eos_token_id=1,
        )
    )


if __name__ == "__main__":
    main()
