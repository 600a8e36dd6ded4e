"""load → compile → search → finish: the whole of ``automl run``, to be read from top to bottom."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from automl import (
    documents,
    events,
    jobs,
    machine,
    membership,
    preparation,
    processes,
    reporting,
    room,
    tasks,
)
from automl.errors import DriftError, Interrupted, Problem, RunFolderError, StorageLost, StudyFailed
from automl.events import RunEnded, RunEvent, RunStarted, StageBegan
from automl.exporters._energy import refuse_nonsense
from automl.jobs import ModelRef
from automl.membership import Shared
from automl.plan import Configuration, Goal, Plan
from automl.recipe import LoadedRecipe
from automl.recipe.effective import effective
from automl.rundir import RunDir

if TYPE_CHECKING:
    from automl.compiler.compile import Compiled
    from automl.compiler.lock import Lock
    from automl.exporters import CheckResult, TrialSummary
    from automl.exporters._choice import Choice
    from automl.finish import Finish
    from automl.membership import Membership
    from automl.preparation import Ground
    from automl.scheduler import Outcome
    from automl.search.study import Study

Listen = Callable[[RunEvent], None]
EXIT_CODES = {"finished": 0, "checks_missed": 3, "interrupted": 130}


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run came to. ``bundle`` is null when it was interrupted before its end."""

    name: str
    state: Literal["finished", "checks_missed", "interrupted"]
    outcome: Outcome
    folder: Path
    trials: tuple[TrialSummary, ...]
    best: TrialSummary | None
    test: jobs.SplitScore | None
    floor: jobs.SplitScore | None
    checks: tuple[CheckResult, ...]
    bundle: Path | None
    seconds: float
    """Search seconds of all runs of this study."""
    goal: Goal
    choice: Choice | None = None
    """How the winner was chosen; null when the run was interrupted before its end."""
    costs: Mapping[str, float] = field(default_factory=dict)
    """What prediction with the model that left costs."""
    tuned: jobs.CalibrateResult | None = None
    """What of a classifier was tuned on validation; null where nothing was to be."""
    plain: Mapping[str, float] = field(default_factory=dict)
    """Test metrics without thresholds; empty where there are none."""
    untrained: jobs.SplitScore | None = None
    """The winner's candidate as it came, where the task can be done with it."""
    report: Path | None = None
    """The study as one page to look at."""
    formats: Mapping[str, jobs.FormatFacts] = field(default_factory=dict)
    """What each format of the weights is worth; empty where safetensors alone was asked for."""

    @property
    def exit_code(self) -> int:
        """The process's exit code for this result."""
        return EXIT_CODES[self.state]


def load_recipe(path: str | Path) -> LoadedRecipe:
    """Return the recipe at ``path``, merged with its parents and checked.

    Raises RecipeError with every problem found.
    """
    from automl.compiler.verify import load_verified

    return load_verified(Path(path))


def compile_recipe(
    recipe: LoadedRecipe | str | Path,
    *,
    folder: Path | None = None,
    listen: Listen = lambda _: None,
    lock: Lock | None = None,
) -> Compiled:
    """Return the plan of a recipe, with the tables and model folders it stands for.

    Reads the data and the candidates (hub candidates are downloaded into the hub's cache) and
    loads each candidate once in a worker process. Hub revisions that the recipe leaves open, and
    what its queries find, are those of ``lock``, left out ``<recipe>.lock`` where there is one.
    ``folder`` keeps that process's log. Raises RecipeError, DataError or CandidateError with every
    problem found.
    """
    from automl.compiler.compile import compile_recipe as compile_loaded
    from automl.compiler.lock import locked

    loaded = recipe if isinstance(recipe, LoadedRecipe) else load_recipe(recipe)
    folder = folder or run_folder(loaded).jobs
    return compile_loaded(
        loaded,
        folder,
        lambda stage, text: listen(StageBegan(stage, text)),
        lock=lock or locked(loaded.path),
    )


def _as_begun(loaded: LoadedRecipe, rundir: RunDir) -> Lock | None:
    """The recipe's lock; without one, what queries found when the run began, for downloads move."""
    from automl.compiler.lock import locked, make_lock

    found = locked(loaded.path)
    if found is not None or not rundir.plan.exists():
        return found
    return replace(make_lock(documents.read(Plan, rundir.plan)), models=())


def run_folder(recipe: LoadedRecipe, path: str | Path | None = None) -> RunDir:
    """Return the recipe's run folder: ``path``, or ``runs/<name>`` under the current folder."""
    return RunDir.at(Path(path) if path else Path("runs") / recipe.recipe.name)


def run(
    recipe: LoadedRecipe | str | Path,
    *,
    run_dir: str | Path | None = None,
    locked: bool = False,
    listen: Listen = lambda _: None,
    interrupts: Callable[[], int] = lambda: 0,
    shared: Shared | None = None,
    fetch: bool = True,
) -> RunResult:
    """Search, score and export; called again with the same recipe, continue.

    ``shared`` is where several machines keep the study together, by ``membership.of``; with
    ``fetch`` false the bundle that another one wrote does not come here.

    ``locked`` refuses to run when data, models or versions differ from ``<recipe>.lock``.
    ``listen`` hears every event; ``interrupts`` says how often the user has asked to stop (once:
    save and leave; twice: at once). Raises InputError kinds, StudyFailed when nothing could be
    trained or the disk is full, RunFolderError when another run holds the folder or nothing can be
    written there, Interrupted when asked to stop before the search began.
    """
    loaded = recipe if isinstance(recipe, LoadedRecipe) else load_recipe(recipe)
    rundir = run_folder(loaded, run_dir)
    lock = _lock(loaded) if locked else None
    refuse_nonsense(os.environ)
    trackers = loaded.recipe.trackers
    with room.watched(rundir), rundir.lock(), processes.preloaded(trackers):
        listen = _recorded(rundir, listen)
        interrupts = _asked(rundir, interrupts, listen)
        joined = _joined(shared, loaded.recipe.name, rundir, listen, interrupts)
        pins = _as_begun(loaded, rundir)
        compiled = compile_recipe(loaded, folder=rundir.jobs, listen=listen, lock=pins)
        if lock is not None:
            _refuse_drift(lock, compiled.plan, _shown(loaded.path))
        _adopt(rundir, compiled, loaded)
        if interrupts():
            raise Interrupted("interrupted before the search began; nothing was lost")
        try:
            with joined.presence() if joined else nullcontext():
                result = _Run(loaded, rundir, compiled, listen, interrupts, joined, fetch).go()
        except StorageLost:
            listen(RunEnded("failed", None, None, None, time.time()))
            raise
        except StudyFailed:
            if not machine.is_full(rundir.root):
                reporting.conclude(rundir)
            raise
        return replace(result, report=reporting.conclude(rundir))


def _joined(
    shared: Shared | None,
    name: str,
    rundir: RunDir,
    listen: Listen,
    interrupts: Callable[[], int],
) -> Membership | None:
    """This machine's part in the study, where several share it."""
    if shared is not None:
        return membership.Membership(shared, name, rundir, listen, interrupts)
    if rundir.box.exists():
        found = documents.read(membership.Box, rundir.box)
        raise RunFolderError(
            f"{rundir.root} belongs to the study {found.study!r} in {found.storage}: run it with "
            "that storage, or with another --run-dir"
        )
    return None


def _recorded(rundir: RunDir, listen: Listen) -> Listen:
    """Every event also goes to the run folder, with the time it was heard."""

    def record(event: RunEvent) -> None:
        stamped = event if event.time else replace(event, time=time.time())
        events.append(rundir.events, stamped)
        listen(stamped)

    return record


def _asked(rundir: RunDir, interrupts: Callable[[], int], listen: Listen) -> Callable[[], int]:
    """How often the run was asked to stop, by its user's keys or by ``automl stop``."""
    heard = 0

    def count() -> int:
        nonlocal heard
        by_file = rundir.asked_to_stop()
        if by_file > heard:
            heard = by_file
            how = "once what runs is saved" if by_file == 1 else "at once"
            listen(StageBegan("stop", f"asked by `automl stop`: {how}"))
        return max(interrupts(), by_file)

    return count


def _lock(loaded: LoadedRecipe) -> Lock:
    """The recipe's lock, looked for before anything else is done."""
    from automl.compiler.lock import lock_path, read_lock

    path = lock_path(loaded.path)
    if not path.exists():
        raise DriftError(
            Problem(f"{_shown(path)} does not exist", hint=f"automl lock {_shown(loaded.path)}")
        )
    return read_lock(path)


def _refuse_drift(lock: Lock, plan: Plan, recipe: str) -> None:
    from automl.compiler.drift import lock_drift

    hint = f"automl lock {recipe} accepts what is there now"
    problems = [
        Problem(f"differs from the lock: {text}", hint=hint) for text in lock_drift(lock, plan)
    ]
    if problems:
        raise DriftError(problems)


def _shown(path: Path) -> str:
    """The path as a person at this folder would type it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _adopt(rundir: RunDir, compiled: Compiled, loaded: LoadedRecipe) -> None:
    """Make the run folder hold this plan, refusing one that its history cannot belong to."""
    from automl.compiler.drift import plan_changes
    from automl.data.tables import write_table
    from automl.finish import checking

    if rundir.plan.exists():
        changes = plan_changes(documents.read(Plan, rundir.plan), compiled.plan)
        if changes.refused:
            raise DriftError(
                [
                    Problem(f"{rundir.root} was made from something else: {text}")
                    for text in changes.refused
                ]
            )
    for split, table in compiled.tables.items():
        if not (rundir.plan.exists() and rundir.table(split).exists()):
            write_table(table, rundir.table(split))
    if compiled.slices is not None:
        write_table(compiled.slices, rundir.slices)
    else:
        rundir.slices.unlink(missing_ok=True)
    checking.keep(rundir, compiled.bundles)
    documents.write_bytes(rundir.recipe, effective(loaded).encode())
    documents.write(rundir.plan, compiled.plan)


@dataclass(slots=True)
class _Run:
    """One run of one study, from its compiled plan to its result."""

    loaded: LoadedRecipe
    rundir: RunDir
    compiled: Compiled
    listen: Listen
    interrupts: Callable[[], int]
    joined: Membership | None = None
    fetch: bool = True

    def go(self) -> RunResult:
        gpus = tuple(gpu.id for gpu in machine.gpus())
        study = self._study(self.compiled.plan)
        if self.joined is not None:
            self.joined.agree(study, self.compiled.plan)
        spent = self._spent(study)
        if spent is None:
            study, outcome = self._search(study)
        else:
            outcome = spent
        if outcome == "interrupted":
            return self._ended(_result(study, self.rundir, outcome, None))
        if outcome == "disk_full":
            self.listen(RunEnded("failed", None, None, None, time.time()))
            raise StudyFailed(room.full(self.rundir))
        if outcome == "device_lost":
            self.listen(RunEnded("failed", None, None, None, time.time()))
            raise StudyFailed(
                "no GPU that trials could use is there any more; nothing that was trained is lost, "
                "and the same command goes on"
            )
        if study.best() is None:
            self.listen(RunEnded("failed", None, None, None, time.time()))
            raise StudyFailed(_why_nothing(study, outcome))
        finish = self._concluded(study, gpus)
        return self._ended(_result(study, self.rundir, outcome, finish))

    def _study(
        self,
        plan: Plan,
        starts: Sequence[Configuration] = (),
        floor: float | None = None,
        unable: Sequence[str] = (),
    ) -> Study:
        """The study, read anew: what it is searched with is known bit by bit."""
        from automl.search.study import Study

        log = self.joined.log if self.joined else self.rundir.study
        return Study(log, plan, starts, floor, unable)

    def _concluded(self, study: Study, gpus: tuple[str, ...]) -> Finish:
        """Score and export, or wait until another machine that shares the study has."""
        from automl import finish

        def conclude() -> Finish:
            recipe, models = effective(self.loaded), self._model_refs()
            found = finish.conclude(study, self.rundir, recipe, gpus[:1], self.listen, models)
            preparation.remember(study, self.rundir, self.listen)
            return found

        if self.joined is None:
            return conclude()
        self.joined.finish(study, conclude, self.fetch)
        found = finish.read(self.rundir)
        assert found is not None
        return found

    def _ended(self, result: RunResult) -> RunResult:
        best = result.best
        self.listen(
            RunEnded(
                result.state,
                best.number if best else None,
                best.value if best else None,
                str(result.bundle) if result.bundle else None,
                time.time(),
            )
        )
        return result

    def _spent(self, study: Study) -> Outcome | None:
        """Return how the search ended when its budget is spent already, which then costs nothing.

        Of a budget of time the share for the finish is not searched with. Trials that still wait
        are kept for a larger budget; repeats that are still owed are no part of a budget of trials.
        """
        plan = self.compiled.plan
        budget = plan.budget
        if not study.ended or study.best() is None:
            return None
        if budget.seconds is not None:
            searched = budget.seconds * (1 - plan.search.finish_share)
            if study.seconds >= searched:
                return self._say_spent("time", f"{study.seconds:.0f} s have been used")
        made = sum(trial.repeat_of is None for trial in study.trials)
        waiting = any(trial.state == "running" for trial in study.trials)
        if budget.trials is not None and made >= budget.trials and not waiting:
            return self._say_spent("trials", f"all {budget.trials} trials have been made")
        return None

    def _say_spent(self, outcome: Outcome, why: str) -> Outcome:
        self.listen(StageBegan("search", f"finished: {why}; a larger budget continues it"))
        return outcome

    def _search(self, opened: Study) -> tuple[Study, Outcome]:
        """Search as long as the budget lasts, on the study that was ``opened`` to look at."""
        floor = self._floor()
        self._untrained()
        found = preparation.ground(self.compiled.plan, self._model_refs(), self.rundir, self.listen)
        study = self._ready(found, floor, opened)
        scheduler = preparation.scheduler(
            study,
            found,
            self.rundir,
            self.listen,
            self.interrupts,
            self.joined.artifacts if self.joined else None,
            self.loaded.recipe.trackers,
        )
        budget = found.plan.budget
        self.listen(
            RunStarted(
                found.plan.name,
                sum(t.state != "running" and t.repeat_of is None for t in study.trials),
                budget.trials,
                budget.seconds,
                scheduler.at_once,
                _best_so_far(study),
                time.time(),
                found.plan.goal.metric,
                found.plan.goal.direction == "minimize",
            )
        )
        return study, scheduler.run()

    def _ready(self, found: Ground, floor: float, opened: Study) -> Study:
        """The study with its starting points, as this machine can go on with it."""
        if self.joined is None:
            starts = preparation.starts(found.plan, self.rundir, self.listen)
            return self._study(found.plan, starts, floor)
        plan = self.compiled.plan
        unable = [each.id for each in plan.candidates if each not in found.plan.candidates]
        self.joined.agree_on_file(opened, "starts", self.rundir.starts)
        preparation.starts(plan, self.rundir, self.listen)
        self.joined.agree_on_file(opened, "starts", self.rundir.starts)
        starts = preparation.starts(plan, self.rundir, self.listen)
        study = self._study(plan, starts, floor, unable)
        study.rehearse()
        return study

    def _floor(self) -> float:
        from automl.finish import data_refs, floor

        plan = self.compiled.plan
        first = next(iter(data_refs(self.compiled.plan, self.rundir).values()))
        found = floor(plan, first, self.rundir).splits["validation"]
        value = found.metrics[plan.goal.metric]
        self.listen(StageBegan("floor", f"{plan.goal.metric} {value:.4f} on validation"))
        return value

    def _untrained(self) -> None:
        """Say how good each candidate is as it comes, where the task can be done with that."""
        from automl.finish import data_refs, untrained

        plan = self.compiled.plan
        if not tasks.get(plan.task).untrained:
            return
        data, devices = data_refs(plan, self.rundir), tuple(gpu.id for gpu in machine.gpus())[:1]
        for name, model in self._model_refs().items():
            found = untrained(plan, model, data[name], self.rundir, devices).splits["validation"]
            value = f"{plan.goal.metric} {found.metrics[plan.goal.metric]:.4f}"
            self.listen(StageBegan("untrained", f"{name} as it comes: {value} on validation"))

    def _model_refs(self) -> dict[str, ModelRef]:
        return {
            c.id: ModelRef(c.id, str(self.compiled.models[c.id]), c.trust_remote_code)
            for c in self.compiled.plan.candidates
        }


def export(
    rundir: RunDir, target: Path | None = None, *, listen: Listen = lambda _: None
) -> RunResult:
    """Score and export the best trial of a run as it stands, without searching on.

    ``target`` receives a copy of the bundle. Raises StudyFailed when no trial has been evaluated,
    RunFolderError when the run is live.
    """
    from automl.finish import conclude
    from automl.search.study import Study

    with rundir.lock():
        plan = documents.read(Plan, rundir.plan)
        study = Study(rundir.study, plan)
        if study.best() is None:
            raise StudyFailed(_why_nothing(study, "trials"))
        gpus = tuple(gpu.id for gpu in machine.gpus())
        finish = conclude(study, rundir, rundir.recipe.read_text(), gpus[:1], listen)
        result = _result(study, rundir, "trials", finish)
        result = replace(result, report=reporting.conclude(rundir))
    if target is not None:
        shutil.copytree(rundir.bundle, target)
    return result


def _result(study: Study, rundir: RunDir, outcome: Outcome, finish: Finish | None) -> RunResult:
    from automl.finish import summaries

    trials = summaries(study)
    best = study.best()
    state: Literal["finished", "checks_missed", "interrupted"] = "interrupted"
    if finish is not None:
        state = "finished" if finish.checks_passed else "checks_missed"
    return RunResult(
        name=study.plan.name,
        state=state,
        outcome=outcome,
        folder=rundir.root,
        trials=trials,
        best=trials[best.number] if best else None,
        test=finish.score.splits["test"] if finish else None,
        floor=finish.floor.splits["test"] if finish else None,
        untrained=finish.untrained.splits["test"] if finish and finish.untrained else None,
        checks=finish.checks if finish else (),
        bundle=rundir.bundle if finish and rundir.bundle.exists() else None,
        seconds=study.seconds,
        goal=study.plan.goal,
        choice=finish.choice if finish else None,
        costs=finish.score.costs if finish else {},
        tuned=finish.tuned if finish else None,
        plain=finish.score.plain.get("test", {}) if finish else {},
        formats=finish.formats if finish else {},
    )


def _best_so_far(study: Study) -> tuple[int, str, float] | None:
    best = study.best()
    value = best.value(study.plan.goal.direction) if best else None
    if best is None or value is None:
        return None
    return best.number, best.configuration.candidate, value


def _why_nothing(study: Study, outcome: Outcome) -> str:
    failures = [f"trial {t.number}: {t.message}" for t in study.trials if t.state == "failed"]
    retired = [f"{name}: {why}" for name, why in study.retired().items()]
    head = {
        "no_candidates": "every candidate was retired",
        "time": "the time budget ended before the first evaluation",
    }.get(outcome, "no trial could be finished")
    return "\n".join([head, *retired, *failures[:5]])
