"""JSON Schema of the recipe and of the plan, for editors and other programs.

The recipe's schema accepts every file the loader accepts: a reference to an environment variable
may stand for any scalar, and what a recipe requires may come from a recipe it extends. One without
a name is taken for a recipe that others extend, of which nothing is required.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

from automl.recipe.schema import Recipe

Schema = dict[str, Any]
Kind = Literal["recipe", "plan"]
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = "FromEnvironment"


def recipe_schema() -> Schema:
    """Return the schema of a recipe file."""
    generated = Recipe.model_json_schema()
    definitions = generated.pop("$defs")
    required = _requirements(generated, definitions)
    for schema in (generated, *definitions.values()):
        schema["properties"] = {
            name: _fillable(inside) for name, inside in schema["properties"].items()
        }
    definitions[_REFERENCE] = {
        "description": "A value filled in from the environment: `${env:NAME}` or "
        "`${env:NAME:-default}`.",
        "pattern": r"\$\{env:[A-Za-z_][A-Za-z0-9_]*(:-[^{}]*)?\}",
        "type": "string",
    }
    return {
        "$schema": _DIALECT,
        "$id": "urn:automl:recipe-v1",
        **generated,
        "title": "automl recipe",
        "if": {"required": ["name"], "not": {"required": ["extends"]}},
        "then": required,
        "$defs": definitions,
    }


def plan_schema() -> Schema:
    """Return the schema of a plan file, as version 1 writes it."""
    from pydantic import TypeAdapter

    from automl.plan import Plan

    generated = TypeAdapter(Plan).json_schema(mode="serialization")
    definitions = generated.pop("$defs")
    return {
        "$schema": _DIALECT,
        "$id": "urn:automl:plan-v1",
        **generated,
        "title": "automl plan",
        "$defs": definitions,
    }


def text(kind: Kind) -> str:
    """Return the schema of that kind of file as JSON text, ending in a newline."""
    schema = recipe_schema() if kind == "recipe" else plan_schema()
    return json.dumps(_unwrapped(schema), indent=2, ensure_ascii=False) + "\n"


def _unwrapped(schema: Any) -> Any:
    """Return the schema with each description on one line."""
    if isinstance(schema, list):
        return [_unwrapped(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: " ".join(value.split())
        if key == "description" and isinstance(value, str)
        else _unwrapped(value)
        for key, value in schema.items()
    }


def _requirements(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """Take ``required`` out of every section that merges; return it as one schema of the whole.

    Items of lists keep theirs, for a list is replaced, never merged.
    """
    inside = {
        name: found
        for name, child in schema.get("properties", {}).items()
        for section in _sections(child, definitions)
        if (found := _requirements(section, definitions))
    }
    taken: Schema = {}
    if required := schema.pop("required", None):
        taken["required"] = required
    if inside:
        taken["properties"] = inside
    values = schema.get("additionalProperties")
    for section in _sections(values, definitions) if isinstance(values, dict) else ():
        if found := _requirements(section, definitions):
            taken["additionalProperties"] = {"if": {"type": "object"}, "then": found}
    return taken


def _sections(schema: Schema, definitions: dict[str, Schema]) -> Iterator[Schema]:
    """Yield the mappings that a value of the schema may be."""
    for option in schema.get("anyOf", [schema]):
        if reference := option.get("$ref"):
            yield definitions[reference.rpartition("/")[2]]
        elif option.get("type") == "object":
            yield option


def _fillable(schema: Schema) -> Schema:
    """Return the schema with a reference to the environment allowed for every scalar in it."""
    schema = dict(schema)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            schema[key] = _fillable(schema[key])
    if "anyOf" in schema:
        schema["anyOf"] = [_fillable_inside(option) for option in schema["anyOf"]]
        return _with_reference(schema) if any(map(_is_scalar, schema["anyOf"])) else schema
    return _with_reference(schema) if _is_scalar(schema) else schema


def _fillable_inside(option: Schema) -> Schema:
    return option if _is_scalar(option) else _fillable(option)


def _is_scalar(schema: Schema) -> bool:
    return "const" in schema or schema.get("type") in ("string", "integer", "number", "boolean")


def _takes_any_text(schema: Schema) -> bool:
    options = schema.get("anyOf", [schema])
    return any(
        one.get("type") == "string" and not {"pattern", "enum", "const"} & set(one)
        for one in options
    )


def _with_reference(schema: Schema) -> Schema:
    """Return the schema with a reference as one more alternative, its annotations kept outside."""
    reference = {"$ref": f"#/$defs/{_REFERENCE}"}
    if _takes_any_text(schema):
        return schema
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], reference]}
    outside = ("title", "description", "default")
    rules = {key: value for key, value in schema.items() if key not in outside}
    annotations = {key: value for key, value in schema.items() if key in outside}
    return {**annotations, "anyOf": [rules, reference]}
