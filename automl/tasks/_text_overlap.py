"""How much texts have in common with what should have been said: ROUGE, BLEU, chrF, equality.

Of each case sufficient statistics are kept, so that any resample is scored by sums. Knows texts
alone: no model, no tokens.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automl.tasks import Columns, Labels, Metric
from automl.tasks._languages import short

if TYPE_CHECKING:
    import numpy as np

    from automl.jobs import SplitScore

METRICS = {
    each.name: each
    for each in (
        Metric("rougeL", "maximize", "ROUGE-L: F1 of the longest common subsequence of words."),
        Metric("rouge1", "maximize", "ROUGE-1: F1 of the words in common."),
        Metric("rouge2", "maximize", "ROUGE-2: F1 of the pairs of words in common."),
        Metric("rougeLsum", "maximize", "ROUGE-Lsum: ROUGE-L by sentences, over the whole text."),
        Metric("chrf", "maximize", "chrF: F2 of character 1- to 6-grams in common, 0 to 100."),
        Metric("bleu", "maximize", "BLEU: precision of word 1- to 4-grams, 0 to 100."),
        Metric("exact_match", "maximize", "Share of answers that are a reference word for word."),
    )
}
"""By name; those of ROUGE and equality are shares from 0 to 1."""
ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")
CHRF_ORDER = 6
BLEU_ORDER = 4
LATIN = 0.005
"""Share of letters beyond a to z up to which rouge-score's own tokenizer, which drops them, is
used: English has some in names, German (2%) and French (4%) would fall apart."""
BLEU_TOKENIZERS = {"zh": "zh", "ja": "char", "th": "char", "lo": "char", "km": "char", "my": "char"}
"""Language → sacrebleu's tokenizer, where words aren't set apart by spaces; others have ``13a``
(English as WMT scores it). Japanese by words takes MeCab, which isn't there everywhere."""
_SPACELESS = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"
)
"""Kana, ideographs, Thai, Lao, Burmese, Khmer: scripts without spaces between words."""
_SENTENCES = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")
SHOWN = 10


@dataclass(frozen=True, slots=True)
class References:
    """What should be said. Rows with one source are one case, each row's target a reference."""

    rows: tuple[int, ...]
    """The first row of each case."""
    texts: tuple[tuple[str, ...], ...]
    """By case."""
    language: str | None = None


def references(
    sources: Sequence[str], targets: Sequence[str], language: str | None = None
) -> References:
    """Return the rows as cases, in the order of their first rows."""
    first: dict[str, int] = {}
    texts: dict[str, list[str]] = {}
    for row, (source, target) in enumerate(zip(sources, targets, strict=True)):
        first.setdefault(source, row)
        texts.setdefault(source, []).append(target.strip())
    return References(
        tuple(first.values()),
        tuple(tuple(dict.fromkeys(each)) for each in texts.values()),
        language,
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """Statistics by metric, a row of them a case, and how their sums make the metric."""

    statistics: Mapping[str, np.ndarray]
    cases: int

    def score(self, cases: np.ndarray | slice = slice(None)) -> dict[str, float]:
        """Return every metric over the cases with these indices, repeated ones counting again."""
        return {
            name: _FINISH.get(name, _mean)(statistics[cases])
            for name, statistics in self.statistics.items()
        }

    def each(self, metric: str) -> np.ndarray:
        """Return the metric of every case by itself."""
        import numpy as np

        found = self.statistics[metric]
        finish = _FINISH.get(metric, _mean)
        return np.array([finish(found[case : case + 1]) for case in range(self.cases)])


def measure(
    predicted: Sequence[str], references: References, metrics: Sequence[Metric]
) -> Measured:
    """Return the metrics' statistics of what was said of each row; a case's first row counts."""
    names = [metric.name for metric in metrics]
    said = [predicted[row].strip() for row in references.rows]
    found: dict[str, np.ndarray] = {}
    if rouge := [name for name in names if name in ROUGE]:
        found |= _rouge(said, references, rouge)
    for name, statistics in (("chrf", _chrf), ("bleu", _bleu), ("exact_match", _exact)):
        if name in names:
            found[name] = statistics(said, references)
    return Measured({name: found[name] for name in names}, len(said))


@dataclass(frozen=True, slots=True)
class Judge:
    """What a task that writes is judged by: its truth, its scores and its report, by row."""

    metrics: tuple[Metric, ...]
    """The first tells which cases are the worst."""
    language: str = ""
    """Role whose value is the targets' language, where there is one."""

    def targets(self, columns: Columns, labels: Labels) -> References:
        """Return what the rows of ``text`` and ``target`` should have been answered with."""
        told = columns.get(self.language, ())
        return references(columns["text"], columns["target"], str(told[0]) if told else None)

    def score(
        self, predicted: Sequence[str], targets: References, labels: Labels
    ) -> dict[str, float]:
        """Return every metric."""
        return measure(predicted, targets, self.metrics).score()

    def report(
        self,
        predicted: Sequence[str],
        targets: References,
        columns: Columns,
        labels: Labels,
        seed: int,
    ) -> SplitScore:
        """Return the metrics with intervals, over resampled cases, and the worst cases."""
        import numpy as np

        from automl.jobs import SplitScore
        from automl.tasks import _bootstrap

        measured = measure(predicted, targets, self.metrics)
        values = measured.each(self.metrics[0].name)
        worst = np.argsort(values, kind="stable")[:SHOWN]
        return SplitScore(
            rows=len(predicted),
            metrics=measured.score(),
            intervals=_bootstrap.intervals(measured.score, measured.cases, seed),
            per_class={},
            confusion=(),
            examples=tuple(
                {
                    "text": columns["text"][targets.rows[case]],
                    "label": " | ".join(targets.texts[case]),
                    "predicted": predicted[targets.rows[case]],
                    "score": float(values[case]),
                }
                for case in worst
            ),
            notes=tuple(notes(targets, self.metrics, len(predicted))),
        )


def judge(names: Sequence[str], language: str = "") -> Judge:
    """Return the judge by these of ``METRICS``."""
    return Judge(tuple(METRICS[name] for name in names), language)


def notes(references: References, metrics: Sequence[Metric], rows: int) -> list[str]:
    """Return how the texts were scored, in words that let others do the same."""
    import sacrebleu

    names = {metric.name for metric in metrics}
    found = []
    if len(references.rows) < rows:
        found.append(
            f"{len(references.rows):,} different sources: the targets of rows with the same source "
            "are several references for one answer."
        )
    if names & set(ROUGE):
        how = "rouge-score's words, stemmed" if _is_latin(references) else _WORDS
        found.append(f"ROUGE is the mean F1 over {how}.")
    if "bleu" in names:
        found.append(
            f"BLEU and chrF are sacrebleu {sacrebleu.__version__}'s over the whole split: "
            f"BLEU case:mixed|tok:{bleu_tokenizer(references)}|smooth:exp, "
            f"chrF2 case:mixed|nc:{CHRF_ORDER}|nw:0|space:no."
        )
    return found


def sentences(text: str) -> list[str]:
    """Return the text's sentences: its lines, and what ends in a full stop or the like."""
    return [each.strip() for each in _SENTENCES.split(text) if each.strip()]


# -- ROUGE ---------------------------------------------------------------------------------


_WORDS = "words in any script (characters where none are set apart), not stemmed"


class _Words:
    """Words in any script, for rouge-score: letters, numbers and their marks, in lower case."""

    def tokenize(self, text: str) -> list[str]:
        """Return the words; of scripts without spaces each character is one."""
        found, word = [], ""
        for sign in unicodedata.normalize("NFKC", text).lower():
            alone = bool(_SPACELESS.match(sign))
            inside = unicodedata.category(sign)[0] in "LNM"
            if word and (alone or not inside):
                found.append(word)
                word = ""
            if alone:
                found.append(sign)
            elif inside:
                word += sign
        return [*found, word] if word else found


def _is_latin(references: References) -> bool:
    letters = [sign for texts in references.texts for text in texts for sign in text
               if sign.isalpha()]  # fmt: skip
    return sum(not sign.isascii() for sign in letters) <= LATIN * len(letters)


def rouge_scorer(references: References, names: Sequence[str]) -> Any:
    """Return rouge-score's scorer with a tokenizer that suits the references."""
    from rouge_score.rouge_scorer import RougeScorer

    if _is_latin(references):
        return RougeScorer(list(names), use_stemmer=True)
    return RougeScorer(list(names), tokenizer=_Words())


def _rouge(
    said: Sequence[str], references: References, names: Sequence[str]
) -> dict[str, np.ndarray]:
    import numpy as np

    scorer = rouge_scorer(references, names)

    def lines(text: str) -> str:
        return "\n".join(sentences(text))

    scores = [
        scorer.score_multi([lines(each) for each in texts], lines(text))
        for text, texts in zip(said, references.texts, strict=True)
    ]
    return {name: np.array([each[name].fmeasure for each in scores]) for name in names}


# -- exact match ----------------------------------------------------------------------------


def _exact(said: Sequence[str], references: References) -> np.ndarray:
    import numpy as np

    pairs = zip(said, references.texts, strict=True)
    return np.array([float(text in texts) for text, texts in pairs])


def _mean(values: np.ndarray) -> float:
    return float(values.mean())


# -- BLEU -----------------------------------------------------------------------------------


def bleu_tokenizer(references: References) -> str:
    """Return the name of sacrebleu's tokenizer for the references' language.

    Where that isn't known, their script decides.
    """
    if references.language is not None:
        return BLEU_TOKENIZERS.get(short(references.language), "13a")
    text = "".join(sign for texts in references.texts for each in texts for sign in each)
    return "char" if 2 * len(_SPACELESS.findall(text)) > len(text) else "13a"


def _bleu(said: Sequence[str], references: References) -> np.ndarray:
    """Return, by case, correct and total n-grams by order, then the lengths: answer, reference."""
    import numpy as np
    from sacrebleu.metrics.bleu import BLEU

    # Effective order changes nothing in the counts; without it sacrebleu warns of single sentences.
    metric = BLEU(tokenize=bleu_tokenizer(references), effective_order=True)
    found = [
        metric.sentence_score(text, list(texts))
        for text, texts in zip(said, references.texts, strict=True)
    ]
    return np.array([[*each.counts, *each.totals, each.sys_len, each.ref_len] for each in found])


def _bleu_of(statistics: np.ndarray) -> float:
    from sacrebleu.metrics.bleu import BLEU

    *counts, said, wanted = statistics.sum(axis=0).tolist()
    correct, total = counts[:BLEU_ORDER], counts[BLEU_ORDER:]
    return float(BLEU.compute_bleu(correct, total, said, wanted, smooth_method="exp").score)


# -- chrF -----------------------------------------------------------------------------------


def _chrf(said: Sequence[str], references: References) -> np.ndarray:
    """Return, by case, n-grams of the answer, of the reference and in common, order by order.

    Of several references the one that scores best (Popović 2015, as sacrebleu counts).
    """
    import numpy as np

    return np.array(
        [
            max((_in_common(text, each) for each in texts), key=_f2)
            for text, texts in zip(said, references.texts, strict=True)
        ]
    )


def _in_common(text: str, reference: str) -> list[int]:
    said, wanted = "".join(text.split()), "".join(reference.split())
    found: list[int] = []
    for order in range(1, CHRF_ORDER + 1):
        ours, theirs = _grams(said, order), _grams(wanted, order)
        both = sum(min(count, theirs[gram]) for gram, count in ours.items() if gram in theirs)
        found += [ours.total() if theirs else 0, theirs.total(), both]
    return found


def _grams(text: str, order: int) -> Counter[str]:
    return Counter(text[start : start + order] for start in range(len(text) - order + 1))


def _chrf_of(statistics: np.ndarray) -> float:
    return _f2(statistics.sum(axis=0).tolist())


def _f2(counts: Sequence[int]) -> float:
    """Return the F2 of mean precision and mean recall over the orders that both sides have."""
    orders = [counts[at : at + 3] for at in range(0, len(counts), 3)]
    shared = [(both / ours, both / theirs) for ours, theirs, both in orders if ours and theirs]
    if not shared:
        return 0.0
    precision, recall = (sum(values) / len(shared) for values in zip(*shared, strict=True))
    weighed = 4 * precision + recall
    return 100 * 5 * precision * recall / weighed if weighed else 0.0


_FINISH: Mapping[str, Callable[[np.ndarray], float]] = {"bleu": _bleu_of, "chrf": _chrf_of}
"""How a metric comes from cases' statistics; others are the mean of theirs."""
