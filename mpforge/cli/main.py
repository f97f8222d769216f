"""``mpforge``: parse the command line, run a command, turn its error into text and an exit code.

Start-up must be fast: a command's module is imported only for that command.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mpforge import __version__
from mpforge.errors import ExitCode, FileTrouble, MpforgeError, WrongInput, render
from mpforge.workspace import SPEC_NAME

COMMANDS = (
    ("init", "write multiplatform.toml from the project's and cibuildwheel's files"),
    ("check", "report every problem of the spec"),
    ("plan", "show what would run, how and why, and what is cached"),
    ("run", "run sessions with nox"),
    ("release", "upload the recorded wheels and sdist to a package index"),
    ("explain", "show why a session is built as it is, or what an error code means"),
    ("verify", "build twice from scratch and show what differs"),
    ("lock", "pin everything that builds fetch, for all targets"),
    ("doctor", "show what this host can do for each target"),
    ("matrix", "print the sessions as CI jobs"),
    ("ci", "write the file of a CI service, or check it"),
    ("report", "write a run as JUnit XML, an HTML page or a Markdown table"),
    ("log", "print a session's log"),
    ("shell", "open a shell in the environment of a session's step"),
    ("cache", "show, shrink, check or empty the cache that all projects share"),
    ("readiness", "show which packages the index lacks for each target"),
    ("library", "list the recipes for native libraries, or show one"),
    ("schema", "print the spec's JSON schema"),
)
_WITHOUT_SPEC = ("cache", "library", "schema")


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """Return the parser; only the module of ``command`` is imported for its arguments."""
    top = argparse.ArgumentParser(
        prog="mpforge",
        description="Python software for many platforms: one TOML file, nox sessions, "
        "nothing built twice.",
    )
    top.add_argument("--version", action="version", version=f"mpforge {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for name, text in COMMANDS:
        if name == command:
            module = importlib.import_module(f"mpforge.cli.{name}")
            named = commands.add_parser(name, description=module.DESCRIPTION)
            named.set_defaults(func=module.run)
            if name not in _WITHOUT_SPEC:
                named.add_argument(
                    "--spec",
                    type=Path,
                    default=Path(SPEC_NAME),
                    metavar="FILE",
                    help="the spec (default: %(default)s)",
                )
            if hasattr(module, "add_arguments"):
                module.add_arguments(named)
        else:
            commands.add_parser(name, help=text, add_help=False)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code (docs/contract.md, "Command line")."""
    words = list(sys.argv[1:] if argv is None else argv)
    posargs: list[str] = []
    if "--" in words:
        end = words.index("--")
        words, posargs = words[:end], words[end + 1 :]
    named = next((word for word in words if not word.startswith("-")), None)
    known = parser(named)
    arguments = known.parse_args(words, argparse.Namespace(posargs=posargs))
    if arguments.command is None:
        known.print_help()
        return ExitCode.WRONG_INPUT
    try:
        return int(arguments.func(arguments))
    except MpforgeError as error:
        sys.stderr.write(f"{render(error)}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader closed the pipe (`mpforge log … | head`): no traceback at exit for it.
        sys.stderr.close()
        return ExitCode.DONE
    except OSError as error:
        trouble = _trouble(error, arguments)
        sys.stderr.write(f"{render(trouble)}\n")
        return trouble.exit_code


def _trouble(error: OSError, arguments: argparse.Namespace) -> MpforgeError:
    """Return the error for a path of the command line, or for any other file."""
    where = Path(os.fsdecode(error.filename)) if error.filename else None
    given = [one for value in vars(arguments).values() for one in _paths(value)]
    if where in given:
        return WrongInput(
            f"{where} can't be used: {error.strerror}", hint="correct this path on the command line"
        )
    # Read-only, no permission, a file in the way, a working directory that has been deleted.
    return FileTrouble(
        f"{error.strerror}: {where or 'this directory'}",
        hint="this user must be able to read the project's files and to write to its directory and to "
        "MPFORGE_CACHE",
    )


def _paths(value: object) -> list[Path]:
    values = value if isinstance(value, list | tuple) else [value]
    return [one for one in values if isinstance(one, Path)]
