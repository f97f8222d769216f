"""``mpforge library``: list the recipes for native libraries, or show one."""

import argparse
import sys
from importlib import resources

from mpforge.errors import ExitCode, WrongInput
from mpforge.spec import recipes
from mpforge.spec.suggest import close_to

DESCRIPTION = "List the recipes for native libraries, or show one as a table of the spec."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    commands.add_parser("list", help="list all recipes")
    show = commands.add_parser("show", help="print a recipe")
    show.add_argument("name", help="the recipe's name")


def run(arguments: argparse.Namespace) -> int:
    """Print the recipes, or one. Raises ``WrongInput`` for an unknown one."""
    known = recipes.recipes()
    if arguments.action == "list":
        wide = max(map(len, known))
        for recipe in known.values():
            sys.stdout.write(f"{recipe.name:{wide}}  {recipe.version:8}  {recipe.what}\n")
        return ExitCode.DONE
    if arguments.name not in known:
        near = close_to(arguments.name, known)
        hint = f"did you mean {near}?" if near else "`mpforge library list` lists them"
        raise WrongInput(f"there is no recipe {arguments.name}", hint=hint)
    sys.stdout.write(_written(arguments.name))
    return ExitCode.DONE


def _written(name: str) -> str:
    """Return a recipe as it is written, less what is not its own."""
    text = resources.files("mpforge.spec").joinpath("recipes.toml").read_text("utf-8")
    _, _, after = text.partition(f"\n[{name}]\n")
    table = after.partition("\n\n[")[0].rstrip()
    return f"[{name}]\n{table}\n"
