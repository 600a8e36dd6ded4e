"""Overlap of texts: equal to the libraries over a whole split, and right where they are not."""

from __future__ import annotations

import numpy as np
import pytest

from automl.tasks import _text_overlap as overlap

SAID = [
    "the cat sat on the mat.",
    "A quick fox!\nIt jumps over dogs.",
    "",
    "completely other words here, you see",
    "the red bicycles were running",
]
WANTED = [
    ["the cat is on the mat.", "on the mat there sat a cat"],
    ["The quick brown fox jumps over the lazy dog. It runs."],
    ["something"],
    ["nothing in common"],
    ["a red bicycle runs", "the red bicycle ran", "red bicycles"],
]
JAPANESE = ["彼は元気だ。", "私は学生です。"], [["彼は元気です。"], ["私たちは学生です。"]]


def cases(wanted: list[list[str]], language: str | None = None) -> overlap.References:
    """Rows with as many equal sources as there are references."""
    sources = [f"source {at}" for at, texts in enumerate(wanted) for _ in texts]
    return overlap.references(sources, [text for texts in wanted for text in texts], language)


def by_row(said: list[str], wanted: list[list[str]]) -> list[str]:
    return [text for text, texts in zip(said, wanted, strict=True) for _ in texts]


def padded(wanted: list[list[str]]) -> list[list[str | None]]:
    """References as sacrebleu takes them: a list for each first, second, ... one."""
    most = max(map(len, wanted))
    return [[texts[at] if at < len(texts) else None for texts in wanted] for at in range(most)]


def scored(said: list[str], wanted: list[list[str]], language: str | None = None, *names: str):
    judge = overlap.judge(names or tuple(overlap.METRICS))
    return judge.score(by_row(said, wanted), cases(wanted, language), ())


@pytest.mark.parametrize(
    ("said", "wanted", "language"), [(SAID, WANTED, "en"), (*JAPANESE, "ja"), (*JAPANESE, None)]
)
def test_bleu_and_chrf_are_sacrebleus_over_the_whole_split(said, wanted, language):
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    found = scored(said, wanted, language, "bleu", "chrf")
    tokenizer = overlap.bleu_tokenizer(cases(wanted, language))
    assert tokenizer == ("13a" if language == "en" else "char")
    truth = padded(wanted)
    assert found["bleu"] == pytest.approx(BLEU(tokenize=tokenizer).corpus_score(said, truth).score)
    assert found["chrf"] == pytest.approx(CHRF().corpus_score(said, truth).score)
    assert found["bleu"] > 0


def test_rouge_is_rouge_scores_with_stems_over_sentences():
    from rouge_score.rouge_scorer import RougeScorer

    names = list(overlap.ROUGE)
    library = RougeScorer(names, use_stemmer=True)
    lines = [["\n".join(overlap.sentences(text)) for text in texts] for texts in WANTED]
    expected = [
        library.score_multi(texts, "\n".join(overlap.sentences(text)))
        for text, texts in zip(SAID, lines, strict=True)
    ]
    found = scored(SAID, WANTED, None, *names)
    for name in names:
        assert found[name] == pytest.approx(np.mean([each[name].fmeasure for each in expected]))


def test_rouge_reads_scripts_that_rouge_score_drops():
    found = scored(*JAPANESE, None, "rouge1", "rouge2", "rougeL")
    assert found["rouge1"] > found["rouge2"] > 0.4
    assert scored(["я дома"], [["я дома"]], None, "rougeL") == {"rougeL": 1.0}


def test_words_hold_their_marks_and_characters_without_spaces_stand_alone():
    words = overlap._Words().tokenize
    assert words("Größe, été; don't 3x") == ["größe", "été", "don", "t", "3x"]
    assert words("हिन्दी भाषा") == ["हिन्दी", "भाषा"]
    assert words("彼はAI好き") == ["彼", "は", "ai", "好", "き"]


def test_rows_with_one_source_are_several_references_for_one_answer():
    sources, targets = ["a", "b", "a"], ["first", "other", "second"]
    found = overlap.references(sources, targets)
    assert found.rows == (0, 1)
    assert found.texts == (("first", "second"), ("other",))
    judge = overlap.judge(["exact_match"])
    assert judge.score(["second", "wrong", "ignored"], found, ()) == {"exact_match": 0.5}


def test_resampled_cases_are_scored_as_if_they_were_the_split():
    judge = overlap.judge(list(overlap.METRICS))
    measured = overlap.measure(by_row(SAID, WANTED), cases(WANTED), judge.metrics)
    drawn = [4, 0, 0, 1]
    again = [SAID[case] for case in drawn], [WANTED[case] for case in drawn]
    expected = scored(*again)
    found = measured.score(np.array(drawn))
    assert found == pytest.approx(expected)


def test_a_report_says_how_it_was_scored_and_shows_the_worst():
    judge = overlap.judge(("rougeL", "bleu"), language="language")
    columns = {
        "text": ["one", "two", "one"],
        "target": ["a b c", "d e f", "a b"],
        "language": ["zh"] * 3,
    }
    truth = judge.targets(columns, ())
    report = judge.report(["a b c", "x", "a b c"], truth, columns, (), 0)
    assert report.rows == 3
    assert report.examples[0] == {"text": "two", "label": "d e f", "predicted": "x", "score": 0.0}
    assert report.examples[1]["label"] == "a b c | a b"
    said = " ".join(report.notes)
    assert "2 different sources" in said
    assert "tok:zh" in said
    assert "stemmed" in said


def test_sentences_end_at_stops_of_any_script_and_at_lines():
    assert overlap.sentences("One. Two!\nThree? 四。五") == ["One.", "Two!", "Three?", "四。", "五"]
