"""The host's programs that steps may call, each known by the digest of its content.

Digests are remembered by path, size, times and inode, so that a session without work reads no program.
Knows nothing of steps, nor of what a program does.
"""

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mpforge.keys.walk import ABSENT
from mpforge.processes import capture
from mpforge.store import notes

_SCHEMA = 1
# Within this time a change may leave the same stamp behind (coarse file systems: 2 s on FAT).
_YOUNG_NS = 2_000_000_000
ASKING_SECONDS = 20.0
"""How long a program may take to tell its version."""
_VERSION = re.compile(r"(?<![\w.])v?(\d+(?:\.\d+)+)")

# A POSIX shell, coreutils, tar, make and the like: what a configure script or a makefile may call.
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

# What the first lines of scripts name, wherever PATH leads.
NAMED_BY_SCRIPTS = ("/bin/sh", "/usr/bin/env")

_Stamp = tuple[int, int, int, int, int]


def find(names: Iterable[str]) -> dict[str, str | None]:
    """Where each program is on this host's PATH; None: nowhere. A path stands for itself."""
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


def parts(names: Iterable[str], remembered: Path) -> dict[str, str]:
    """The sha256 of each program of this host by its name, or that it is absent: for a key.

    ``remembered`` is a file that keeps digests between calls; a file that changed in the last
    moments is read again.
    """
    found = find(names)
    known = digests((path for path in found.values() if path is not None), remembered)
    return {name: ABSENT if path is None else known[path] for name, path in found.items()}


def digests(paths: Iterable[str], remembered: Path) -> dict[str, str]:
    """The sha256 of files of this host by path; ``remembered`` is as for ``parts``."""
    known = _load(remembered)
    fresh: dict[str, tuple[_Stamp, str]] = {}
    answer: dict[str, str] = {}
    for path in paths:
        stamp = _stamp(path)
        kept = known.get(path)
        if kept is not None and kept[0] == stamp:
            answer[path] = kept[1]
            continue
        answer[path] = _sha256(path)
        if time.time_ns() - max(stamp[1], stamp[2]) > _YOUNG_NS:
            fresh[path] = stamp, answer[path]
    if fresh:
        _keep(remembered, known | fresh)
    return answer


def version(path: str) -> str | None:
    """The version that ``PATH --version`` tells; None: none."""
    try:
        answer = capture([path, "--version"], timeout=ASKING_SECONDS)
    except (OSError, TimeoutError):
        return None
    return version_in(answer.stdout) or version_in(answer.stderr)


def version_in(text: str) -> str | None:
    """The version in what a program says of itself: the first number with a dot; None: none."""
    match = _VERSION.search(text)
    return None if match is None else match[1]


def _folders() -> Iterator[str]:
    """The folders of PATH and the system's; pyenv's shims are no programs."""
    given = os.environ.get("PATH", os.defpath).split(os.pathsep)
    searched = [f for f in given if os.path.isabs(f) and not f.endswith("shims")]
    yield from dict.fromkeys([*searched, "/usr/bin", "/bin"])


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _stamp(path: str) -> _Stamp:
    """Of the file itself, not of a link to it."""
    found = os.stat(path)
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)


def _sha256(path: str) -> str:
    """A program's digest; one that may be run and not read is known by its size and time."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except PermissionError:
        size, changed, *_ = _stamp(path)
        return f"not readable: {size} bytes of {changed}"


def _load(remembered: Path) -> dict[str, tuple[_Stamp, str]]:
    """What the file remembers by path; one that can't be read remembers nothing."""
    record = notes.load(remembered)
    try:
        if record["schema"] != _SCHEMA:
            return {}
        return {
            path: ((size, mtime, ctime, inode, device), digest)
            for path, (size, mtime, ctime, inode, device, digest) in record["programs"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _keep(remembered: Path, programs: Mapping[str, tuple[_Stamp, str]]) -> None:
    record = {path: [*stamp, digest] for path, (stamp, digest) in sorted(programs.items())}
    notes.keep(remembered, {"schema": _SCHEMA, "programs": record})
