"""The estimate of energy: a product of stated factors, each with its source."""

from __future__ import annotations

import pytest

from automl.errors import InputError
from automl.exporters._energy import GRAMS, WATTS, Spent, energy_text, estimate, mass_text

HOUR = Spent("GPU", 3600.0)


def test_it_is_time_by_power_by_intensity():
    found = estimate(HOUR, {}, 300.0)
    assert found.kilowatt_hours == pytest.approx(0.3)
    assert found.grams == pytest.approx(0.3 * 473)
    assert "driver" in found.watts_source
    assert "Ember" in found.grams_source


def test_an_unknown_device_is_assumed_and_said_so():
    assert (estimate(HOUR, {}, None).watts, estimate(Spent("CPU core", 1), {}, None).watts) == (
        200,
        12,
    )
    assert "assumed" in estimate(HOUR, {}, None).watts_source


def test_what_the_user_knows_better_counts():
    found = estimate(HOUR, {WATTS: "100", GRAMS: "50"}, 300.0)
    assert found.grams == pytest.approx(5)
    assert WATTS in found.watts_source
    assert GRAMS in found.grams_source


@pytest.mark.parametrize("text", ["", "much", "0", "-3", "inf", "nan"])
@pytest.mark.parametrize("name", [WATTS, GRAMS])
def test_what_is_no_positive_number_is_refused(name, text):
    with pytest.raises(InputError, match=f"{name} is '{text}'"):
        estimate(HOUR, {name: text}, None)


def test_amounts_are_said_as_people_do():
    assert [energy_text(x) for x in (0.0000042, 0.012, 0.34, 1.26, 512.4)] == [
        "0.0042 Wh", "12 Wh", "340 Wh", "1.3 kWh", "512 kWh",
    ]  # fmt: skip
    assert [mass_text(x) for x in (0.42, 9.96, 120.4, 3400)] == [
        "0.42 g",
        "10 g",
        "120 g",
        "3.4 kg",
    ]
