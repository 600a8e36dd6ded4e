"""Recipes: from YAML text to a checked, frozen Recipe that knows where each value was written."""

from automl.recipe.loaded import LoadedRecipe, Location
from automl.recipe.schema import Recipe

__all__ = ["LoadedRecipe", "Location", "Recipe"]
