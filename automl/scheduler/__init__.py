"""Trials over device slots: start, listen, pause, promote, retry, stop. The only loop.

``loop`` runs it; ``attempts`` says what the end of a process means, ``hours`` what there is time
for.
"""

from automl.scheduler.attempts import RETRIES, retry
from automl.scheduler.hours import Limits
from automl.scheduler.loop import Outcome, Scheduler

__all__ = ["RETRIES", "Limits", "Outcome", "Scheduler", "retry"]
