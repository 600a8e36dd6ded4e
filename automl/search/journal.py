"""The durable study: an Optuna journal, in the run folder or in a database.

A file is written by one controller; a database's log by many, each in its turn. Knows how a file
survives a crash and what a trial looks like in a journal; knows nothing of sampling. Optuna's own
tools (optuna-dashboard) open the file as it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import (
    BaseJournalBackend,
    JournalFileBackend,
    JournalFileOpenLock,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from automl.plan import Configuration
from automl.search.shared import Overtaken, SharedLog
from automl.search.space import Encoded
from automl.search.trial import Evaluation, State, StudyTrial

STATES: Mapping[State, TrialState] = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
    "running": TrialState.RUNNING,
}


def repair(path: Path) -> None:
    """Cut a torn last line and remove a lock left by a dead writer.

    Optuna refuses to append after a line without its newline. Only the holder of the run folder's
    lock may call this: no other writer can be alive then.
    """
    with contextlib.suppress(FileNotFoundError):
        path.with_name(path.name + ".lock").unlink()
    if not path.exists():
        return
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        with path.open("r+b") as stream:
            stream.truncate(data.rfind(b"\n") + 1)


def restore(trial: FrozenTrial) -> StudyTrial:
    """Return the trial that a journal's record stands for."""
    facts = trial.user_attrs
    states = {value: key for key, value in STATES.items()}
    evaluations = tuple(
        _evaluation(facts, step, value) for step, value in sorted(trial.intermediate_values.items())
    )
    seconds = evaluations[-1].seconds if evaluations else 0.0
    paused = bool(facts.get("paused")) and trial.state is TrialState.RUNNING
    return StudyTrial(
        number=trial.number,
        configuration=Configuration(facts["candidate"], facts["hyperparameters"]),
        state=states[trial.state],
        evaluations=evaluations,
        seconds=float(facts.get("seconds", seconds)),
        attempts=int(facts.get("attempts", 0)),
        micro_batch=facts.get("micro_batch"),
        full_precision=bool(facts.get("full_precision")),
        failure=facts.get("failure"),
        message=facts.get("message", ""),
        paused=paused,
        passed=int(facts.get("passed", 0)),
        costs=facts.get("costs", {}),
        seed=facts.get("seed"),
        repeat_of=facts.get("repeat_of"),
        checkpoint_bytes=int(facts.get("checkpoint_bytes", 0)) if paused else 0,
        box=facts.get("box", ""),
    )


def _evaluation(facts: Mapping[str, Any], step: int, value: float) -> Evaluation:
    report = facts.get("reports", {}).get(str(step))
    if report is None:  # a journal of version 0.1
        return Evaluation(step, int(facts.get("samples", {}).get(str(step), 0)), value)
    samples, seconds, also = report
    return Evaluation(step, int(samples), value, also, float(seconds))


def _file(path: Path) -> JournalFileBackend:
    repair(path)
    return JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path)))


class Journal:
    """One study's record: trials with their parameters, evaluations, states and attributes."""

    def __init__(self, log: Path | SharedLog, name: str, direction: str) -> None:
        """Open the journal, creating it and the study when they are new.

        ``log`` is the path (absolute) of a file, or a database's log.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._shared = log if isinstance(log, SharedLog) else None
        self._name, self._direction = name, direction
        if self._shared is None:
            self._open(_file(log))
            return
        while True:
            with contextlib.suppress(Overtaken), self._shared.turn():
                self._open(self._shared)
                return
            self._shared.forget()

    def _open(self, backend: BaseJournalBackend) -> None:
        storage = JournalStorage(backend)
        # A journal holds one study; a recipe renamed since keeps it.
        existing = optuna.get_all_study_names(storage)
        self._study = optuna.create_study(
            storage=storage,
            study_name=existing[0] if existing else self._name,
            direction=self._direction,
            load_if_exists=True,
            # Nothing is drawn from this study; the default sampler would search at every report.
            sampler=optuna.samplers.RandomSampler(),
        )
        self._storage = storage
        self._identifiers = [t._trial_id for t in self._study.get_trials(deepcopy=False)]

    @contextlib.contextmanager
    def turn(self) -> Iterator[dict[int, StudyTrial]]:
        """Hold the study alone; yields the trials that others have changed or added, by number.

        What is recorded within becomes true at its end, all of it or nothing. Raises ``Overtaken``
        when nothing of it did. A file has one writer, whose turn it always is.
        """
        if self._shared is None:
            yield {}
            return
        try:
            with self._shared.turn() as entries:
                yield self._take_in(entries)
        except BaseException:
            # What was recorded within is in memory, and nowhere else.
            self._shared.forget()
            raise

    def _take_in(self, entries: list[dict[str, Any]]) -> dict[int, StudyTrial]:
        if not entries:
            return {}
        trials = self._study.get_trials(deepcopy=False)
        places = {trial._trial_id: trial.number for trial in trials}
        changed = {places[entry["trial_id"]] for entry in entries if "trial_id" in entry}
        changed |= set(range(len(self._identifiers), len(trials)))
        self._identifiers = list(places)
        return {number: restore(trials[number]) for number in sorted(changed)}

    @property
    def seconds(self) -> float:
        """Search seconds spent, by all runs and machines."""
        if self._shared is not None:
            return self._shared.seconds
        return float(self.attributes.get("seconds", 0.0))

    def spend(self, seconds: float) -> None:
        """Record the search seconds spent so far, in all."""
        if self._shared is None:
            self.set_attribute("seconds", seconds)
        elif self._shared.has_its_turn:  # the database counts by itself: for those who only look
            self.set_attribute("seconds", self._shared.seconds)

    @property
    def trials(self) -> list[StudyTrial]:
        """All trials as recorded."""
        return [restore(trial) for trial in self._study.get_trials(deepcopy=False)]

    @property
    def states(self) -> dict[int, dict[str, Any]]:
        """What an evolving sampler left with the trials it drew, by number."""
        trials = self._study.get_trials(deepcopy=False)
        return {t.number: t.user_attrs["sampler"] for t in trials if "sampler" in t.user_attrs}

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the study."""
        return dict(self._study.user_attrs)

    def set_attribute(self, key: str, value: Any) -> None:
        """Record an attribute of the study."""
        self._study.set_user_attr(key, value)

    def add(self, trial: StudyTrial, encoded: Encoded | None) -> None:
        """Record a new running trial; its number is the count of trials before it."""
        facts = {
            "candidate": trial.configuration.candidate,
            "hyperparameters": dict(trial.configuration.hyperparameters),
        }
        extra = {"seed": trial.seed, "repeat_of": trial.repeat_of}
        frozen = create_trial(
            state=TrialState.RUNNING,
            params=dict(encoded.parameters) if encoded else {},
            distributions=dict(encoded.distributions) if encoded else {},
            user_attrs=facts | {key: value for key, value in extra.items() if value is not None},
        )
        identifier = self._storage.create_new_trial(self._study._study_id, frozen)
        self._identifiers.append(identifier)

    def report(self, number: int, evaluation: Evaluation, trial: StudyTrial) -> None:
        """Record one evaluation of a running trial that has had those of ``trial`` before."""
        every = (*trial.evaluations, evaluation)
        reports = {str(one.number): (one.samples, one.seconds, dict(one.also)) for one in every}
        self.set(number, "reports", reports)
        self._storage.set_trial_intermediate_value(
            self._identifiers[number], evaluation.number, evaluation.value
        )

    def set(self, number: int, key: str, value: Any) -> None:
        """Record an attribute of a running trial."""
        self._storage.set_trial_user_attr(self._identifiers[number], key, value)

    def tell(self, number: int, state: State, value: float | None) -> None:
        """Record the end of a running trial; Optuna raises an error when it has ended before."""
        values = [value] if state == "complete" and value is not None else None
        self._storage.set_trial_state_values(self._identifiers[number], STATES[state], values)
