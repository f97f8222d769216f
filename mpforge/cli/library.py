"""``mpforge library``: list the recipes for native libraries, show one, or check their sources."""

import argparse
import sys
import tempfile
from importlib import resources
from pathlib import Path

from mpforge.errors import ExitCode, WrongInput
from mpforge.spec import recipes
from mpforge.spec.suggest import close_to

DESCRIPTION = (
    "List the recipes for native libraries, show one as a table of the spec, or fetch their sources from "
    "each address and compare the digests."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    commands.add_parser("list", help="list all recipes")
    show = commands.add_parser("show", help="print a recipe")
    show.add_argument("name", help="the recipe's name")
    check = commands.add_parser(
        "check", help="fetch the sources of recipes from all their addresses"
    )
    check.add_argument("names", nargs="*", metavar="name", help="a recipe's name (default: all)")


def run(arguments: argparse.Namespace) -> int:
    """Print the recipes, one, or what their addresses have. Raises ``WrongInput`` for an unknown one."""
    known = recipes.recipes()
    if arguments.action == "list":
        wide = max(map(len, known))
        for recipe in known.values():
            sys.stdout.write(f"{recipe.name:{wide}}  {recipe.version:8}  {recipe.what}\n")
        return ExitCode.DONE
    names = arguments.names if arguments.action == "check" else [arguments.name]
    for name in names:
        if name not in known:
            near = close_to(name, known)
            hint = f"did you mean {near}?" if near else "`mpforge library list` lists them"
            raise WrongInput(f"there is no recipe {name}", hint=hint)
    if arguments.action == "check":
        found = [_check(known[name]) for name in names or known]
        return ExitCode.DONE if all(found) else ExitCode.STEP_FAILED
    sys.stdout.write(_written(arguments.name))
    return ExitCode.DONE


def _check(recipe: recipes.Recipe) -> bool:
    """Print what each address of a recipe's source has; return whether one has it and none something else."""
    from mpforge.obtain import source_archives

    source = recipe.library.source
    if source is None:
        raise AssertionError(f"{recipe.name} has no source")
    answers = []
    for url in source.url:
        with tempfile.TemporaryDirectory() as folder:
            answer, why = source_archives.look(url, source.sha256 or "", Path(folder))
        answers.append(answer)
        sys.stdout.write(
            f"{recipe.name} {recipe.version}: {answer}: {url}{f' ({why})' if why else ''}\n"
        )
    return "found" in answers and "differs" not in answers


def _written(name: str) -> str:
    """Return the table of a recipe, as written in the file."""
    text = resources.files("mpforge.spec").joinpath("recipes.toml").read_text("utf-8")
    _, _, after = text.partition(f"\n[{name}]\n")
    table = after.partition("\n\n[")[0].rstrip()
    return f"[{name}]\n{table}\n"
