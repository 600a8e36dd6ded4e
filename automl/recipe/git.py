"""Single files of git repositories, at one commit, through the ``git`` program and a cache.

Nothing of a repository is checked out or run: no hooks, no submodules, no questions to a user.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import resource
import signal
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from automl import cache
from automl.recipe.addresses import COMMIT, SCHEMES, Unreadable, too_large

SECONDS = 120
"""Longest one call of git may take."""
LARGEST_FETCH = 256_000_000
"""Bytes of the largest file that git may write here."""
LARGEST_BLOB = "1m"
"""Files above are not fetched, where the server lets us choose; a recipe is smaller."""
_ELSEWHERE = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_CEILING_DIRECTORIES",
    "GIT_TEMPLATE_DIR",
    "GIT_TRACE",
)
"""Variables that git sets for its hooks; they would point our calls at another repository."""
_CONFIG = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "credential.interactive=false",
    "fetch.recurseSubmodules=false",
    "fetch.fsckObjects=true",
    "gc.auto=0",
    "maintenance.auto=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=30",
)


def commit(url: str, revision: str | None) -> str:
    """Return the commit that ``revision`` (None: the newest) of the repository stands for now.

    It is fetched if it is not in the cache; a full commit that is there costs no network. Where
    the repository cannot be reached the last commit seen of a branch counts, with a warning.
    Raises Unreadable: no such revision, no access, no network, no git.
    """
    home = _home(url)
    if revision is not None and COMMIT.fullmatch(revision):
        if not _keeps(home, _ref(revision)):
            _fetch_commit(home, url, revision)
        return revision
    name = revision or "HEAD"
    kept = _ref(hashlib.sha256(name.encode()).hexdigest())
    try:
        _fetch(home, url, f"+{name}:{kept}", "--depth=1")
    except _Failed as failed:
        if "couldn't find remote ref" in failed.said:
            raise Unreadable(
                f"{url} has no revision {name!r}",
                "write a branch, a tag, or all 40 digits of a commit",
            ) from None
        if not _keeps(home, kept):
            raise _unreachable(url, failed) from None
        warnings.warn(
            f"{url} cannot be reached; the last commit seen of {name} counts",
            RuntimeWarning,
            stacklevel=2,
        )
    found = _git(home, "rev-parse", "--verify", f"{kept}^{{commit}}").decode().strip()
    _git(home, "update-ref", _ref(found), found)
    return found


def read(url: str, commit: str, path: str, most: int) -> bytes:
    """Return the file's content at the commit, of at most ``most`` bytes.

    Raises Unreadable where there is no such file, or a larger one.
    """
    home, blob = _home(url), f"{commit}:{path}"
    try:
        size = int(_git(home, "cat-file", "-s", blob))
        if size > most:
            raise too_large(path, url, size, most)
        return _git(home, "cat-file", "blob", blob)
    except _Failed as failed:
        if "bad file" in failed.said:
            raise Unreadable(
                f"{path} of {url} is a folder, not a recipe",
                f"name a file in it: {path}/recipe.yaml",
            ) from None
        raise Unreadable(
            f"{url} has no file {path} at commit {commit[:7]}",
            f"git ls-tree -r --name-only {commit[:7]} lists them, in a clone",
        ) from None


class _Failed(Exception):
    """Git ended with an error; ``said`` is what it printed."""

    def __init__(self, said: str) -> None:
        self.said = said
        super().__init__(said)


def _unreachable(url: str, failed: _Failed) -> Unreadable:
    lines = [line for line in failed.said.splitlines() if line.startswith(("fatal:", "error:"))]
    why = (lines or failed.said.splitlines() or ["git said nothing"])[0]
    return Unreadable(
        f"{url} cannot be fetched: {why.partition(': ')[2] or why}",
        f"check the address, the network and your access: git ls-remote {url}",
    )


def _home(url: str) -> Path:
    """Return the bare repository that holds what was fetched of ``url``, made if need be."""
    home = cache.folder() / "git" / hashlib.sha256(url.encode()).hexdigest()[:32]
    if not (home / "HEAD").exists():
        home.mkdir(parents=True, exist_ok=True)
        _git(home, "init", "--quiet", "--bare", "--template=", ".")
    return home


def _ref(name: str) -> str:
    return f"refs/automl/{name}"


def _keeps(home: Path, ref: str) -> bool:
    """Return whether the reference is there; asking for an object might ask the network for it."""
    try:
        _git(home, "show-ref", "--verify", "--quiet", ref)
    except _Failed:
        return False
    return True


def _fetch_commit(home: Path, url: str, wanted: str) -> None:
    """Fetch one commit; from a server that gives none by its id, all branches and tags."""
    try:
        try:
            _fetch(home, url, f"+{wanted}:{_ref(wanted)}", "--depth=1")
        except _Failed as failed:
            if not any(said in failed.said for said in ("not our ref", "unadvertised object")):
                raise
            _fetch(home, url, "+refs/heads/*:refs/all/heads/*", "+refs/tags/*:refs/all/tags/*")
    except _Failed as failed:
        raise _unreachable(url, failed) from None
    try:
        _git(home, "update-ref", _ref(wanted), wanted)
    except _Failed:
        hint = "leave it out for the newest"
        raise Unreadable(f"{url} has no commit {wanted}", hint) from None


def _fetch(home: Path, url: str, *arguments: str) -> None:
    options = [one for one in arguments if one.startswith("--")]
    names = [one for one in arguments if not one.startswith("--")]
    with _alone(home):
        _git(
            home,
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            f"--filter=blob:limit={LARGEST_BLOB}",
            *options,
            "--",
            url,
            *names,
        )


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold the repository; locks that a killed git left in it are then nobody's."""
    with (home / "automl.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in (home / "shallow.lock", *(home / "refs").rglob("*.lock")):
            left.unlink(missing_ok=True)
        yield


def _git(home: Path, *arguments: str) -> bytes:
    settings = [part for one in _CONFIG for part in ("-c", one)]
    try:
        process = subprocess.Popen(
            ["git", *settings, *arguments],
            cwd=home,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_bounded,
        )
    except FileNotFoundError:
        raise Unreadable(
            "git is not installed", "apt-get install git, or brew install git"
        ) from None
    try:
        out, said = process.communicate(timeout=SECONDS)
    except BaseException as error:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise _Failed(f"fatal: no answer within {SECONDS} s") from None
        raise
    if process.returncode == 0:
        return out
    text = said.decode(errors="replace")
    if process.returncode == -signal.SIGXFSZ or "File too large" in text:
        raise Unreadable(
            f"the repository has more than {LARGEST_FETCH:,} bytes at that commit",
            "keep recipes in a repository of their own",
        )
    raise _Failed(text)


def _bounded() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FETCH, LARGEST_FETCH))


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    return {
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=30",
        **kept,
        "GIT_ALLOW_PROTOCOL": ":".join(SCHEMES),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "SSH_ASKPASS": "true",
        "GCM_INTERACTIVE": "never",
        "LC_ALL": "C",
    }
