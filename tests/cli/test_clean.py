"""``automl clean``: what goes, what stays whatever is asked, and who must not be disturbed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl import cache, documents
from automl.cli import clean
from automl.errors import InputError, RunFolderError
from automl.exporters._choice import Choice, Soup
from automl.finish import Finish
from automl.jobs import ScoreResult
from automl.rundir import RunDir

PLACES = (
    "best/model.safetensors",
    ".best.new/model.safetensors",
    "checkpoint/step-00000006/model.safetensors",
    "checkpoint/bad-step-00000004/model.safetensors",
    "checkpoint/.step-00000008/model.safetensors",
)
TRUE = (
    "plan.json",
    "study.journal",
    "recipe.yaml",
    "starts.json",
    "events.jsonl",
    "held",
    "finish/soup/model.safetensors",
    "finish/floor.json",
    "bundle/automl.json",
    "bundle/model.safetensors",
    "cache/data/train.arrow",
    "track/tensorboard/trial-0000/events.out",
    *(f"trials/{number:04d}/{name}" for number in range(6) for name in ("log.txt", "spec.json")),
    *(f"trials/{number:04d}/metrics.jsonl" for number in range(6)),
)


def put(path: Path, size: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def finished(rundir: RunDir, trial: int = 0, soup: Soup | None = None) -> None:
    score = ScoreResult({}, "", 0.0, 0.0)
    found = Finish(trial, 3, score, score, (), "0" * 64, Choice(soup=soup))
    documents.write(rundir.finish / "finish.json", found)


def left(rundir: RunDir, name: str) -> set[int]:
    """The trials that have something of that name."""
    return {
        int(path.parent.name) for path in rundir.trials.glob(f"*/{name}") if any(path.iterdir())
    }


def cleaned(capsys: pytest.CaptureFixture[str], *target: Path, **options: bool) -> dict[str, int]:
    """Clean and return what was freed, by kind."""
    capsys.readouterr()
    clean.command(*target, **options, as_json=True)
    facts = json.loads(capsys.readouterr().out)
    found = facts["cache" if options.get("cache") else "run"]
    kinds = {each["kind"]: each["bytes"] for each in found["kinds"]}
    assert found["freed_bytes"] == sum(kinds.values()) <= found["bytes"]
    return kinds


@pytest.fixture
def full(rundir: RunDir) -> RunDir:
    """Trial 0 complete and repeated as 5, 1 breaks a limit, 2 waits, 3 failed, 4 pruned; all of
    them with all that a trial can have, and the run with all that a run can have."""
    for number in range(6):
        for place in PLACES:
            put(rundir.trial(number).root / place)
    for name in TRUE:
        if not (rundir.root / name).exists():
            put(rundir.root / name)
    (rundir.root / "held").write_text("2")
    with rundir.lock():
        pass
    put(rundir.tokens / "train-0" / "input_ids.npy", 1000)
    put(rundir.tokens / "features" / "train-0.npy", 500)
    put(rundir.job("measure-small") / "log.txt", 70)
    return rundir


def test_what_can_be_made_again_goes_and_what_can_still_win_or_go_on_stays(capsys, full):
    freed = cleaned(capsys, full.root)
    assert freed == {"tokens": 1500, "jobs": 70, "models": 200 + 500, "checkpoints": 1500 + 200}
    assert left(full, "best") == {0, 2, 4, 5}, "1 breaks a limit, 3 failed"
    assert left(full, "checkpoint") == {2}, "only a trial that waits goes on"
    assert [path.name for path in full.trial(2).checkpoints.iterdir()] == ["step-00000006"]
    assert not full.tokens.exists()
    assert not full.jobs.exists()
    assert set(cleaned(capsys, full.root).values()) == {0}


def test_a_dry_run_shows_the_same_and_deletes_nothing(capsys, full):
    before = sorted(full.root.rglob("*"))
    shown = cleaned(capsys, full.root, dry_run=True)
    assert sorted(full.root.rglob("*")) == before
    clean.command(full.root, dry_run=True)
    said = capsys.readouterr().out
    assert "would free 4.0 kB of" in said
    assert "made again when needed" in said
    assert cleaned(capsys, full.root) == shown


def test_a_finished_study_gives_up_what_only_a_larger_budget_would_need(capsys, full):
    with pytest.raises(RunFolderError, match="isn't finished"):
        clean.command(full.root, finished=True)
    assert full.trial(3).best.exists()
    finished(full)
    cleaned(capsys, full.root, finished=True)
    assert not left(full, "checkpoint")
    assert left(full, "best") == {0, 2, 4, 5}, "a trial that waits may be among the best"


def test_models_that_the_bundle_was_made_from_stay(capsys, full):
    finished(full, trial=3, soup=Soup(((3, 1),), (3,), 0.5, 0.6, True))
    cleaned(capsys, full.root)
    assert full.trial(3).best.exists()


def test_the_last_copy_of_a_model_that_can_win_stays_wherever_a_kill_left_it(capsys, full):
    shutil.rmtree(full.trial(0).best)
    put(full.trial(0).root / ".best.old" / "model.safetensors")
    cleaned(capsys, full.root)
    assert (full.trial(0).root / ".best.old" / "model.safetensors").exists()


THINGS = [(number, place) for number in range(6) for place in PLACES]


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    gone=st.sets(st.sampled_from(THINGS)),
    ended=st.booleans(),
    give_up=st.booleans(),
    dry_run=st.booleans(),
)
def test_what_is_true_of_a_study_is_never_touched(full, gone, ended, give_up, dry_run):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(full.root, Path(folder) / "run")
        rundir = RunDir.at(Path(folder) / "run")
        for number, place in gone:
            (rundir.trial(number).root / place).unlink()
        if ended:
            finished(rundir)
        before = {name: (rundir.root / name).read_bytes() for name in TRUE}
        clean.command(rundir.root, finished=give_up and ended, dry_run=dry_run)
        assert {name: (rundir.root / name).read_bytes() for name in TRUE} == before


def test_a_live_run_is_not_disturbed(full):
    holder = "import sys; from pathlib import Path; from automl.rundir import RunDir\n"
    holder += "with RunDir(Path(sys.argv[1])).lock(): print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(full.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as live:
        assert live.stdout is not None
        live.stdout.readline()
        for dry_run in (False, True):
            with pytest.raises(RunFolderError, match=f"held by a live run: pid {live.pid}"):
                clean.command(full.root, dry_run=dry_run)
        assert full.tokens.exists()
        live.communicate()


def test_the_cache_is_emptied_kind_by_kind_but_for_what_is_being_written(
    capsys, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    put(tmp_path / "other" / "file")
    assert cleaned(capsys, cache=True) == {}
    cache.remember("hashes", "one", b"12345")
    cache.remember("settings", "two.json", b"123")
    writing = put(cache.folder() / "settings" / ".two.json.x7")
    put(cache.folder() / "archives" / "abc" / "photos" / "1.png", 7)
    found = {"archives": 7, "hashes": 5, "settings": 3}
    assert cleaned(capsys, cache=True, dry_run=True) == found
    assert cleaned(capsys, cache=True) == found
    assert not any((cache.folder() / "archives").iterdir())
    assert cache.read("hashes", "one") is None
    assert writing.exists()
    assert (tmp_path / "other" / "file").exists()


def test_something_must_be_named_and_what_cannot_be_deleted_is_said(rundir, monkeypatch):
    with pytest.raises(InputError, match="nothing is named"):
        clean.command()
    with pytest.raises(InputError, match="about a run"):
        clean.command(cache=True, finished=True)

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    put(rundir.tokens / "train-0" / "input_ids.npy")
    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(RunFolderError, match=r"tokens can't be deleted: Permission denied"):
        clean.command(rundir.root)
