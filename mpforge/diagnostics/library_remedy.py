"""Word the remedy for a native library that a build misses: its recipe, if mpforge has one.

Pure. Knows nothing of steps and logs.
"""

from collections.abc import Callable

WITHOUT_RECIPE = (
    "build the library for the target, by a table of [libraries]; or look for an option of the project "
    "to use its own copy, or to build without it. If a Python package has it, as numpy has its own headers: "
    'set target-requires = ["numpy"] in [build]'
)


def remedy(
    name: str | None,
    is_given: Callable[[str], bool],
    *,
    table: str = "build",
    of_library: bool = False,
) -> str:
    """Return the remedy for a missing header, package, library or program of this name.

    ``is_given`` returns whether the build has a native library already; ``table`` is the spec's for the
    build, ``of_library`` if it makes a native library itself.
    """
    from mpforge.spec.recipes import providing

    recipe = providing(name or "")
    if recipe is None:
        return WITHOUT_RECIPE
    if is_given(recipe.name):
        return (
            f"the build gets {recipe.name}, but does not look for it there, or needs another version or more "
            f"parts of it: pass its directory, {{prefix:{recipe.name}}}, to the build (by environment or "
            f"options in [{table}]), or override the recipe in a table [libraries.{recipe.name}]"
        )
    key = "needs" if of_library else "libraries"
    return (
        f'set {key} = ["{recipe.name}"] in [{table}]: mpforge has a recipe for {recipe.name} '
        f"{recipe.version}, and builds it once for the target"
    )
