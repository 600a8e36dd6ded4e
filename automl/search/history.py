"""A study read from outside, also while another process runs it. Writes and repairs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automl.search.journal import restore
from automl.search.trial import StudyTrial, best_of


@dataclass(frozen=True, slots=True)
class History:
    """All trials so far, the search seconds spent, and why the search ended, if it has."""

    trials: tuple[StudyTrial, ...]
    seconds: float
    ended: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else was recorded of the study."""

    def best(self, direction: str) -> StudyTrial | None:
        """Return the best trial so far by ``direction``."""
        return best_of(self.trials, direction)


def read(path: Path) -> History:
    """Return what the journal at ``path`` (absolute) holds; empty when there is none yet."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    if not path.exists():
        return History((), 0.0)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path))))
    names = optuna.get_all_study_names(storage)
    if not names:
        return History((), 0.0)
    study = optuna.load_study(study_name=names[0], storage=storage)
    trials = tuple(restore(trial) for trial in study.get_trials(deepcopy=False))
    facts = study.user_attrs
    return History(trials, float(facts.get("seconds", 0.0)), str(facts.get("ended", "")), facts)
