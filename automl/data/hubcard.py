"""What the card of a hub data set says: configurations, files by split, class names.

Pure: knows a README's text and a list of paths; no hub.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from pydantic import BaseModel, Field, ValidationError, field_validator

from automl.data.formats import SUFFIXES, data_files
from automl.data.part import listed, refused
from automl.data.splitnames import WORDS, picked


class SplitFiles(BaseModel):
    """The files of one split, as paths or patterns."""

    split: str
    path: str | list[str]


class Configuration(BaseModel):
    """One configuration of the data set."""

    config_name: str = "default"
    default: bool = False
    data_dir: str = ""
    data_files: str | list[str] | list[SplitFiles] | dict[str, str | list[str]] | None = None


class Feature(BaseModel):
    """One column; only class names matter here."""

    name: str = ""
    dtype: str | dict[str, object] = ""
    sequence: str | dict[str, object] | list[object] = ""
    list_: str | dict[str, object] | list[object] = Field(default="", alias="list")

    def class_names(self) -> tuple[str, ...] | None:
        """Return the names in the order of their indices, or None for another kind of column.

        They may be those of a list's entries.
        """
        kinds = (self.dtype, self.sequence, self.list_)
        labelled = (each.get("class_label") for each in kinds if isinstance(each, dict))
        found = next(filter(None, labelled), None)
        names = found.get("names") if isinstance(found, dict) else None
        if isinstance(names, dict):
            return tuple(str(names[key]) for key in sorted(names, key=lambda key: int(key)))
        return tuple(map(str, names)) if isinstance(names, list) else None


class Info(BaseModel):
    """The columns of one configuration."""

    config_name: str = "default"
    features: list[Feature] = Field(default_factory=list)


class Card(BaseModel):
    """The part of a data set card's metadata that says where rows are."""

    configs: list[Configuration] = Field(default_factory=list)
    dataset_info: list[Info] = Field(default_factory=list)

    @field_validator("dataset_info", mode="before")
    @classmethod
    def _as_list(cls, value: object) -> object:
        return [value] if isinstance(value, dict) else value or []

    def configuration(self, repository: str, wanted: str | None) -> Configuration:
        """Return the wanted configuration, else the default or only one.

        Raises DataError listing them where that leaves several, or the wanted one is not there.
        """
        if not self.configs and wanted in (None, "default"):
            return Configuration()
        names = [config.config_name for config in self.configs]
        usual = [c.config_name for c in self.configs if c.default or len(names) == 1]
        usual += [name for name in names if name == "default"]
        name = wanted or next(iter(usual), None)
        found = next((c for c in self.configs if c.config_name == name), None)
        if found is None:
            wrong = f"no configuration {name!r}" if name else "several configurations"
            hint = f"write {repository}:{names[0]}" if names else None
            raise refused(f"data set {repository} has {wrong}: {listed(names) or 'none'}", hint)
        return found

    def classes(self, configuration: str) -> dict[str, tuple[str, ...]]:
        """Return column → class names that the card declares for a configuration."""
        infos = [info for info in self.dataset_info if info.config_name == configuration]
        info = (infos or self.dataset_info[: len(self.dataset_info) == 1] or [Info()])[0]
        declared = {feature.name: feature.class_names() for feature in info.features}
        return {name: names for name, names in declared.items() if names is not None}


def read_card(readme: str) -> Card:
    """Return what stands between the ``---`` lines on top of a README; empty where nothing does.

    Raises DataError where that cannot be understood.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    found = re.match(r"---\s*\n(.*?)\n---", readme, re.DOTALL)
    if found is None:
        return Card()
    try:
        return Card.model_validate(YAML(typ="safe").load(found.group(1)) or {})
    except (YAMLError, ValidationError) as error:
        raise refused(f"the data set's card cannot be understood: {error}") from error


def choose(
    paths: Sequence[str], configuration: Configuration, split: str, repository: str
) -> list[str]:
    """Return the paths that hold ``split``: as the configuration says, else as their names say.

    Raises DataError where no file can be read, none is meant, or the split is not among them.
    """
    known = data_files(paths)
    if not known:
        raise refused(
            f"data set {repository} holds no file that can be read",
            f"known: {SUFFIXES}; the hub's own conversion may exist: "
            f"{repository}@refs/convert/parquet",
        )
    by_split = _by_split(configuration)
    if by_split is not None:
        wanted = [pattern for name in WORDS[split] for pattern in by_split.get(name, [])]
        if not wanted:
            has = f"it has {listed(by_split)}"
            message = f"data set {repository} has no split for {split}; {has}"
            raise refused(message, "give a share such as 0.1")
        return _matching(known, wanted, configuration, repository)
    files = configuration.data_files
    plain = [files] if isinstance(files, str) else [f for f in files or ["*"] if isinstance(f, str)]
    return picked(_matching(known, plain, configuration, repository), split, repository)


def _by_split(configuration: Configuration) -> dict[str, list[str]] | None:
    """Return patterns by split name, or None where the configuration does not tell splits apart."""
    files = configuration.data_files
    if isinstance(files, dict):
        pairs = list(files.items())
    elif isinstance(files, list) and files and isinstance(files[0], SplitFiles):
        pairs = [(one.split, one.path) for one in files if isinstance(one, SplitFiles)]
    else:
        return None
    return {name: [path] if isinstance(path, str) else path for name, path in pairs}


def _matching(
    paths: Sequence[str], patterns: Sequence[str], configuration: Configuration, repository: str
) -> list[str]:
    under = configuration.data_dir.strip("/")
    full = [f"{under}/{pattern}" if under else pattern for pattern in patterns]
    found = [path for path in paths if any(_fits(path, pattern) for pattern in full)]
    if not found:
        raise refused(f"data set {repository}: no data file matches {listed(full)}")
    return found


def _fits(path: str, pattern: str) -> bool:
    """Return whether a path matches; ``*`` crosses folders, ``**/`` may stand for none."""
    plain = pattern.removeprefix("./")
    return fnmatchcase(path, plain) or fnmatchcase(path, plain.replace("**/", ""))
