"""A study's log in a database, which many machines write, one at a time.

The log is Optuna's journal, an entry a row. Whoever holds the study's row has read all entries and
may add some; they are committed together, or not at all. The database's clock alone says which
machines are alive and how long the search has taken. Knows nothing of trials.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy
from optuna.storages.journal import BaseJournalBackend
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    case,
    delete,
    event,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    PendingRollbackError,
    ProgrammingError,
)

from automl.documents import write_bytes
from automl.errors import InputError, StorageLost

CLOCKS = {
    "postgresql": "extract(epoch from clock_timestamp())",
    "mysql": "unix_timestamp(sysdate(6))",
    "mariadb": "unix_timestamp(sysdate(6))",
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
}
"""Seconds since 1970 by the server's clock: machines' own clocks differ."""
DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
"""The driver meant where a URL names none, as SQLAlchemy calls it."""
EXTRAS = {"postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}
LEASE_SECONDS = 30.0
"""Silence after which a machine is taken for dead and its trials are continued by others."""
PATIENCE_SECONDS = 300.0
"""How long a database that cannot be reached is tried again."""
FIRST_WAIT, LONGEST_WAIT = 0.1, 10.0
IDLE_SECONDS = 60
"""How long a machine may hold a study without a word before the server takes it away."""

Answer = TypeVar("Answer")
_tables = MetaData()
_BIG = Text().with_variant(LONGTEXT(), "mysql", "mariadb")
_STUDY = Table(
    "automl_study",
    _tables,
    Column("name", String(200), primary_key=True),
    Column("entries", Integer, nullable=False),
    Column("seconds", Float(53), nullable=False),
    Column("beat_at", Float(53), nullable=False),
)
_ENTRY = Table(
    "automl_entry",
    _tables,
    Column("study", String(200), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("entry", _BIG, nullable=False),
)
_BOX = Table(
    "automl_box",
    _tables,
    Column("study", String(200), primary_key=True),
    Column("box", String(200), primary_key=True),
    Column("beat_at", Float(53), nullable=False),
)


class Overtaken(Exception):
    """Another machine wrote while this one's connection was lost: what it decided is void."""


class _Broken(Exception):
    """The connection was lost; what it was used for has not become true, as far as is known."""


class Database:
    """Where studies are kept; connections that are lost are made again."""

    def __init__(self, url: str) -> None:
        """Open the database at ``url`` (SQLAlchemy's form); writes nothing.

        Raises InputError, which never shows the password, when it cannot be opened.
        """
        parsed = _parsed(url)
        self.shown = parsed.render_as_string(hide_password=True)
        self.patience = PATIENCE_SECONDS
        self.say: Callable[[str], None] = lambda _: None
        """Hears when the database cannot be reached."""
        self.gives_up: Callable[[], bool] = lambda: False
        """Whether to wait for it no longer."""
        self._engine = _engine(parsed)
        self.now = sqlalchemy.literal_column(CLOCKS[parsed.get_backend_name()], Float)
        with self._usable():
            self._engine.connect().close()

    def make_tables(self) -> None:
        """Make the tables where they are new; raises InputError when that is not allowed."""
        with self._usable():
            with suppress(ProgrammingError, IntegrityError):  # another machine makes them just now
                _tables.create_all(self._engine)
            _tables.create_all(self._engine)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise InputError(f"storage {self.shown} cannot be used: {_said(error)}") from None

    def connect(self) -> Connection:
        """Return a connection with a transaction begun; its owner closes it."""
        connection = self._engine.connect()
        connection.begin()
        return connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction, committed at its end. Raises ``_Broken`` when the connection is lost."""
        with _named(), self._engine.begin() as connection:
            yield connection

    def insisting(self, what: Callable[[], Answer]) -> Answer:
        """Return what ``what`` returns, calling it again, ever later, while it is ``_Broken``.

        Raises StorageLost when patience ends, or when asked to give up.
        """
        began, wait = time.monotonic(), FIRST_WAIT
        while True:
            try:
                return what()
            except _Broken as error:
                self._engine.dispose()  # its other connections are hardly better
                if time.monotonic() - began + wait > self.patience or self.gives_up():
                    raise StorageLost(f"storage {self.shown} cannot be reached: {error}") from error
                if wait > 1.0:
                    self.say(f"{self.shown} cannot be reached; again in {wait:.0f} s: {error}")
                time.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)

    def studies(self) -> tuple[str, ...]:
        """Return the names of the studies that are kept here."""
        return self.insisting(self._studies)

    def _studies(self) -> tuple[str, ...]:
        with self.transaction() as connection:
            if not sqlalchemy.inspect(connection).has_table(_STUDY.name):
                return ()
            found = connection.execute(select(_STUDY.c.name).order_by(_STUDY.c.name))
            return tuple(name for (name,) in found)


class SharedLog(BaseJournalBackend):  # type: ignore[misc]
    """One study's log, as one machine sees it. Reading and adding is done within a ``turn``."""

    def __init__(
        self,
        database: Database,
        study: str,
        box: str,
        mirror: Path,
        lease: float = LEASE_SECONDS,
    ) -> None:
        """Take part in ``study`` under the name ``box``, which no other live machine has.

        ``mirror`` is a file that the log is copied to, in the form of an Optuna journal file.
        """
        self.box, self.study, self.database = box, study, database
        self.seconds = 0.0
        """Search seconds of all machines: while at least one searched."""
        self._mirror, self._lease = mirror, lease
        self._entries: list[str] = []
        self._told = 0
        """Entries that this machine knows of: its own, and those a turn has begun with."""
        self._new: list[str] = []
        self._connection: Connection | None = None
        self._alive: tuple[float, frozenset[str]] = (-1e9, frozenset())
        self._present = self._searching = False
        self.forget()
        database.make_tables()
        database.insisting(self._make)

    def _make(self) -> None:
        row = {"name": self.study, "entries": 0, "seconds": 0.0, "beat_at": 0.0}
        with suppress(IntegrityError), self.database.transaction() as connection:
            if connection.execute(select(_STUDY).where(self._mine(_STUDY.c.name))).first() is None:
                connection.execute(insert(_STUDY), row)

    # -- what Optuna's journal storage calls --------------------------------------------------

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add entries; they become true at the end of the turn."""
        if self._connection is None:
            raise RuntimeError("an entry is added outside a turn")
        self._new += [json.dumps(log, separators=(",", ":")) for log in logs]

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """Return the entries from that number on, of those known: a turn reads the others'."""
        known = len(self._entries)
        found = self._entries[log_number_from:] + self._new[max(0, log_number_from - known) :]
        return [json.loads(entry) for entry in found]

    @property
    def has_its_turn(self) -> bool:
        """Whether entries may be added now."""
        return self._connection is not None

    # -- turns --------------------------------------------------------------------------------

    @contextmanager
    def turn(self) -> Iterator[list[dict[str, Any]]]:
        """Hold the study alone; yields the entries that others have added since the last turn.

        Raises Overtaken when what was added within has not become true, StorageLost when the
        database cannot be reached.
        """
        if self._connection is not None:
            yield []
            return
        self._connection = self.database.insisting(self._begun)
        try:
            told, self._told = self._told, len(self._entries)
            yield [json.loads(entry) for entry in self._entries[told:]]
            try:
                with _named():
                    self._write(self._connection)
            except _Broken:
                self.database.insisting(self._write_after_all)
            self._keep(self._new)
            self._told += len(self._new)
        finally:
            self._new = []
            with suppress(DBAPIError):  # what was not committed is undone, by either side
                self._connection.close()
            self._connection = None

    def forget(self) -> None:
        """Forget all that was read and added: the next turn reads the log from its beginning."""
        self._entries, self._new, self._told = [], [], 0
        write_bytes(self._mirror, b"")

    def _begun(self) -> Connection:
        with _named():
            connection = self.database.connect()
            try:
                self._read(connection)
            except BaseException:
                with suppress(DBAPIError):
                    connection.close()
                raise
        return connection

    def _read(self, connection: Connection) -> None:
        """Hold the study's row until the transaction ends, and read what has been added since."""
        row = connection.execute(
            select(_STUDY, self.database.now.label("now"))
            .where(self._mine(_STUDY.c.name))
            .with_for_update()
        ).one()
        self.seconds = row.seconds + _since(row.now - row.beat_at, self._lease)
        if row.entries > len(self._entries):
            found = connection.execute(
                select(_ENTRY.c.entry)
                .where(self._mine(_ENTRY.c.study), _ENTRY.c.position >= len(self._entries))
                .order_by(_ENTRY.c.position)
            )
            self._keep([entry for (entry,) in found])

    def _write(self, connection: Connection) -> None:
        """Add what is new to the log, and commit."""
        if self._new:
            first = len(self._entries)
            rows = [
                {"study": self.study, "position": first + index, "entry": entry}
                for index, entry in enumerate(self._new)
            ]
            connection.execute(insert(_ENTRY), rows)
            entries = first + len(rows)
            connection.execute(
                update(_STUDY).where(self._mine(_STUDY.c.name)).values(entries=entries)
            )
        connection.commit()

    def _write_after_all(self) -> None:
        """Make it true although the connection was lost: the commit may have come through, or not.

        Raises Overtaken when it has not, and others have written since.
        """
        if not self._new:
            return
        known, new = len(self._entries), self._new
        with _named(), self._begun() as connection:
            others = self._entries[known:]
            if others[: len(new)] == new:
                self._told, self._new = known + len(new), []
            elif others:
                raise Overtaken
            else:
                self._write(connection)

    def _keep(self, entries: Sequence[str]) -> None:
        self._entries += entries
        if entries:
            with self._mirror.open("a") as stream:
                stream.writelines(f"{entry}\n" for entry in entries)

    def _mine(self, column: Column[Any]) -> sqlalchemy.ColumnElement[bool]:
        return column == self.study

    # -- who is alive -------------------------------------------------------------------------

    @contextmanager
    def presence(self, searching: bool) -> Iterator[None]:
        """Be alive within: others see that this machine is at work on the study.

        Time is counted while ``searching``; presence with it may lie within presence without.
        """
        before, self._searching = self._searching, searching
        done = threading.Event()
        pulse = None
        self.database.insisting(self._beat)
        if not self._present:
            pulse = threading.Thread(target=self._pulse, args=(done,), daemon=True)
            pulse.start()
        self._present = True
        try:
            yield
        finally:
            with suppress(_Broken):
                self._beat()
            self._searching = before
            if pulse is not None:
                self._present = False
                done.set()
                pulse.join()
                with suppress(_Broken), self.database.transaction() as connection:
                    connection.execute(delete(_BOX).where(self._mine(_BOX.c.study), self._here()))

    def _pulse(self, done: threading.Event) -> None:
        while not done.wait(self._lease / 6):
            with suppress(_Broken):  # the next turn insists, and says so
                self._beat()

    def _beat(self) -> None:
        now = self.database.now
        with self.database.transaction() as connection:
            alive = update(_BOX).where(self._mine(_BOX.c.study), self._here()).values(beat_at=now)
            if connection.execute(alive).rowcount == 0:
                row = {"study": self.study, "box": self.box, "beat_at": now}
                connection.execute(insert(_BOX).values(row))
            if self._searching:
                since = now - _STUDY.c.beat_at
                seconds = _STUDY.c.seconds + case((since <= self._lease, since), else_=0.0)
                connection.execute(
                    update(_STUDY)
                    .where(self._mine(_STUDY.c.name))
                    .values(seconds=seconds, beat_at=now)
                )

    def is_alive(self, box: str) -> bool:
        """Whether that machine has given a sign of life within its lease; asked within a turn."""
        asked_at, alive = self._alive
        if box not in alive or time.monotonic() - asked_at > self._lease / 6:
            self._alive = time.monotonic(), self.machines()
        return box in self._alive[1]

    def is_alone(self) -> bool:
        """Whether no other machine is at work on the study; asked within a turn."""
        return not self.machines() - {self.box}

    def machines(self) -> frozenset[str]:
        """Return the machines at work on the study; asked within a turn."""
        assert self._connection is not None
        try:
            with _named():
                return self._beating(self._connection)
        except _Broken:  # the turn may still end well
            return self.database.insisting(self._beating_anew)

    def _beating_anew(self) -> frozenset[str]:
        with self.database.transaction() as connection:
            return self._beating(connection)

    def _beating(self, connection: Connection) -> frozenset[str]:
        silence = self.database.now - _BOX.c.beat_at
        found = connection.execute(
            select(_BOX.c.box).where(self._mine(_BOX.c.study), silence <= self._lease)
        )
        return frozenset(name for (name,) in found)

    def _here(self) -> sqlalchemy.ColumnElement[bool]:
        return _BOX.c.box == self.box


def _since(seconds: float, lease: float) -> float:
    """What counts of the time since the last sign of life of any machine."""
    return seconds if seconds <= lease else 0.0


@contextmanager
def _named() -> Iterator[None]:
    """Gives the many errors that a lost connection, or a lost lock, can be one name."""
    try:
        yield
    except PendingRollbackError as error:
        # The connection was lost earlier in the same turn, whose question was answered anew.
        raise _Broken("the connection was lost") from error
    except DBAPIError as error:
        if isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated:
            raise _Broken(_said(error)) from error
        raise


def _said(error: DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InputError(
            "storage is no database URL; write postgresql+psycopg://user@host/database"
        ) from None
    if parsed.get_backend_name() not in CLOCKS:
        known = ", ".join(CLOCKS)
        kind = parsed.get_backend_name()
        raise InputError(f"storage cannot be a database of the kind {kind!r}; known: {known}")
    return parsed.set(drivername=DRIVERS.get(parsed.drivername, parsed.drivername))


def _engine(url: URL) -> Engine:
    kind = url.get_backend_name()
    options: dict[str, Any] = {}
    if kind == "postgresql" and url.get_driver_name().startswith("psycopg"):
        limit = f"-c idle_in_transaction_session_timeout={IDLE_SECONDS}s"
        options = {"connect_args": {"options": limit, "connect_timeout": 10}}
    elif EXTRAS.get(kind) == "mysql":
        options = {
            "isolation_level": "READ COMMITTED",
            "pool_recycle": IDLE_SECONDS / 2,
            "connect_args": {"init_command": f"SET SESSION wait_timeout={IDLE_SECONDS}"},
        }
    elif kind == "sqlite":
        options = {"connect_args": {"timeout": IDLE_SECONDS}}
    try:
        engine = sqlalchemy.create_engine(url, **options)
    except ModuleNotFoundError as error:
        hint = f"; pip install 'automl[{EXTRAS[kind]}]'" if kind in EXTRAS else ""
        raise InputError(f"storage needs the package {error.name}{hint}") from None
    if kind == "sqlite":
        event.listen(engine, "connect", _leave_transactions_to_us)
        event.listen(engine, "begin", _begin_at_once)
    return engine


def _leave_transactions_to_us(connection: Any, _: Any) -> None:
    connection.isolation_level = None


def _begin_at_once(connection: Connection) -> None:
    """SQLite knows no locked rows: a transaction holds the file from its beginning."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
