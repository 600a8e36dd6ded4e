"""Summarization: a long text in, a short one out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from automl.tasks import Columns, Labels, Task, _seq2seq
from automl.tasks import _text_overlap as overlap

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


JUDGE = overlap.judge(("rougeL", "rouge1", "rouge2", "rougeLsum"))
PROMPT = "summarize: "
BEAMS, NO_REPEAT = 4, 3
"""As BART and T5 were evaluated on CNN/DailyMail (Lewis et al. 2020; Raffel et al. 2020)."""
MOST_SENTENCES = 5


def _adapt(
    tokenizer: PreTrainedTokenizerBase, config: Mapping[str, Any], columns: Columns
) -> tuple[str, ...]:
    prompt = _seq2seq.task_prompt(config, "summarization", PROMPT)
    return _seq2seq.adapt(tokenizer, config, columns, prompt)


def _begin(model: Any, tokenizer: PreTrainedTokenizerBase, rows: Any) -> None:
    _seq2seq.begin(model, tokenizer, rows, BEAMS, NO_REPEAT)


def _floor(
    train: Columns, others: Mapping[str, Columns], labels: Labels, seed: int
) -> dict[str, list[str]]:
    """Return each text's first sentences, as many as training summaries have."""
    from statistics import median_low

    usual = median_low(len(overlap.sentences(text)) for text in train["target"])
    count = min(max(usual, 1), MOST_SENTENCES)
    return {
        name: ["\n".join(overlap.sentences(text)[:count]) for text in rows["text"]]
        for name, rows in others.items()
    }


TASK = Task(
    name="summarization",
    pipeline_tag="summarization",
    roles=_seq2seq.roles(
        ("article", "document", "dialogue", "dialog", "body", "content", "source", "report"),
        ("summary", "highlights", "abstract", "tldr", "headline", "title"),
    ),
    floor_description=(
        f"the text's first sentences, as many as training summaries have (at most {MOST_SENTENCES})"
    ),
    floor=_floor,
    evaluation_rows=200,
    untrained=True,
    scored_rows=1000,
    adapt=_adapt,
    begin=_begin,
    **_seq2seq.shared(JUDGE, "summary_text"),
)
"""A summary of a text, judged by the words it shares with one that a person wrote."""
