"""Checks of a finished model, as text: of all rows, a class, a slice, a cost, an earlier bundle.

``accuracy >= 0.9``, ``recall[refund] >= 0.8``, ``accuracy[lang=de] >= 0.85``, ``disk <= 100MB``,
``invariance[typos] >= 0.95``, ``not_worse_than bundles/v1``. Pure text; knows no data and no model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from automl.compiler.quantities import NUMBER, OPERATORS, QUANTITIES, in_plain_units

INVARIANCE = "invariance"
"""Share of rows whose answer stays when their text is changed in a way that means nothing."""
SYNONYMS = "synonyms="
"""Begins an invariance's bracket that names a file of words which mean the same."""
CHANGES = ("case", "punctuation", "typos")
"""Ways to change a text that need nothing besides it."""
_FORM = re.compile(
    rf"\s*(?P<metric>[A-Za-z_]\w*)\s*(?:\[(?P<label>.+)\])?\s*"
    rf"(?P<operator>>=|<=|==|>|<)\s*(?P<threshold>{NUMBER})\s*(?P<unit>[A-Za-z]*)\s*",
    re.DOTALL,
)
_SLICE = re.compile(r"(?P<column>[^=]+?)\s*=\s*(?P<value>.+)", re.DOTALL)
_EARLIER = re.compile(rf"not_worse_than\s+(?P<bundle>.+?)(?:\s+by\s+(?P<by>{NUMBER}))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Measured:
    """What of a model checks are answered from."""

    metrics: Mapping[str, float]
    per_class: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    slices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """``lang=de`` → metrics of the rows whose column ``lang`` says ``de``."""
    costs: Mapping[str, float] = field(default_factory=dict)
    invariance: Mapping[str, float] = field(default_factory=dict)
    """Change → share of rows whose answer stays."""


@dataclass(frozen=True, slots=True)
class Check:
    """One parsed check; ``label`` is what stands in brackets, null for a metric over all rows."""

    metric: str
    label: str | None
    operator: str
    threshold: float

    @property
    def slice(self) -> tuple[str, str] | None:
        """Column and value where the brackets hold such a pair; a class may be written so too."""
        found = _SLICE.fullmatch(self.label or "")
        if found is None or self.metric == INVARIANCE:
            return None
        return found["column"].strip(), found["value"].strip()

    @property
    def slice_name(self) -> str | None:
        """The slice as tables name it, ``lang=de``."""
        return "=".join(self.slice) if self.slice else None

    @property
    def change(self) -> str | None:
        """How texts are changed, where the check asks that answers stay."""
        return self.label if self.metric == INVARIANCE else None

    @property
    def words(self) -> str | None:
        """The file of words that mean the same, where texts are changed by one."""
        if self.change is None or not self.change.startswith(SYNONYMS):
            return None
        return self.change.removeprefix(SYNONYMS).strip()

    def apply(self, measured: Measured) -> tuple[float | None, bool]:
        """Return (what was measured, whether it passed); what was not measured has not passed."""
        actual = self._looked_up(measured)
        if actual is None or math.isnan(actual):
            return None, False
        return actual, OPERATORS[self.operator](actual, self.threshold)

    def _looked_up(self, measured: Measured) -> float | None:
        if self.metric == INVARIANCE:
            return measured.invariance.get(self.label or "")
        if self.label is None:
            return measured.metrics.get(self.metric, measured.costs.get(self.metric))
        if self.label in measured.per_class:
            return measured.per_class[self.label].get(self.metric)
        return measured.slices.get(self.slice_name or "", {}).get(self.metric)


@dataclass(frozen=True, slots=True)
class Earlier:
    """That the model is not shown to be worse than a bundle's, by more than ``by``."""

    bundle: str
    by: float = 0.0

    @property
    def text(self) -> str:
        """The check as ``parse`` takes it."""
        return f"not_worse_than {self.bundle}" + (f" by {self.by:g}" if self.by else "")


def parse(text: str) -> Check | Earlier:
    """Return the check written as ``metric >= number``, with a class, slice or change in brackets.

    Operators are ``>= > <= < ==``. Raises ValueError naming the form, or a cost's units, where
    ``text`` differs.
    """
    earlier = _EARLIER.fullmatch(text.strip())
    if earlier is not None:
        return Earlier(earlier["bundle"], float(earlier["by"] or 0))
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r} is not a check: write it as accuracy >= 0.9 or recall[refund] >= 0.8"
        )
    costs = found["metric"] in QUANTITIES
    if found["unit"] and not costs:
        known = ", ".join(QUANTITIES)
        raise ValueError(f"{found['metric']!r} has no units; {known} have, and accuracy >= 0.9 not")
    threshold = float(found["threshold"])
    if costs:
        threshold = in_plain_units(found["metric"], threshold, found["unit"])
    label = found["label"]
    return Check(
        found["metric"],
        label.strip() if label else None,
        found["operator"],
        threshold,
    )


def thresholds(texts: Sequence[str]) -> list[Check]:
    """Return those of the checks that compare a figure with a threshold."""
    return [check for check in map(parse, texts) if isinstance(check, Check)]


def earlier(texts: Sequence[str]) -> list[Earlier]:
    """Return those of the checks that compare with an earlier bundle."""
    return [check for check in map(parse, texts) if isinstance(check, Earlier)]


def slices(texts: Sequence[str], classes: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return (column, value) of each slice the checks name; what is a class is none."""
    named = (check for check in thresholds(texts) if check.label not in classes)
    return tuple(dict.fromkeys(check.slice for check in named if check.slice is not None))
