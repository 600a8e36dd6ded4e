from __future__ import annotations

from pathlib import Path

import pytest

from automl.catalog.readme import facts


@pytest.mark.parametrize(
    ("matter", "expected"),
    [
        ("license: apache-2.0\nlanguage: en", ("apache-2.0", ("en",))),
        ("language:\n- en\n- de", (None, ("en", "de"))),
        ("license: [mit, gpl]", ("mit, gpl", ())),
        ("license: other\nlicense_name: house-rules", ("house-rules", ())),
        ("license: other", ("other", ())),
        ("license: [", (None, ())),
        ("just words", (None, ())),
    ],
)
def test_licence_and_language_are_read(tmp_path: Path, matter: str, expected: object) -> None:
    (tmp_path / "README.md").write_text(f"---\n{matter}\n---\n# Title\n")
    assert facts(tmp_path) == expected


@pytest.mark.parametrize("text", ["", "# Title\n", "---\nlicense: mit\n"])
def test_a_readme_without_front_matter_states_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "README.md").write_text(text)
    assert facts(tmp_path) == (None, ())


def test_no_readme_states_nothing(tmp_path: Path) -> None:
    assert facts(tmp_path) == (None, ())
