"""Options that several commands share, and what their values stand for."""

import argparse
import difflib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpforge.engine.load_index import load_index
from mpforge.errors import UnknownSession
from mpforge.workspace import SPEC_NAME, Workspace, open_workspace

if TYPE_CHECKING:
    from mpforge.engine.load_plan import Compiled
    from mpforge.plan.sessions import Plan, PlannedSession


def add_spec(parser: argparse.ArgumentParser) -> None:
    """Add ``--spec`` to a command's arguments."""
    parser.add_argument(
        "--spec",
        type=Path,
        default=Path(SPEC_NAME),
        metavar="FILE",
        help="the spec (default: %(default)s)",
    )


def workspace_of(arguments: argparse.Namespace) -> Workspace:
    """Return the workspace of ``--spec``. Raises ``SpecNotFound``."""
    return open_workspace(arguments.spec)


def sessions_of(plan: "Plan", names: list[str], workspace: Workspace) -> "list[PlannedSession]":
    """Return the named sessions and all that they require, in order; every session without a name.

    Raises ``UnknownSession`` with a near match.
    """
    if not names:
        return list(plan.sessions)
    wanted: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        session = plan.session(name)
        if session is None:
            raise unknown(name, workspace)
        if name not in wanted:
            wanted.add(name)
            pending += session.requires
    return [session for session in plan.sessions if session.name in wanted]


def unknown(name: str, workspace: Workspace, what: str = "session") -> UnknownSession:
    """Return the error for an unknown ``what``: ``project.skip`` leaves it out, or it is misspelt."""
    index = load_index(workspace)
    if name in index.left_out:
        return UnknownSession(
            f"project.skip leaves {name} out",
            hint=f"remove the pattern that matches it from project.skip in {workspace.spec.name}",
        )
    known = [session.name for session in index.sessions]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"sessions: {' '.join(known)}"
    return UnknownSession(f"there is no {what} {name}", hint=hint)


def tell_doubts(workspace: Workspace) -> None:
    """Print the spec's warnings to stderr. Raises ``SpecInvalid``."""
    for warning in load_index(workspace).warnings:
        sys.stderr.write(f"{warning}\n")


def session_of(
    arguments: argparse.Namespace, what: str = "session"
) -> "tuple[Workspace, Compiled, PlannedSession]":
    """Return the workspace, its plan, and the session that is named. Raises ``UnknownSession``."""
    from mpforge.engine.load_plan import compiled

    workspace = workspace_of(arguments)
    found = compiled(workspace)
    session = found.plan.session(arguments.session)
    if session is None:
        raise unknown(arguments.session, workspace, what)
    return workspace, found, session


def show_log_end(log: Path) -> None:
    """Print the last lines of a log to stderr."""
    from mpforge.places.step import tail

    sys.stderr.write(f"--- the last lines of {log}\n{tail(log)}\n---\n")


def write_json(data: dict[str, Any]) -> None:
    """Print JSON data with its schema's number."""
    sys.stdout.write(json.dumps({"schema": 1, **data}, indent=2) + "\n")
