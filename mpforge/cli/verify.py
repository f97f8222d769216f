"""``mpforge verify SESSION``: build twice without the cache, and print the differences."""

import argparse
import os
import sys
from collections.abc import Iterator
from typing import Any

from mpforge.artifacts.differences import FileDifference
from mpforge.cli.options import session_of, show_log_end, write_json
from mpforge.engine.session_run import SessionRun
from mpforge.engine.verify import Verdict, logs_of, verifiable, verify
from mpforge.errors import ExitCode, StepFailed
from mpforge.plan.codec import encode
from mpforge.processes.interrupts import watch_interrupts
from mpforge.reports.console import Console
from mpforge.workspace import Options, Workspace

_SHOWN = 3
_BUILD_ID = "section .note.gnu.build-id"

DESCRIPTION = (
    "Build a session's result twice, from scratch and in two directories, and show "
    "what differs. Changes neither dist/ nor the store."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "session",
        help="sdist, a build session, or a deps session with libraries; a group verifies all of its sessions",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the verdict of each session; return 1 if one of them differs."""
    workspace, found, named = session_of(arguments)
    watch_interrupts()
    console, options = Console(), Options.from_environment(os.environ)
    told = []
    for session in verifiable(found.plan, named):
        try:
            verdict = verify(SessionRun(found, session, workspace, options, console.show))
        except StepFailed:
            console.close()
            _show_log(workspace, session.name)
            raise
        finally:
            console.close()
        told.append(verdict)
        if not arguments.json:
            sys.stdout.write("\n".join(_lines(verdict, workspace)) + "\n")
    if arguments.json:
        write_json({"sessions": [_data(verdict) for verdict in told]})
    return ExitCode.DONE if all(verdict.equal for verdict in told) else ExitCode.STEP_FAILED


def _show_log(workspace: Workspace, session: str) -> None:
    """Print the last lines of the build that failed: the second one has a log only if it began."""
    logs = reversed(logs_of(workspace, session))
    log = next((path for path in logs if path.is_file()), None)
    if log is not None:
        show_log_end(log)


def _lines(verdict: Verdict, workspace: Workspace) -> Iterator[str]:
    if verdict.equal:
        yield f"{verdict.session}: built twice, identical results"
        yield from (f"  {path} {digest}" for path, digest in verdict.first.items())
        return
    yield f"{verdict.session}: built twice, different results"
    files: dict[str, list[FileDifference]] = {}
    for difference in verdict.differences:
        files.setdefault(difference.path[0], []).append(difference)
    for path, found in files.items():
        yield f"  {path}"
        yield from _file(found)
    if verdict.began is not None:
        yield f"  the first step that differs: {verdict.began}"
    if verdict.kept is not None:
        yield f"  kept for inspection: {os.path.relpath(verdict.kept, workspace.root)}/first, /second"


def _file(found: list[FileDifference]) -> Iterator[str]:
    """Yield a file's differences: the first few of each kind; consequences of others in one line."""
    alike: dict[tuple[object, ...], list[FileDifference]] = {}
    explained = {one.path for one in found if one.hint and one.what != _BUILD_ID}
    followers: dict[tuple[str, ...], list[str]] = {}
    for one in found:
        follows = one.what == _BUILD_ID or (one.what.startswith("section ") and not one.hint)
        if follows and one.path in explained:
            followers.setdefault(one.path, []).append(one.what.split()[1].rstrip(":"))
        else:
            alike.setdefault((one.path[:-1], one.what, one.hint), []).append(one)
    for same in alike.values():
        for difference in same[:_SHOWN]:
            yield from _difference(difference)
        if len(same) > _SHOWN:
            yield f"    … and {len(same) - _SHOWN} more of this kind"
    for path, names in followers.items():
        where = "".join(f"{name}: " for name in path[1:])
        yield f"    {where}also {', '.join(dict.fromkeys(names))}, which may be a consequence"


def _difference(difference: FileDifference) -> Iterator[str]:
    yield f"    {': '.join((*difference.path[1:], difference.what))}"
    if difference.first or difference.second:
        yield f"      first:  {difference.first}"
        yield f"      second: {difference.second}"
    if difference.hint is not None:
        yield f"      -> {difference.hint}"


def _data(verdict: Verdict) -> dict[str, Any]:
    kept = None if verdict.kept is None else str(verdict.kept)
    return {"session": verdict.session, "equal": verdict.equal, **encode(verdict), "kept": kept}
