"""What the bundle says of itself can be read back, and says where it comes from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from automl import documents, exporters
from automl.bundle import INFO, BundleInfo
from automl.exporters import CheckResult
from automl.exporters.provenance import bundle_info
from automl.plan import Plan


def test_recipe_and_lock_are_those_of_the_run(bundle, delivery):
    assert (bundle / "recipe.yaml").read_text() == delivery.recipe
    assert (bundle / "recipe.lock").read_bytes() == delivery.lock


def test_the_plan_is_read_back_the_same(bundle, delivery):
    assert documents.read(Plan, bundle / "plan.json") == delivery.plan


def test_the_summary_is_read_back_the_same(bundle, delivery):
    assert documents.read(BundleInfo, bundle / INFO) == bundle_info(delivery)


def test_the_summary_says_what_it_takes_to_predict(bundle):
    info = documents.read(BundleInfo, bundle / INFO)
    assert (info.pipeline_tag, info.max_length) == ("text-classification", 64)
    assert info.columns["text"] == "body"


def test_the_summary_marks_missed_checks_and_a_lost_floor(delivery):
    missed = replace(
        delivery, floor=delivery.score, checks=(CheckResult("accuracy >= 0.99", 0.9, False),)
    )
    info = bundle_info(missed)
    assert info.beats_floor is False
    assert [check.passed for check in info.checks] == [False]


def test_paths_of_this_machine_are_hidden_in_the_recipe(delivery, tmp_path):
    recipe = f"data: {{train: {Path.home()}/tickets.csv, test: {Path.cwd()}/held-out.csv}}\n"
    folder = tmp_path / "bundle"
    folder.mkdir()
    exporters.get("provenance").export(replace(delivery, recipe=recipe), folder)
    text = (folder / "recipe.yaml").read_text()
    assert text == "data: {train: ~/tickets.csv, test: ./held-out.csv}\n"


def test_every_document_names_its_schema(bundle):
    for name in ("plan.json", INFO):
        assert json.loads((bundle / name).read_text())["schema"].startswith("automl/")


def test_a_summary_from_before_there_were_formats_keeps_loading(bundle):
    told = json.loads((bundle / INFO).read_bytes())
    del told["formats"]
    assert documents.from_json(BundleInfo, json.dumps(told).encode()).formats == {}
