"""The interface of a container and of an image's root: run a program, or ask one."""

import tempfile
from collections.abc import Mapping, Sequence
from typing import BinaryIO, Protocol

from mpforge.processes import Ended


class RunsPrograms(Protocol):
    """A root file system in which programs run."""

    def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        cwd: str,
        log: BinaryIO,
        timeout: float | None = None,
    ) -> Ended:
        """Run a program to its end, or for ``timeout`` seconds; its output goes to ``log``."""
        ...

    def ask(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> tuple[int, str]:
        """Run a short program; return its exit status and output. Raises as ``run``."""
        with tempfile.TemporaryFile() as log:
            ended = self.run(argv, environment=environment or {}, cwd="/", log=log, timeout=timeout)
            log.seek(0)
            return ended.returncode, log.read().decode("utf-8", "replace")
