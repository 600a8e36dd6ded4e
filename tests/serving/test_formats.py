"""Every format of a real bundle answers as safetensors does; what is not there says why."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from automl.data.tables import write_table
from automl.errors import InputError
from automl.exporters._assemble import write_bundle
from automl.jobs import ConvertResult, ConvertSpec, DataRef, ModelRef
from automl.serving import formats
from automl.serving.predict import Predictor
from automl.tasks._weights import FORMATS, SAFETENSORS
from tests.commands import automl
from tests.deliveries import TOPICS, make_delivery, tiny_classifier

pytestmark = pytest.mark.slow
TEXTS = [
    f"my order {row} is late, {TOPICS[row % 7]} please" + " again" * (row % 9) for row in range(24)
]
DERIVED = tuple(name for name in FORMATS if name != SAFETENSORS)
NEAR = {"onnx": 1e-5, "onnx-int8": 0.1, "bf16": 0.1, "fp16": 0.01}
"""By how much a probability may move."""


def converted(model: Path, scratch: Path, **changes: object) -> ConvertResult:
    """Do the job in this process: what a format is worth, and its files in ``scratch``."""
    from automl.worker.converting import convert

    rows = {"text": TEXTS, "label": [TOPICS[row % 7] for row in range(len(TEXTS))]}
    write_table(pa.table(rows), scratch / "validation.arrow")
    data = DataRef({"validation": str(scratch / "validation.arrow")}, TOPICS, "made", 64)
    spec = ConvertSpec(
        task="text-classification",
        model=ModelRef("tiny", str(model)),
        data=data,
        formats=DERIVED,
        metric="accuracy",
        direction="maximize",
        most_loss=0.2,
        target=str(scratch / "formats"),
        rows=500,
        batch_size=8,
        threads=1,
        devices=(),
    )
    return convert(replace(spec, **changes))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt the texts: of an untrained one, rounding decides."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tiny_classifier(tmp_path_factory.mktemp("best"))
    made = AutoModelForSequenceClassification.from_pretrained(folder)
    inputs = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    labels = torch.arange(len(TEXTS)) % len(TOPICS)
    optimizer = torch.optim.AdamW(made.parameters(), lr=3e-3)
    for _ in range(60):
        made(**inputs, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    made.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def result(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ConvertResult, Path]:
    scratch = tmp_path_factory.mktemp("converted")
    return converted(model, scratch), scratch / "formats"


@pytest.fixture(scope="module")
def bundle(
    model: Path, result: tuple[ConvertResult, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    found, folder = result
    delivery = make_delivery(model)
    bare = {
        split: replace(score, confusion=(), per_class={})
        for split, score in delivery.score.splits.items()
    }
    export = replace(delivery.plan.export, formats=FORMATS)
    delivery = replace(
        delivery,
        plan=replace(delivery.plan, export=export),
        trials=(),
        score=replace(delivery.score, splits=bare),
        formats=found.formats,
        converted=folder,
    )
    return write_bundle(delivery, tmp_path_factory.mktemp("exported") / "bundle")


def test_every_format_of_a_bundle_answers_as_safetensors_does(
    bundle, result, tmp_path, monkeypatch
):
    """One test: what it looks at takes seconds to make, and tests may run in several processes."""
    for name in DERIVED:
        _a_format_says_what_safetensors_says(name, bundle)
        _a_format_was_measured_on_the_rows_and_in_time(name, result)
    _formats_are_smaller_by_what_their_numbers_take(result)
    _a_half_precision_variant_loads_as_the_hub_has_them(bundle)
    _graphs_run_without_torch_on_rows_and_lengths_of_any_number(bundle)
    _the_command_takes_a_format(bundle, tmp_path)
    _automatic_is_onnx_on_a_cpu(bundle)
    _without_onnxruntime_automatic_is_safetensors_and_onnx_an_error(bundle, monkeypatch)


def _a_format_says_what_safetensors_says(name, bundle):
    whole = list(Predictor(bundle, "cpu").predict(TEXTS, batch_size=5))
    found = list(Predictor(bundle, "cpu", weights=name).predict(TEXTS, batch_size=5))
    assert [each["label"] for each in found] == [each["label"] for each in whole]
    apart = max(abs(a["score"] - b["score"]) for a, b in zip(found, whole, strict=True))
    assert apart <= NEAR[name]


def _a_format_was_measured_on_the_rows_and_in_time(name, result):
    facts = result[0].formats[name]
    whole = result[0].formats[SAFETENSORS]
    assert (facts.rows, facts.refused, facts.changed) == (len(TEXTS), "", 0.0)
    assert facts.files
    assert 0 < facts.mean_difference <= facts.max_difference < 2
    assert facts.metric == whole.metric
    assert facts.loss == 0
    speed = facts.speed["cpu"]
    assert 0 < speed.latency_ms <= speed.latency_p95_ms
    assert speed.latency_ratio == pytest.approx(speed.latency_ms / whole.speed["cpu"].latency_ms)
    assert speed.throughput_ratio > 0


def _formats_are_smaller_by_what_their_numbers_take(result):
    found = {name: facts.bytes for name, facts in result[0].formats.items()}
    assert found["bf16"] < 0.6 * found[SAFETENSORS]
    assert found["onnx-int8"] < 0.6 * found["onnx"]


def _a_half_precision_variant_loads_as_the_hub_has_them(bundle):
    import torch
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(
        bundle, variant="bf16", dtype=torch.bfloat16
    )
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


def _graphs_run_without_torch_on_rows_and_lengths_of_any_number(bundle):
    import onnxruntime

    session = onnxruntime.InferenceSession(bundle / "onnx" / "model.onnx")
    for rows, length in ((1, 3), (4, 17)):
        ids = np.full((rows, length), 5)
        given = {each.name: ids if each.name == "input_ids" else ids * 0 + 1
                 for each in session.get_inputs()}  # fmt: skip
        (logits,) = session.run(["logits"], given)
        assert logits.shape == (rows, len(TOPICS))


def test_a_format_that_loses_more_than_it_may_is_refused_with_figures(tmp_path):
    """Its classes are all but tied, and right is what the whole weights say: so rounding costs."""
    import torch
    from transformers import AutoModelForSequenceClassification

    folder = tiny_classifier(tmp_path / "tied")
    tied = AutoModelForSequenceClassification.from_pretrained(folder)
    with torch.no_grad():
        tied.classifier.weight.copy_(
            tied.classifier.weight[:1] + 1e-4 * torch.randn_like(tied.classifier.weight)
        )
    tied.save_pretrained(folder)
    facts = _against_itself(folder, tmp_path)
    assert facts[SAFETENSORS].metric == 1
    lost = facts["bf16"]
    assert lost.changed > 0
    assert lost.loss == pytest.approx(1 - lost.metric)
    assert lost.files == ()
    assert lost.refused == (
        f"accuracy is 1.0000 with safetensors and {lost.metric:.4f} with it on 24 validation rows: "
        f"{lost.loss:.4f} lost, 0 allowed"
    )
    assert not (tmp_path / "formats" / "bf16").exists()


def _against_itself(folder: Path, scratch: Path):
    """The formats' facts where the labels are what the model says."""
    wrapped = make_delivery(folder)
    bundle = write_bundle(replace(wrapped, trials=()), scratch / "plain")
    said = [each["label"] for each in Predictor(bundle, "cpu").predict(TEXTS, batch_size=24)]
    write_table(pa.table({"text": TEXTS, "label": said}), scratch / "said.arrow")
    data = DataRef({"validation": str(scratch / "said.arrow")}, TOPICS, "made", 64)
    return converted(folder, scratch, data=data, formats=("bf16",), most_loss=0.0).formats


def _automatic_is_onnx_on_a_cpu(bundle):
    assert Predictor(bundle, "cpu", weights="auto").weights == "onnx"


def _without_onnxruntime_automatic_is_safetensors_and_onnx_an_error(bundle, monkeypatch):
    info = Predictor(bundle, "cpu").info
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert formats.chosen(info, bundle, "auto", "cpu")[0] == SAFETENSORS
    with pytest.raises(InputError, match="onnx needs onnxruntime, not installed") as caught:
        formats.chosen(info, bundle, "onnx", "cpu")
    assert caught.value.problems[0].hint == "pip install 'automl[onnx]'"


def _the_command_takes_a_format(bundle, tmp_path):
    asked = ("--text", TEXTS[0], "--weights", "onnx")
    found = automl("predict", str(bundle), *asked, cwd=tmp_path)
    whole = next(Predictor(bundle, "cpu").predict([TEXTS[0]]))
    assert json.loads(found.stdout)["label"] == whole["label"]
