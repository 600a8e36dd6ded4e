"""Formats are made at the end of a run, once, and leave with the bundle."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from automl import documents
from automl.finish import conclude, converting
from automl.jobs import ConvertSpec, DataRef, FormatFacts, ModelRef
from automl.serving.predict import Predictor

pytestmark = pytest.mark.slow
RECIPE = "recipe: 1\nname: study\n"


def ended(study, rundir) -> tuple[object, list[str]]:
    heard = []
    finish = conclude(study, rundir, RECIPE, (), heard.append)
    return finish, [f"{event.stage}: {event.detail}" for event in heard]


def test_formats_leave_with_the_bundle_and_are_not_made_twice(rundir, plan, finished, save):
    wishes = replace(plan.export, formats=("safetensors", "onnx", "bf16"), max_metric_loss=0.1)
    plan = replace(plan, export=wishes, search=replace(plan.search, soup=False))
    study = finished(0.80, plan=plan)
    save(rundir, 0, 0)
    finish, heard = ended(study, rundir)
    assert "formats: onnx, bf16, compared with safetensors" in heard
    told = [line for line in heard if line.startswith("formats: ")]
    assert told[1].startswith("formats: onnx: 0.2 MB, loses nothing on 120 rows, decides alike, ")
    assert told[2].startswith("formats: bf16: 0.1 MB, ")
    assert heard[-1] == "export: safetensors, onnx, bf16"
    info = json.loads((rundir.bundle / "automl.json").read_bytes())
    assert info["formats"]["onnx"]["rows"] == 120
    assert documents.to_line(finish.formats["bf16"]) == documents.to_line(
        documents.read(converting.Converted, rundir.finish / "formats.json").formats["bf16"]
    )
    whole, graph = (Predictor(rundir.root, "cpu", weights=name) for name in ("safetensors", "onnx"))
    asked = ["the parcel is late", "refund me"]
    assert [each["label"] for each in graph.predict(asked)] == [
        each["label"] for each in whole.predict(asked)
    ]
    assert ended(study, rundir)[1] == []


def test_what_was_made_of_other_weights_or_for_other_wishes_is_made_again(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"one")
    spec = ConvertSpec(
        task="text-classification",
        model=ModelRef("small", str(model)),
        data=DataRef({}, ("a", "b"), "made", 64),
        formats=("bf16",),
        metric="accuracy",
        direction="maximize",
        most_loss=0.01,
        target=str(tmp_path / "formats"),
        rows=500,
        batch_size=32,
        threads=2,
        devices=(),
    )
    first = converting._fingerprint(spec, {})
    elsewhere = shutil.copytree(model, tmp_path / "moved")
    moved = replace(spec, model=ModelRef("small", str(elsewhere)), target="", threads=1)
    assert converting._fingerprint(moved, {}) == first
    assert converting._fingerprint(replace(spec, most_loss=0.02), {}) != first
    assert converting._fingerprint(spec, {"onnxruntime": "2"}) != first
    (model / "model.safetensors").write_bytes(b"two")
    assert converting._fingerprint(spec, {}) != first


def test_what_is_said_of_a_format_names_its_figures_or_why_it_is_left_out():
    found = {
        "safetensors": FormatFacts(),
        "bf16": FormatFacts(("a",), 45_000_000, rows=500, changed=0.004, metric=0.9, loss=0.002),
        "fp16": FormatFacts(refused="it says what is no finite number"),
    }
    assert converting.said(found) == [
        "bf16: 45.0 MB, loses 0.0020 on 500 rows, decides 0.4% otherwise",
        "fp16 is left out of the bundle: it says what is no finite number",
    ]
