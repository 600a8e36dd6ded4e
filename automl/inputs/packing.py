"""Everything a study reads, gathered in one folder as another machine needs it, and packed.

The recipe is packed as it was compiled: merged with its parents, its models those that were not
refused, each at its commit. What was packed is then compiled without a network before it leaves.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from automl import cache, documents, tasks
from automl.catalog import files
from automl.compiler.compile import Compiled, compile_recipe
from automl.compiler.lock import lock_path, locked, make_lock, parent_pins, write_lock
from automl.compiler.verify import load_verified
from automl.errors import InputError, Problem
from automl.inputs import archive, asked, requirements
from automl.inputs.manifest import HUB, ORIGINAL, PROJECT, REQUIREMENTS, WHEELS, Manifest
from automl.inputs.media import paths
from automl.inputs.rehearsal import Rehearsed, rehearse
from automl.inputs.sources import FETCHED, Sources, gathered, relative
from automl.plan import Candidate, Refusal
from automl.recipe.effective import effective
from automl.recipe.inheritance import gather
from automl.recipe.loaded import LoadedRecipe

ONLINE = ("storage", "artifacts")
"""Settings that need a network; they stay behind, and so does ``export.push_to_hub``."""
Say = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Packed:
    """The file that was written, and what is in it."""

    path: Path
    bytes: int
    manifest: Manifest
    homeless: tuple[str, ...]
    """Packages whose wheels could not be had, where wheels were asked for."""


def pack(recipe: Path, target: Path, *, wheels: bool = False, say: Say) -> Packed:
    """Compile the recipe, gather what it reads, and write it to the tar ``target``.

    The same recipe, data, models and packages give the same bytes, ``wheels`` apart. ``say`` hears
    (stage, text). Raises what compiling raises, and InputError where rows name files by paths that
    hold on this machine alone, or the wheels cannot be had.
    """
    loaded = load_verified(recipe)
    target = Path(os.path.abspath(target.expanduser()))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".automl-inputs-") as held:
        jobs, root = Path(held) / "jobs", Path(held) / "root"
        compiled = compile_recipe(loaded, jobs, say, lock=locked(recipe))
        say("packing", "data and models")
        place = _staged(loaded, compiled, root)
        _originals(recipe, root / ORIGINAL)
        homeless = _packages(loaded, compiled, root, wheels, say)
        say("packing", "compiling what was packed, without a network")
        found = rehearse(place, root / HUB, root)
        _refuse_outside(found)
        write_lock(lock_path(place), make_lock(found.plan))
        manifest = Manifest(
            name=compiled.plan.name,
            recipe=place.relative_to(root).as_posix(),
            files=archive.listing(root),
            left_out=(*compiled.plan.refused, *_settings_left(loaded)),
            python=f"{platform.python_version()} {platform.system()} {platform.machine()}",
        )
        archive.write(root, manifest, target, lambda text: say("packing", text))
    return Packed(target, target.stat().st_size, manifest, homeless)


def _staged(loaded: LoadedRecipe, compiled: Compiled, root: Path) -> Path:
    """Fill ``root`` with recipe, data and models; return where the recipe lies in it."""
    task = tasks.get(compiled.plan.task)
    fetched = root.with_name(FETCHED)
    sources = gathered(loaded, task, compiled.plan.data, fetched)
    here = {*sources.here, *asked.files(loaded)}
    here |= _named_by_rows(compiled, [role.name for role in task.media], fetched)
    homes = {
        each.id: Path(os.path.abspath(compiled.models[each.id]))
        for each in compiled.plan.candidates
        if each.source == "folder"
    }
    common = Path(
        os.path.commonpath([loaded.folder, *homes.values(), *(path.parent for path in here)])
    )

    def inside(path: Path) -> Path:
        return root / PROJECT / path.relative_to(common)

    for path in here:
        _place(path, inside(path))
    for each in compiled.plan.candidates:
        if each.source != "package":
            home = inside(homes[each.id]) if each.id in homes else _cached(root, each)
            _place_model(each, compiled.models[each.id], home)
    _place_bases(loaded, root)
    for name, commit in sources.datasets:
        _place_dataset(name, commit, root / HUB)
    if fetched.exists():
        shutil.move(fetched, inside(loaded.folder) / FETCHED)
    place = inside(loaded.path)
    documents.write_bytes(place, _recipe(loaded, compiled, sources, homes).encode())
    return place


def _named_by_rows(compiled: Compiled, columns: list[str], fetched: Path) -> set[Path]:
    """Return pictures and sounds that tables name; what the caches hold comes with its source."""
    from huggingface_hub import constants

    homes = (cache.folder(), Path(constants.HF_HUB_CACHE), fetched)
    found = paths(compiled.tables, columns)
    return {path for path in found if not any(path.is_relative_to(home) for home in homes)}


def _recipe(
    loaded: LoadedRecipe, compiled: Compiled, sources: Sources, models: dict[str, Path]
) -> str:
    """Return the packed recipe's text: as compiled, every place in it one inside the package."""
    values: dict[str, Any] = {k: v for k, v in loaded.values.items() if k not in ONLINE}
    values["data"] = {**values["data"], **sources.references}
    values["models"] = [
        _model(each, loaded.folder, models.get(each.id)) for each in compiled.plan.candidates
    ]
    if loaded.recipe.checks:
        values["checks"] = asked.rewritten(loaded)
    if "export" in values:
        values["export"] = {k: v for k, v in values["export"].items() if k != "push_to_hub"}
    values = {name: value for name, value in values.items() if value != {}}
    moved = ("data", "models", "checks")
    written = {at: text for at, text in loaded.written.items() if at[0] not in moved}
    return effective(replace(loaded, values=values, written=written))


def _model(candidate: Candidate, folder: Path, home: Path | None) -> dict[str, Any]:
    trust = {"trust_remote_code": True} if candidate.trust_remote_code else {}
    if home is not None:
        return {"path": relative(home, folder), **trust}
    if candidate.source == "package":
        return {"package": candidate.reference, **trust}
    return {"id": candidate.reference, "revision": candidate.revision, **trust}


def _cached(root: Path, candidate: Candidate) -> Path:
    """Return where the hub's client looks for the candidate at its commit."""
    name = _cached_name("models", candidate.reference)
    return root / HUB / name / "snapshots" / str(candidate.revision)


def _place_bases(loaded: LoadedRecipe, root: Path) -> None:
    """Bring the hub models along that earlier bundles of adapters are for."""
    for info, source in asked.base_models(loaded):
        if info.base_source == "hub" and info.revision is not None:
            name = _cached_name("models", info.base_model)
            _place_all(source, root / HUB / name / "snapshots" / info.revision)


def _place_model(candidate: Candidate, source: Path, target: Path) -> None:
    names = [each.path for each in candidate.files]
    for name in (*names, files.README):
        if (source / name).is_file():
            _place(source / name, target / name)


def _place_dataset(name: str, commit: str, hub: Path) -> None:
    from huggingface_hub import constants

    inside = Path(_cached_name("datasets", name)) / "snapshots" / commit
    source = Path(constants.HF_HUB_CACHE) / inside
    _place_all(source, hub / inside)


def _place_all(source: Path, target: Path) -> None:
    for path in source.rglob("*"):
        if path.is_file():
            _place(path, target / path.relative_to(source))


def _cached_name(kind: str, name: str) -> str:
    """Return the folder in which the hub's client keeps the repository."""
    return f"{kind}--{name.replace('/', '--')}"


def _place(source: Path, target: Path) -> None:
    """Put the file there without a copy of its bytes, where the disk allows it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def _originals(recipe: Path, folder: Path) -> None:
    """Keep the recipe and its parents as they were written, for who wants to read them."""
    texts = gather(recipe, os.environ, lambda: parent_pins(recipe)).texts
    for index, (name, data) in enumerate(texts):
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", re.split(r"[/#]", name.partition("@")[0])[-1])
        documents.write_bytes(folder / f"{index}-{plain or 'recipe.yaml'}", data)


def _packages(
    loaded: LoadedRecipe, compiled: Compiled, root: Path, wheels: bool, say: Say
) -> tuple[str, ...]:
    """Write the requirements, and the wheels where asked for; return what has no wheel."""
    plan = compiled.plan
    extras = requirements.extras(plan, loaded.recipe.trackers)
    carried = [each.reference for each in plan.candidates if each.source == "package"]
    found = requirements.needed(extras, carried)
    documents.write_bytes(root / REQUIREMENTS, requirements.text(found).encode())
    if not wheels:
        return ()
    say("packing", f"wheels of {len(found)} packages")
    return requirements.wheels(found, root / WHEELS)


def _refuse_outside(found: Rehearsed) -> None:
    if found.outside:
        count = len(found.outside)
        raise InputError(
            Problem(
                f"rows name {count} file{'s' * (count != 1)} by a path that holds on this machine "
                f"alone, e.g. {found.outside[0]}",
                hint="write paths that are relative to the data file",
            )
        )


def _settings_left(loaded: LoadedRecipe) -> Iterable[Refusal]:
    """Yield the settings that stay behind, and the variables that must be set elsewhere."""
    recipe = loaded.recipe
    for name in ONLINE:
        if getattr(recipe, name) is not None:
            yield Refusal(name, "it needs a network; the study is kept in a file")
    if recipe.export.push_to_hub is not None:
        yield Refusal("export.push_to_hub", "it needs a network; automl push uploads the bundle")
    kept = (at for at in loaded.variables if at[0] not in ("data", "models", "checks", *ONLINE))
    for name in sorted({name for at in kept for name in loaded.variables[at]}):
        yield Refusal(f"${{env:{name}}}", "set this variable on the other machine")
