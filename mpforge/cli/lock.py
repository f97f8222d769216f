"""``mpforge lock``: pin requirements for all targets, from any host; print the changes."""

import argparse
import sys

from mpforge.cli.options import workspace_of
from mpforge.errors import ExitCode

DESCRIPTION = "Pin everything that builds fetch, for all targets and from any host."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "--update",
        nargs="?",
        const="",
        metavar="NAME",
        help="update pins: all of them, or those of the package, target or image NAME",
    )


def run(arguments: argparse.Namespace) -> int:
    """Lock and print the changes."""
    from mpforge.engine.locking import lock

    workspace = workspace_of(arguments)
    locked = lock(
        workspace,
        update=arguments.update is not None,
        name=arguments.update or None,
        say=lambda text: print(text, file=sys.stderr),  # noqa: T201 - progress, on the command line
    )
    for line in locked.differences:
        sys.stdout.write(f"{line}\n")
    for line in locked.left:
        sys.stdout.write(f"not pinned: {line}\n")
    if not locked.differences:
        sys.stdout.write(f"{workspace.lock.name}: no pin changed\n")
    # A pin that was requested by name and can't be updated is a failure.
    return ExitCode.HOST_CANNOT if arguments.update and locked.left else ExitCode.DONE
