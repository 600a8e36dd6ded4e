"""``automl trials`` and ``automl status``: what a run folder says of its study."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from automl import documents
from automl.cli import status, trials
from automl.errors import InputError


def shown(capsys, command, rundir, **options) -> list[str]:
    command(rundir.root, **options)
    return capsys.readouterr().out.splitlines()


def row(lines: list[str], number: int) -> str:
    return next(line for line in lines if line.split()[:1] == [str(number)])


def test_a_waiting_trial_shows_its_rung_and_a_repeat_what_it_repeats(capsys, rundir):
    lines = shown(capsys, trials.command, rundir)
    assert "paused at 200" in row(lines, 2)
    header = lines[0]
    start = header.index("repeat of")
    assert row(lines, 5)[start : start + 9].strip() == "0"
    assert row(lines, 0)[start : start + 9].strip() == ""


def test_the_mean_stands_beside_the_original_of_repeats_only(capsys, rundir):
    lines = shown(capsys, trials.command, rundir)
    start = lines[0].index("mean")
    assert row(lines, 0)[start : start + 6] == "0.7900"
    assert row(lines, 1)[start : start + 6].strip() == ""


def test_measured_costs_and_broken_limits_are_shown(capsys, rundir):
    lines = shown(capsys, trials.command, rundir)
    assert "6.13 ms" in row(lines, 0)
    assert "22.7M" not in row(lines, 0), "neither an objective nor limited"
    assert row(lines, 1).rstrip().endswith("breaks latency_ms <= 20")
    assert "loss is not a number" in row(lines, 3)


def test_columns_without_content_are_left_out(capsys, rundir, plan):
    from automl.search.study import Study

    rundir.study.unlink()
    Study(rundir.study, plan).ask()
    header = shown(capsys, trials.command, rundir)[0]
    for absent in ("repeat of", "mean", "latency_ms", "message"):
        assert absent not in header
    assert header.split()[:2] == ["trial", "state"]


def test_trials_can_be_sorted_by_value(capsys, rundir):
    lines = shown(capsys, trials.command, rundir, sort="value")
    assert [int(line[0]) for line in lines[1:] if line[0] != " "] == [1, 0, 5, 2, 4, 3]
    with pytest.raises(InputError, match="known are number, value, seconds, candidate"):
        trials.command(rundir.root, sort="colour")


def test_json_holds_all_that_is_known_of_each_trial(capsys, rundir):
    found = json.loads("\n".join(shown(capsys, trials.command, rundir, as_json=True)))
    assert [trial["state"] for trial in found] == [
        "complete", "complete", "running", "failed", "pruned", "complete",
    ]  # fmt: skip
    assert (found[2]["paused"], found[5]["repeat_of"]) == (True, 0)
    assert found[1]["costs"]["latency_ms"] == 31.0


def test_status_counts_repeats_apart_and_names_what_waits(capsys, rundir):
    facts = json.loads("\n".join(shown(capsys, status.command, rundir, as_json=True)))
    assert (facts["trials"], facts["repeats"]) == ("5 of 10", 1)
    assert facts["waiting_at_rungs"] == {"200": 1}
    assert facts["states"] == {"complete": 3, "paused": 1, "failed": 1, "pruned": 1}
    assert facts["state"] == "stopped"


def test_status_names_the_best_by_mean_within_the_limits(capsys, rundir):
    facts = json.loads("\n".join(shown(capsys, status.command, rundir, as_json=True)))
    assert facts["best_trial"] == 0
    assert facts["best_value"] == pytest.approx(0.79)
    assert facts["best_costs"]["latency_ms"] == pytest.approx(6.13)


def test_status_reads_well_as_a_table(capsys, rundir, plan):
    from automl.search.study import Study

    Study(rundir.study, plan).end("little is left to gain")
    (rundir.trial(2).checkpoints / "step-00000010").mkdir(parents=True)
    (rundir.trial(2).checkpoints / "step-00000010" / "model").write_bytes(b"x" * 2_000_000)
    text = "\n".join(shown(capsys, status.command, rundir))
    assert "why it ended" in text
    assert "little is left to gain" in text
    assert "2.0 MB" in text
    assert "latency_ms 6.13 ms, parameters 22.7M, disk 90.9 MB" in text


def test_one_objective_without_limits_shows_nothing_of_costs(capsys, rundir, plan):
    goal = replace(plan.goal, subject_to=(), also={})
    documents.write(rundir.plan, replace(plan, goal=goal))
    text = "\n".join(shown(capsys, trials.command, rundir))
    assert "breaks" not in text
