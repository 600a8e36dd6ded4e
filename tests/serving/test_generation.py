"""Bundles that generate or reward: what a row is read as, and what comes back."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from automl import documents, tasks
from automl.bundle import INFO, BundleInfo
from automl.errors import DataError
from automl.serving import batch, output
from automl.serving.predict import Predictor
from automl.serving.rows import Row
from automl.tasks._text import load_tokenizer
from automl.worker.store import rows as stored
from tests.fixtures import tiny_decoder
from tests.tasks.pairs import PAIRS

TALK = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello there"}]


def bundled(folder: Path, task_name: str, columns: dict[str, list[str]]) -> Predictor:
    """A loaded bundle of an untrained model that began as training on ``columns`` would."""
    task = tasks.get(task_name)
    base = tiny_decoder.make(folder / "base")
    tokenizer = load_tokenizer(str(base))
    model = task.build(str(base), (), {}, False)
    task.begin(model, tokenizer, stored(task.encode(columns, tokenizer, 64, ())))
    if task.show is not None:
        model.generation_config.max_new_tokens = 4
    model.save_pretrained(folder / "bundle")
    tokenizer.save_pretrained(folder / "bundle")
    info = BundleInfo(
        name="n", task=task_name, pipeline_tag=task.pipeline_tag, labels=(),
        columns={name: name for name in columns}, max_length=128, trust_remote_code=False,
        candidate="c", base_model="b", revision=None, metric=task.objective,
        direction="minimize", validation=None, rows={}, metrics={}, intervals={}, floor={},
        beats_floor=True, checks=(), versions={},
    )  # fmt: skip
    documents.write(folder / "bundle" / INFO, info)
    return Predictor(folder / "bundle", "cpu")


def said(predictor: Predictor, *rows: dict[str, object]) -> list[dict[str, object] | None]:
    """What is answered to rows as a file would hold them."""
    found = (Row(f"rows.jsonl:{n}", row) for n, row in enumerate(rows, 1))
    return [answer for _, answer in batch.label(predictor, found, batch_size=4)]


@pytest.fixture(scope="module")
def chat(tmp_path_factory):
    learnt = {"messages": [json.dumps(TALK)]}
    return bundled(tmp_path_factory.mktemp("chat"), "text-generation", learnt)


def test_a_text_a_conversation_and_its_json_are_answered_alike(chat):
    (alone,) = chat.predict(["hi"])
    assert set(alone) == {"completion"}
    found = said(chat, {"messages": "hi"}, {"messages": TALK[:1]},
                 {"messages": json.dumps(TALK[:1])})  # fmt: skip
    assert found == [alone] * 3


def test_a_text_that_only_looks_like_json_is_a_text(chat):
    assert said(chat, {"messages": "[sic] hi"})[0] is not None


def test_a_conversation_with_its_answer_is_refused(chat):
    with pytest.raises(DataError, match="ends with the assistant's turn"):
        said(chat, {"messages": TALK})


def test_answers_are_written_beside_a_completion_that_is_there(chat):
    rows = [Row("rows.jsonl:1", {"messages": "hi", "completion": "hello"})]
    stream = io.StringIO()
    list(output.write(batch.label(chat, rows), stream, "jsonl", 1, chat.task.says))
    assert set(json.loads(stream.getvalue())) == {
        "messages", "completion", "predicted_completion",
    }  # fmt: skip


def test_alpacas_input_may_be_empty_or_left_away_by_none(tmp_path):
    learnt = {"prompt": ['"a"'], "input": ['""'], "completion": ['"b"']}
    predictor = bundled(tmp_path, "text-generation", learnt)
    empty, filled = said(predictor, {"prompt": "a", "input": ""}, {"prompt": "a", "input": "b"})
    assert empty is not None
    assert filled is not None
    assert empty == next(predictor.predict([{"prompt": "a"}]))


def test_a_text_bundle_goes_on_with_a_text(tmp_path):
    predictor = bundled(tmp_path, "text-generation", {"text": ["the cat is"]})
    found = said(predictor, {"text": "the cat"}, {"text": " "})
    assert found == [next(predictor.predict(["the cat"])), None]


def test_a_preference_bundle_answers_prompts(tmp_path):
    predictor = bundled(tmp_path, "preference", PAIRS)
    found = said(predictor, {"prompt": "colour?"}, {"prompt": TALK[:1]})
    assert all(set(answer) == {"completion"} for answer in found)


def test_a_reward_bundle_scores_answers_after_prompts_and_whole_conversations(tmp_path):
    predictor = bundled(tmp_path, "reward", PAIRS)
    (both,) = said(predictor, {"prompt": "hi", "response": "hello there"})
    (whole,) = said(predictor, {"messages": TALK})
    assert both == whole
    assert set(both) == {"score"}
    (alone,) = said(predictor, {"response": "hello there"})
    assert alone != both
