"""What all sections of a recipe share: frozen, strict, and how rules over several keys are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

Text = Annotated[str, StringConstraints(min_length=1)]
Texts = Annotated[list[Text], Field(min_length=1)]


def shown(text: str) -> str:
    """Return the text in quotes, cut where it is long."""
    return repr(text if len(text) <= 64 else f"{text[:63]}…")


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule over several keys that does not hold; ``at`` is where to point, from the section."""

    at: tuple[str | int, ...]
    message: str
    hint: str


def refuse(broken: list[Broken]) -> None:
    """Raise pydantic's error for the rules that do not hold, if any; all of them at once."""
    if broken:
        said = "; ".join(one.message for one in broken)
        raise PydanticCustomError("rules", "{said}", {"said": said, "broken": broken})


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys, no silent conversion between types."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )
