"""What the front matter of a model's README states: licence, language, tags."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def facts(root: Path) -> tuple[str | None, tuple[str, ...]]:
    """Return (licence, languages) as the model's README states them; (None, ()) where it does not.

    The licence ``other`` is replaced by its name. A README nobody can parse states nothing.
    """
    return stated(matter(root))


def stated(matter: Mapping[str, Any]) -> tuple[str | None, tuple[str, ...]]:
    """Return (licence, languages) as a front matter, or the hub's copy of it, states them."""
    license_ = matter.get("license")
    if license_ == "other":
        license_ = matter.get("license_name", license_)
    if isinstance(license_, list):
        license_ = ", ".join(str(each) for each in license_) or None
    language = matter.get("language") or ()
    languages = language if isinstance(language, list) else [language] if language else []
    return (str(license_) if license_ else None), tuple(str(each) for each in languages)


def matter(root: Path) -> dict[str, Any]:
    """Return the README's front matter; {} where there is none that can be parsed."""
    try:
        text = (root / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    lines = text.lstrip("\ufeff").splitlines()
    if not lines or lines[0].strip() != "---" or "---" not in lines[1:]:
        return {}
    return _parsed("\n".join(lines[1 : lines.index("---", 1)]))


def _parsed(text: str) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        found = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
