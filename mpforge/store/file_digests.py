"""The digests of files of this host, remembered in one note of the cache while the files do not change.

A digest is valid while the file's size, mtime, ctime, inode and device are unchanged since it was read.
A file that changed moments before is read again: a later edit could leave all of them unchanged.
"""

import functools
import hashlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mpforge.store import notes

NOTE = "hostfiles.json"
"""The note's name in a cache."""
YOUNG_NS = 2 * 10**9
"""Two seconds, the coarsest clock of a file system in use (FAT's)."""

_SCHEMA = 2
_Stamp = tuple[int, int, int, int, int]


class Tree(NamedTuple):
    """Many files with one digest: their directories, and a digest of what ``stat`` says of each file."""

    folders: list[str]
    stamp: str
    digest: str


@dataclass(frozen=True)
class _Known:
    files: dict[str, tuple[_Stamp, str]] = field(default_factory=dict)
    trees: dict[str, Tree] = field(default_factory=dict)


class FileDigests:
    """Digests of files: remembered in a note, or computed now and added to it."""

    def __init__(self, note: Path) -> None:
        self._note = note

    def of(self, paths: Iterable[str]) -> dict[str, str]:
        """Return the sha256 of each file; for an unreadable one a text with its size and mtime instead.

        Raises ``OSError`` for a file that does not exist.
        """
        fresh: dict[str, tuple[_Stamp, str]] = {}
        found: dict[str, str] = {}
        for path in paths:
            stamp = _stamp(path)
            known = self._known.files.get(path)
            if known is not None and known[0] == stamp:
                found[path] = known[1]
                continue
            found[path] = _sha256(path)
            if is_old(max(stamp[1], stamp[2])):
                fresh[path] = stamp, found[path]
        if fresh:
            self._keep(_Known(files=fresh))
        return found

    def tree(self, key: str) -> Tree | None:
        """Return the tree remembered under a key, or None."""
        return self._known.trees.get(key)

    def keep_tree(self, key: str, tree: Tree) -> None:
        """Remember a tree; all of its files must be old enough (``is_old``)."""
        self._keep(_Known(trees={key: tree}))

    @functools.cached_property
    def _known(self) -> _Known:
        return _load(self._note)

    def _keep(self, fresh: _Known) -> None:
        """Add entries to the note; those that other processes added meanwhile stay."""
        written = _load(self._note)
        for known in (self._known, written):
            known.files.update(fresh.files)
            known.trees.update(fresh.trees)
        files = {path: [*stamp, digest] for path, (stamp, digest) in written.files.items()}
        notes.keep(self._note, {"schema": _SCHEMA, "files": files, "trees": written.trees})


@functools.cache
def shared(cache: Path) -> FileDigests:
    """Return the digests of a cache's note; a process reads it once."""
    return FileDigests(cache / NOTE)


def is_old(changed: int) -> bool:
    """Return whether a file that changed at this time (ns) will get another stamp by a later edit."""
    return time.time_ns() - changed > YOUNG_NS


def _stamp(path: str) -> _Stamp:
    """Return the stamp of a file; symlinks are followed."""
    found = os.stat(path)
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)


def _sha256(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except PermissionError:
        size, changed, *_ = _stamp(path)
        return f"not readable: {size} bytes of {changed}"


def _load(note: Path) -> _Known:
    """Return the digests in a note; none if it is damaged or of another version."""
    record = notes.load(note)
    try:
        if record["schema"] != _SCHEMA:
            return _Known()
        files = {
            path: ((size, mtime, ctime, inode, device), digest)
            for path, (size, mtime, ctime, inode, device, digest) in record["files"].items()
        }
        return _Known(files, {key: Tree(*row) for key, row in record["trees"].items()})
    except (ValueError, KeyError, TypeError, AttributeError):
        return _Known()
