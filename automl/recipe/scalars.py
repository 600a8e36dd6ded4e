"""Scalars of YAML 1.2's core schema: text to value and back. Knows nothing of documents.

Narrower than YAML 1.1 on purpose: ``no`` and ``on`` are text, so are dates; ``1e-5`` is a number.
"""

from __future__ import annotations

import json
import re

Scalar = bool | int | float | str | None

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"([-+]?)\.(?:inf|Inf|INF)")
_NAN = frozenset((".nan", ".NaN", ".NAN"))
_LONGEST_NUMBER = 1000  # characters; int() itself gives up beyond 4,300 digits

_PLAIN = re.compile(r"[A-Za-z0-9_./$][\w./@+*$%^()=<>~-]*(?: [\w./@+*$%^()=<>~-]+)*")
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def read(text: str) -> Scalar:
    """Return the value of an unquoted scalar under the core schema (YAML 1.2.2, section 10.3.2).

    Raises ValueError for a number of more than 1,000 characters.
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    number = _number(text)
    return text if number is None else number


def _number(text: str) -> int | float | None:
    if text in _NAN:
        return float("nan")
    if found := _INFINITE.fullmatch(text):
        return float(f"{found[1]}inf")
    if not (_FLOAT.fullmatch(text) or _BASED.fullmatch(text)):
        return None
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(text)} characters is too long")
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    return float(text)


def write(value: Scalar) -> str:
    """Return YAML that reads back as ``value``, on one line, in block and in flow context."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _written_float(value)
    if isinstance(value, int):
        return str(value)
    return value if _reads_plain(value) else _quoted(value)


def _written_float(value: float) -> str:
    if value != value:
        return ".nan"
    if value in (float("inf"), float("-inf")):
        return ".inf" if value > 0 else "-.inf"
    return repr(value)


def _reads_plain(text: str) -> bool:
    """Return whether the unquoted text is read as this same text anywhere in a document."""
    return bool(
        _PLAIN.fullmatch(text)
        and text.isprintable()
        and len(text) < _LONGEST_NUMBER
        and not text.startswith(("---", "..."))
        and read(text) == text
    )


def _quoted(text: str) -> str:
    """Return the text in double quotes: JSON, with what YAML calls unprintable escaped as well."""
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
