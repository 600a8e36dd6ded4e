"""Drawings as SVG text: escaped, with a name and a description, coloured by the page's style sheet.

Knows shapes and nothing of studies. Lengths are in the drawing's own units: pixels at full width.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Literal

Anchor = Literal["start", "middle", "end"]
LETTER = 6.3
"""Mean width of a letter of the drawings' small type."""


def number(value: float) -> str:
    """Return a coordinate in a tenth of a unit, without idle digits."""
    return f"{value:.1f}".removesuffix(".0")


def shortened(text: str, width: float) -> str:
    """Return ``text``, its middle left out where it is wider than ``width`` in small type."""
    letters = max(3, round(width / LETTER))
    if len(text) <= letters:
        return text
    tail = letters // 3
    return f"{text[: letters - tail - 1]}…{text[len(text) - tail :]}"


class Drawing:
    """One drawing that is added to and then asked for its text.

    ``style`` arguments are classes of the style sheet; ``tip`` is shown when a shape is pointed at;
    shapes of one ``trial`` are lit together. Without ``tips`` a trial's are left out: the page's
    script takes them from the figure's other drawing.
    """

    def __init__(self, width: float, height: float, *, tips: bool = True) -> None:
        self.width, self.height, self.tips = width, height, tips
        self._parts: list[str] = []

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str, tip: str = "") -> None:
        """Add a straight line."""
        ends = f'x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}"'
        self._add("line", ends, style, tip)

    def path(
        self,
        points: Iterable[tuple[float, float]],
        style: str,
        tip: str = "",
        trial: int | None = None,
    ) -> None:
        """Add a line through the points."""
        drawn = "L".join(f"{number(x)} {number(y)}" for x, y in points)
        self._add("path", f'd="M{drawn}"', style, tip, trial)

    def dot(
        self, x: float, y: float, radius: float, style: str, tip: str = "", trial: int | None = None
    ) -> None:
        """Add a circle."""
        place = f'cx="{number(x)}" cy="{number(y)}" r="{number(radius)}"'
        self._add("circle", place, style, tip, trial)

    def diamond(
        self, x: float, y: float, radius: float, style: str, tip: str = "", trial: int | None = None
    ) -> None:
        """Add a square on its corner."""
        corners = ((x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y))
        drawn = "L".join(f"{number(a)} {number(b)}" for a, b in corners)
        self._add("path", f'd="M{drawn}Z"', style, tip, trial)

    def cross(
        self, x: float, y: float, radius: float, style: str, tip: str = "", trial: int | None = None
    ) -> None:
        """Add two crossed strokes."""
        left, right, top, bottom = (
            number(one) for one in (x - radius, x + radius, y - radius, y + radius)
        )
        drawn = f"M{left} {top}L{right} {bottom}M{left} {bottom}L{right} {top}"
        self._add("path", f'd="{drawn}"', style, tip, trial)

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        style: str,
        tip: str = "",
        trial: int | None = None,
        corner: float = 2,
    ) -> None:
        """Add a rectangle with round corners."""
        place = (
            f'x="{number(x)}" y="{number(y)}" width="{number(max(width, 0))}" '
            f'height="{number(height)}" rx="{number(corner)}"'
        )
        self._add("rect", place, style, tip, trial)

    def text(
        self, x: float, y: float, text: str, style: str = "", anchor: Anchor = "start"
    ) -> None:
        """Add a line of text; ``y`` is its base line."""
        placed = f'x="{number(x)}" y="{number(y)}"'
        placed += "" if anchor == "start" else f' text-anchor="{anchor}"'
        named = f' class="{escape(style)}"' if style else ""
        self._parts.append(f"<text {placed}{named}>{escape(text)}</text>")

    def _add(
        self, kind: str, attributes: str, style: str, tip: str, trial: int | None = None
    ) -> None:
        lit = "" if trial is None else f' data-t="{trial}"'
        shape = f'<{kind} {attributes} class="{escape(style)}"{lit}'
        tip = tip if self.tips or trial is None else ""
        told = f"><title>{escape(tip)}</title></{kind}>" if tip else "/>"
        self._parts.append(shape + told)

    def render(self, identifier: str, title: str, description: str, style: str) -> str:
        """Return the drawing; ``identifier`` is unique on the page."""
        size = f"0 0 {number(self.width)} {number(self.height)}"
        return (
            f'<svg class="{escape(style)}" viewBox="{size}" role="img" '
            f'aria-labelledby="{identifier}-t {identifier}-d">'
            f'<title id="{identifier}-t">{escape(title)}</title>'
            f'<desc id="{identifier}-d">{escape(description)}</desc>'
            f"{''.join(self._parts)}</svg>"
        )
