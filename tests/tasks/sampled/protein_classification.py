"""Proteins whose class is in their letters, and a tiny ESM to tell them."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.tasks.samples import CLASSES, ROWS, Sample

ALPHABET = "LAGVSERTIDPKQNFYMHWC"
TOKENS = ("<cls>", "<pad>", "<eos>", "<unk>", *ALPHABET, "X", "B", "U", "Z", "O", ".", "-",
          "<null_1>", "<mask>")  # fmt: skip
"""The vocabulary of ESM-2, in its order."""
MOTIFS = {"alpha": "WWC", "beta": "HHM", "gamma": "PYP"}


def proteins(rows: int) -> dict[str, list[str]]:
    """Return sequences of 10 to 29 letters, each with the motif of its class in it."""
    random = Random(0)
    found: dict[str, list[str]] = {"text": [], "label": []}
    for row in range(rows):
        label = CLASSES[row % 3]
        letters = [random.choice(ALPHABET) for _ in range(8 + row % 20)]
        place = random.randrange(len(letters))
        found["text"].append("".join([*letters[:place], MOTIFS[label], *letters[place:]]))
        found["label"].append(label)
    return found


def tiny_esm(folder: Path) -> Path:
    """Write an untrained ESM-2 with two layers, and its tokenizer, into ``folder``."""
    import torch
    from transformers import EsmConfig, EsmModel, EsmTokenizer

    (folder / "vocab.txt").write_text("\n".join(TOKENS))
    tokenizer = EsmTokenizer(str(folder / "vocab.txt"), model_max_length=64)
    config = EsmConfig(
        vocab_size=len(TOKENS),
        mask_token_id=TOKENS.index("<mask>"),
        pad_token_id=TOKENS.index("<pad>"),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=66,
        position_embedding_type="rotary",
        token_dropout=True,
    )
    torch.manual_seed(0)
    EsmModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


SAMPLE = Sample(proteins(ROWS), CLASSES, tiny_esm)
