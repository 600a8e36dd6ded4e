"""The main job, as a person meets it: run, run again, stop, continue, change one's mind."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import automl as library
from automl.executors._processes import belonging
from automl.rundir import RunDir
from automl.search.history import read
from tests.run.conftest import Automl, write_data

pytestmark = pytest.mark.slow
LONG = ("{epochs: 2,", "{method: full, epochs: 25,")
LONG_TEXT = 13  # more tokens than training texts need, fewer than the model takes


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def wait_for(condition: Any, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def evaluations(project: Path) -> int:
    journal = project / "runs" / "weather" / "study.journal"
    return sum(len(trial.evaluations) for trial in read(journal).trials)


def workers(project: Path) -> list[psutil.Process]:
    trials = (project / "runs" / "weather" / "trials").glob("*")
    return [process for trial in trials for process in belonging(trial)]


def test_from_recipe_to_a_bundle_that_predicts(automl: Automl, project: Path):
    done = automl("run", "weather.yaml")
    assert done.returncode == 0, done.stderr
    assert "winner: trial" in done.stdout
    bundle = project / "runs" / "weather" / "bundle"
    assert {p.name for p in bundle.iterdir()} >= {
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "README.md",
        "recipe.yaml",
        "recipe.lock",
        "plan.json",
        "automl.json",
        "plots",
    }
    with (project / "weather.csv").open() as stream:
        texts = [row["text"] for row in csv.DictReader(stream)]
    texts.append("it is wet out" + " and on" * LONG_TEXT)
    (project / "new.txt").write_text("\n".join(texts))
    predicted = automl("predict", str(bundle), "new.txt")
    assert predicted.returncode == 0, predicted.stderr
    from transformers import pipeline

    ours = [json.loads(line) for line in predicted.stdout.splitlines()]
    classify = pipeline("text-classification", model=str(bundle))
    plan = json.loads((bundle / "plan.json").read_text())
    tokens = [len(classify.tokenizer(text)["input_ids"]) for text in texts]
    assert max(tokens) > plan["candidates"][0]["max_length"], "no text is longer than in training"
    theirs = classify(texts)
    assert [row["label"] for row in ours] == [row["label"] for row in theirs]
    assert [row["score"] for row in ours] == pytest.approx(
        [row["score"] for row in theirs], abs=1e-6
    )
    _finished_study_says_so(automl)
    _larger_budget_continues(automl, project)
    _other_data_is_refused(automl, project)


def _finished_study_says_so(automl: Automl):
    again = automl("run", "weather.yaml")
    assert again.returncode == 0
    assert "finished: all 2 trials have been made" in again.stderr
    assert "starts on" not in again.stderr
    for name in ("status", "trials"):
        shown = automl(name, "--json")
        assert shown.returncode == 0, shown.stderr
        assert json.loads(shown.stdout)


def _larger_budget_continues(automl: Automl, project: Path):
    rewrite(project / "weather.yaml", "trials: 2", "trials: 3")
    more = automl("run", "weather.yaml")
    assert more.returncode == 0, more.stderr
    assert "continues after 2" in more.stderr
    assert "trial 2 starts" in more.stderr
    assert "trial 1 starts" not in more.stderr


def _other_data_is_refused(automl: Automl, project: Path):
    write_data(project / "weather.csv", 140)
    done = automl("run", "weather.yaml")
    assert done.returncode == 2
    assert "the data has other content" in done.stderr
    assert "another name" in done.stderr


def test_missed_check_is_exit_code_three_with_a_marked_bundle(automl: Automl, project: Path):
    (project / "weather.yaml").open("a").write(
        'checks: ["accuracy > 1.0", "recall[sun] >= 0"]\nexport: {push_to_hub: acme/weather}\n'
    )
    rewrite(project / "weather.yaml", "devices: {", "devices: {trials_per_device: 2, ")
    done = automl("run", "weather.yaml", "--json")
    assert done.returncode == 3, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert (events[-1]["type"], events[-1]["state"]) == ("run_ended", "checks_missed")
    kinds = [event["type"] for event in events]
    starts = [i for i, kind in enumerate(kinds) if kind == "trial_started"]
    assert starts[1] < kinds.index("trial_ended"), "two slots, but one trial at a time"
    again = automl("run", "weather.yaml")
    assert again.returncode == 3
    assert "MISSED" in again.stdout
    card = (project / "runs" / "weather" / "bundle" / "README.md").read_text()
    assert "accuracy > 1.0" in card


@pytest.mark.parametrize("way", ["Ctrl-C", "automl stop"])
def test_interrupt_saves_exports_and_continues(
    automl: Automl, started: Any, project: Path, way: str
):
    rewrite(project / "weather.yaml", *LONG)
    process = started("run", "weather.yaml")
    wait_for(lambda: evaluations(project) >= 3)
    if way == "Ctrl-C":
        process.send_signal(signal.SIGINT)
    else:
        assert automl("stop").returncode == 0
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert ("asked by `automl stop`" in err) == (way != "Ctrl-C")
    assert "continue" in out
    assert not workers(project)
    before = evaluations(project)
    exported = automl("export", "--to", "delivered")
    assert exported.returncode == 0, exported.stderr
    assert (project / "delivered" / "model.safetensors").exists()
    done = automl("run", "weather.yaml")
    assert done.returncode == 0, done.stderr
    trials = read(project / "runs" / "weather" / "study.journal").trials
    assert [trial.state for trial in trials] == ["complete"] * 2
    assert [len(trial.evaluations) for trial in trials] == [50, 50]
    assert 3 <= before < 100


@pytest.mark.parametrize("wait", [True, False], ids=["later", "at once"])
def test_run_after_a_killed_parent_goes_on_and_nothing_is_lost(
    automl: Automl, started: Any, project: Path, wait: bool
):
    rewrite(project / "weather.yaml", *LONG)
    process = started("run", "weather.yaml")
    wait_for(lambda: evaluations(project) >= 3)
    second = automl("run", "weather.yaml")
    assert second.returncode == 2
    assert str(process.pid) in second.stderr
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = evaluations(project)
    if wait:
        wait_for(lambda: not workers(project), 15)
        saved = project / "runs" / "weather" / "trials" / "0000" / "checkpoint"
        assert list(saved.glob("step-*"))
    done = automl("run", "weather.yaml")
    assert done.returncode == 0, done.stderr
    trials = read(project / "runs" / "weather" / "study.journal").trials
    assert [[e.number for e in trial.evaluations] for trial in trials] == [list(range(1, 51))] * 2
    assert before >= 3


def test_killed_worker_is_started_again(started: Any, project: Path):
    rewrite(project / "weather.yaml", *LONG)
    rewrite(project / "weather.yaml", "trials: 2", "trials: 1")
    process = started("run", "weather.yaml")
    wait_for(lambda: evaluations(project) >= 3)
    for worker in workers(project):
        worker.kill()
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert "trying again" in err
    assert [t.state for t in read(project / "runs/weather/study.journal").trials] == ["complete"]


def test_locked_run_refuses_drift_and_says_what_drifted(automl: Automl, project: Path):
    missing = automl("run", "weather.yaml", "--locked")
    assert missing.returncode == 2
    assert "automl lock weather.yaml" in missing.stderr
    assert automl("lock", "weather.yaml").returncode == 0
    write_data(project / "weather.csv", 140)
    done = automl("run", "weather.yaml", "--locked")
    assert done.returncode == 2
    assert "the file weather.csv has other content" in done.stderr


def test_study_whose_every_trial_fails_is_exit_code_four(automl: Automl, project: Path):
    done = automl("run", "weather.yaml", fault="bad_candidate")
    assert done.returncode == 4
    assert "trial 0" in done.stderr
    last = (project / "runs" / "weather" / "events.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["state"] == "failed"


def test_out_of_memory_is_answered_with_half_the_micro_batch_and_remembered(
    automl: Automl,
    project: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    monkeypatch.setitem(environment, "XDG_CACHE_HOME", str(tmp_path / "cache"))
    rewrite(project / "weather.yaml", "{epochs: 2,", "{method: full, epochs: 2,")
    done = automl("run", "weather.yaml", fault="oom@step=2,trial=0,once")
    assert done.returncode == 0, done.stderr
    folder = project / "runs" / "weather"
    first, second, *_ = read(folder / "study.journal").trials
    assert (first.state, first.micro_batch, first.attempts) == ("complete", 4, 2)
    assert (second.state, second.micro_batch, second.attempts) == ("complete", None, 1)
    taken = [json.loads(RunDir.at(folder).trial(n).spec.read_text()) for n in (0, 1)]
    assert [spec["micro_batch"] for spec in taken] == [4, 4]
    shutil.rmtree(folder)
    assert automl("run", "weather.yaml").returncode == 0
    assert json.loads(RunDir.at(folder).trial(0).spec.read_text())["micro_batch"] == 4


def test_python_api_tells_the_same_story(
    automl: Automl, project: Path, environment: dict[str, str], monkeypatch
):
    monkeypatch.chdir(project)
    monkeypatch.setenv("XDG_CACHE_HOME", environment["XDG_CACHE_HOME"])
    rewrite(project / "weather.yaml", "trials: 2", "trials: 1")
    assert automl("lock", "weather.yaml").returncode == 0
    recipe = library.load_recipe("weather.yaml")
    compiled = library.compile_recipe(recipe)
    assert compiled.plan.data.labels == ("rain", "sun")
    heard: list[Any] = []
    result = library.run(recipe, listen=heard.append, locked=True)
    assert result.exit_code == 0
    assert result.bundle is not None
    assert result.test is not None
    assert {type(event).__name__ for event in heard} >= {"RunStarted", "TrialEnded", "RunEnded"}
    assert result.report == RunDir.at(result.folder).report
    page = result.report.read_text()
    assert "Finished" in page
    assert str(project) not in page


def test_trial_on_two_processes_goes_from_recipe_to_bundle(automl: Automl, project: Path):
    rewrite(project / "weather.yaml", "devices: {", "devices: {per_trial: 2, ")
    rewrite(project / "weather.yaml", "trials: 2", "trials: 1")
    done = automl("run", "weather.yaml")
    assert done.returncode == 0, done.stderr
    assert "starts on cpu x2" in done.stderr
    trial = project / "runs" / "weather" / "trials" / "0000"
    started = json.loads((trial / "metrics.jsonl").read_text().splitlines()[0])
    assert started["processes"] == 2
    assert (project / "runs" / "weather" / "bundle" / "model.safetensors").exists()
