"""The digests of files of this host, remembered in one note of the cache while the files do not change.

A digest is valid while the file's size, mtime, ctime, inode and device are unchanged since it was read.
A file that changed moments before is read again: a later edit could leave all of them unchanged.
"""

import functools
import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from mpforge.store import notes

NOTE = "hostfiles.json"
"""The note's name in a cache."""
YOUNG_NS = 2 * 10**9
"""Two seconds, the coarsest clock of a file system in use (FAT's)."""

_SCHEMA = 2

Row = list[Any]
"""A note's entry for a file: the numbers of its stamp, then its sha256."""


class Tree(NamedTuple):
    """Many files with one digest: their directories, and a digest of what ``stat`` says of each file."""

    folders: list[str]
    stamp: str
    digest: str


class FileDigests:
    """Digests of files: remembered in a note, or computed now and added to it."""

    def __init__(self, note: Path) -> None:
        self._note = note

    def of(self, paths: Iterable[str]) -> dict[str, str]:
        """Return the sha256 of each file; for an unreadable one a text with its size and mtime instead.

        Raises ``OSError`` for a file that does not exist.
        """
        fresh: dict[str, Row] = {}
        found: dict[str, str] = {}
        for path in paths:
            status = os.stat(path)
            *stamp, digest = self._known["files"].get(path, [""])
            if stamp != stamp_of(status):
                digest = _sha256(path, status)
                if is_old(max(status.st_mtime_ns, status.st_ctime_ns)):
                    fresh[path] = [*stamp_of(status), digest]
            found[path] = digest
        if fresh:
            self._keep("files", fresh)
        return found

    def tree(self, key: str) -> Tree | None:
        """Return the tree remembered under a key, or None."""
        row = self._known["trees"].get(key)
        return None if row is None else Tree(*row)

    def keep_tree(self, key: str, tree: Tree) -> None:
        """Remember a tree; all of its files must be old enough (``is_old``)."""
        self._keep("trees", {key: tree})

    @functools.cached_property
    def _known(self) -> dict[str, Any]:
        return _load(self._note)

    def _keep(self, what: str, fresh: dict[str, Any]) -> None:
        """Add entries to the note; those that other processes added meanwhile stay."""
        written = _load(self._note)
        for known in (self._known, written):
            known[what].update(fresh)
        notes.keep(self._note, written)


@functools.cache
def shared(cache: Path) -> FileDigests:
    """Return the digests of a cache's note; a process reads it once."""
    return FileDigests(cache / NOTE)


def is_old(changed: int) -> bool:
    """Return whether a file that changed at this time (ns) will get another stamp by a later edit."""
    return time.time_ns() - changed > YOUNG_NS


def stamp_of(status: os.stat_result) -> list[int]:
    """Return the numbers of a file's status, at least one of which changes with its content."""
    times = status.st_mtime_ns, status.st_ctime_ns
    return [status.st_size, *times, status.st_ino, status.st_dev]


def _sha256(path: str, status: os.stat_result) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except PermissionError:
        return f"not readable: {status.st_size} bytes of {status.st_mtime_ns}"


def _load(note: Path) -> dict[str, Any]:
    """Return the content of a note; an empty one if it is damaged or of another version."""
    noted: Any = notes.load(note)
    if isinstance(noted, dict) and noted.get("schema") == _SCHEMA:
        return noted
    return {"schema": _SCHEMA, "files": {}, "trees": {}}
