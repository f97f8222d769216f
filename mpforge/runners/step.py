"""One running step: a directory of its own, an environment of its own, a log.

The environment holds what the step declares and nothing else; PATH is the base set plus what the
caller adds. This module knows nothing of wheels, keys or stores.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mpforge.errors import StepFailed, StepTimeout, ToolUnavailable, WrongInput
from mpforge.plan.model import CommandLine, Placeholder, ShellLine, Text
from mpforge.processes import run
from mpforge.tools.toolstore import ToolStore

# A POSIX shell, coreutils, tar, make and the like: what a configure script or a makefile may call.
BASE_PROGRAMS = [
    "sh",
    "bash",
    "awk",
    "basename",
    "bzip2",
    "cat",
    "chmod",
    "chgrp",
    "chown",
    "cksum",
    "cmp",
    "comm",
    "cp",
    "cut",
    "date",
    "dd",
    "df",
    "diff",
    "dirname",
    "du",
    "echo",
    "egrep",
    "env",
    "expr",
    "false",
    "fgrep",
    "find",
    "fold",
    "getconf",
    "grep",
    "gzip",
    "gunzip",
    "head",
    "hostname",
    "id",
    "install",
    "join",
    "ln",
    "ls",
    "m4",
    "make",
    "md5sum",
    "mkdir",
    "mkfifo",
    "mktemp",
    "mv",
    "nl",
    "nproc",
    "od",
    "paste",
    "patch",
    "pathchk",
    "pr",
    "printf",
    "pwd",
    "readlink",
    "realpath",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "sha1sum",
    "sha256sum",
    "sha512sum",
    "sleep",
    "sort",
    "split",
    "stat",
    "stty",
    "sum",
    "tail",
    "tar",
    "tee",
    "test",
    "timeout",
    "touch",
    "tr",
    "true",
    "truncate",
    "tsort",
    "tty",
    "uname",
    "unexpand",
    "uniq",
    "unlink",
    "unxz",
    "unzip",
    "wc",
    "which",
    "whoami",
    "xargs",
    "xz",
    "yes",
    "zip",
    "zstd",
]

# 1980-01-01, the earliest time that a zip archive can hold (https://reproducible-builds.org/specs/).
SOURCE_DATE_EPOCH = "315532800"
LOG_TAIL = 25


@dataclass(frozen=True)
class StepDirectory:
    """Where a step works; everything in it is discarded."""

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
        """What the step gives; empty when it starts."""
        return self.root / "out"

    def prepare(self) -> "StepDirectory":
        """Make the fixed directories."""
        for path in (self.output, self.root / "tmp", self.root / "home"):
            path.mkdir(parents=True, exist_ok=True)
        return self


@dataclass(frozen=True)
class StepRun:
    """A step that runs: its directory, log and complete environment.

    ``timeout`` is in seconds and for all of its programs together, from when this was made.
    ``placeholders`` have the values that the user's commands may refer to.
    """

    title: str
    directory: StepDirectory
    log: BinaryIO
    environment: Mapping[str, str]
    timeout: float
    placeholders: Mapping[str, str] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def call(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        """Run a program of the step. Raises ``StepFailed`` or ``StepTimeout``."""
        environment = {**self.environment, **(extra or {})}
        self.note(f"$ {' '.join(argv)}")
        try:
            ended = run(
                argv,
                environment=environment,
                cwd=cwd or self.directory.root,
                log=self.log,
                timeout=max(0.0, self.started + self.timeout - time.monotonic()),
            )
        except FileNotFoundError:
            raise StepFailed(
                f"{self.title}: there is no program {argv[0]!r} in this step",
                why=f"PATH = {environment.get('PATH', '')}",
                hint="a step sees the base set, its build environment and its toolchain",
            ) from None
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
            raise StepFailed(f"{self.title} failed ({how})")

    def command(self, line: CommandLine, *, cwd: Path) -> None:
        """Run a user's command with its placeholders filled in."""
        if isinstance(line, ShellLine):
            self.call(["/bin/sh", "-e", "-c", self.fill(line.text)], cwd=cwd)
        else:
            self.call([self.fill(word) for word in line.words], cwd=cwd)

    def fill(self, text: Text) -> str:
        """A text with every placeholder's value. Raises ``WrongInput`` for one unknown here."""
        return "".join(part if isinstance(part, str) else self._value(part) for part in text)

    def _value(self, placeholder: Placeholder) -> str:
        value = self.placeholders.get(str(placeholder)[1:-1])
        if value is None:
            known = " ".join(f"{{{name}}}" for name in sorted(self.placeholders))
            raise WrongInput(
                f"{placeholder} has no value in {self.title}", hint=f"known here: {known}"
            )
        return value

    def note(self, text: str) -> None:
        """Write a line of our own to the log."""
        self.log.write(f"{text}\n".encode("utf-8", "replace"))
        self.log.flush()


def base_environment(directory: StepDirectory, path: Sequence[str]) -> dict[str, str]:
    """The variables that every step has; ``path`` are the directories of PATH, first first."""
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
    }


def base_programs(store: ToolStore, also: Sequence[str] = ()) -> Path:
    """A directory of links to the base set's programs on this host, and to ``also``."""
    searched = [
        folder
        for folder in os.environ.get("PATH", os.defpath).split(os.pathsep)
        if folder and not folder.endswith("shims")
    ]
    path = os.pathsep.join([*searched, "/usr/bin", "/bin"])
    found = {name: shutil.which(name, path=path) for name in (*BASE_PROGRAMS, *also)}
    for name in ("sh", *also):
        if found[name] is None:
            raise ToolUnavailable(f"there is no {name} on PATH", hint=f"install {name}")
    links = {name: place for name, place in sorted(found.items()) if place is not None}
    digest = hashlib.sha256(repr(links).encode()).hexdigest()

    def make(folder: Path) -> None:
        for name, place in links.items():
            (folder / name).symlink_to(place)

    return store.obtain(name="base", version="1", digest=digest, make=make).path


def tail(log: Path, lines: int = LOG_TAIL) -> str:
    """The last lines of a log."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 32_768))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
