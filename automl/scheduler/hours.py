"""What there is still time for: seconds spent, left and kept, and what fits into them.

Reads the study; starts and ends nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from automl.search import rungs, upkeep
from automl.search.forecast import Forecast, Predict
from automl.search.rungs import Outlook
from automl.search.study import Study, StudyTrial

RESERVE_FACTOR = 1.25
"""What is kept for repeats of the best, by what their first training took."""
EARLY_SHARE = 0.02
"""Share of a time budget by which trials are asked early, at most, so that they leave in time."""
RECENT = 9
"""Workers whose times to start and to leave are looked at."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When to end: totals of trials and seconds, seconds of one trial, silence that is a hang."""

    trials: int | None = None
    """Configurations; repeats with another seed are not counted."""
    seconds: float | None = None
    trial_seconds: float | None = None
    hang_seconds: float = 900.0
    grace_seconds: float = 120.0
    """How long a worker may take to answer a request before it is killed."""
    finish_seconds: float = 0.0
    """Of ``seconds``, what is kept at the end for repeats of the best configurations."""


@dataclass(slots=True)
class Hours:
    """The time of one run of a study."""

    study: Study
    limits: Limits
    slots: int
    clock: Callable[[], float]
    predict: Predict
    searching: bool = True
    """Whether time is kept for repeats; once they are made it is theirs."""
    starts: list[float] = field(default_factory=list)
    """Seconds that workers took until they trained."""
    answers: list[float] = field(default_factory=list)
    """Seconds that workers took to leave when asked to pause."""
    _began: float = 0.0
    _before: float = 0.0
    _reserve: float = 0.0
    _won: bool = False
    _forecast: Forecast = field(init=False)

    def __post_init__(self) -> None:
        """Begin to count."""
        self.count_anew()
        self._forecast = Forecast(self.study.plan, self.predict)

    def count_anew(self) -> None:
        """Go on from what the study says was spent: other machines' time counts too."""
        self._began, self._before = self.clock(), self.study.seconds

    @property
    def spent(self) -> float:
        """Search seconds spent, over all runs of the study."""
        return self._before + self.clock() - self._began

    @property
    def left(self) -> float | None:
        """Seconds left of this phase; None without a time budget."""
        if self.limits.seconds is None:
            return None
        return self.limits.seconds - self.spent - (self._reserve if self.searching else 0.0)

    def something_wins(self) -> bool:
        """Whether the study could end now with a model."""
        self._won = self._won or self.study.best() is not None
        return self._won

    def are_over(self) -> bool:
        """Whether this phase's time is up, or as good as: workers take a moment to leave."""
        left = self.left
        if left is None:
            return False
        answer = median(self.answers[-RECENT:]) if self.answers else 0.0
        return left <= min(answer, EARLY_SHARE * (self.limits.seconds or 0.0))

    def fits(self, trial: StudyTrial) -> bool:
        """Whether the trial can come to its next rung, or its end, in the time left.

        What is not known is tried; and until something can win, anything is.
        """
        return self._within(lambda: self._forecast.to_next(self.study.trials, trial))

    def moves(self, trial: StudyTrial) -> bool:
        """Whether the trial can come to its next evaluation in the time left."""
        target = trial.samples + self.study.plan.search.evaluation_samples
        return self._within(lambda: self._forecast.seconds(self.study.trials, trial, target))

    def is_quick(self, trial: StudyTrial) -> bool:
        """Whether the trial comes to its next rung, or its end, sooner than it would come back."""
        seconds = self._forecast.to_next(self.study.trials, trial)
        return seconds is not None and seconds < self._start

    def repeats(self, original: StudyTrial) -> bool:
        """Whether the trial can be trained once more, whole, in the time left."""
        return self._within(lambda: self._whole(original))

    def outlook(self, ended: bool, settled: bool, busy: frozenset[int]) -> Outlook:
        """Return what is still to come: nothing new once the search has ``ended`` for want of time
        or configurations, or has ``settled``."""
        more, spare = self.startable(), False
        in_time = 0 if ended else self._startable_in_time()
        if in_time is not None and (more is None or in_time < more):
            more, spare = in_time, in_time == 0
        if settled:
            more, spare = 0, False
        return Outlook(more, spare, busy, self.fits, self.moves, self.is_quick, self._is_urgent())

    def startable(self) -> int | None:
        """Return how many configurations the budget of trials still allows; None: any number."""
        if self.limits.trials is None:
            return None
        made = sum(trial.repeat_of is None for trial in self.study.trials)
        return max(0, self.limits.trials - made)

    def keep_for_repeats(self) -> None:
        """Set aside what repeats will take: nothing before there is something to repeat.

        Nothing either where the finish's share is too little for any: the search may have it.
        """
        trials, plan = self.study.trials, self.study.plan
        self._reserve = 0.0
        if not any(trial.state == "complete" and trial.searched for trial in trials):
            return
        best = [trials[number] for number in upkeep.unrepeated(trials, plan)]
        seconds = [self._whole(trial) for trial in best]
        if None in seconds:
            self._reserve = self.limits.finish_seconds
            return
        known = [each + self._start for each in seconds if each is not None]
        if not known or min(known) > self.limits.finish_seconds:
            return
        needed = RESERVE_FACTOR * max(max(known), sum(known) / self.slots)
        leaving = max(self.answers[-RECENT:], default=0.0)
        self._reserve = min(self.limits.finish_seconds, needed + leaving)

    @property
    def _start(self) -> float:
        return max(self.starts[-RECENT:], default=0.0)

    def _within(self, seconds: Callable[[], float | None]) -> bool:
        left = self.left
        if left is None or not self.something_wins():
            return True
        needed = seconds()
        return needed is None or needed + self._start <= left

    def _whole(self, trial: StudyTrial) -> float | None:
        """Seconds of the trial's whole training."""
        if trial.state == "complete":
            return trial.seconds
        fresh = StudyTrial(-1, trial.configuration)
        return self._forecast.to_end(self.study.trials, fresh)

    def _is_urgent(self) -> bool:
        """Whether one more configuration would leave no time to bring the most advanced to its end.

        Only while none has come there.
        """
        left, plan, trials = self.left, self.study.plan, self.study.trials
        best = rungs.champion(trials, plan, Outlook(urgent=True))
        if left is None or best is None:
            return False
        to_end = self._forecast.to_end(trials, best)
        another = self._forecast.cheapest_start(trials, self.study.live_candidates())
        if to_end is None or another is None:
            return False
        return left < another + to_end + 2 * self._start

    def _startable_in_time(self) -> int | None:
        """How many configurations would come to their first rung in the time left, about."""
        left = self.left
        if left is None or not self.something_wins():
            return None
        live = self.study.live_candidates()
        seconds = self._forecast.cheapest_start(self.study.trials, live)
        if seconds is None:
            return None
        if seconds + self._start > left:
            return 0
        return max(1, int(left * self.slots / max(seconds, 1e-9)))
