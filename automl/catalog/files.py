"""Which files of a model folder matter, by the names ``save_pretrained`` gives them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
CONFIG = "config.json"
README = "README.md"
VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
    "spm.model",
    "bpe.codes",
    "tekken.json",
)
"""A tokenizer can be built from any one of these."""
PROCESSORS = ("preprocessor_config.json", "processor_config.json")
"""What prepares pictures or sounds is described in one of these."""
SMALL = (
    CONFIG,
    INDEX,
    *VOCABULARIES,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    "source.spm",
    "target.spm",
    "target_vocab.json",
    "chat_template.jinja",
    "generation_config.json",
    *PROCESSORS,
    "modules.json",
    "1_Pooling/config.json",
)
"""What loading a model may read besides its weights."""


def listing(root: Path) -> dict[str, int]:
    """Return the model's files below ``root`` with their bytes: the top level, and pooling."""
    found = [*root.iterdir(), root / "1_Pooling" / "config.json"]
    return {
        path.relative_to(root).as_posix(): path.stat().st_size
        for path in sorted(found)
        if path.is_file()
    }


def weights(root: Path, names: Iterable[str]) -> tuple[str, ...]:
    """Return the safetensors files ``from_pretrained`` would read, or () where there are none.

    A sharded model whose index names a shard that is not among ``names`` counts as having none.
    """
    present = set(names)
    if WEIGHTS in present:
        return (WEIGHTS,)
    if INDEX not in present:
        return ()
    try:
        shards = set(json.loads((root / INDEX).read_bytes())["weight_map"].values())
    except (ValueError, KeyError, AttributeError, TypeError):
        return ()
    return tuple(sorted(shards)) if shards and shards <= present else ()


def that_matter(names: Iterable[str], weight_files: tuple[str, ...], code: bool) -> tuple[str, ...]:
    """Return the files that decide what the model is, sorted; with ``code`` also its Python."""
    wanted = {*SMALL, *weight_files}
    return tuple(
        sorted(name for name in names if name in wanted or (code and name.endswith(".py")))
    )
