"""The recipe merged with its parents as one YAML text, for the run folder and the bundle.

References to the environment stay references: what a variable held may be a secret or a path.
"""

from __future__ import annotations

from io import StringIO

from ruamel.yaml import YAML

from automl.recipe.loaded import LoadedRecipe, Location


def effective(loaded: LoadedRecipe) -> str:
    """Return what the recipe says, without ``extends`` and defaults; it loads to the same values.

    Under the same environment, that is, and from the same folder: relative paths stay relative.
    """
    stream = StringIO()
    writer = YAML()
    writer.default_flow_style = False
    values = {name: value for name, value in loaded.values.items() if name != "extends"}
    writer.dump(_written(loaded, values, ()), stream)
    return stream.getvalue()


def _written(loaded: LoadedRecipe, value: object, location: Location) -> object:
    if isinstance(value, dict):
        return {name: _written(loaded, part, (*location, name)) for name, part in value.items()}
    if isinstance(value, list):
        return [_written(loaded, part, (*location, i)) for i, part in enumerate(value)]
    if location in loaded.written:
        return loaded.written[location]
    return value.replace("${", "$${") if isinstance(value, str) else value
