"""This host as the place of a step: programs use the step's own files, isolated as far as the host can."""

import errno
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mpforge import processes
from mpforge.places.isolation import HERE, Isolation
from mpforge.places.place import NotStarted
from mpforge.platforms import Platform
from mpforge.processes import terminal

_BASH = ("--noprofile", "--norc")
"""Options that keep bash from reading a configuration that sets other variables."""
_NO_PROGRAM = {errno.ENOENT, errno.EACCES, errno.ENOEXEC}


@dataclass(frozen=True)
class HostPlace:
    """This host; ``isolation`` is applied to programs, ``network`` lets them see the host's network."""

    isolation: Isolation = HERE
    network: bool = False

    image = None
    shares_files = True

    @property
    def offline(self) -> bool:
        """As ``Place``; False if this host can't isolate the network."""
        return not self.network and self.isolation.cuts_network

    def emulation(self, cpu: str | None) -> Mapping[str, str]:
        """Return no variables: a step names its emulator and the CPU model when it starts a program."""
        del cpu
        return {}

    def shown(self, text: str) -> str:
        """Return the text unchanged."""
        return text

    def told(self, text: str) -> str:
        """Return the text unchanged."""
        return text

    def put(self, entries: Iterable[str] | None = None) -> None:
        """Do nothing: programs see the files already."""

    def get(self, path: Path, *, harmless: bool = False) -> None:
        """Do nothing: the files are already here."""

    def bring_libraries(self, output: Path, platform: Platform, policy: str) -> None:
        """Nothing: the libraries are here."""

    def which(self, program: str, path: str) -> str | None:
        """As ``Place``."""
        return shutil.which(program, path=path)

    def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        cwd: Path,
        log: BinaryIO,
        timeout: float | None = None,
        lends: Sequence[Path] = (),
    ) -> processes.Ended:
        """As ``Place``; programs see lent files without help."""
        del lends
        try:
            return processes.run(
                argv,
                environment=environment,
                cwd=cwd,
                log=log,
                timeout=timeout,
                in_child=self.isolation.in_child(network=self.network),
            )
        except OSError as error:
            raise self._not_started(argv[0], error) from None

    def enter(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        secrets: Mapping[str, str],
        cwd: Path,
    ) -> int:
        """As ``Place``. The shell is bash, else sh, from PATH: another would read a configuration."""
        argv = argv or _shell(environment.get("PATH", ""))
        try:
            return terminal.attached(
                argv,
                environment={**environment, **secrets},
                cwd=cwd,
                in_child=self.isolation.in_child(network=self.network),
            )
        except OSError as error:
            raise self._not_started(argv[0], error) from None

    def _not_started(self, program: str, error: OSError) -> NotStarted:
        hint = (
            "check that it exists, is executable and is built for this machine; start a target's "
            "program with {run}"
        )
        if error.errno == errno.EACCES and os.geteuid() == 0 and self.isolation.cuts_network:
            hint = (
                "make root the owner of the directories above it, or let all users enter them: a "
                "step's programs have no privileges, even if root runs mpforge"
            )
        return NotStarted(
            error.strerror or str(error),
            absent=isinstance(error, FileNotFoundError) and "/" not in program,
            hint=hint if error.errno in _NO_PROGRAM else None,
        )


def _shell(path: str) -> tuple[str, ...]:
    """Return the command of the shell on a PATH, without an interactive shell's configuration."""
    bash = shutil.which("bash", path=path)
    return ("sh",) if bash is None else (bash, *_BASH)
