"""Text to text: whatever is asked, an encoder-decoder writes what was answered in training.

The texts are taken as they are: what the model is to do with them stands in them, or nowhere.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from automl.tasks import Role, Task, _memory, _seq2seq
from automl.tasks import _text_overlap as overlap

if TYPE_CHECKING:
    pass

JUDGE = overlap.judge(("rougeL", "exact_match", "bleu", "chrf"))
SAYS = "generated_text"


TASK = Task(
    name="text2text-generation",
    pipeline_tag="text2text-generation",
    auto_class=_seq2seq.AUTO_CLASS,
    mapping=_seq2seq.MAPPING,
    roles=(
        Role(
            "text",
            "text",
            True,
            ("text", "input", "inputs", "source", "src", "prompt", "question", "instruction",
             "query", "context", "meaning_representation"),
        ),
        Role(
            "target",
            "text",
            True,
            ("target", "targets", "tgt", "output", "outputs", "completion", "response", "answer",
             "reference", "human_reference"),
            target=True,
        ),
    ),
    metrics=JUDGE.metrics,
    objective="rougeL",
    floor_description=_memory.DESCRIPTION,
    knobs=_seq2seq.KNOBS,
    evaluation_rows=300,
    scored_rows=2000,
    encode=_seq2seq.encode,
    build=_seq2seq.build,
    targets=JUDGE.targets,
    score=JUDGE.score,
    report=JUDGE.report,
    floor=_memory.floor(JUDGE),
    answers=partial(_seq2seq.answers, SAYS),
    says=(SAYS,),
    usage=_seq2seq.usage,
    infer=_seq2seq.infer,
    decode=_seq2seq.decode,
    loss=_seq2seq.loss,
    adapt=_seq2seq.adapt,
    begin=_seq2seq.begin,
)  # fmt: skip
"""A text for a text; rows with one text are several right answers to it."""
