"""A model as the catalog knows it: before its weights are here, and after. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from automl.plan import FileHash


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model that exists; only its small files need lie in ``root`` yet."""

    source: Literal["folder", "hub", "package"]
    reference: str
    """As the recipe wrote it: a path relative to the recipe, a hub id, a package name."""
    revision: str | None
    """Hub commit or package version; null for folders."""
    root: Path
    sizes: Mapping[str, int]
    """All of the model's files, by path relative to its root, with their bytes."""
    config: Mapping[str, Any]
    """config.json; empty where there is none or it cannot be read."""
    weights: tuple[str, ...]
    """The safetensors files ``from_pretrained`` reads; empty where there are none."""
    license: str | None
    language: tuple[str, ...]
    trust_remote_code: bool


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model whose files all lie in ``path``, a folder that ``from_pretrained`` takes."""

    source: Literal["folder", "hub", "package"]
    reference: str
    revision: str | None
    path: Path
    files: tuple[FileHash, ...]
    """Configuration, tokenizer and weights, by name; not README and the like."""
    config: Mapping[str, Any]
    weights: tuple[str, ...]
    license: str | None
    language: tuple[str, ...]
    weights_bytes: int
    download_bytes: int
    """What a machine without it downloads; 0 for folders and packages."""
    trust_remote_code: bool
