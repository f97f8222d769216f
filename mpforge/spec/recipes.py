"""Recipes: libraries that mpforge knows how to build, as data in the words of ``[libraries.NAME]``.

A build may name a recipe as it names a library of its own. A table of that name in the spec wins, also for
the recipes that need it.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from mpforge.formats.toml import read_toml
from mpforge.spec.library_tables import Library
from mpforge.spec.model import Spec


@dataclass(frozen=True)
class Recipe:
    """A library, what it is, and the names by which builds ask for it."""

    name: str
    what: str
    version: str
    licence: str
    provides: tuple[str, ...]
    library: Library


@functools.cache
def recipes() -> Mapping[str, Recipe]:
    """Return all recipes by name."""
    data = resources.files(__package__).joinpath("recipes.toml").read_bytes()
    return {name: _recipe(name, dict(table)) for name, table in read_toml(data, "recipes").items()}


def _recipe(name: str, table: dict[str, object]) -> Recipe:
    what, version, licence = (str(table.pop(key)) for key in ("what", "version", "licence"))
    provides = table.pop("provides")
    if not isinstance(provides, list):
        raise TypeError(f"{name}: provides is a list")
    library = Library.model_validate({**table, "version": version, "license": licence})
    return Recipe(name, what, version, licence, tuple(provides), library)


def libraries(spec: Spec) -> Mapping[str, Library]:
    """Return all libraries that a build may name: recipes, and the spec's own, which win."""
    known = {name: recipe.library for name, recipe in recipes().items()}
    return {**known, **{name: _completed(own) for name, own in spec.libraries.items()}}


def _completed(own: Library) -> Library:
    """Return a library of the spec completed by its recipe; lists are joined, tables merged."""
    recipe = recipes().get(own.recipe or "")
    if recipe is None:
        return own
    base = recipe.library
    return base.model_copy(
        update={
            "source": own.source or base.source,
            "version": own.version if own.source else base.version,
            "license": own.license or base.license,
            "license_files": own.license_files or base.license_files,
            "directory": own.directory or base.directory,
            "options": (*base.options, *own.options),
            "patches": own.patches,
            "needs": tuple(dict.fromkeys((*base.needs, *own.needs))),
            "tools": (*base.tools, *own.tools),
            "environment": {**base.environment, **own.environment},
            "exports": {**base.exports, **own.exports},
            "shared": own.shared if "shared" in own.model_fields_set else base.shared,
        }
    )


def providing(name: str) -> Recipe | None:
    """Return the recipe of what a build asks for: a header, a package's name, a library's, a program's."""
    for recipe in recipes().values():
        folders = tuple(word for word in recipe.provides if word.endswith("/"))
        if name in recipe.provides or recipe.name in (name, f"lib{name}"):
            return recipe
        if folders and name.endswith(".h") and name.startswith(folders):
            return recipe
    return None
