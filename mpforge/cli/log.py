"""``mpforge log SESSION``: print a session's log; after a cache hit, the one in the store."""

import argparse
import sys

from mpforge.cli.options import session_of, unknown, workspace_of
from mpforge.engine.load_index import load_index
from mpforge.errors import ExitCode, UnknownSession, WrongInput

DESCRIPTION = "Print a session's log."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("session", help="a session that has run here")


def run(arguments: argparse.Namespace) -> int:
    """Print the log of the session's last run here, else those of its steps in the store."""
    workspace = workspace_of(arguments)
    if all(session.name != arguments.session for session in load_index(workspace).sessions):
        raise unknown(arguments.session, workspace)
    path = workspace.logs(arguments.session)
    if path.is_file() and path.stat().st_size:
        sys.stdout.write(path.read_text("utf-8", "replace"))
        return ExitCode.DONE
    from mpforge.engine.preview import preview

    _, found, session = session_of(arguments)
    if session.group:
        raise WrongInput(
            f"{arguments.session} is a group of sessions",
            hint=f"name one of {' '.join(session.requires)}",
        )
    steps = preview(found, workspace, session).steps
    for step in steps:
        result = found.store.find(step.key) if step.state == "cached" and step.key else None
        if result is not None:
            sys.stdout.write(found.store.read(result.log).decode("utf-8", "replace"))
    if session.phase == "deps" and not session.steps:
        raise WrongInput(
            f"{arguments.session} has no log: it obtains tools, and runs nothing of the project",
            hint="before-all is in the log of the first build or test that runs it",
        )
    if not any(step.state == "cached" for step in steps):
        raise UnknownSession(
            f"{arguments.session} has no log: it has not run here",
            hint=f"mpforge run {workspace.called(arguments.session)}",
        )
    return ExitCode.DONE
