"""Short proteins whose helices are spelled with other residues, and a small model of residues."""

from __future__ import annotations

import json
from pathlib import Path

from tests.tasks.samples import ROWS, Sample

RESIDUES = "LAGVSERTIDPKQNFYMHWCXBUZO.-"


def _row(number: int) -> tuple[str, str]:
    helix, rest = "AEKL"[number % 4] * 3, "GPNS"[number % 3]
    sequence = rest + helix + rest * (1 + number % 5) + ("M" if number % 2 else "W")
    return sequence, json.dumps(["H" if each in "AEKL" else "C" for each in sequence])


def model(folder: Path) -> Path:
    """Write an untrained ESM with its tokenizer's vocabulary into the folder."""
    from transformers import EsmConfig, EsmForMaskedLM, EsmTokenizer

    words = ["<cls>", "<pad>", "<eos>", "<unk>", *RESIDUES, "<mask>"]
    (folder / "vocab.txt").write_text("\n".join(words))
    EsmTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = EsmConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        pad_token_id=1,
        mask_token_id=len(words) - 1,
        max_position_embeddings=130,
        position_embedding_type="rotary",
    )
    EsmForMaskedLM(config).save_pretrained(folder)
    return folder


_SEQUENCES, _LABELS = zip(*(_row(number) for number in range(ROWS)), strict=True)
SAMPLE = Sample({"sequence": list(_SEQUENCES), "labels": list(_LABELS)}, ("C", "H"), model)
