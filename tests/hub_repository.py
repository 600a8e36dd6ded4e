"""A repository of the loopback hub: its commits, and what the hub says of them. No protocol."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Files = dict[str, bytes]
LARGE = (".safetensors", ".bin", ".onnx", ".parquet", ".arrow")
"""Endings of files that are kept by git LFS."""


def commit_id(files: Files) -> str:
    """Return the 40 hex digits that stand for exactly these files."""
    digest = hashlib.sha1()
    for path in sorted(files):
        digest.update(f"{path}\0{hashlib.sha256(files[path]).hexdigest()}\n".encode())
    return digest.hexdigest()


@dataclass
class Repository:
    """One repository: its commits in order of arrival, named revisions, and facts to serve."""

    id: str
    commits: dict[str, Files] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def commit(self, files: Files, branch: str = "main") -> str:
        """Make ``files`` the whole content of ``branch`` and return the commit id."""
        sha = commit_id(files)
        self.commits[sha] = files
        self.names[branch] = sha
        return sha

    def resolve(self, revision: str) -> str | None:
        """Return the commit that a branch, tag, full or abbreviated (≥7) id stands for."""
        if revision in self.names:
            return self.names[revision]
        found = [sha for sha in self.commits if len(revision) >= 7 and sha.startswith(revision)]
        return found[0] if len(found) == 1 else None

    def describe(self, sha: str) -> dict[str, Any]:
        """Return what the hub says of the repository at a commit."""
        files = self.commits[sha]
        card = front_matter(files.get("README.md", b""))
        config = json.loads(files["config.json"]) if "config.json" in files else {}
        tags = [f"license:{card['license']}"] if "license" in card else []
        languages = card.get("language") or []
        tags += [languages] if isinstance(languages, str) else languages
        tags += [card["library_name"]] if "library_name" in card else []
        found: dict[str, Any] = {
            "_id": sha[:24],
            "id": self.id,
            "modelId": self.id,
            "author": self.id.split("/")[0],
            "sha": sha,
            "private": False,
            "gated": False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "createdAt": "2024-01-01T00:00:00.000Z",
            "lastModified": "2024-01-01T00:00:00.000Z",
            "tags": tags + list(card.get("tags", [])),
            "cardData": card,
            "siblings": [
                {"rfilename": path, "size": len(data)} for path, data in sorted(files.items())
            ],
        }
        if config:
            found["config"] = config
            found["library_name"] = "transformers"
        if weights := parameters(files):
            found["safetensors"] = {"parameters": weights, "total": sum(weights.values())}
        if "pipeline_tag" in card:
            found["pipeline_tag"] = card["pipeline_tag"]
        return {**found, **self.facts}


def folder(root: Path) -> Files:
    """Return path → content of all files below."""
    found = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def front_matter(readme: bytes) -> dict[str, Any]:
    """Return what stands between the lines of dashes; {} where nobody can parse it."""
    found = re.match(r"---\r?\n(.*?)\r?\n---", readme.decode(), re.DOTALL)
    if found is None:
        return {}
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return dict(YAML(typ="safe").load(found.group(1)) or {})
    except YAMLError:  # the hub serves such repositories all the same
        return {}


def parameters(files: Files) -> dict[str, int]:
    """Return dtype → numbers in all safetensors files."""
    counts: dict[str, int] = {}
    for path, data in files.items():
        if not path.endswith(".safetensors"):
            continue
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
        for name, tensor in header.items():
            if name != "__metadata__":
                size = 1
                for dimension in tensor["shape"]:
                    size *= dimension
                counts[tensor["dtype"]] = counts.get(tensor["dtype"], 0) + size
    return counts


def blob_id(data: bytes) -> str:
    """Return git's object id of the content, as the hub's tree listing gives it."""
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


def tree(files: Files, under: str, recursive: bool) -> list[dict[str, Any]]:
    """Return the hub's listing of the folder ``under``."""
    prefix = f"{under}/" if under else ""
    folders: set[str] = set()
    found: list[dict[str, Any]] = []
    for path, data in sorted(files.items()):
        if not path.startswith(prefix):
            continue
        parents = path[len(prefix) :].split("/")[:-1]
        folders.update(prefix + "/".join(parents[:end]) for end in range(1, len(parents) + 1))
        if recursive or not parents:
            entry = {"type": "file", "path": path, "size": len(data), "oid": blob_id(data)}
            if path.endswith(LARGE):
                sha = hashlib.sha256(data).hexdigest()
                entry["lfs"] = {"oid": sha, "size": len(data), "pointerSize": 134}
            found.append(entry)
    if not recursive:
        folders = {folder for folder in folders if "/" not in folder[len(prefix) :]}
    listed = [{"type": "directory", "path": path, "size": 0, "oid": "0" * 40} for path in folders]
    return sorted(listed, key=lambda entry: str(entry["path"])) + found


def apply(files: Files, lines: list[dict[str, Any]], blobs: Files) -> Files:
    """Return the files after the operations of a commit's ndjson body."""
    result = dict(files)
    for line in lines:
        value = line["value"]
        if line["key"] == "file":
            result[value["path"]] = base64.b64decode(value["content"])
        elif line["key"] == "lfsFile":
            result[value["path"]] = blobs[value["oid"]]
        elif line["key"] == "deletedFile":
            result.pop(value["path"], None)
        elif line["key"] == "deletedFolder":
            under = value["path"].rstrip("/") + "/"
            result = {path: data for path, data in result.items() if not path.startswith(under)}
        elif line["key"] != "header":
            raise ValueError(f"unexpected operation {line['key']!r}")
    return result
