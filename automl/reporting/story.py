"""Everything a report tells of a run, gathered from its folder at any time. Changes nothing there.

Decides what is so (best, state, what may be shown of logs); how it looks is for others.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from automl import documents, finish, processes
from automl.exporters import CheckResult, TrialSummary
from automl.exporters._energy import Energy
from automl.exporters._paths import around, hide, shortened
from automl.finish import Finish, explaining, spending
from automl.finish.account import of_the_plan, summary
from automl.finish.explaining import Where
from automl.jobs import ImportanceResult, ScoreResult
from automl.plan import Goal, Plan
from automl.reporting import timeline
from automl.reporting.timeline import Timeline
from automl.rundir import RunDir
from automl.search import history
from automl.search.choice import Contender, choose, contenders, costs, pareto
from automl.search.trial import StudyTrial

State = Literal["running", "finished", "checks missed", "stopped", "failed"]
LOG_LINES = 40
"""Lines of a failed trial's log that are shown."""
_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Result:
    """What the finished study scored on the test split."""

    plan: Plan
    trial: int
    score: ScoreResult
    floor: ScoreResult
    untrained: ScoreResult | None
    checks: tuple[CheckResult, ...]
    members: tuple[int, ...]
    """The trials whose models were averaged; empty where one model alone leaves."""


@dataclass(frozen=True, slots=True)
class Story:
    """A study as it stands."""

    plan: Plan
    state: State
    trials: tuple[StudyTrial, ...]
    tables: tuple[TrialSummary, ...]
    """The same trials as tables show them, in the same order."""
    best: StudyTrial | None
    """The one whose model leaves, or would if the search ended now."""
    result: Result | None
    """Null until what leads has been scored."""
    floor: float | None
    """The floor's value of the goal on validation; null where it is not known yet."""
    importance: ImportanceResult | None
    energy: Energy | None
    timeline: Timeline
    seconds: float
    """Search seconds, over all runs."""
    ended: str = ""
    """Why the search ended, in words."""
    logs: Mapping[int, str] = field(default_factory=dict)
    """Failed trial → the end of its log, fit to be shown."""
    varied: tuple[str, ...] = ()
    """The settings that differ between trials; of a single trial all of them."""

    @property
    def goal(self) -> Goal:
        """What is optimised."""
        return self.plan.goal

    @property
    def candidates(self) -> tuple[str, ...]:
        """The candidates that were tried or may be, the plan's first."""
        tried = (trial.configuration.candidate for trial in self.trials)
        return tuple(dict.fromkeys([*(one.id for one in self.plan.candidates), *tried]))

    def value(self, trial: StudyTrial) -> float | None:
        """Return the trial's best value of the goal's metric on validation."""
        return trial.value(self.goal.direction)

    def contenders(self) -> tuple[Contender, ...]:
        """Return every configuration that may win, with its values and costs."""
        return contenders(of_the_plan(self.trials, self.plan), self.goal)

    def front(self) -> frozenset[int]:
        """Return the trials that no other one beats in every objective."""
        mine = of_the_plan(self.trials, self.plan)
        return frozenset(trial.number for trial in pareto(mine, self.goal))

    def better(self, one: float, other: float) -> bool:
        """Return whether ``one`` is the better value of the goal."""
        return one > other if self.goal.direction == "maximize" else one < other


def gather(rundir: RunDir, now: float, *, held: bool = False, weigh: Where = "aside") -> Story:
    """Return the story of the run in ``rundir``, which has a plan.

    ``now`` ends what still runs. ``held`` says that the caller holds the folder, and that no search
    runs there. ``weigh`` is where importance may be worked out. Raises InputError where the
    folder's documents are damaged.
    """
    plan = documents.read(Plan, rundir.plan)
    found = history.read(rundir.study)
    live = rundir.holder() is not None and not held
    ended = finish.read(rundir)
    hidden = _hiding(rundir)
    trials = tuple(replace(trial, message=hidden(trial.message)) for trial in found.trials)
    measured = costs(trials)
    best = choose(of_the_plan(trials, plan), plan.goal)
    result = _result(plan, ended, best)
    line = _timeline(rundir, now if live else None)
    return Story(
        plan=plan,
        state="running" if live else _state(ended, line),
        trials=trials,
        tables=tuple(summary(trial, plan.goal, measured[trial.number]) for trial in trials),
        best=best,
        result=result,
        floor=_floor(rundir, plan.goal),
        importance=explaining.importance(trials, plan, rundir, weigh),
        energy=(ended.energy if ended and not live else None) or spending.energy(trials, rundir),
        timeline=line,
        seconds=found.seconds,
        ended=found.ended,
        logs=_logs(rundir, trials, hidden),
        varied=_varied(trials),
    )


def _result(plan: Plan, ended: Finish | None, best: StudyTrial | None) -> Result | None:
    """What was scored, where that is what leads now."""
    if ended is None or best is None:
        return None
    if (ended.trial, ended.evaluations) != (best.number, len(best.evaluations)):
        return None
    soup = ended.choice.soup
    members = soup.members if soup is not None and soup.accepted else ()
    return Result(
        plan, ended.trial, ended.score, ended.floor, ended.untrained, ended.checks, members
    )


def _state(ended: Finish | None, line: Timeline) -> State:
    """How the last run ended; one that was killed has not said so."""
    if line.ended == "failed":
        return "failed"
    if ended is None or line.ended == "interrupted" or (line.spans and not line.ended):
        return "stopped"
    return "finished" if ended.checks_passed else "checks missed"


def _varied(trials: Sequence[StudyTrial]) -> tuple[str, ...]:
    seen: dict[str, set[object]] = {}
    for trial in trials:
        for name, value in trial.configuration.hyperparameters.items():
            seen.setdefault(name, set()).add(value)
    return tuple(name for name in sorted(seen) if len(seen[name]) > 1 or len(trials) == 1)


def _floor(rundir: RunDir, goal: Goal) -> float | None:
    path = rundir.finish / "floor.json"
    if not path.exists():
        return None
    split = documents.read(ScoreResult, path).splits.get("validation")
    return None if split is None else split.metrics.get(goal.metric)


def _timeline(rundir: RunDir, now: float | None) -> Timeline:
    if not rundir.events.exists():
        return Timeline()
    with rundir.events.open(encoding="utf-8", errors="replace") as lines:
        return timeline.read(lines, now)


def _hiding(rundir: RunDir) -> Callable[[str], str]:
    """Return what makes a text fit to be shown: no path of this machine, no control character."""
    recipe = rundir.recipe.read_text() if rundir.recipe.exists() else ""
    paths = around([(rundir.root, "…"), (Path(sys.prefix), "…")], recipe)
    return lambda text: shortened(hide(_CONTROLS.sub("", text), paths))


def _logs(
    rundir: RunDir, trials: tuple[StudyTrial, ...], hidden: Callable[[str], str]
) -> dict[int, str]:
    return {
        trial.number: hidden(processes.tail(rundir.trial(trial.number).log, LOG_LINES))
        for trial in trials
        if trial.state == "failed"
    }
