"""``mpforge shell SESSION``: start a shell, or one program, in the environment of a session's main step."""

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import replace

from mpforge.cli.options import session_of, show_log_end
from mpforge.engine.session_run import SessionRun
from mpforge.engine.shell import Scene, Visit, enter, enterable, log_of
from mpforge.errors import StepFailed, ToolNotDeclared, render
from mpforge.processes.interrupts import watch_interrupts
from mpforge.reports.console import Console
from mpforge.workspace import Options

_NOT_FOUND = 127
"""A shell's exit status for a program that is not found (POSIX)."""

DESCRIPTION = (
    "Open a shell (bash, else sh, from the step's PATH) exactly where a session's "
    "main step runs its programs: the sdist, the wheel, a library, the commands, the "
    "tests. It has the step's files, variables, compilers and network, and nothing else. "
    "Nothing is stored. A program after -- runs instead of a shell. The exit code is that "
    "of the shell or program."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.usage = (
        "mpforge shell [-h] [--spec FILE] [--library NAME] [--fresh] [--keep] session "
        "[-- PROGRAM [ARGUMENT …]]"
    )
    parser.add_argument("session", help="sdist, or a deps, build or test session")
    parser.add_argument(
        "--library",
        metavar="NAME",
        help="of a deps session: the native library to enter (default: the one that failed with --keep, "
        "or the last)",
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="start in a new directory, even if a step that failed with --keep left one",
    )
    parser.add_argument("--keep", action="store_true", help="keep the directory afterwards")


def run(arguments: argparse.Namespace) -> int:
    """Enter the session's main step; return the exit status of the program that ran there."""
    workspace, found, named = session_of(arguments)
    session = enterable(found.plan, named)
    watch_interrupts()
    console = Console()
    entered = []

    def welcome(scene: Scene) -> None:
        console.close()
        entered.append(scene)
        lines = _shown(scene) if not arguments.posargs or scene.left else ()
        sys.stderr.writelines(f"{line}\n" for line in lines)
        sys.stderr.flush()

    given = Options.from_environment(os.environ)
    options = replace(given, keep=given.keep or arguments.keep)
    visit = Visit(tuple(arguments.posargs), arguments.fresh, welcome, arguments.library)
    try:
        return enter(SessionRun(found, session, workspace, options, console.show), visit)
    except ToolNotDeclared as error:
        if not entered:
            raise
        sys.stderr.write(f"{render(error)}\n")
        return _NOT_FOUND
    except StepFailed:
        console.close()
        log = log_of(workspace, session.name)
        if not entered and log.is_file():
            show_log_end(log)
        raise
    finally:
        console.close()
        if entered and entered[0].stays and not entered[0].left:
            sys.stderr.write(f"mpforge > kept: {entered[0].place}\n")


def _shown(scene: Scene) -> Iterator[str]:
    """Yield the lines shown before the prompt; commands to paste stand on lines of their own."""
    network = "with the network" if scene.network else "without network"
    fate = "kept when you leave" if scene.stays else "removed when you leave"
    if scene.left is not None:
        fate = f"as --keep left it on {scene.left:%Y-%m-%d %H:%M:%S}; use --fresh for a new one"
    yield f"mpforge > {scene.title}, {network}"
    yield f"mpforge > {scene.directory} ({fate})"
    yield f"mpforge > commands that {'ran' if scene.left else 'would run'} there:"
    yield from scene.programs
