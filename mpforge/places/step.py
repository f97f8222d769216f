"""One running step: its own directory, its own environment, a log.

The environment holds what the step declares and nothing else; PATH is the base set plus what the
caller adds. This module knows nothing of wheels, keys or stores.
"""

import contextlib
import os
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mpforge import processes
from mpforge.diagnostics import cross_compiling
from mpforge.diagnostics.step_failure import Ended, diagnosed, not_declared
from mpforge.errors import RuntimeRefuses, StepFailed, StepTimeout, WrongInput
from mpforge.places import recorded_commands, secret_redaction
from mpforge.places.host import HostPlace
from mpforge.places.place import NotStarted, Place
from mpforge.plan.texts import CommandLine, Placeholder, ShellLine, Text
from mpforge.processes import terminal

# 1980-01-01, the earliest time that a zip archive can hold (https://reproducible-builds.org/specs/).
SOURCE_DATE_EPOCH = "315532800"
LOG_TAIL = 25
NOTE = "compiler: "
"""The prefix of a log line about a flag that a compiler wrapper changed."""
_TAIL_BYTES = 32_768
_LINES_READ = 200  # CMake reports a failed download in 70 lines, and its caller in as many
_MESON_LINES = 60
_OF_TERMINAL = ("TERM", "TERMINFO", "COLORTERM")
"""Variables about the terminal for an interactive shell."""


_UNCONFINED = HostPlace()
"""This host without isolation."""


@dataclass(frozen=True)
class StepDirectory:
    """A step's work directory; everything in it is discarded."""

    root: Path

    @property
    def source(self) -> Path:
        """The step's own copy of its source."""
        return self.root / "src"

    @property
    def environment(self) -> Path:
        """The build or test environment."""
        return self.root / "env"

    @property
    def output(self) -> Path:
        """The step's output; empty when it starts."""
        return self.root / "out"

    def prepare(self) -> "StepDirectory":
        """Create the fixed directories."""
        for path in (self.output, self.root / "tmp", self.root / "home"):
            path.mkdir(parents=True, exist_ok=True)
        return self


@dataclass(frozen=True)
class StepRun:
    """A running step: its directory, log and complete environment.

    ``timeout`` is in seconds, for all of its programs together, from the creation of this object.
    ``placeholders`` are the values that the user's commands may refer to. Its programs run in ``place``.
    ``table`` is the spec's for this step. With a ``visitor``, no program runs: they are only recorded, and
    instead of the last one the visitor is called and returns an exit status. ``secrets`` are the variables
    whose values are written nowhere. ``pinned``: its base programs are the pinned ones.
    """

    title: str
    directory: StepDirectory
    log: BinaryIO
    environment: Mapping[str, str]
    timeout: float
    placeholders: Mapping[str, str] = field(default_factory=dict)
    place: Place = _UNCONFINED
    table: str = "build"
    started: float = field(default_factory=time.monotonic)
    visitor: "Callable[[StepRun], int] | None" = None
    secrets: tuple[str, ...] = ()
    pinned: bool = False

    def call(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        extra: Mapping[str, str] | None = None,
        line: str | None = None,
        file_arguments: Sequence[Path] = (),
    ) -> None:
        """Run a program of the step; ``line`` is the command for a person to run, if it is another one.

        ``file_arguments`` are files, and directories of text files, that ``argv`` names outside of the
        step's directory.

        Raises ``StepFailed``, ``ToolNotDeclared`` or ``StepTimeout``.
        """
        environment = {**self.environment, **(extra or {})}
        program = recorded_commands.Program(
            shlex.join(argv) if line is None else line, cwd or self.directory.root, environment
        )
        recorded_commands.note(self.directory.root, program, self.secrets)
        if self.visitor is not None:
            return
        self.note(f"$ {' '.join(argv)}")
        begin = self.log.tell()
        ended = self._ended(argv, environment, cwd or self.directory.root, file_arguments)
        if ended.timed_out:
            raise StepTimeout(
                f"{self.title} ran longer than {self.timeout:.0f} s",
                hint="raise `timeout`, or see the log for where it hangs",
            )
        if ended.returncode:
            how = (
                f"exit status {ended.returncode}"
                if ended.returncode > 0
                else f"signal {-ended.returncode}"
            )
            lines = [self.place.to_host_paths(line) for line in said_since(self.log, begin)]
            self._copy_meson_log(lines)
            raise diagnosed(self._badly(how, environment.get("PATH", "")), lines)

    def _badly(self, how: str, path: str) -> Ended:
        """Return a program's end with a cause that this PATH explains, if any."""

        def has(name: str) -> bool:
            return self.place.which(name, path) is not None

        root, image, offline = self.directory.root, self.place.image, self.place.offline
        return Ended(self.title, self.table, root, how, offline, has, image, self.pinned)

    def _ended(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        cwd: Path,
        file_arguments: Sequence[Path],
    ) -> processes.Ended:
        left = max(0.0, self.started + self.timeout - time.monotonic())
        try:
            return self.place.run(
                argv,
                environment=environment,
                cwd=cwd,
                log=self.log,
                timeout=left,
                file_arguments=file_arguments,
            )
        except NotStarted as error:
            raise self._not_started(argv[0], environment, error) from None

    # --- entering a step -----------------------------------------------------------------------

    def let_in(self) -> None:
        """Call the visitor after the last program of the step was recorded. Raises ``Left``."""
        if self.visitor is not None:
            raise Left(self.visitor(self))

    def enter(self, argv: Sequence[str]) -> int:
        """Run a shell or another program in place of the last recorded one; return its exit status.

        It has that one's variables, directory and network, and this process's terminal.
        Without ``argv`` it is a shell. Raises ``StepFailed``, ``ToolNotDeclared`` if there
        is no such program, ``KeyboardInterrupt``.
        """
        last = recorded_commands.read(self.directory.root)[-1]
        environment = dict(last.environment)
        if terminal.at_terminal():
            environment |= {n: os.environ[n] for n in _OF_TERMINAL if n in os.environ}
            environment["PS1"] = f"[{self.title}] \\W\\$ "
        secrets = secret_redaction.values(self.secrets)
        try:
            return self.place.enter(argv, environment=environment, secrets=secrets, cwd=last.cwd)
        except NotStarted as error:
            program = argv[0] if argv else "sh"
            raise self._not_started(program, environment, error) from None

    # --- parts of the above --------------------------------------------------------------------

    def _not_started(
        self, program: str, environment: Mapping[str, str], error: NotStarted
    ) -> StepFailed:
        """Return the error for a program that the system could not start."""
        if error.absent:
            why = f"PATH = {environment.get('PATH', '')}"
            return not_declared(self.title, self.table, program, why, pinned=self.pinned)
        what = f"{self.title}: {program} can't be started: {error.reason}"
        return StepFailed(what, hint=error.hint)

    def _copy_meson_log(self, lines: Sequence[str]) -> None:
        """Copy the end of the log that Meson names to ours: it is removed with the step's directory."""
        path = cross_compiling.meson_log(lines)
        root = os.path.realpath(self.directory.root)
        if path is not None and Path(os.path.realpath(path)).is_relative_to(root):
            self.note(f"--- the end of {path}\n{tail(Path(path), _MESON_LINES)}\n---")

    def command(self, line: CommandLine, *, cwd: Path) -> None:
        """Run a user's command with its placeholders filled in."""
        if isinstance(line, ShellLine):
            self.call(["/bin/sh", "-e", "-c", self.fill(line.text)], cwd=cwd)
        else:
            self.call([self.fill(word) for word in line.words], cwd=cwd)

    def fill(self, text: Text) -> str:
        """Return a text with every placeholder's value. Raises ``WrongInput`` for an unknown one."""
        return "".join(part if isinstance(part, str) else self._value(part) for part in text)

    def _value(self, placeholder: Placeholder) -> str:
        value = self.placeholders.get(str(placeholder)[1:-1])
        if value is None:
            known = " ".join(f"{{{name}}}" for name in sorted(self.placeholders))
            raise WrongInput(
                f"{placeholder} has no value in {self.title}", hint=f"known here: {known}"
            )
        return value

    def lend(self, path: Path) -> None:
        """Let programs see a file or directory of the step as it is now, in every place."""
        self.place.put([str(path.relative_to(self.directory.root))])

    def bring_back(self, path: Path, *, harmless: bool = False) -> None:
        """Copy a file or directory of the step back from its place, if it exists.

        ``harmless``: less links that lead elsewhere.
        """
        with contextlib.suppress(RuntimeRefuses):
            self.place.get(path, harmless=harmless)

    def note(self, text: str) -> None:
        """Write a line of our own to the log."""
        self.log.write(f"{text}\n".encode("utf-8", "replace"))
        self.log.flush()


class Left(Exception):
    """A visitor has left the step, with an exit status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def base_environment(directory: StepDirectory, path: Sequence[str]) -> dict[str, str]:
    """Return the variables of every step; ``path`` are the directories of PATH in order."""
    return {
        "PATH": os.pathsep.join(path),
        "HOME": str(directory.root / "home"),
        "TMPDIR": str(directory.root / "tmp"),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": SOURCE_DATE_EPOCH,
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUTF8": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        # The cache may lie in a checkout, whose history is no input of a step.
        "GIT_CEILING_DIRECTORIES": str(directory.root),
    }


def said_since(log: BinaryIO, begin: int) -> list[str]:
    """Return the last lines that were written to a step's open log after ``begin``."""
    end = log.tell()
    with open(log.name, "rb") as file:
        file.seek(max(begin, end - _TAIL_BYTES))
        text = file.read(_TAIL_BYTES).decode("utf-8", "replace")
    return text.splitlines()[-_LINES_READ:]


def tail(log: Path, lines: int = LOG_TAIL) -> str:
    """Return the last lines of a log, without the compilers' notes after them."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    said = [line for line in text.splitlines() if not line.startswith(NOTE)]
    return "\n".join(said[-lines:])
