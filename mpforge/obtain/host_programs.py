"""The host's programs that steps may call, each identified by the digest of its content.

Knows nothing of steps, nor of a program's purpose.
"""

import contextlib
import functools
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from mpforge.keys.walk import ABSENT
from mpforge.processes import capture
from mpforge.store.file_digests import FileDigests

ASKING_SECONDS = 20.0
"""Time limit for a program to print its version, in seconds."""
_VERSION = re.compile(r"(?<![\w.])v?(\d+(?:\.\d+)+)")

# A POSIX shell, coreutils, tar, make and the like: programs that configure scripts and makefiles call.
BASE_PROGRAMS = (
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
)

# Programs that the first lines of scripts name, whatever PATH is.
NAMED_BY_SCRIPTS = ("/bin/sh", "/usr/bin/env")


def find(names: Iterable[str]) -> dict[str, str | None]:
    """Return each program's path on this host's PATH, or None; a path stands for itself."""
    found: dict[str, str | None] = dict.fromkeys(names)
    for path in [name for name in found if "/" in name]:
        found[path] = path if _is_program(path) else None
    wanted = {name for name in found if "/" not in name}
    for folder in _folders():
        with contextlib.suppress(OSError):
            for name in wanted.intersection(os.listdir(folder)):
                path = os.path.join(folder, name)
                if _is_program(path):
                    found[name] = path
            wanted = {name for name in wanted if found[name] is None}
    return found


def parts(names: Iterable[str], digests: FileDigests) -> dict[str, str]:
    """Return the sha256 of each program of this host by its name, or a mark that it is absent, for a key."""
    found = find(names)
    known = digests.of(path for path in found.values() if path is not None)
    return {name: ABSENT if path is None else known[path] for name, path in found.items()}


@functools.cache
def files_of(program: str) -> frozenset[Path]:
    """Return the files and directories that a program of this host needs to run, except the system's.

    They are the program, its installation where that has a directory of its own, and the interpreter that
    it names.
    """
    real = Path(os.path.realpath(program))
    folder = real.parent.parent if real.parent.name in ("bin", "sbin", "libexec") else real.parent
    found = {Path(program), real if is_shared(folder) else folder}
    interpreters = [_interpreter(real)]
    if (folder / "pyvenv.cfg").exists():
        interpreters.append(str(folder / "bin" / "python"))
    for name in interpreters:
        if os.path.isabs(name) and os.path.realpath(name) != str(real):
            found |= files_of(name)
    return frozenset(found)


def is_shared(folder: Path) -> bool:
    """Return whether a directory may hold more than one installation: a user's files, or everything."""
    home = Path(os.path.realpath(Path.home()))
    return home.is_relative_to(folder) or (folder.parent == home and folder.name.startswith("."))


def _interpreter(program: Path) -> str:
    """Return the path of the interpreter that a script names in its first line, or an empty text."""
    try:
        with program.open("rb") as file:
            first = file.readline(256)
    except OSError:
        return ""
    words = first[2:].split() if first.startswith(b"#!") else []
    return os.fsdecode(words[0]) if words else ""


def version(path: str) -> str | None:
    """Return the version that ``PATH --version`` prints, or None."""
    try:
        answer = capture([path, "--version"], timeout=ASKING_SECONDS)
    except (OSError, TimeoutError):
        return None
    return version_in(answer.stdout) or version_in(answer.stderr)


def version_in(text: str) -> str | None:
    """Return the first number with a dot in a program's version output, or None."""
    match = _VERSION.search(text)
    return None if match is None else match[1]


def _folders() -> Iterator[str]:
    """Yield the folders of PATH and the system's, without pyenv's shims."""
    given = os.environ.get("PATH", os.defpath).split(os.pathsep)
    searched = [f for f in given if os.path.isabs(f) and not f.endswith("shims")]
    yield from dict.fromkeys([*searched, "/usr/bin", "/bin"])


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)
