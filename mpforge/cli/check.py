"""``mpforge check``: every problem of the spec at once."""

import argparse
import sys
from pathlib import Path

from mpforge.cli.options import add_spec
from mpforge.errors import ExitCode


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Its arguments."""
    parser = commands.add_parser("check", description="Report every problem of the spec.")
    add_spec(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each problem; 2 if one of them is an error."""
    from mpforge.cli.options import workspace_of
    from mpforge.spec.load import find_problems

    workspace = workspace_of(arguments)
    text = Path(workspace.spec).read_bytes().decode("utf-8-sig", "replace")
    problems = find_problems(text, file=workspace.spec.name)
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    wrong = [problem for problem in problems if not problem.warning]
    if not wrong:
        sys.stdout.write(f"{workspace.spec.name}: no errors\n")
    return ExitCode.WRONG_INPUT if wrong else ExitCode.DONE
