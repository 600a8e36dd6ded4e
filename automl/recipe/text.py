"""A recipe file's bytes as text whose characters know their line and column. No YAML yet."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import NoReturn

from automl.errors import Place, Problem, RecipeError

LARGEST_BYTES = 1_000_000
LONGEST_SHOWN = 400
"""Characters; a longer line is not repeated in an error."""

_UNPRINTABLE = re.compile(
    "[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)


@dataclass(frozen=True, slots=True)
class Text:
    """A document's text, line ends normalised, with the places in it."""

    name: str
    text: str
    line_starts: tuple[int, ...]

    @classmethod
    def of(cls, name: str, text: str) -> Text:
        """Return the text with CRLF and CR turned into LF and a byte order mark dropped."""
        text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        starts = [0, *(index + 1 for index, letter in enumerate(text) if letter == "\n")]
        return cls(name, text, tuple(starts))

    def line_of(self, index: int) -> int:
        """Return the line (from 0) that holds the character at ``index``."""
        return bisect_right(self.line_starts, index) - 1

    def line(self, number: int) -> str:
        """Return the text of line ``number`` (from 0) without its end."""
        start = self.line_starts[number]
        end = self.text.find("\n", start)
        return self.text[start : len(self.text) if end < 0 else end]

    def column_of(self, index: int) -> int:
        """Return the column (from 0) of the character at ``index``."""
        return index - self.line_starts[self.line_of(index)]

    def place(self, index: int) -> Place:
        """Return the place of the character at ``index``; its line fit to be printed."""
        number = self.line_of(index)
        shown = self.line(number)
        shown = _UNPRINTABLE.sub("\ufffd", shown).replace("\t", " ")
        shown = shown if len(shown) <= LONGEST_SHOWN else ""
        return Place(self.name, number + 1, index - self.line_starts[number] + 1, shown)

    def refuse(self, index: int, message: str, hint: str | None = None) -> NoReturn:
        """Raise a RecipeError at ``index``."""
        raise RecipeError(Problem(message, self.place(index), hint))


def decode(data: bytes, name: str) -> Text:
    """Return the file's text; RecipeError when it is too large, not UTF-8 or not printable."""
    if len(data) > LARGEST_BYTES:
        raise RecipeError(
            Problem(
                f"{name} has {len(data):,} bytes; a recipe may have {LARGEST_BYTES:,}",
                hint="rows belong in a data file that `data.train` names",
            )
        )
    try:
        text = Text.of(name, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        before = Text.of(name, data[: error.start].decode("utf-8"))
        before.refuse(
            len(before.text),
            f"byte 0x{data[error.start]:02x} is not UTF-8",
            "save the file with the encoding UTF-8",
        )
    if found := _UNPRINTABLE.search(text.text):
        code = f"U+{ord(found[0]):04X}"
        hint = f'delete it, or write it in double quotes as "\\u{ord(found[0]):04x}"'
        text.refuse(found.start(), f"the control character {code} is not allowed", hint)
    return text
