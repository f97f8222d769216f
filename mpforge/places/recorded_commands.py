"""Command lines and variables of a step's programs, recorded in its directory so that they can be rerun.

A later process can so enter a kept directory with the variables of its last program. The
values of secrets are not recorded. Knows nothing of the programs' purpose.
"""

import json
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

NOTES = "programs.jsonl"
"""The file of records in a step's directory: a line for each program, in the order of their starts."""


@dataclass(frozen=True)
class Program:
    """A program of a step: its shell command line, its directory, and its variables without secrets."""

    line: str
    cwd: Path
    environment: Mapping[str, str]


def note(root: Path, program: Program, secrets: Collection[str]) -> None:
    """Add a program to the records of a step's directory."""
    record = {
        "line": program.line,
        "cwd": str(program.cwd),
        "environment": {n: v for n, v in program.environment.items() if n not in secrets},
    }
    with (root / NOTES).open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(record, ensure_ascii=True)}\n")


def read(root: Path) -> tuple[Program, ...]:
    """Return the programs recorded in a directory; none if the file is missing or not ours."""
    try:
        lines = (root / NOTES).read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        return tuple(Program(r["line"], Path(r["cwd"]), r["environment"]) for r in records)
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def pasted(programs: tuple[Program, ...], root: Path) -> tuple[str, ...]:
    """Return shell lines that run them in a shell with the last one's directory and variables, one each.

    A program with other ones is called by a script in the step's directory.
    """
    last = programs[-1]
    return tuple(
        program.line
        if (program.cwd, program.environment) == (last.cwd, last.environment)
        else _script(program, last, root / f"program-{number}.sh")
        for number, program in enumerate(programs, 1)
    )


def _script(program: Program, last: Program, place: Path) -> str:
    unset = sorted(set(last.environment) - set(program.environment))
    given = {n: v for n, v in program.environment.items() if last.environment.get(n) != v}
    lines = [f"cd {shlex.quote(str(program.cwd))} || exit"]
    lines += [f"unset {' '.join(unset)}"] if unset else []
    lines += [f"export {name}={shlex.quote(value)}" for name, value in sorted(given.items())]
    place.write_text("\n".join([*lines, program.line, ""]), encoding="utf-8")
    shown, *more = program.line.splitlines()
    return f'sh "$MPFORGE_STEP_DIR/{place.name}"  # {shown}{" …" if more else ""}'
