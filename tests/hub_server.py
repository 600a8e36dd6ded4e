"""A hub on loopback: serves models and data sets from folders by the Hugging Face hub's protocol.

Real clients (``HfApi``, ``snapshot_download``, ``load_dataset``) talk to it unchanged, uploads
included. Repositories live in memory; a commit's id is the hash of its contents. Knows no automl.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import pytest

from tests.hub_repository import LARGE, Files, Repository, apply, blob_id, folder
from tests.hub_repository import tree as _tree

_API = re.compile(
    r"/api/(models|datasets)/(.+?)(?:/(revision|tree|preupload|commit|refs|branch)(?:/(.*))?)?"
)
_RESOLVE = re.compile(r"/(datasets/)?([^/]+(?:/[^/]+)?)/resolve/([^/]+)/(.+)")


class HubServer:
    """Context manager around the server; ``url`` is its endpoint, ``requests`` what it was asked.

    ``headers`` holds each request's lower-cased headers beside ``requests``, so a test can see
    that a token was sent. ``gated`` lists repository ids that answer 403 without a token.
    """

    def __init__(self, page_size: int = 1000) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.requests: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.gated: set[str] = set()
        self.connections: list[socket.socket] = []
        self.answers: list[tuple[str, int, dict[str, str]]] = []
        """(part of a path, status, headers) to give once instead of the true answer."""
        self.cuts: dict[str, int] = {}
        """Part of ``GET /path`` → bytes of the body after which the connection breaks, once."""
        self.blobs: dict[str, bytes] = {}
        """SHA-256 → content of large files that were uploaded."""
        self.page_size = page_size
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> HubServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Go away: open connections are cut, new ones refused. May be called again."""
        self._server.shutdown()
        self._server.server_close()
        for connection in self.connections:
            with suppress(OSError):  # the client has hung up already
                connection.shutdown(socket.SHUT_RDWR)

    def add_model(
        self, id: str, source: Path | Files, *, branch: str = "main", **facts: Any
    ) -> str:
        """Serve a folder (or path → bytes) as the model ``id`` and return its commit id.

        ``facts`` overrides what the hub says of it: ``downloads=5, gated="auto"``. Adding the same
        id again is a new commit on ``branch``.
        """
        return self._add("models", id, source, branch, facts)

    def add_dataset(
        self, id: str, source: Path | Files, *, branch: str = "main", **facts: Any
    ) -> str:
        """Serve a folder (or path → bytes) as the data set ``id``; as ``add_model``."""
        return self._add("datasets", id, source, branch, facts)

    def _add(
        self, kind: str, id: str, source: Path | Files, branch: str, facts: dict[str, Any]
    ) -> str:
        files = source if isinstance(source, dict) else folder(source)
        repository = self.repositories.setdefault((kind, id), Repository(id))
        repository.facts.update(facts)
        return repository.commit(dict(files), branch)

    def files(self, id: str, kind: str = "models") -> Files:
        """Return path → bytes of a repository's main branch; KeyError when it does not exist."""
        repository = self.repositories[(kind, id)]
        return repository.commits[repository.names["main"]]

    def environment(self, home: Path) -> dict[str, str]:
        """Return the variables that point a client process here, with its caches under ``home``."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_DATASETS_CACHE": str(home / "datasets"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "0",
            "HF_TOKEN": "hf_loopback",
        }


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A running HubServer that this process and the processes it starts take for the hub.

    Import it into a conftest.py (``from tests.hub_server import hub``). The client reads endpoint
    and cache at import, so both the environment and its constants are set, and restored after.
    """
    from huggingface_hub import constants

    with HubServer() as server:
        home = tmp_path / "hf-home"
        for name, value in server.environment(home).items():
            monkeypatch.setenv(name, value)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HOME", str(home))
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
        yield server


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        server_hub = hub

    return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_hub: HubServer

    def setup(self) -> None:
        super().setup()
        self.server_hub.connections.append(self.connection)

    def log_message(self, *_: object) -> None:
        """Say nothing: tests read ``HubServer.requests``."""

    def do_HEAD(self) -> None:
        self._route("HEAD")

    def do_GET(self) -> None:
        self._route("GET")

    def do_POST(self) -> None:
        self._route("POST")

    def do_PUT(self) -> None:
        self._route("PUT")

    def _route(self, method: str) -> None:
        url = urlsplit(self.path)
        path = unquote(url.path)
        self.server_hub.requests.append((method, path))
        self.server_hub.headers.append({k.lower(): v for k, v in self.headers.items()})
        length, cut = int(self.headers.get("Content-Length") or 0), self._cut(path, ("PUT", "POST"))
        body = self.rfile.read(length if cut is None else min(cut, length))
        if cut is not None:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        query = parse_qs(url.query)
        for given in self.server_hub.answers:
            if given[0] in path:
                self.server_hub.answers.remove(given)
                self._send(given[1], b"{}", "application/json", given[2])
                return
        if path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif path.endswith(".git/info/lfs/objects/batch"):
            self._large(json.loads(body))
        elif path.startswith("/lfs/"):
            assert hashlib.sha256(body).hexdigest() == path.removeprefix("/lfs/")
            self.server_hub.blobs[path.removeprefix("/lfs/")] = body
            self._json({})
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/whoami-v2":
            self._json({"type": "user", "name": "loopback", "orgs": [], "auth": {}})
        elif path in ("/api/models", "/api/datasets"):
            self._list(path.rsplit("/", 1)[1], query)
        elif found := _API.fullmatch(path):
            self._repository(found, query, body)
        elif found := _RESOLVE.fullmatch(path):
            self._file(found)
        else:
            self._error(404, "NotFound", f"no route {path}")

    def _cut(self, path: str, methods: tuple[str, ...]) -> int | None:
        """Return after how many bytes of its body this request breaks, where it is to."""
        for part in self.server_hub.cuts:
            if part in f"{self.command} {path}" and self.command in methods:
                return self.server_hub.cuts.pop(part)
        return None

    def _large(self, wanted: dict[str, Any]) -> None:
        """Answer git LFS's batch request: where to upload what is not here yet."""
        objects = []
        for each in wanted["objects"]:
            href = {"href": f"{self.server_hub.url}/lfs/{each['oid']}"}
            there = each["oid"] in self.server_hub.blobs
            objects.append({**each, **({} if there else {"actions": {"upload": href}})})
        self._json({"transfer": "basic", "objects": objects})

    def _send(self, status: int, data: bytes, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        cut = self._cut(unquote(urlsplit(self.path).path), ("GET",))
        if cut is not None:
            self.wfile.write(data[:cut])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif self.command != "HEAD":
            self.wfile.write(data)

    def _json(self, found: Any, status: int = 200, **headers: str) -> None:
        self._send(status, json.dumps(found).encode(), "application/json", headers)

    def _error(self, status: int, code: str, message: str) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": message}
        self._send(status, json.dumps({"error": message}).encode(), "application/json", headers)

    def _create(self, wanted: dict[str, Any]) -> None:
        kind = f"{wanted.get('type') or 'model'}s"
        id = f"{wanted.get('organization') or 'loopback'}/{wanted['name']}"
        url = f"{self.server_hub.url}/{'datasets/' if kind == 'datasets' else ''}{id}"
        if (kind, id) in self.server_hub.repositories:
            self._json({"error": "You already created this repo", "url": url}, 409)
            return
        private = wanted.get("private") or wanted.get("visibility") == "private"
        repository = Repository(id, facts={"private": bool(private)})
        repository.commit({".gitattributes": b""})
        self.server_hub.repositories[(kind, id)] = repository
        self._json({"url": url, "name": id, "id": id})

    def _list(self, kind: str, query: dict[str, list[str]]) -> None:
        found = [
            repository.describe(repository.names["main"])
            for (held, _), repository in sorted(self.server_hub.repositories.items())
            if held == kind and "main" in repository.names
        ]
        search = query.get("search", [""])[0].lower()
        author = query.get("author", [None])[0]
        wanted = [*query.get("filter", []), *query.get("pipeline_tag", [])]
        found = [
            entry
            for entry in found
            if search in entry["id"].lower()
            and author in (None, entry["author"])
            and all(tag in [*entry["tags"], entry.get("pipeline_tag")] for tag in wanted)
        ]
        if sort := query.get("sort", [""])[0]:
            found.sort(key=lambda entry: entry.get(sort) or 0, reverse=True)
        start = int(query.get("cursor", ["0"])[0])
        size = min(
            int(query.get("limit", [self.server_hub.page_size])[0]), self.server_hub.page_size
        )
        headers = {}
        if start + size < len(found):
            after = urlencode({**query, "cursor": [str(start + size)]}, doseq=True)
            headers["Link"] = f'<{self.server_hub.url}/api/{kind}?{after}>; rel="next"'
        self._json(found[start : start + size], **headers)

    def _find(self, kind: str, id: str, revision: str) -> tuple[Repository, str] | None:
        """Return the repository and commit, or answer with the hub's error and return None."""
        repository = self.server_hub.repositories.get((kind, id))
        if repository is None:
            self._error(404, "RepoNotFound", "Repository not found")
        elif id in self.server_hub.gated and "Authorization" not in self.headers:
            self._error(403, "GatedRepo", f"Access to {kind[:-1]} {id} is restricted")
        elif (sha := repository.resolve(revision)) is None:
            self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        else:
            return repository, sha
        return None

    def _repository(self, found: re.Match[str], query: dict[str, list[str]], body: bytes) -> None:
        kind, id, action, rest = found.groups()
        revision, _, under = (rest or "").partition("/")
        if action == "branch":
            self._branch(kind, id, revision)
            return
        held = self._find(kind, id, revision or "main")
        if held is None:
            return
        repository, sha = held
        if action in (None, "revision"):
            self._json(repository.describe(sha))
        elif action == "refs":
            branches = [
                {"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit}
                for name, commit in repository.names.items()
            ]
            self._json({"branches": branches, "tags": [], "converts": []})
        elif action == "tree":
            recursive = query.get("recursive", ["false"])[0].lower() == "true"
            self._json(_tree(repository.commits[sha], under, recursive))
        elif action == "preupload":
            self._json(
                {
                    "files": [
                        {
                            "path": wanted["path"],
                            "uploadMode": "lfs" if wanted["path"].endswith(LARGE) else "regular",
                            "shouldIgnore": False,
                        }
                        for wanted in json.loads(body)["files"]
                    ]
                }
            )
        else:
            blobs = self.server_hub.blobs
            lines = [json.loads(line) for line in body.splitlines() if line.strip()]
            sha = repository.commit(apply(repository.commits[sha], lines, blobs), revision)
            url = f"{self.server_hub.url}/{id}/commit/{sha}"
            self._json({"success": True, "commitOid": sha, "commitUrl": url})

    def _branch(self, kind: str, id: str, name: str) -> None:
        """Make a branch that begins where main is."""
        held = self._find(kind, id, "main")
        if held is None:
            return
        if name in held[0].names:
            self._error(409, "", "Reference already exists")
            return
        held[0].names[name] = held[1]
        self._json({})

    def _file(self, found: re.Match[str]) -> None:
        datasets, id, revision, path = found.groups()
        held = self._find("datasets" if datasets else "models", id, revision)
        if held is None:
            return
        repository, sha = held
        data = repository.commits[sha].get(path)
        if data is None:
            self._error(404, "EntryNotFound", "Entry not found")
            return
        headers = {"ETag": f'"{blob_id(data)}"', "X-Repo-Commit": sha, "Accept-Ranges": "bytes"}
        status = 200
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            start, end = int(asked.group(1)), int(asked.group(2) or len(data) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
            data, status = data[start : end + 1], 206
        self._send(status, data, "application/octet-stream", headers)
