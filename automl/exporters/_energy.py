"""What the search used, as an estimate: device time × power × carbon intensity. Pure.

Every factor is kept with where it comes from, so that a reader can put a better one in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from automl.errors import InputError, Problem

Kind = Literal["GPU", "CPU core"]
WATTS = "AUTOML_WATTS"
"""Environment variable: watts of one device, a GPU or a CPU core."""
GRAMS = "AUTOML_GRAMS_PER_KWH"
"""Environment variable: grams of CO2e that a kilowatt-hour stands for where this machine is."""
_GREEN_ALGORITHMS = "assumed, as Green Algorithms does of an unknown one (Lannelongue et al. 2021)"
_USUAL: Mapping[Kind, float] = {"GPU": 200.0, "CPU core": 12.0}
_WORLD = 473.0
_WORLD_SOURCE = "the world's mean in 2024 (Ember, Global Electricity Review 2025)"


@dataclass(frozen=True, slots=True)
class Spent:
    """Time that trials held devices, training and evaluating: a half of a GPU for an hour is half
    an hour."""

    kind: Kind
    seconds: float


@dataclass(frozen=True, slots=True)
class Energy:
    """An estimate, with the assumptions it stands on."""

    kind: Kind
    device_seconds: float
    watts: float
    watts_source: str
    grams_per_kwh: float
    grams_source: str

    @property
    def kilowatt_hours(self) -> float:
        """Energy of the devices alone: no cooling, no idle time, no other parts."""
        return self.device_seconds * self.watts / 3.6e6

    @property
    def grams(self) -> float:
        """Grams of CO2 equivalent."""
        return self.kilowatt_hours * self.grams_per_kwh


def estimate(spent: Spent, environment: Mapping[str, str], gpu_watts: float | None) -> Energy:
    """Return the estimate; ``gpu_watts`` is the power limit that the driver states, if it does.

    Raises InputError where one of the two variables holds something else than a positive number.
    """
    watts, watts_source = _USUAL[spent.kind], _GREEN_ALGORITHMS
    if spent.kind == "GPU" and gpu_watts is not None:
        watts, watts_source = gpu_watts, "the power limit that its driver states: an upper bound"
    if WATTS in environment:
        watts, watts_source = _number(WATTS, environment), f"as {WATTS} said"
    grams, grams_source = _WORLD, _WORLD_SOURCE
    if GRAMS in environment:
        grams, grams_source = _number(GRAMS, environment), f"as {GRAMS} said"
    return Energy(spent.kind, spent.seconds, watts, watts_source, grams, grams_source)


def refuse_nonsense(environment: Mapping[str, str]) -> None:
    """Raise InputError where one of the two variables is set and holds no positive number."""
    for name in (WATTS, GRAMS):
        if name in environment:
            _number(name, environment)


def _number(name: str, environment: Mapping[str, str]) -> float:
    text = environment[name]
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        example = "12" if name == WATTS else "50"
        raise InputError(
            Problem(f"{name} is {text!r}; it must be a number above zero", hint=f"{name}={example}")
        )
    return value


def energy_text(kilowatt_hours: float) -> str:
    """Return an amount of energy as ``1.2 Wh`` or ``3.4 kWh``."""
    if kilowatt_hours < 1:
        return f"{1000 * kilowatt_hours:.2g} Wh" if kilowatt_hours < 0.1 else (
            f"{1000 * kilowatt_hours:.0f} Wh"
        )  # fmt: skip
    return f"{kilowatt_hours:,.1f} kWh" if kilowatt_hours < 100 else f"{kilowatt_hours:,.0f} kWh"


def mass_text(grams: float) -> str:
    """Return a mass as ``0.9 g``, ``120 g`` or ``3.4 kg``."""
    if grams < 10:
        return f"{grams:.2g} g"
    return f"{grams:.0f} g" if grams < 1000 else f"{grams / 1000:,.1f} kg"
