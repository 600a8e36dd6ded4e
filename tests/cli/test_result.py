"""The last screen of a run: what won and why, in plain text when piped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from automl import documents
from automl.bundle import INFO
from automl.cli import _result
from automl.exporters import Delivery
from automl.exporters._choice import Choice, Soup, optimism
from automl.exporters.provenance import bundle_info
from automl.pipeline import RunResult
from tests.deliveries import make_delivery, with_two_objectives


def result(delivery: Delivery, **changes) -> RunResult:
    folder = Path.cwd() / "runs" / "x"
    (folder / "bundle").mkdir(parents=True, exist_ok=True)
    documents.write(folder / "bundle" / INFO, bundle_info(delivery))
    made = RunResult(
        name=delivery.plan.name,
        state="finished",
        outcome="trials",
        folder=folder,
        trials=delivery.trials,
        best=delivery.winner,
        test=delivery.score.splits["test"],
        floor=delivery.floor.splits["test"],
        checks=delivery.checks,
        bundle=folder / "bundle",
        seconds=delivery.seconds,
        goal=delivery.plan.goal,
        choice=delivery.choice,
        costs=delivery.score.costs,
    )
    return replace(made, **changes)


def screen(capsys, found: RunResult) -> str:
    _result.show(found)
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def delivery() -> Delivery:
    return make_delivery(Path("best"))


def test_the_winner_is_shown_by_the_mean_of_its_seeds(capsys, delivery):
    text = screen(capsys, result(delivery))
    assert "12 trials (4 pruned, 6 complete, 1 failed, 1 paused) and 3 repeats" in text
    found = delivery.choice.of(delivery.winner.number)
    assert f"mean of 2 seeds: macro_f1 {found.mean:.4f}" in text
    assert "worse on average than first seen: so much does picking flatter" in text
    assert "the search ended: all 12 trials have been made" in text


def test_a_candidate_as_good_untrained_is_said_in_red(capsys, delivery):
    test = delivery.score.splits["test"]
    assert "untrained" not in screen(capsys, result(delivery))
    text = screen(capsys, result(delivery, untrained=test))
    assert "The candidate as it comes, untrained, is as good or better on macro_f1" in text
    fine = screen(capsys, result(delivery, untrained=delivery.floor.splits["test"]))
    assert "untrained" in fine
    assert "as it comes" not in fine


def test_repeats_that_did_better_do_not_flatter(capsys, delivery):
    (first, *_) = delivery.choice.confirmed
    lucky = (replace(first, values=(0.8, 0.9)),)
    choice = replace(delivery.choice, confirmed=lucky, optimism=optimism(lucky, "maximize"))
    text = screen(capsys, result(delivery, choice=choice))
    assert "0.1000 better on average than first seen" in text
    assert "flatter" not in text


def test_optimism_of_a_metric_to_minimise_has_the_other_sign(delivery):
    confirmed = delivery.choice.confirmed
    assert optimism(confirmed, "minimize") == pytest.approx(-optimism(confirmed, "maximize"))
    assert optimism((), "maximize") is None


@pytest.mark.parametrize(
    ("soup", "said"),
    [
        (Soup(((1, 1), (2, 1)), (1, 2), 0.9, 0.91, True), "exported is the average of trials 1, 2"),
        (Soup(((1, 1), (2, 1)), (1, 2), 0.9, 0.89, False), "is not taken: 0.8900 against 0.9000"),
        (Soup(((1, 1), (2, 1)), (1,), 0.9, 0.9, False), "averaging weights gained nothing"),
    ],
)
def test_what_averaging_came_to_is_said(capsys, delivery, soup, said):
    assert said in screen(capsys, result(delivery, choice=Choice(soup=soup)))


def test_without_repeats_and_averages_nothing_is_said_of_them(capsys, delivery):
    text = screen(capsys, result(delivery, choice=Choice()))
    assert "seeds" not in text
    assert "averag" not in text


def test_several_objectives_show_their_front_with_the_exported_one(capsys, delivery):
    both = with_two_objectives(delivery)
    lines = screen(capsys, result(both)).splitlines()
    chosen = next(one for one in both.choice.points if one.chosen)
    shown = [line for line in lines if "on the front" in line or "exported" in line]
    assert len(shown) == sum(one.front for one in both.choice.points)
    (exported,) = (line for line in shown if "exported" in line)
    assert exported.split()[0] == str(chosen.trial)
    assert any("keeps its limits" in line for line in lines)


def test_a_limit_that_the_exported_model_breaks_is_said(capsys, delivery):
    both = with_two_objectives(delivery)
    costs = {**both.score.costs, "latency_ms": 12.5}
    assert "breaks latency_ms <= 12" in screen(capsys, result(both, costs=costs))


def test_the_frozen_encoder_stands_beside_the_winner_unless_it_won(capsys, delivery):
    assert "frozen minilm with a linear head, on validation" in screen(capsys, result(delivery))
    probe = next(trial for trial in delivery.trials if trial.probe)
    text = screen(capsys, result(delivery, best=probe, choice=Choice()))
    assert "frozen minilm with" not in text
    assert "frozen, linear head" in text


def test_what_to_do_next_depends_on_how_it_ended(capsys, delivery):
    assert "a larger budget in the recipe" in screen(capsys, result(delivery))
    assert "search.stop: never" in screen(capsys, result(delivery, outcome="settled"))


def test_a_bundle_that_takes_more_than_one_text_is_offered_rows(capsys, delivery):
    assert '--text "..."' in screen(capsys, result(delivery))
    columns = {"question": "q", "context": "passage", "answers": "answers"}
    data = replace(delivery.plan.data, columns=columns)
    asked = replace(delivery, plan=replace(delivery.plan, task="question-answering", data=data))
    text = screen(capsys, result(asked))
    assert "rows.jsonl   # or csv: q, passage" in text
    assert "--text" not in text


def test_an_interrupted_run_says_what_it_has(capsys, delivery):
    text = screen(capsys, result(delivery, bundle=None, state="interrupted", choice=None))
    assert "best so far" in text
    assert "the same command again" in text
