"""Text to text: whatever is asked, an encoder-decoder writes what was answered in training.

The texts are taken as they are: what the model is to do with them stands in them, or nowhere.
"""

from __future__ import annotations

from automl.tasks import Task, _memory, _seq2seq
from automl.tasks import _text_overlap as overlap

JUDGE = overlap.judge(("rougeL", "exact_match", "bleu", "chrf"))

TASK = Task(
    name="text2text-generation",
    pipeline_tag="text2text-generation",
    roles=_seq2seq.roles(
        ("input", "inputs", "source", "src", "prompt", "question", "instruction", "query",
         "context", "meaning_representation"),
        ("targets", "tgt", "output", "outputs", "completion", "response", "answer", "reference",
         "human_reference"),
    ),
    floor_description=_memory.DESCRIPTION,
    floor=_memory.floor(JUDGE),
    evaluation_rows=300,
    untrained=True,
    scored_rows=2000,
    adapt=_seq2seq.adapt,
    begin=_seq2seq.begin,
    **_seq2seq.shared(JUDGE, "generated_text"),
)  # fmt: skip
"""A text for a text; rows with one text are several right answers to it."""
