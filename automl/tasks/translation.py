"""Translation: a text in one language in, the same in another out. One direction a model.

Which languages they are is told by columns of their own, or by the names of the texts' columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.errors import CandidateError
from automl.tasks import (
    Columns,
    Malformed,
    Prepared,
    Role,
    Task,
    _languages,
    _memory,
    _seq2seq,
)
from automl.tasks import _text_overlap as overlap

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


FROM, TO = "source_language", "target_language"
JUDGE = overlap.judge(("chrf", "bleu"), language=TO)
BEAMS = 4
_FALSE_FRIENDS = frozenset({"id", "is", "no"})
"""Codes of languages that a column is rarely named after."""


def _pick(free: Sequence[str], found: Mapping[str, str]) -> dict[str, str]:
    """Return the columns of two languages, the first one the source; nothing unless just two."""
    named = [name for name in (*found.values(), *free) if _languages.language(name)]
    sure = [name for name in named if name not in _FALSE_FRIENDS]
    pair = named if len(named) == 2 else sure
    if len(pair) != 2:
        return {}
    first, second = pair
    if found.get("text") == second or found.get("target") == first:
        first, second = second, first
    return {"text": first, "target": second}


def _constants(columns: Mapping[str, str]) -> dict[str, str]:
    """Return the languages that the texts' columns are named after, where none were given."""
    told = {}
    for role, language in (("text", FROM), ("target", TO)):
        code = _languages.language(columns.get(role, ""))
        if language not in columns and code is not None:
            told[language] = code
    return told


def _prepare(columns: Columns) -> Prepared:
    """Refuse rows in another language than the first: a model is trained in one direction."""
    malformed = [
        Malformed(
            row,
            f"{role} is {value!r}, in the first row {columns[role][0]!r}",
            hint="train one direction at a time: keep the rows of one pair of languages",
        )
        for role in (FROM, TO)
        for row, value in enumerate(columns.get(role, ()))
        if value != columns[role][0]
    ]
    return Prepared(columns, malformed=tuple(malformed))


def _language(columns: Columns, role: str) -> str | None:
    values = columns.get(role, ())
    return str(values[0]) if values else None


def _adapt(
    tokenizer: PreTrainedTokenizerBase, config: Mapping[str, Any], columns: Columns
) -> tuple[str, ...]:
    """Settle prompt, target length and languages; see ``_seq2seq.adapt``.

    Raises CandidateError for a model of many languages where the data does not say which two, or
    it does not know one of them.
    """
    source, target = _language(columns, FROM), _language(columns, TO)
    if hasattr(tokenizer, "src_lang"):
        source, target = (_known(tokenizer, code) for code in (source, target))
        for name, code in (("src_lang", source), ("tgt_lang", target)):
            setattr(tokenizer, name, code)
            tokenizer.init_kwargs[name] = code
    also = {FROM: source, TO: target} if source and target else {}
    notes = _seq2seq.adapt(tokenizer, config, columns, _prompt(config, source, target), **also)
    return (*notes, f"translates from {source} to {target}") if also else notes


def _known(tokenizer: PreTrainedTokenizerBase, code: str | None) -> str:
    """Return how the model writes the language."""
    if code is None:
        raise CandidateError(
            "it knows many languages, and the data does not say which two: name the columns by "
            f"language codes (en, de), or have columns {FROM} and {TO}"
        )
    table = getattr(tokenizer, "lang_code_to_id", None)
    codes = table or filter(_languages.CODE.fullmatch, tokenizer.get_vocab())
    found = _languages.among(codes, code)
    if found is None:
        raise CandidateError(f"it does not know the language {code!r}")
    return found


def _prompt(config: Mapping[str, Any], source: str | None, target: str | None) -> str:
    if not source or not target:
        return ""
    names = _languages.english(source), _languages.english(target)
    task = f"translation_{_languages.short(source)}_to_{_languages.short(target)}"
    usual = f"translate {names[0]} to {names[1]}: " if all(names) else ""
    return _seq2seq.task_prompt(config, task, usual)


def _begin(model: Any, tokenizer: PreTrainedTokenizerBase, rows: Any) -> None:
    _seq2seq.begin(model, tokenizer, rows, BEAMS)


TASK = Task(
    name="translation",
    pipeline_tag="translation",
    roles=(
        *_seq2seq.roles(
            ("source", "src", "source_text", "original", "input"),
            ("tgt", "target_text", "translated", "reference", "output"),
        ),
        Role(FROM, "text", False, (FROM, "source_lang", "src_lang", "sourceLang")),
        Role(TO, "text", False, (TO, "target_lang", "tgt_lang", "targetLang")),
    ),
    floor_description=_memory.DESCRIPTION,
    floor=_memory.floor(JUDGE),
    evaluation_rows=300,
    untrained=True,
    scored_rows=2000,
    prepare=_prepare,
    pick=_pick,
    constants=_constants,
    adapt=_adapt,
    begin=_begin,
    **_seq2seq.shared(JUDGE, "translation_text"),
)
"""Judged by chrF: it needs no words, so that it means the same in every language, follows people's
judgement more closely than BLEU (Kocmi et al. 2021), and tells weak models apart where BLEU is 0.
"""
