"""Writes docs/recipe.md and docs/cli.md from the schema, the tables of names and the commands.

    python docs/generate.py [--check]

Every default, metric and option stands once, in the code; these pages repeat it for readers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import typer

from automl import cli, executors, exporters, tasks
from automl.compiler.hyperparameters import HYPERPARAMETERS
from automl.recipe import choices
from automl.recipe import models as model_sections
from automl.recipe import schema as recipe_models
from automl.recipe.section import Section

HERE = Path(__file__).resolve().parent
NOTE = "<!-- Made by docs/generate.py; edit the code, then `make docs`. -->\n"


def recipe_page() -> str:
    """Return the recipe reference."""
    schema = recipe_models.Recipe.model_json_schema()
    parts = [
        "# Recipe reference\n",
        NOTE,
        "A recipe is one YAML 1.2 file. `automl check` says what is wrong with one, "
        "`automl explain` where each value comes from, `automl fmt` puts it in order, and "
        "`automl schema` prints the JSON Schema that editors complete from:\n",
        "```yaml\n# yaml-language-server: $schema=../schemas/recipe-v1.json\n```\n",
        "Values may refer to the environment: `${env:NAME}`, or `${env:NAME:-default}`.\n",
        "## Top level\n",
        _table(schema, schema),
    ]
    for name in ("data", "models", "search", "objective", "budget", "devices", "export"):
        parts += [f"## {name}\n", *_section(schema, name)]
    return "\n".join([*parts, *_names()])


def _section(schema: dict[str, Any], name: str) -> list[str]:
    if name != "models":
        found = _resolved(schema, schema["properties"][name])
        return [_table(found, schema), *_inner(schema, name, found), *_choices(name)]
    kinds = schema["properties"]["models"]["items"]["anyOf"]
    parts = ["A plain text is a hub id, `owner/name` or `owner/name@revision`. Otherwise one of:\n"]
    for kind in kinds:
        if "$ref" in kind:
            found = _resolved(schema, kind)
            parts += [f"**{found['description']}**\n", _table(found, schema)]
            parts += _inner(schema, "models", found)
    return parts


def _inner(schema: dict[str, Any], name: str, section: dict[str, Any]) -> list[str]:
    """The sections inside a section, each with a table of its own."""
    parts = []
    for key, field in section["properties"].items():
        found = _resolved(schema, field)
        if found is not field and "properties" in found:
            parts += [f"### {name}.{key}\n", f"{found['description']}\n", _table(found, schema)]
    return parts


def _choices(name: str) -> list[str]:
    """When each sampler and each strategy serves."""
    if name != "search":
        return []
    parts = []
    for title, words in (("Samplers", choices.SAMPLERS), ("Strategies", choices.STRATEGIES)):
        rows = "\n".join(f"| `{word}` | {text} |" for word, text in words.items())
        parts += [f"### {title}\n", f"| name | when it serves |\n|---|---|\n{rows}\n"]
    return parts


def _resolved(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    reference = part.get("$ref") or next(
        (p["$ref"] for p in part.get("allOf", part.get("anyOf", [])) if "$ref" in p), None
    )
    return schema["$defs"][reference.rsplit("/", 1)[1]] if reference else part


def _table(part: dict[str, Any], schema: dict[str, Any]) -> str:
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    required = set(part.get("required", ()))
    for name, field in part["properties"].items():
        default = "required" if name in required else _default(part["title"], name)
        text = " ".join(
            (field.get("description") or _resolved(schema, field)["description"]).split()
        )
        lines.append(f"| `{name}` | {_type(field, schema)} | {default} | {text} |")
    return "\n".join(lines) + "\n"


def _default(section: str, name: str) -> str:
    owner = getattr(recipe_models, section, None) or getattr(model_sections, section)
    field = owner.model_fields[name]
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    if isinstance(value, Section) or value in ([], {}):
        return "empty"
    return f"`{json.dumps(value)}`"


def _type(field: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in field:
        return "section"
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    for key in ("anyOf", "allOf", "oneOf"):
        if key in field:
            kinds = [_type(part, schema) for part in field[key] if part.get("type") != "null"]
            return " or ".join(dict.fromkeys(kinds))
    kind = field.get("type", "any")
    names = {
        "string": "text",
        "integer": "whole number",
        "boolean": "true or false",
        "array": "list",
        "object": "table",
    }
    return names.get(kind, kind) + _bounds(field)


def _bounds(field: dict[str, Any]) -> str:
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {field[key]:.10g}" for key, sign in words.items() if key in field]
    return f" ({', '.join(found)})" if found else ""


def _names() -> list[str]:
    parts = ["## Names\n", "### Tasks, their columns and metrics\n"]
    for name in tasks.names():
        task = tasks.get(name)
        roles = ", ".join(f"`{role.name}`" for role in task.roles)
        parts += [
            f"`{name}` reads {roles}; it optimises `{task.objective}` unless told otherwise.\n",
            "| metric | direction | meaning |\n|---|---|---|",
            "\n".join(f"| `{m.name}` | {m.direction} | {m.description} |" for m in task.metrics),
            "",
        ]
    parts += [
        "### Hyperparameters for `search.space`\n",
        "| name | kind | limits | meaning |\n|---|---|---|---|",
    ]
    parts += [_hyperparameter(known) for known in HYPERPARAMETERS.values()]
    parts += [
        "\n### Executors and export formats\n",
        f"Executors: {', '.join(f'`{name}`' for name in executors.names())}. "
        f"Formats: {', '.join(f'`{name}`' for name in exporters.formats())}.\n",
    ]
    return parts


def _hyperparameter(known: Any) -> str:
    limits = f"{known.low:g} to {known.high:g}" if known.low is not None else ""
    words = known.words().split(", ")
    limits = ", ".join(f"`{word}`" for word in words) if known.choices else limits
    return f"| `{known.name}` | {known.kind} | {limits} | {known.description} |"


def cli_page() -> str:
    """Return the command-line reference."""
    root = typer.main.get_command(cli.app())
    parts = [
        "# Command line\n",
        NOTE,
        "stdout is data, stderr is talk; `--json` where a program reads.\n",
        "| exit code | meaning |\n|---|---|\n| 0 | ok |\n| 1 | something else went wrong |\n"
        "| 2 | recipe, data, models or arguments refused |\n"
        "| 3 | checks missed; the bundle is written, and marked |\n"
        "| 4 | study failed: nothing could be trained, or the disk is full |\n"
        "| 130 | interrupted; saved |\n",
    ]
    commands: dict[str, Any] = root.commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        parts += _command(f"automl {name}", command)
    return "\n".join(parts)


def _command(name: str, command: Any, level: str = "##") -> list[str]:
    """The section of one command; those of its own commands follow it."""
    context = typer.Context(command, info_name=name)
    parts = [
        f"{level} {name}\n",
        f"{' '.join((command.help or '').split())}\n",
        f"```text\n{command.get_usage(context)}\n```\n",
    ]
    inner: dict[str, Any] = getattr(command, "commands", {})
    if not inner:
        return [*parts, _options(command, context)]
    for each, below in inner.items():
        parts += _command(f"{name} {each}", below, level + "#")
    return parts


def _options(command: Any, context: Any) -> str:
    rows = []
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None:
            name, text = record
            text = " ".join(text.split()).replace("|", "\\|")
            rows.append(f"| `{name.replace('|', chr(92) + '|')}` | {text} |")
    return "| argument or option | meaning |\n|---|---|\n" + "\n".join(rows) + "\n"


def main() -> int:
    """Write the pages, or with ``--check`` say whether they are as they should be."""
    stale = []
    for name, text in (("recipe.md", recipe_page()), ("cli.md", cli_page())):
        text = text.rstrip() + "\n"
        if "--check" in sys.argv:
            current = (HERE / name).read_text() if (HERE / name).exists() else ""
            stale += [] if current == text else [name]
        else:
            (HERE / name).write_text(text)
    if stale:
        print(f"docs/{', docs/'.join(stale)} differ from the code: run `make docs`")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
