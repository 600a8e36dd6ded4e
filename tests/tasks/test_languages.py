"""Languages told from columns' names, and how models write them."""

from __future__ import annotations

import pytest

from automl.tasks import _languages, get
from automl.tasks.translation import _constants, _pick


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("translation.en", "en"),
        ("de", "de"),
        ("pt_BR", "pt_BR"),
        ("zh-CN", "zh-CN"),
        ("eng_Latn", "eng_Latn"),
        ("German", "de"),
        ("text_fr", "fr"),
        ("target", None),
        ("label", None),
        ("translation", None),
    ],
)
def test_a_name_tells_its_language(name, code):
    assert _languages.language(name) == code


@pytest.mark.parametrize(
    ("codes", "code", "known"),
    [
        (["deu_Latn", "eng_Latn"], "en", "eng_Latn"),
        (["de_DE", "en_XX"], "de", "de_DE"),
        (["pt_BR", "pt_XX"], "pt-BR", "pt_BR"),
        (["de", "en"], "eng_Latn", "en"),
        (["zho_Hans", "zho_Hant"], "zh", "zho_Hans"),
        (["de", "en"], "fr", None),
    ],
)
def test_models_write_languages_their_own_way(codes, code, known):
    assert _languages.among(codes, code) == known


def test_two_columns_named_after_languages_are_the_texts_in_their_order():
    free = ["translation", "translation.en", "translation.ja", "id"]
    found = _pick(free, {})
    assert found == {"text": "translation.en", "target": "translation.ja"}
    assert _constants(found) == {"source_language": "en", "target_language": "ja"}


def test_one_column_that_is_said_leaves_the_other():
    assert _pick(["en"], {"text": "de"}) == {"text": "de", "target": "en"}
    assert _pick(["de"], {"target": "en"}) == {"text": "de", "target": "en"}


def test_three_languages_are_not_guessed_from():
    assert _pick(["en", "de", "fr"], {}) == {}


def test_languages_in_columns_of_their_own_come_first():
    columns = {"text": "en", "target": "de", "source_language": "src_lang"}
    assert _constants(columns) == {"target_language": "de"}


def test_rows_in_two_directions_are_named():
    columns = {"text": ["a", "b"], "target": ["c", "d"], "target_language": ["de", "fr"]}
    prepare = get("translation").prepare
    assert prepare is not None
    (malformed,) = prepare(columns).malformed
    assert (malformed.row, malformed.rule) == (
        1,
        "target_language is 'fr', in the first row 'de'",
    )
