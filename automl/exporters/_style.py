"""How the bundle's plots look: one palette, one type size, no global state of matplotlib.

Figures are 9 inches wide, so that ten-point type reads well where a page shows them at 900 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 9.0
"""Inches."""
DOTS_PER_INCH = 160

INK = "#1f2937"
MUTED = "#6b7280"
FAINT = "#e5e7eb"
PALE = "#c3cad4"
ACCENT = "#1d4ed8"
BAR = "#5b85ea"
FLOOR = "#c2410c"
CANDIDATES = (
    "#1d4ed8",
    "#0f9d76",
    "#a855f7",
    "#d4a106",
    "#0891b2",
    "#db2777",
    "#65a30d",
    "#7c5c46",
)
"""One colour a candidate; the floor's orange is not among them."""

_SETTINGS: dict[Any, Any] = {
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "axes.edgecolor": PALE,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": PALE,
    "ytick.color": PALE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": FAINT,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "text.color": INK,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save in the project's style inside; what was set before holds again after."""
    from matplotlib import rc_context

    with rc_context(_SETTINGS):
        yield


def canvas(height: float, title: str) -> tuple[Figure, Axes]:
    """Return a figure of ``height`` inches with one titled pair of axes, outside of pyplot."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    margins = ConstrainedLayoutEngine(w_pad=0.16, h_pad=0.14)
    figure = Figure(figsize=(WIDTH, height), layout=margins)
    figure.suptitle(title, x=0.018, ha="left", fontsize=12, fontweight="bold")
    return figure, figure.add_subplot()


def caption(figure: Figure, text: str) -> None:
    """Write a line of small type under everything, from the left edge."""
    figure.supxlabel(text, x=0.018, ha="left", fontsize=9, color=MUTED)


def png(figure: Figure) -> bytes:
    """Return the figure as PNG; the same figure gives the same bytes."""
    from io import BytesIO

    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return stream.getvalue()


def names(labels: Sequence[str], longest: int = 28) -> list[str]:
    """Return class names fit for a plot: one line, at most ``longest`` characters, all different.

    A name the font cannot show becomes its number in the model's output, ``#3``.
    """
    short = [_name(label, index, longest) for index, label in enumerate(labels)]
    return [
        f"{name} #{index}" if short.count(name) > 1 else name for index, name in enumerate(short)
    ]


def _name(label: str, index: int, longest: int) -> str:
    line = " ".join(label.split())
    if not line or not all(ord(character) in _glyphs() for character in line):
        return f"#{index}"
    if len(line) <= longest:
        return line
    tail = longest // 2 - 1  # the end often tells two long names apart
    return f"{line[: longest - tail - 1]}…{line[-tail:]}"


@cache
def _glyphs() -> Any:
    from matplotlib.font_manager import findfont
    from matplotlib.ft2font import FT2Font

    return FT2Font(findfont("DejaVu Sans")).get_charmap()


def colours(identifiers: Sequence[str]) -> dict[str, str]:
    """Return a colour for each candidate, in order; the ninth begins again with the first."""
    return {name: CANDIDATES[index % len(CANDIDATES)] for index, name in enumerate(identifiers)}


def spread(axes: Axes, values: Sequence[float]) -> None:
    """Make the axis across logarithmic where the positive ``values`` span a factor of twenty."""
    if values and min(values) > 0 and max(values) > 20 * min(values):
        axes.set_xscale("log")


def floor_line(axes: Axes, value: float | None, upright: bool = False) -> None:
    """Draw the floor across the axes, if there is one to draw."""
    if value is None:
        return
    draw = axes.axvline if upright else axes.axhline
    draw(
        value,
        color=FLOOR,
        linestyle=(0, (5, 3)),
        linewidth=1.6,
        zorder=1.5,
        label=f"baseline {value:.3f}",
    )
