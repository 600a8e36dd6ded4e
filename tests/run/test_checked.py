"""Checks from recipe to exit code, and a bundle that is asked them again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.run.conftest import Automl, rows

pytestmark = pytest.mark.slow
CHECKS = """\
checks:
  - accuracy[place=north] >= 0.0
  - accuracy[place=south] >= 1.1
  - invariance[case] >= 0.0
  - {not_worse_than: old}
"""


def test_a_bundle_is_checked_at_the_end_and_again_later(automl: Automl, project: Path) -> None:
    lines = (
        f'"{t}",{label},{("north", "south")[n % 3 == 0]}\n'
        for n, (t, label) in enumerate(rows(120))
    )
    (project / "weather.csv").write_text("text,label,place\n" + "".join(lines))
    recipe = (project / "weather.yaml").read_text()
    (project / "weather.yaml").write_text(recipe.replace("trials: 2", "trials: 1"))
    first = automl("run", "weather.yaml")
    assert first.returncode == 0, first.stderr
    (project / "runs" / "weather" / "bundle").rename(project / "old")

    (project / "weather.yaml").write_text(recipe.replace("trials: 2", "trials: 1") + CHECKS)
    done = automl("run", "weather.yaml", "--junit", "out/checks.xml")
    assert done.returncode == 3, done.stderr
    assert "not_worse_than old" in done.stdout
    assert "answers changed" in done.stdout
    assert 'failures="1"' in (project / "out" / "checks.xml").read_text()
    bundle = project / "runs" / "weather" / "bundle"
    kept = json.loads((bundle / "automl.json").read_bytes())["checks"]
    assert [check["passed"] for check in kept] == [True, False, True, True]
    assert kept[3]["actual"] == 0  # the same model
    assert kept[3]["detail"].endswith("95% +0.0000 to +0.0000, above 0 is better")

    again = automl("test", "runs/weather", "--json")
    assert again.returncode == 3, again.stderr
    found = json.loads(again.stdout)
    assert [check["actual"] for check in found["checks"]] == [c["actual"] for c in kept]

    bundle.rename(project / "new")
    lost = automl("test", "new")
    assert lost.returncode == 2
    assert "automl test BUNDLE rows.csv" in lost.stderr
    (project / "few.csv").write_text("text,label,place\nso wet today,rain,south\n")
    other = automl("test", "new", "few.csv")
    assert other.returncode == 3, other.stderr
    assert "skipped" in other.stdout
    assert "not_worse_than" in automl("test", "new", "few.csv", "--against", "old").stdout
