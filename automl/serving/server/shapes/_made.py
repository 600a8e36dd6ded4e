"""What shapes are made of: bodies as pydantic models, rows from them, answers in lists."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, create_model

from automl.bundle import BundleInfo
from automl.serving.server.batching import Answer, Row
from automl.tasks import MEDIA, Role, Task

Text = Annotated[str, StringConstraints(min_length=1)]
Media = Literal["", "image", "audio"]
Element = Callable[[Answer, Any], Any]
"""(an answer, the request's parameters) → what is said of one input."""


class Body(BaseModel):
    """A part of a request: nothing is taken that is not known."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class NoParameters(Body):
    """There is nothing to be set."""


class Top(Body):
    """How many classes are told."""

    top_k: int | None = Field(None, ge=1, description="Classes to tell, the likeliest first.")


@dataclass(frozen=True, slots=True)
class Asked:
    """The bundle that is asked."""

    info: BundleInfo
    task: Task
    max_rows: int

    @property
    def roles(self) -> tuple[Role, ...]:
        """What a row holds."""
        return self.task.asked(self.info.columns)

    def column(self, role: str) -> str:
        """Return what the training data calls the role."""
        return self.info.columns.get(role, role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a bundle is asked, and how it answers."""

    request: type[BaseModel]
    response: Any
    """The type of the response, as pydantic describes it."""
    rows: Callable[[Any], Sequence[Row]]
    """The body → rows. A file's value is still text, as base64."""
    told: Callable[[Sequence[Answer], Any], Any]
    """(answers, the body) → the response."""
    settle: Callable[[Any, Row, Answer], None] | None = None
    """(tokenizer, row, answer): adds to the answer what only the tokenizer knows, where it is used
    from one thread."""
    top: Callable[[Any], int] = lambda body: 1
    """The body → classes that are asked for."""
    medium: Media = ""
    """What a body that is no JSON holds."""
    example: Any = None
    chat: Shape | None = None
    """How it is asked under /v1/chat/completions, where it converses."""


def item(asked: Asked) -> Any:
    """Return the type of one input: a text, or an object where a row has several values."""
    roles = asked.roles
    needed = [role for role in roles if not role.instead_of]
    if len(needed) == 1 and needed[0].kind in ("text", "texts", "json", *MEDIA):
        return Text
    fields: dict[str, Any] = {role.name: _field(role) for role in roles}
    return create_model("Row", __base__=Body, **fields)


def _field(role: Role) -> tuple[Any, Any]:
    kind = {"text": Text, "texts": list[Text], "classes": list[Text]}.get(role.kind, Any)
    kind = Text if role.kind in MEDIA else kind
    optional = role.asked != "always" or role.instead_of or not role.required
    return (kind | None, None) if optional else (kind, ...)


def one_or_several(
    asked: Asked,
    element: Element,
    says: Any,
    *,
    of: Any = None,
    parameters: type[BaseModel] = NoParameters,
    nested: bool = False,
    example: Any = "A text.",
    top: Callable[[Any], int] = lambda body: 1,
    chat: Shape | None = None,
) -> Shape:
    """Return the shape of ``inputs`` that are one thing or a list of them.

    One is answered by what ``element`` says, a list by a list of it. ``nested``: one is answered by
    a list of one as well, as the hub does where texts are labelled or written.
    """
    of = of or item(asked)
    several = Annotated[list[of], Field(min_length=1, max_length=asked.max_rows)]
    settings: Any = parameters
    request = create_model(
        "Request",
        __base__=Body,
        inputs=(of | several, Field(description="What is asked: one, or a list of them.")),
        parameters=(settings | None, None),
    )

    def told(answers: Sequence[Answer], body: Any) -> Any:
        found = [element(each, body.parameters or parameters()) for each in answers]
        return found if nested or isinstance(body.inputs, list) else found[0]

    return Shape(
        request=request,
        response=list[says] if nested else says | list[says],
        rows=lambda body: [
            row(asked, each)
            for each in (body.inputs if isinstance(body.inputs, list) else [body.inputs])
        ],
        told=told,
        top=top,
        medium=_medium(asked),
        example={"inputs": example},
        chat=chat,
    )


def _medium(asked: Asked) -> Media:
    """Return what a raw body is, where a row is nothing but a file."""
    roles = asked.roles
    if len(roles) != 1:
        return ""
    return "image" if roles[0].kind == "image" else "audio" if roles[0].kind == "audio" else ""


def row(asked: Asked, given: Any) -> Row:
    """Return an input as a row by role, what is nested as JSON text; a text alone stays one."""
    if isinstance(given, str):
        roles = asked.roles
        return {roles[0].name: given} if roles[0].kind in MEDIA else given
    values = given.model_dump(exclude_none=True) if isinstance(given, BaseModel) else dict(given)
    nested = {role.name for role in (*asked.task.roles, *asked.task.asks) if role.kind == "json"}
    return {
        name: json.dumps(value, ensure_ascii=False, sort_keys=True) if name in nested else value
        for name, value in values.items()
    }


def named(asked: Asked, values: Mapping[str, str]) -> Any:
    """Return an example of an input from its values by role, as ``item`` wants it."""
    if item(asked) is Text:
        return next(iter(values.values()))
    return {role.name: values.get(role.name, "...") for role in asked.roles if role.required}
