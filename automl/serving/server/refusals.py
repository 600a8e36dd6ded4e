"""Requests that are refused: a status, a message that says what to do, and headers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import ValidationError

from automl.errors import InputError

_FIELD = re.compile(r"[a-z_]+|[0-9]+")
RETRY_SECONDS = "1"
MEANINGS = {
    400: "The body is not JSON.",
    401: "The bearer token is missing, or is another.",
    413: "The body is too large.",
    415: "The body is of a type that is not read here.",
    422: "The body is JSON, but not what this bundle is asked; or a row can't be read.",
    500: "The model failed on this request; the server's log says why.",
    503: "Too many requests at once, or the model is not loaded yet: come again.",
    504: "The answer took too long.",
}
"""Statuses of requests that are refused; OpenAPI lists them."""


class Refused(Exception):
    """A request is refused. ``message`` is for whoever sent it."""

    def __init__(
        self, status: int, message: str, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.hint = status, message, hint
        self.headers = dict(headers or {})

    def body(self) -> dict[str, str]:
        """Return what is answered; the hub's API has its message under ``error`` as well."""
        return {"error": self.message, **({"hint": self.hint} if self.hint else {})}


def busy(message: str) -> Refused:
    """Return a refusal that asks to come again."""
    return Refused(503, message, headers={"Retry-After": RETRY_SECONDS})


def unread(error: InputError, row: int | None = None) -> Refused:
    """Return the refusal of a row that the task can't read."""
    first = error.problems[0]
    where = "" if row is None else f"inputs[{row}]: "
    return Refused(422, f"{where}{first.message}", first.hint or "")


def malformed(error: ValidationError) -> Refused:
    """Return the refusal of a body that does not have the form; not JSON at all is 400."""
    told = error.errors(include_url=False, include_context=False, include_input=False)
    if told[0]["type"] == "json_invalid":
        return Refused(400, f"the body is not JSON: {told[0]['msg']}")
    # A union reports what each of its members misses; the one that got furthest is what was meant.
    first = max(told, key=lambda each: (not each["type"].endswith("_type"), len(each["loc"])))
    # Members are named like types; fields and places are what a person has written.
    places = [str(part) for part in first["loc"] if _FIELD.fullmatch(str(part))]
    said = "is not known here" if first["type"] == "extra_forbidden" else first["msg"]
    where = ".".join(places) or "the body"
    return Refused(422, f"{where}: {said}", "/docs shows what is asked of this bundle")
