"""One machine's part in a study that several share: what they agree on, and who ends it.

The study is in a database, what trials leave in a folder that all machines see. Knows how a study
is joined and ended; nothing of trials.
"""

from __future__ import annotations

import hashlib
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from automl import documents
from automl.errors import DriftError, InputError, Interrupted, Problem, RunFolderError
from automl.events import RunEvent, StageBegan
from automl.plan import Plan
from automl.recipe import LoadedRecipe
from automl.rundir import RunDir

if TYPE_CHECKING:
    from automl.search.history import History
    from automl.search.study import Study

Listen = Callable[[RunEvent], None]
WAIT_SECONDS = 0.5
"""How often a machine looks whether another has ended the study."""
MACHINES_OWN = ("version ", "devices.")
"""Changes of a plan that machines at one study may differ in."""


@dataclass(frozen=True, slots=True)
class Box:
    """Which machine a run folder is of, and whose study its journal is a copy of."""

    box: str
    study: str
    storage: str
    """The database's URL without its password."""
    schema: Literal["automl/box"] = "automl/box"
    version: int = 1


@dataclass(frozen=True, slots=True)
class Shared:
    """Where a study that several machines share is kept: a database's URL, and a folder's."""

    storage: str
    artifacts: str


def of(
    loaded: LoadedRecipe, storage: str | None = None, artifacts: str | None = None
) -> Shared | None:
    """Return where the recipe's study is shared; ``storage`` and ``artifacts`` win over the recipe.

    None where it is not. Raises InputError where one of the two is missing.
    """
    recipe = loaded.recipe
    url = storage or recipe.storage
    if url is None:
        return None
    folder = artifacts or recipe.artifacts
    if folder is None:
        raise InputError(
            "a study in a database needs a folder that all machines see, for checkpoints and "
            "bundles: `artifacts: s3://bucket/prefix` or a path on a shared disk (--artifacts)"
        )
    if artifacts is None and "://" not in folder:
        folder = str(loaded.folder / folder)
    return Shared(url, folder)


@dataclass(frozen=True, slots=True)
class Glance:
    """A shared study seen from anywhere, without taking part."""

    storage: str
    """The database's URL without its password."""
    plan: Plan
    history: History
    machines: tuple[str, ...]
    """Those at work on it now."""

    @property
    def finished(self) -> bool:
        """Whether it has been concluded."""
        return bool(self.history.attributes.get("finish", {}).get("done"))


def look(storage: str, name: str) -> Glance:
    """Return what the study called ``name`` in the database has come to; writes nothing there.

    Raises InputError, naming those that are there, when there is no such study.
    """
    from automl.search import history
    from automl.search.shared import Database, SharedLog

    database = Database(storage)
    known = database.studies()
    if name not in known:
        there = ", ".join(known) or "none"
        raise InputError(f"{database.shown} holds no study {name!r}; there are: {there}")
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "study.journal"
        log = SharedLog(database, name, "", copy)
        with log.turn():
            machines = tuple(sorted(log.machines()))
        found = history.read(copy)
    if "plan" not in found.attributes:
        raise InputError(f"{database.shown}: the study {name!r} has not begun yet")
    plan = documents.from_json(Plan, found.attributes["plan"])
    seconds = max(found.seconds, log.seconds)
    return Glance(database.shown, plan, replace(found, seconds=seconds), machines)


class Membership:
    """This machine among those at one study."""

    def __init__(
        self,
        shared: Shared,
        name: str,
        rundir: RunDir,
        listen: Listen,
        interrupts: Callable[[], int],
    ) -> None:
        """Join the study called ``name``; the run folder's lock is held.

        Raises InputError when database or folder cannot be used, RunFolderError when the run folder
        holds another study.
        """
        from automl.artifacts import Artifacts
        from automl.search.shared import Database, SharedLog

        self.artifacts = Artifacts(f"{shared.artifacts.rstrip('/')}/{name}")
        self._name, self._rundir = name, rundir
        self._listen, self._interrupts = listen, interrupts
        database = Database(shared.storage)
        database.say = lambda text: listen(StageBegan("storage", text))
        database.gives_up = lambda: interrupts() > 0
        box = self._box(database.shown)
        self.log = SharedLog(database, name, box, rundir.study)

    def _box(self, storage: str) -> str:
        """This run folder's name among the machines: drawn once, then kept."""
        path = self._rundir.box
        if path.exists():
            found = documents.read(Box, path)
            if (found.study, found.storage) != (self._name, storage):
                raise RunFolderError(
                    f"{self._rundir.root} belongs to the study {found.study!r} in {found.storage}, "
                    f"not to {self._name!r} in {storage}; another --run-dir holds another study"
                )
            return found.box
        if self._rundir.study.exists():
            raise RunFolderError(
                f"{self._rundir.root} holds a study of its own; a study in {storage} needs another "
                "--run-dir"
            )
        box = f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
        documents.write(path, Box(box, self._name, storage))
        return box

    @contextmanager
    def presence(self) -> Iterator[None]:
        """Be seen by the other machines."""
        with self.log.presence(searching=False):
            yield

    def agree(self, study: Study, plan: Plan) -> None:
        """Make sure that all machines mean the same by the study: what the first one means.

        Once no other is at work a changed recipe is taken over, within what a continued run allows.
        Raises DriftError where the plans differ.
        """
        study.in_turn(lambda: self._agree(study, plan))

    def _agree(self, study: Study, plan: Plan) -> None:
        from automl.compiler.drift import plan_changes

        found, alone = study.attribute("plan"), self.log.is_alone()
        if found is not None:
            changes = plan_changes(documents.from_json(Plan, found), plan)
            live = [text for text in changes.allowed if not text.startswith(MACHINES_OWN)]
            if refused := [*changes.refused, *(() if alone else live)]:
                who = f"others run {self._name!r} otherwise"
                raise DriftError([Problem(f"{who}: {text}") for text in refused])
        if found is None or alone:
            study.set_attribute("plan", documents.to_json(plan).decode())

    def agree_on_file(self, study: Study, name: str, path: Path) -> None:
        """Make the file the same on all machines: as the first one to come has it."""
        study.in_turn(lambda: self._agree_on_file(study, name, path))

    def _agree_on_file(self, study: Study, name: str, path: Path) -> None:
        found = study.attribute(name)
        if found is not None:
            documents.write_bytes(path, found.encode())
        elif path.exists():
            study.set_attribute(name, path.read_text())

    def finish(self, study: Study, conclude: Callable[[], object], fetch: bool) -> None:
        """See to it that the study is concluded by one machine, once for what it has come to.

        Whoever comes first calls ``conclude``; the others wait, and take over when it dies. With
        ``fetch`` the bundle comes here, too. Requires that the study has ended.
        """
        while (whose := study.in_turn(lambda: self._claim(study))) == "another's":
            if self._interrupts():
                raise Interrupted("interrupted while another machine writes the bundle")
            time.sleep(WAIT_SECONDS)
        if whose == "ours":
            self._conclude(study, conclude)
            return
        self.artifacts.get("finish", self._rundir.finish)
        if fetch:
            self.artifacts.get("bundle", self._rundir.bundle)

    def _claim(self, study: Study) -> Literal["ours", "another's", "done"]:
        """Who concludes: this machine, another, or has it been done."""
        facts: dict[str, Any] = study.attribute("finish") or {}
        come_to = _come_to(study)
        if facts.get("of") == come_to and facts["done"]:
            return "done"
        box = facts.get("box", "")
        if facts.get("of") == come_to and box != study.box and self.log.is_alive(box):
            return "another's"
        study.set_attribute("finish", {"of": come_to, "box": study.box, "done": False})
        return "ours"

    def _conclude(self, study: Study, conclude: Callable[[], object]) -> None:
        from automl.search import upkeep

        self._listen(StageBegan("finish", "the best models come here"))
        for number in sorted(upkeep.worth_keeping(study.trials, study.plan)):
            folder = self._rundir.trial(number)
            self.artifacts.get(f"trials/{folder.root.name}/best", folder.best)
        self.artifacts.get("finish", self._rundir.finish)
        conclude()
        self.artifacts.put("bundle", self._rundir.bundle)
        self.artifacts.put("finish", self._rundir.finish)
        facts = {"of": _come_to(study), "box": study.box, "done": True}
        study.in_turn(lambda: study.set_attribute("finish", facts))


def _come_to(study: Study) -> str:
    """What the study has come to, and what was asked of it: hex."""
    parts = [documents.to_line(trial.evaluations) + trial.state for trial in study.trials]
    parts.append(str(study.attribute("plan")))
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
