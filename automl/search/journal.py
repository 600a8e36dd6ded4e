"""The durable study: an Optuna journal file in the run folder, written by one controller.

Knows how a journal survives a crash; knows nothing of sampling. Optuna's own tools
(optuna-dashboard) open the file as it is.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState, create_trial


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


class Journal:
    """One study's record: trials with their parameters, evaluations, states and attributes."""

    def __init__(self, path: Path, name: str, direction: str) -> None:
        """Open the journal at ``path`` (absolute), creating it and the study when they are new."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        repair(path)
        backend = JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path)))
        storage = JournalStorage(backend)
        # A run folder holds one study; a recipe renamed since keeps it.
        existing = optuna.get_all_study_names(storage)
        self._study = optuna.create_study(
            storage=storage,
            study_name=existing[0] if existing else name,
            direction=direction,
            load_if_exists=True,
            # Nothing is drawn from this study; the default sampler would search at every report.
            sampler=optuna.samplers.RandomSampler(),
        )

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials as recorded."""
        return list(self._study.trials)

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the study."""
        return dict(self._study.user_attrs)

    def set_attribute(self, key: str, value: Any) -> None:
        """Record an attribute of the study."""
        self._study.set_user_attr(key, value)

    def add(
        self, parameters: dict[str, Any], distributions: dict[str, Any], attributes: dict[str, Any]
    ) -> None:
        """Record a new running trial; its number is the count of trials before it."""
        self._study.add_trial(
            create_trial(
                state=TrialState.RUNNING,
                params=parameters,
                distributions=distributions,
                user_attrs=attributes,
            )
        )

    def report(self, number: int, step: int, value: float) -> None:
        """Record one evaluation of a running trial."""
        self._trial(number).report(value, step)

    def set_trial_attribute(self, number: int, key: str, value: Any) -> None:
        """Record an attribute of a running trial."""
        self._trial(number).set_user_attr(key, value)

    def tell(self, number: int, state: TrialState, value: float | None) -> None:
        """Record the end of a running trial; Optuna raises ValueError when it has ended before."""
        self._study.tell(number, value if state is TrialState.COMPLETE else None, state=state)

    def _trial(self, number: int) -> optuna.trial.Trial:
        identifier = self._study.get_trials(deepcopy=False)[number]._trial_id
        return optuna.trial.Trial(self._study, identifier)
