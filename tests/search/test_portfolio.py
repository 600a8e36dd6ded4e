"""What is tried before anything is sampled, and when."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from automl.plan import Candidate, Configuration, Parameter, Plan
from automl.search import space
from automl.search.portfolio import STARTS_PER_DRAW, Portfolio, identity
from automl.search.study import Evaluation, Study, StudyTrial
from tests import factories
from tests.search.trials import EPOCHS, SEARCH

RATES = (1e-4, 2e-4, 5e-5, 3e-4)
METHOD = Parameter("method", "choice", "full", choices=("full", "probe"))


def candidate(name: str, parameters: int = 1000, starts: int = 3) -> Candidate:
    return factories.candidate(
        name,
        parameters=parameters,
        space=(factories.LEARNING_RATE, EPOCHS),
        portfolio=tuple({"learning_rate": rate, "epochs": 10} for rate in RATES[:starts]),
    )


def plan(*candidates: Candidate) -> Plan:
    return factories.plan(*candidates, search=SEARCH)


def rates(starts: tuple[Configuration, ...]) -> list[tuple[str, object]]:
    return [(each.candidate, each.hyperparameters["learning_rate"]) for each in starts]


def test_best_bets_come_first_and_cheap_candidates_before_dear_ones():
    made = plan(candidate("dear", 9000), candidate("cheap", 10))
    bets, rest = Portfolio(made).order(("dear", "cheap"))
    assert rates(bets) == [("cheap", 1e-4), ("dear", 1e-4)]
    assert rates(rest) == [("cheap", 2e-4), ("dear", 2e-4), ("cheap", 5e-5), ("dear", 5e-5)]


def test_what_similar_studies_found_comes_right_after_the_best_bets():
    found = Configuration("small", {"learning_rate": 7e-5, "epochs": 10})
    _, rest = Portfolio(plan(candidate("small")), [found]).order(("small",))
    assert rates(rest)[0] == ("small", 7e-5)


def test_duplicates_and_impossible_starts_are_left_out():
    again = Configuration("small", {"learning_rate": 2e-4, "epochs": 10})
    outside = Configuration("small", {"learning_rate": 2.0, "epochs": 10})
    unknown = Configuration("gone", {"learning_rate": 2e-4, "epochs": 10})
    _, rest = Portfolio(plan(candidate("small")), [again, outside, unknown]).order(("small",))
    assert rates(rest) == [("small", 2e-4), ("small", 5e-5)]


def test_without_a_portfolio_the_default_is_the_best_bet():
    bare = replace(candidate("small"), portfolio=())
    assert Portfolio(plan(bare)).order(("small",)) == ((space.default(bare),), ())


def test_starts_alternate_with_what_is_sampled():
    made = plan(candidate("small", starts=4))
    (bet,), rest = Portfolio(made).order(("small",))
    tried = [identity(bet), *(identity(start) for start in rest[:STARTS_PER_DRAW])]
    assert Portfolio(made).pending(("small",), {*tried[:-1]}) == rest[STARTS_PER_DRAW - 1 :]
    assert Portfolio(made).pending(("small",), {*tried}) == ()
    drawn = identity(Configuration("small", {"learning_rate": 1.234e-4, "epochs": 10}))
    assert Portfolio(made).pending(("small",), {*tried, drawn}) == rest[STARTS_PER_DRAW:]
    assert Portfolio(made).untried(("small",), {*tried}) == rest[STARTS_PER_DRAW:]


def probing(name: str, parameters: int = 1000) -> Candidate:
    return replace(
        candidate(name, parameters),
        space=(factories.LEARNING_RATE, EPOCHS, METHOD),
        portfolio=(
            {"learning_rate": 1e-4, "epochs": 10, "method": "full"},
            {"learning_rate": 1e-4, "epochs": 10, "method": "probe"},
        ),
    )


def methods(starts: tuple[Configuration, ...]) -> list[tuple[str, object]]:
    return [(each.candidate, each.hyperparameters["method"]) for each in starts]


def probed(number: int, name: str, value: float) -> StudyTrial:
    configuration = Configuration(name, {"method": "probe"})
    evaluations = (Evaluation(1, 100, value),)
    return StudyTrial(number, configuration, evaluations=evaluations, state="complete")


def test_probes_come_before_all_best_bets():
    made = plan(probing("dear", 9000), probing("cheap", 10))
    bets, _ = Portfolio(made).order(("dear", "cheap"))
    wanted = [("cheap", "probe"), ("dear", "probe"), ("cheap", "full"), ("dear", "full")]
    assert methods(bets) == wanted


def test_a_budget_of_few_trials_is_left_to_fine_tuning():
    made = plan(probing("dear", 9000), probing("cheap", 10))
    few = replace(made, budget=replace(made.budget, trials=7))
    bets, rest = Portfolio(few).order(("dear", "cheap"))
    assert methods(bets) == [("cheap", "full"), ("dear", "full")]
    assert methods(rest) == [("cheap", "probe"), ("dear", "probe")]


def test_a_candidate_whose_probe_is_clearly_worse_waits():
    made = plan(probing("dear", 9000), probing("middle", 100), probing("cheap", 10))
    made = replace(made, budget=replace(made.budget, trials=None))
    live = ("dear", "middle", "cheap")
    close = [probed(0, "cheap", 0.60), probed(1, "middle", 0.62), probed(2, "dear", 0.7)]
    bets, _ = Portfolio(made).order(live, close)
    assert methods(bets)[3:] == [("cheap", "full"), ("middle", "full"), ("dear", "full")]
    clear = [probed(0, "cheap", 0.1), probed(1, "middle", 0.2), probed(2, "dear", 0.7)]
    bets, _ = Portfolio(made).order(live, clear)
    assert methods(bets)[3:] == [("dear", "full"), ("middle", "full"), ("cheap", "full")]
    bets, _ = Portfolio(made).order(live, clear[::2])
    assert methods(bets)[3:] == [("middle", "full"), ("dear", "full"), ("cheap", "full")]


def test_of_candidates_that_cost_about_the_same_the_better_probe_comes_first():
    sizes = {"a": 100, "b": 150, "c": 190, "d": 400, "e": 900}
    made = plan(*(probing(name, size) for name, size in sizes.items()))
    made = replace(made, budget=replace(made.budget, trials=None))
    values = {"a": 0.60, "b": 0.61, "c": 0.62, "d": 0.63, "e": 0.64}
    trials = [probed(n, name, value) for n, (name, value) in enumerate(values.items())]
    bets, _ = Portfolio(made).order(tuple(sizes), trials)
    assert "".join(bet.candidate for bet in bets[5:]) == "cbade"
    bets, _ = Portfolio(made).order(tuple(sizes), trials[:2])
    assert "".join(bet.candidate for bet in bets[5:]) == "bacde"
    bets, _ = Portfolio(made).order(tuple(sizes))
    assert "".join(bet.candidate for bet in bets[5:]) == "abcde"


def test_an_encoder_that_knows_no_more_than_the_floor_is_trained_for_longer_first():
    space = (factories.LEARNING_RATE, replace(EPOCHS, high=40), METHOD)
    made = plan(*(replace(probing(name), space=space) for name in ("a", "b")))
    made = replace(made, budget=replace(made.budget, trials=None))
    trials = [probed(0, "a", 0.6), probed(1, "b", 0.62)]
    bets, rest = Portfolio(made, floor=0.6).order(("a", "b"), trials)
    assert [bet.hyperparameters["epochs"] for bet in bets[2:]] == [30, 30]
    assert rest == (), "the short one does not come back"
    bets, rest = Portfolio(made, floor=0.2).order(("a", "b"), trials)
    assert [bet.hyperparameters["epochs"] for bet in bets[2:]] == [10, 10]
    assert rest == ()
    minimised = replace(made, goal=replace(made.goal, direction="minimize"))
    bets, _ = Portfolio(minimised, floor=0.9).order(("a", "b"), trials)
    assert [bet.hyperparameters["epochs"] for bet in bets[2:]] == [10, 10]
    bets, _ = Portfolio(minimised, floor=0.3).order(("a", "b"), trials)
    assert [bet.hyperparameters["epochs"] for bet in bets[2:]] == [30, 30]


def test_nothing_is_fitted_first_to_features_that_tell_nothing():
    head = Parameter("head_init", "choice", "probe", "test", choices=("probe", "random"))
    fitted = probing("a")
    first, probe = ({**start, "head_init": "probe"} for start in fitted.portfolio)
    made = plan(replace(fitted, space=(*fitted.space, head), portfolio=(first, probe)))
    made = replace(made, budget=replace(made.budget, trials=None))
    trials = [probed(0, "a", 0.6)]
    (_, far), _ = Portfolio(made, floor=0.6).order(("a",), trials)
    assert far.hyperparameters["head_init"] == "random"
    (_, near), _ = Portfolio(made, floor=0.2).order(("a",), trials)
    assert near.hyperparameters["head_init"] == "probe"


def test_what_else_is_tried_of_a_candidate_that_is_clearly_behind_comes_last():
    def started(name: str) -> Candidate:
        more = {"learning_rate": 2e-4, "epochs": 10, "method": "full"}
        return replace(
            probing(name),
            portfolio=(*probing(name).portfolio, more, {**more, "learning_rate": 3e-4}),
        )

    made = plan(started("a"), started("b"))
    _, rest = Portfolio(made).order(("a", "b"))
    assert [start.candidate for start in rest] == ["a", "b", "a", "b"]
    _, rest = Portfolio(made).order(("a", "b"), [probed(0, "a", 0.1), probed(1, "b", 0.7)])
    assert [start.candidate for start in rest] == ["b", "b", "a", "a"]


def test_a_probe_is_tried_once_and_never_drawn(tmp_path: Path):
    study = Study(tmp_path / "j", plan(probing("small")))
    tried = []
    for _ in range(25):
        trial = study.ask()
        assert trial is not None
        tried.append(trial.configuration.hyperparameters["method"])
        study.report(trial.number, Evaluation(1, 100, 0.5), 1.0)
        study.tell(trial.number, "complete")
    assert tried.count("probe") == 1
    assert tried[0] == "probe"


def test_a_candidate_that_can_only_be_probed_is_tried_once(tmp_path: Path):
    only = replace(METHOD, default="probe", choices=("probe",))
    study = Study(tmp_path / "j", plan(factories.candidate("small", space=(only,))))
    first = study.ask()
    assert first is not None
    assert first.configuration.hyperparameters == {"method": "probe"}
    assert study.ask() is None


def test_the_portfolio_names_no_configuration_twice():
    made = plan(candidate("a"), candidate("b"))
    bets, rest = Portfolio(made).order(("a", "b"))
    every = [identity(each) for each in (*bets, *rest)]
    assert len(set(every)) == len(every)
