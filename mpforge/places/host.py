"""This host as the place of a step: programs use the step's own files, isolated as far as the host can."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mpforge import processes
from mpforge.places.isolation import NO_ISOLATION, Isolation, reason
from mpforge.places.place import NotStarted
from mpforge.platforms import Platform
from mpforge.processes import terminal

_BASH = ("--noprofile", "--norc")
"""Options that keep bash from reading a configuration that sets other variables."""
_NO_PROGRAM = {errno.ENOENT, errno.EACCES, errno.ENOEXEC}


@dataclass(frozen=True)
class HostPlace:
    """This host; ``isolation`` is applied to programs, ``network`` lets them use the host's network.

    ``by`` are words before each command line: a program there that starts it.
    """

    isolation: Isolation = NO_ISOLATION
    network: bool = False
    by: tuple[str, ...] = field(default=(), kw_only=True)

    image = None
    shares_files = True

    @property
    def offline(self) -> bool:
        """As ``Place``; False if this host can't isolate the network."""
        return not self.network and self.isolation.cuts_network

    def emulation(self, cpu: str | None) -> Mapping[str, str]:
        """Return no variables: a step names its emulator and the CPU model when it starts a program."""
        return {}

    def to_place_paths(self, text: str) -> str:
        """Return the text unchanged."""
        return text

    def to_host_paths(self, text: str) -> str:
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
        file_arguments: Sequence[Path] = (),
    ) -> processes.Ended:
        """As ``Place``; outside of a sandbox, programs see ``file_arguments`` anyway."""
        with self._launched(argv, cwd, file_arguments) as start:
            return processes.run(
                start.argv,
                environment=self._variables(environment),
                cwd=start.cwd,
                log=log,
                timeout=timeout,
                ends_itself=self.isolation.ends_all,
                inherits=start.inherits,
            )

    def enter(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        secrets: Mapping[str, str],
        cwd: Path,
    ) -> int:
        """As ``Place``. The shell is bash, else sh, from PATH: another would read a configuration."""
        with self._launched(argv or self._shell(environment.get("PATH", "")), cwd) as start:
            return terminal.attached(
                start.argv,
                environment=self._variables({**environment, **secrets}),
                cwd=start.cwd,
                ends_itself=self.isolation.ends_all,
                inherits=start.inherits,
            )

    def _shell(self, path: str) -> tuple[str, ...]:
        """Return the command of the shell on a PATH, without an interactive shell's configuration."""
        bash = self.which("bash", path)
        return ("sh",) if bash is None else (bash, *_BASH)

    def _variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        return {name: self.to_place_paths(value) for name, value in environment.items()}

    def _operations(self, file_arguments: Sequence[Path]) -> Sequence[str]:
        """Return the launcher's operations that fill the sandbox: none without one."""
        return ()

    @contextlib.contextmanager
    def _launched(
        self, argv: Sequence[str], cwd: Path, file_arguments: Sequence[Path] = ()
    ) -> Iterator["_Start"]:
        """Yield how a program is started. Raises ``NotStarted`` if the block did not start it."""
        command = [self.to_place_paths(argument) for argument in (*self.by, *argv)]
        if not self.isolation.cuts_network:
            try:
                yield _Start(command, cwd)
            except OSError as error:
                raise self._not_started(argv[0], error) from None
            return
        reading, report = os.pipe()
        try:
            try:
                launched = self.isolation.launched(
                    command,
                    network=self.network,
                    report=report,
                    cwd=self.to_place_paths(str(cwd)),
                    operations=self._operations(file_arguments),
                )
                yield _Start(launched, Path("/"), (report,))
            finally:
                os.close(report)
            message = os.read(reading, 8192).decode("utf-8", "replace")
        finally:
            os.close(reading)
        if message:
            number, _, what = message.partition(" ")
            if what != "exec":
                raise NotStarted(
                    f"it can't be isolated: {what}: {reason(int(number))}",
                    hint="root must own the directories above it, or all users must be able to enter them"
                    if int(number) == errno.EACCES
                    else None,
                    refused=what,
                )
            raise self._not_started(argv[0], OSError(int(number), os.strerror(int(number))))

    def _not_started(self, program: str, error: OSError) -> NotStarted:
        hint = (
            "check that it exists, is executable and is built for this machine; start a target's "
            "program with {run}"
        )
        if error.errno == errno.ENOENT and self.isolation.has_root and os.path.exists(program):
            hint = (
                "it exists on this host, but not in the sandbox of the step: declare it in "
                "[build] tools"
            )
        return NotStarted(
            error.strerror or str(error),
            absent=isinstance(error, FileNotFoundError) and "/" not in program,
            hint=hint if error.errno in _NO_PROGRAM else None,
        )


@dataclass(frozen=True)
class _Start:
    """The start of a program: its command line and directory, and the descriptors that it inherits."""

    argv: Sequence[str]
    cwd: Path
    inherits: tuple[int, ...] = ()
