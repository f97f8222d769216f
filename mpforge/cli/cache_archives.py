"""``mpforge cache export`` and ``import``: carry results from one machine's store to another's."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.cli.options import add_spec, sessions_of, workspace_of
from mpforge.cli.output_files import warn_of_source
from mpforge.errors import ExitCode
from mpforge.reports.console import size
from mpforge.workspace import STATE_NAME, Workspace, cache_directory

if TYPE_CHECKING:
    from mpforge.engine.exports import Import

OUTPUT = "mpforge-cache.tar.gz"


def add_actions(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both actions to ``mpforge cache``."""
    text = "write what sessions need and their results to one file, for another machine"
    action = actions.add_parser(
        "export",
        help=text,
        description="Write one file with the results of these sessions and of the sessions that they "
        "require, all that they need from the store, and their files in dist/. Runs nothing.",
    )
    add_spec(action)
    action.add_argument("session", nargs="+", metavar="SESSION", help="sessions that have run")
    action.add_argument(
        "--output",
        "-o",
        type=Path,
        metavar="FILE",
        help=f"default: {STATE_NAME}/{OUTPUT}",
    )
    action.set_defaults(func=_export)
    action = actions.add_parser(
        "import",
        help="check a file of `cache export`, and add its results to the store",
        description="Check all of an archive, and add its results to the store. `mpforge run --from ARCHIVE` "
        "also puts its files in dist/.",
    )
    action.add_argument(
        "archive", type=Path, metavar="ARCHIVE", help="a file that `cache export` wrote"
    )
    action.set_defaults(func=_import)


def _export(arguments: argparse.Namespace) -> int:
    from mpforge.engine.exports import export
    from mpforge.engine.load_plan import compiled

    workspace = workspace_of(arguments)
    found = compiled(workspace)
    every = sessions_of(found.plan, arguments.session, workspace)
    groups = {s.name: s.requires for s in every if s.group}
    names = _without_groups(arguments.session, groups)
    named = [session for session in every if session.name in names]
    place = arguments.output or workspace.state / OUTPUT
    if arguments.output is None:
        workspace.state.mkdir(parents=True, exist_ok=True)
        workspace.ignore_state()
    collected, written = export(found, workspace, named, every, place)
    files = len(collected.entries)
    sys.stdout.write(
        f"wrote {place} ({size(written)}): {_counted(len(collected.results), 'result')}, "
        f"{_counted(files, 'file')} of dist/, for {', '.join(arguments.session)}\n"
    )
    warn_of_source(place, found.inputs.source)
    return ExitCode.DONE


def _without_groups(names: Sequence[str], groups: dict[str, tuple[str, ...]]) -> set[str]:
    """Return the names of sessions, with groups replaced by their sessions."""
    found: set[str] = set()
    for name in names:
        members = groups.get(name)
        found |= {name} if members is None else _without_groups(members, groups)
    return found


def _import(arguments: argparse.Namespace) -> int:
    from mpforge.engine.exports import import_results

    imported = import_results(arguments.archive, cache_directory(os.environ))
    sys.stdout.write(f"imported {told(imported)}\n")
    if imported.files:
        sys.stdout.write(
            "its files are put in dist/ by `mpforge run --from "
            f"{arguments.archive} {' '.join(imported.sessions)}`\n"
        )
    return ExitCode.DONE


def told(imported: "Import") -> str:
    """Return the text of what an archive had."""
    return f"{_counted(imported.results, 'result')} of {', '.join(imported.sessions)}"


def take_over(archive: Path, workspace: Workspace) -> None:
    """Add an archive's results to the store and its files to ``dist/``, and say so on stderr."""
    from mpforge.engine.exports import import_results, put_files

    imported = import_results(archive, workspace.cache)
    added = put_files(imported, workspace)
    files = f", wrote {', '.join(f'dist/{path}' for path in added)}" if added else ""
    sys.stderr.write(f"mpforge > {archive.name}: imported {told(imported)}{files}\n")


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"
