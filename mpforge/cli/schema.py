"""``mpforge schema``: print the spec's JSON schema, for editors."""

import argparse
import sys

from mpforge.errors import ExitCode


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command, which has no arguments."""
    parser = commands.add_parser("schema", description="Print the spec's JSON schema.")
    parser.set_defaults(func=run)


def run(_arguments: argparse.Namespace) -> int:
    """Print the schema."""
    from mpforge.spec.schema import schema_text

    sys.stdout.write(schema_text())
    return ExitCode.DONE
