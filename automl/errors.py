"""Every error automl raises on purpose, and the table that turns them into exit codes.

AutoMLError
├── InputError          exit 2   something the user wrote or supplied is refused; carries Problems
│   ├── RecipeError              the recipe
│   ├── DataError                the data it names
│   ├── CandidateError           the models it names
│   ├── DriftError               what was locked or already run differs from what is there now
│   └── RunFolderError           the run folder is held by a live run, or is not one of ours
├── ChecksMissed        exit 3   the run finished, the bundle is written, a check failed
├── StudyFailed         exit 4   no trial could be finished, or the disk is full
│   └── JobFailed                one worker process ended without its result
└── Interrupted         exit 130 Ctrl-C; what was running has been saved
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a text file; line and column count from 1. ``text`` is the line itself."""

    file: str
    line: int
    column: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: what, under which rule, where, and what to type instead."""

    message: str
    place: Place | None = None
    hint: str | None = None


class AutoMLError(Exception):
    """Base of every error automl raises on purpose; each carries the exit code of its kind."""

    exit_code: ClassVar[int] = 1


class InputError(AutoMLError):
    """Something the user supplied is refused; ``problems`` holds all that was found."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem] | Problem | str) -> None:
        if isinstance(problems, str):
            problems = (Problem(problems),)
        elif isinstance(problems, Problem):
            problems = (problems,)
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(render(problem) for problem in self.problems))


class RecipeError(InputError):
    """The recipe is refused.

    ``remainder`` is the recipe without what is wrong with it, where that still is one: what knows
    the names in a recipe can look for more to report at the same time.
    """

    def __init__(
        self, problems: Iterable[Problem] | Problem | str, remainder: object | None = None
    ) -> None:
        self.remainder = remainder
        super().__init__(problems)


class DataError(InputError):
    """The data is refused: unreadable, ambiguous columns, labels that do not add up."""


class RowError(DataError):
    """One of several rows to predict can't be read; ``row`` is its index among them."""

    def __init__(self, problem: Problem | str, row: int) -> None:
        self.row = row
        super().__init__(problem)


class CandidateError(InputError):
    """No candidate is left, or one named by the recipe cannot be found."""


class DriftError(InputError):
    """What was locked, or what the run folder was made from, differs from what is there now."""


class RunFolderError(InputError):
    """The run folder is held by another live run, or is not a run folder."""


class ChecksMissed(AutoMLError):
    """The run finished and the bundle is written, but at least one check failed."""

    exit_code = 3


class StudyFailed(AutoMLError):
    """Nothing could be trained (every candidate was retired, the budget was too small), or nothing
    can be written any more."""

    exit_code = 4


class StorageLost(StudyFailed):
    """The database that holds the study cannot be reached; the same command continues."""


class JobFailed(StudyFailed):
    """A worker process ended without its result; ``log_tail`` holds the last lines it printed."""

    def __init__(self, message: str, log_tail: str = "") -> None:
        self.log_tail = log_tail
        super().__init__(message)


class Interrupted(AutoMLError):
    """The user stopped the run; what was running has been saved and ``run`` continues it."""

    exit_code = 130


def render(problem: Problem) -> str:
    """Return the problem as text: ``file:line:column: message``, the line, a caret, ``hint:``."""
    lines = []
    place = problem.place
    if place is None:
        lines.append(problem.message)
    else:
        lines.append(f"{place.file}:{place.line}:{place.column}: {problem.message}")
        if place.text:
            number = str(place.line)
            lines.append(f"  {number} | {place.text}")
            lines.append(f"  {' ' * len(number)} | {' ' * (place.column - 1)}^")
    if problem.hint:
        lines.append(f"  hint: {problem.hint}")
    return "\n".join(lines)
