"""``mpforge schema``: print the spec's JSON schema, for editors."""

import argparse
import sys

from mpforge.errors import ExitCode

DESCRIPTION = "Print the spec's JSON schema."


def run(_arguments: argparse.Namespace) -> int:
    """Print the schema."""
    from mpforge.spec.schema import schema_text

    sys.stdout.write(schema_text())
    return ExitCode.DONE
