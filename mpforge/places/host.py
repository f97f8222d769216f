"""This host as the place of a step: its programs see the step's own files, as far apart as the host can."""

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
"""What keeps bash from reading a configuration that sets other variables."""
_NO_PROGRAM = {errno.ENOENT, errno.EACCES, errno.ENOEXEC}


@dataclass(frozen=True)
class HostPlace:
    """This host. ``isolation`` keeps programs apart from it, ``network`` says whether they see that."""

    isolation: Isolation = HERE
    network: bool = False

    image = None
    shares_files = True

    @property
    def offline(self) -> bool:
        """As ``Place``: as far as this host can."""
        return not self.network and self.isolation.cuts_network

    def emulation(self, cpu: str | None) -> Mapping[str, str]:
        """None: a step names its emulator and the CPU model where it starts a program."""
        del cpu
        return {}

    def shown(self, text: str) -> str:
        """The text as it is."""
        return text

    def told(self, text: str) -> str:
        """The text as it is."""
        return text

    def put(self, entries: Iterable[str] | None = None) -> None:
        """Nothing: the files are seen."""

    def get(self, path: Path, *, harmless: bool = False) -> None:
        """Nothing: the files are here."""

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
        """As ``Place``; what is lent is seen anyway."""
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
        """As ``Place``. The shell is bash, else sh, of PATH: another would read a configuration."""
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
        hint = "is it there, executable, and of this machine? {run} starts a target's program"
        if error.errno == errno.EACCES and os.geteuid() == 0 and self.isolation.cuts_network:
            hint = (
                "a step's programs have no privileges even if root runs mpforge: root must own the "
                "directories above it, or all users must be able to enter them"
            )
        return NotStarted(
            error.strerror or str(error),
            absent=isinstance(error, FileNotFoundError) and "/" not in program,
            hint=hint if error.errno in _NO_PROGRAM else None,
        )


def _shell(path: str) -> tuple[str, ...]:
    """The shell of a PATH, less what it would read for being interactive."""
    bash = shutil.which("bash", path=path)
    return ("sh",) if bash is None else (bash, *_BASH)
