"""``mpforge log SESSION``: print a session's log; after a cache hit, the one in the store."""

import argparse
import sys

from mpforge.cli.options import add_spec, indexed, workspace_of
from mpforge.errors import ExitCode, UnknownSession, WrongInput


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("log", description="Print a session's log.")
    add_spec(parser)
    parser.add_argument("session", help="a session that has run here")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the log of the session's last run here, else those of its steps in the store."""
    workspace = workspace_of(arguments)
    indexed(workspace, arguments.session)
    path = workspace.logs(arguments.session)
    if path.is_file() and path.stat().st_size:
        sys.stdout.write(path.read_text("utf-8", "replace"))
        return ExitCode.DONE
    from mpforge.engine.load_plan import compiled
    from mpforge.engine.preview import preview

    found = compiled(workspace)
    session = found.plan.session(arguments.session)
    if session is not None and session.group:
        raise WrongInput(
            f"{arguments.session} is a group of sessions",
            hint=f"name one of {' '.join(session.requires)}",
        )
    steps = preview(found, workspace, session).steps if session is not None else ()
    for step in steps:
        result = found.store.find(step.key) if step.state == "cached" and step.key else None
        if result is not None:
            sys.stdout.write(found.store.read(result.log).decode("utf-8", "replace"))
    if session is not None and session.phase == "deps":
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
