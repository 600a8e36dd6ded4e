"""Standard output for people and for pipes: as wide as the terminal, or wide enough to read."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

PIPED_WIDTH = 200
"""Columns of a table that is not on a terminal: a pipe has no width to fold at."""


def stdout() -> Console:
    """Return the console of stdout, without guesses at what to colour."""
    console = Console(highlight=False)
    if console.is_terminal:
        return console
    return Console(highlight=False, soft_wrap=True, width=PIPED_WIDTH)


def table(*columns: str, folding: tuple[str, ...] = ()) -> Table:
    """Return a plain table whose columns stay on one line, but for the ``folding`` ones."""
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in columns:
        made.add_column(name, no_wrap=name not in folding, overflow="fold")
    return made


def size(count: int) -> str:
    """Return a number of bytes as people say it."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} bytes"
