"""The tree of a source's files, whose digests are remembered while the files do not change.

A remembered digest is valid while the file's size, mtime, ctime, inode and device are as they were when it
was read. A file that had just changed is not remembered: another edit could leave all of them as they are
(git calls it racily clean). The time of reading is the file system's, not this host's clock. The record is a
note (``store.notes``): one that is damaged, foreign or from the future is not used, and written anew. An edit
through mmap(2) of a page that was dirty before the file was read is not seen until the kernel writes it back.
The caller decides which files are a source, and which links may stay.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import Any

from mpforge.store import notes
from mpforge.store.file_digests import YOUNG_NS, Row, stamp_of
from mpforge.store.trees import Directory, FileNode, from_entries

_SCHEMA = 2
_CHUNK = 1 << 20
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True)
class Clock:
    """A file system's own time in ns, and its device number."""

    now: int
    device: int

    def is_old(self, status: os.stat_result) -> bool:
        """Return whether a later edit will change a file's times."""
        latest = max(status.st_mtime_ns, status.st_ctime_ns)
        return latest < self.now - YOUNG_NS and status.st_dev == self.device


def clock_of(folder: Path) -> Clock | None:
    """Return the time on a folder's file system; None if no file can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"now")
            file.flush()
            status = os.fstat(file.fileno())
    except OSError:
        return None
    return Clock(min(status.st_mtime_ns, status.st_ctime_ns), status.st_dev)


def scan(
    root: Path,
    names: Mapping[str, Iterable[str]],
    *,
    record: Path | None,
    keeps: Callable[[str, str], bool],
    clock_at: Callable[[Path], Clock | None] = clock_of,
) -> Directory:
    """Return the tree of the files below ``root``; those that ``record`` does not remember are read.

    ``names`` are those of each folder (``""`` is ``root``); what is no file or symlink, or not there, is
    left out, and so is a symlink unless ``keeps`` (path, target) says so. ``record`` is a file beside
    which others can be written; without one, or where that fails, every file is read. Raises ``OSError``
    where a file can't be read.
    """
    clock = None if record is None else clock_at(record.parent)
    scanner = _Scanner(str(root), clock, _load(record, clock), keeps)
    for folder, inside in names.items():
        scanner.look_at(folder, inside)
    if record is not None and clock is not None and scanner.kept != scanner.old:
        notes.keep(record, {"schema": _SCHEMA, "clock": clock.now, "files": scanner.kept})
    return from_entries(scanner.found)


def _load(record: Path | None, clock: Clock | None) -> dict[str, Row]:
    """Return the remembered files by path; none if the record can't be used."""
    noted: Any = None if record is None or clock is None else notes.load(record)
    if not isinstance(noted, dict) or noted.get("schema") != _SCHEMA:
        return {}
    return dict(noted["files"]) if clock is not None and noted["clock"] <= clock.now else {}


class _Scanner:
    """Read a source's folders. ``clock`` is None where digests can't be remembered."""

    def __init__(
        self,
        root: str,
        clock: Clock | None,
        old: dict[str, Row],
        keeps: Callable[[str, str], bool],
    ) -> None:
        self.found: dict[str, FileNode | str] = {}
        self.old, self.kept = old, dict[str, Row]()
        self._root = root
        self._clock = clock
        self._keeps = keeps
        self._real: dict[str, bool] = {"": True}

    def look_at(self, folder: str, names: Iterable[str]) -> None:
        """Find a folder's files and symlinks."""
        for name in names if self._is_real(folder) else ():
            path = f"{folder}/{name}" if folder else name
            place = os.path.join(self._root, path)
            try:
                status = os.stat(place, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if S_ISREG(status.st_mode):
                self.found[path] = self._file(path, place, status)
            elif S_ISLNK(status.st_mode):
                target = os.readlink(place)
                if self._keeps(path, target):
                    self.found[path] = target

    def _is_real(self, folder: str) -> bool:
        """Return whether a folder exists and no part of its path is a symlink."""
        if folder not in self._real:
            try:
                mode = os.lstat(os.path.join(self._root, folder)).st_mode
            except OSError:
                mode = 0
            self._real[folder] = self._is_real(os.path.dirname(folder)) and S_ISDIR(mode)
        return self._real[folder]

    def _file(self, path: str, place: str, status: os.stat_result) -> FileNode:
        """Return a file, and remember it; one that is not remembered is read."""
        row = self.old.get(path)
        if row is not None and row[:-1] == stamp_of(status):
            self.kept[path] = row
            return FileNode(row[-1], status.st_size, _is_executable(status))
        node, before = _hashed(place)
        if self._clock is not None and self._clock.is_old(before):
            self.kept[path] = [*stamp_of(before), node.digest]
        return node


def _is_executable(status: os.stat_result) -> bool:
    return status.st_mode & 0o111 != 0


def _hashed(place: str) -> tuple[FileNode, os.stat_result]:
    """Return a file's node, and its status before it was read."""
    with open(os.open(place, os.O_RDONLY | _NO_LINK | _BINARY), "rb", 0) as file:
        status = os.fstat(file.fileno())
        data = file.read(min(status.st_size + 1, _CHUNK))
        sha, size = hashlib.sha256(data), len(data)
        while data := file.read(_CHUNK if size >= _CHUNK else 1):
            sha.update(data)
            size += len(data)
    return FileNode(sha.hexdigest(), size, _is_executable(status)), status
