"""The base model of a bundle of adapters: found on this machine, or said to be absent.

Downloads nothing.
"""

from __future__ import annotations

from pathlib import Path

from automl.bundle import BundleInfo
from automl.catalog import hashes, package
from automl.errors import InputError, Problem

OPTION = "--base-model FOLDER"


def find(info: BundleInfo, given: Path | None) -> Path:
    """Return the folder of the bundle's base model: ``given``, or where its kind of model lies.

    Raises InputError where it isn't here, or where its weights are others than in training.
    """
    found = _here(info) if given is None else given.expanduser().absolute()
    if not (found / "config.json").is_file():
        raise InputError(
            Problem(f"{found} holds no model: there is no config.json", hint=_how(info))
        )
    # A revision of the hub is pinned by its commit; other folders may hold anything.
    if given is not None or info.base_source != "hub":
        _refuse_others(info, found)
    return found


def _here(info: BundleInfo) -> Path:
    name = info.base_model
    if info.base_source == "hub":
        return _cached(info)
    home = package.location(name) if info.base_source == "package" else None
    roots = package.model_folders(home) if home is not None else []
    if len(roots) == 1:
        return roots[0]
    if info.base_source == "package":
        raise _absent(info, f"the package {name}, which carries it, is not installed")
    raise _absent(info, f"where the folder {name} lies here is not known")


def _cached(info: BundleInfo) -> Path:
    """Return the base model's folder in the hub's cache, with all its weights."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        root = Path(
            snapshot_download(info.base_model, revision=info.revision, local_files_only=True)
        )
    except LocalEntryNotFoundError:
        raise _absent(info, "it is not in the hub's cache here") from None
    lacking = [name for name in info.base_weights if not (root / name).is_file()]
    if lacking:
        raise _absent(info, f"the hub's cache here lacks its {lacking[0]}")
    return root


def _refuse_others(info: BundleInfo, folder: Path) -> None:
    for name, digest in info.base_weights.items():
        file = folder / name
        if not file.is_file():
            raise InputError(
                Problem(f"{folder} is not {info.base_model}: {name} is missing", hint=_how(info))
            )
        if hashes.sha256(file) != digest:
            raise InputError(
                Problem(
                    f"{folder} is not the {info.base_model} that the adapters were trained on: "
                    f"{name} has other content",
                    hint=_how(info),
                )
            )


def _absent(info: BundleInfo, why: str) -> InputError:
    said = f"the bundle holds adapters for {info.base_model}, and {why}"
    return InputError(Problem(said, hint=_how(info)))


def _how(info: BundleInfo) -> str:
    if info.base_source == "hub":
        return f"hf download {info.base_model} --revision {info.revision}, or {OPTION}"
    if info.base_source == "package":
        return f"{package.install_hint(info.base_model)}, or {OPTION}"
    return f"{OPTION}, the one named {info.base_model} in training"
