"""Run the programs of a build from source, with their output in one log; an error shows its end."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from mpforge import processes
from mpforge.errors import NoTargetPython

_SECONDS = 7200.0
_LINES = 12
_WIDE = 200
_ERROR = re.compile(r"(^|\W)\w*[eE]rror\b: |\*\*\*")


class BuildLog:
    """Runs programs below ``work``, which has their log."""

    def __init__(self, environment: Mapping[str, str], work: Path) -> None:
        self._environment = dict(environment)
        self._work = work

    def run(self, *argv: str, cwd: Path, **more: str) -> None:
        """Run a program with ``more`` variables. Raises ``NoTargetPython`` with the end of its output."""
        answer = processes.capture(
            argv, environment=self._environment | more, cwd=cwd, timeout=_SECONDS
        )
        said = answer.stdout + answer.stderr
        with (self._work / "log").open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(argv)}\n{said}\n")
        if answer.returncode != 0:
            lines = [line[:_WIDE] for line in said.strip().splitlines()]
            errors = [line for line in lines if _ERROR.search(line)]
            name = cwd.relative_to(self._work).parts[0]
            raise NoTargetPython(
                f"{name} can't be built for the target: {' '.join(argv[:2])} failed",
                why="\n".join((errors or lines)[-_LINES:]),
            )


def machine_that_builds(triple: str) -> str:
    """Return a GNU triple of this machine that differs from the target's ``triple``, except in its C library.

    CPython's configure script requires both.
    """
    return f"{os.uname().machine}-build-linux-{triple.rpartition('-')[2]}"
