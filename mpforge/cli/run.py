"""``mpforge run``: run sessions by nox, with mpforge's exit codes.

nox itself only reports that something failed; the journal has the kind of failure.
"""

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from mpforge.cli.options import tell_doubts, unknown, workspace_of
from mpforge.engine.load_index import load_index
from mpforge.errors import ExitCode, NothingSelected, first_of, render
from mpforge.plan.session_end import SessionEnded
from mpforge.processes.terminal import foreground
from mpforge.reports.journal import begin, journal_of, last_words
from mpforge.workspace import RUN_ID, SPEC_NAME, Workspace, run_id

_FLAGS = {
    "no_cache": "run every step, even if its result is stored",
    "keep": "keep a failed step's directory for mpforge shell",
    "locked": "fail if the lock has no pin for something",
    "strict": "fail if a session can't run, is skipped or only checked",
}
"""The options that sessions read from a variable of the same name: ``MPFORGE_NO_CACHE``."""
_NOXFILE = """\
# Written by mpforge: this checkout has no noxfile of its own.
import mpforge.sessions

mpforge.sessions.register({spec!r})
"""

DESCRIPTION = "Run sessions with nox. Arguments after -- go to the test commands."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("session", nargs="*", help="sessions, as `nox -l` lists them")
    for flag, text in _FLAGS.items():
        parser.add_argument(f"--{flag.replace('_', '-')}", action="store_true", help=text)
    parser.add_argument(
        "--from",
        dest="archive",
        type=Path,
        metavar="ARCHIVE",
        help="first import the results and files of an archive of `mpforge cache export`",
    )
    parser.add_argument(
        "-j", type=_count, metavar="N", default=1, help="run N sessions in parallel"
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of 1 or more, got {text!r}")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Run nox; return the exit code of docs/contract.md, "Command line"."""
    workspace = workspace_of(arguments)
    known = [session.name for session in load_index(workspace).sessions]
    tell_doubts(workspace)
    selected = arguments.session
    if not selected:
        raise NothingSelected("no session is named", hint=f"sessions: {' '.join(known)}")
    noxfile, own = _noxfile(workspace)
    absent = [name for name in selected if name not in known]
    if own and absent:
        raise unknown(absent[0], workspace)
    if arguments.archive is not None:
        from mpforge.cli.cache_archives import take_over

        take_over(arguments.archive, workspace)
    begin(workspace.state)
    os.environ.pop(RUN_ID, None)
    environment = {**os.environ, RUN_ID: run_id()}
    environment |= {f"MPFORGE_{f.upper()}": "1" for f in _FLAGS if getattr(arguments, f)}
    # A relative path: nox expands $NAME in it.
    relative = os.path.relpath(noxfile, workspace.root)
    argv = [sys.executable, "-m", "nox", "-f", relative, "-s", *selected]
    argv += ["-j", str(arguments.j)] if arguments.j > 1 else []
    argv += ["--", *arguments.posargs] if arguments.posargs else []
    code = foreground(argv, environment=environment, cwd=workspace.root)
    outcomes = journal_of(workspace).outcomes()
    if outcomes:
        sys.stderr.write(last_words(outcomes))
        if "GITHUB_STEP_SUMMARY" in os.environ:
            from mpforge.reports.markdown import add_to_job_summary

            add_to_job_summary(outcomes, workspace.spec.name)
    if code == ExitCode.NOTHING_SELECTED:
        sys.stderr.writelines(f"{render(unknown(name, workspace))}\n" for name in absent)
    return _exit_code(code, outcomes)


def _noxfile(workspace: Workspace) -> tuple[Path, bool]:
    """Return the checkout's noxfile and False, else a generated one and True."""
    there = workspace.root / "noxfile.py"
    if there.is_file() and workspace.spec.name == SPEC_NAME:
        return there, False
    ours = workspace.state / "noxfile.py"
    ours.parent.mkdir(parents=True, exist_ok=True)
    ours.write_text(_NOXFILE.format(spec=str(workspace.spec)), encoding="utf-8")
    return ours, True


def _exit_code(code: int, outcomes: Iterable[SessionEnded]) -> int:
    """Return mpforge's exit code for nox's exit code and the sessions' outcomes."""
    if any(ended.status == "interrupted" for ended in outcomes) or code < 0:
        return ExitCode.INTERRUPTED
    if code != 1:
        return code
    return first_of(ended.exit_code for ended in outcomes if ended.status == "failed")
