"""The tree of a source's files, whose digests are remembered while the files do not change.

A remembered digest is valid while the file's size, mtime, ctime, inode and exec bit are as they were
when it was read. A file that was young then is not remembered: a later edit could leave all of them as
they are (git calls it racily clean). The time of reading is the file system's, not this host's
clock. The record is a hint: one that is damaged, foreign or from the future is not used, and written anew.
An edit through mmap(2) of a page that was dirty before the file was read is not seen until the kernel
writes it back. Which files are a source, and which links may stay, the caller says.
"""

import contextlib
import hashlib
import io
import json
import os
import sys
import tempfile
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG

from mpforge.store import notes
from mpforge.store.file_digests import YOUNG_NS
from mpforge.store.trees import Directory, FileNode, from_folders

_MAGIC = b"mpforge fingerprints 1\n"
_CHUNK = 1 << 20
_FIELDS = 5  # size, mtime, ctime, inode, exec bit
_DIGEST = 64
_BY_DESCRIPTOR = {os.open, os.stat, os.readlink} <= os.supports_dir_fd
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True)
class _Folder:
    """The remembered files of one folder: sorted names, their fingerprints, their digests as hex."""

    names: list[str]
    prints: "array[int]"
    digests: str

    def nodes(self) -> dict[str, FileNode]:
        """Return the remembered files."""
        prints, digests = self.prints, self.digests
        hexes = [digests[at : at + _DIGEST] for at in range(0, len(digests), _DIGEST)]
        executable = map(bool, prints[_FIELDS - 1 :: _FIELDS])
        return dict(
            zip(self.names, map(FileNode, hexes, prints[::_FIELDS], executable), strict=True)
        )

    def by_name(self) -> Iterator[tuple[str, "array[int]", str]]:
        """Yield each file's name, fingerprint and digest."""
        for at, name in enumerate(self.names):
            prints = self.prints[at * _FIELDS : (at + 1) * _FIELDS]
            yield name, prints, self.digests[at * _DIGEST : (at + 1) * _DIGEST]


@dataclass(frozen=True)
class _Record:
    """The record of one scan: the file system's time at its start, and each folder's files."""

    clock: int = 0
    folders: Mapping[str, _Folder] = field(default_factory=dict)


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
    names: Mapping[str, Sequence[str]],
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
    old = _Record() if record is None or clock is None else _load(record)
    if clock is None or old.clock > clock.now:
        old = _Record()
    scanner = _Scanner(str(root), clock, keeps)
    found = {folder: scanner.folder(folder, names[folder], old.folders) for folder in names}
    if record is not None and clock is not None:
        kept = {name: memory for name, (_, _, memory) in found.items() if memory.names}
        if len(kept) != len(old.folders) or any(
            old.folders.get(name) is not memory for name, memory in kept.items()
        ):
            _save(record, _Record(clock.now, kept))
    held = {name: (files, links) for name, (files, links, _) in found.items() if files or links}
    return from_folders(held)


class _Scanner:
    """Read a source's folders. ``clock`` is None where digests can't be remembered."""

    def __init__(self, root: str, clock: Clock | None, keeps: Callable[[str, str], bool]) -> None:
        self._root = root
        self._clock = clock
        self._keeps = keeps
        self._real: dict[str, bool] = {"": True}

    def folder(
        self, folder: str, names: Sequence[str], old: Mapping[str, _Folder]
    ) -> tuple[dict[str, FileNode], dict[str, str], _Folder]:
        """Return a folder's files, its symlinks, and the new record of it."""
        nothing = _Folder([], array("q"), "")
        if not self._is_real(folder):
            return {}, {}, nothing
        with _opened(os.path.join(self._root, folder)) as (at, prefix):
            files, prints, links = self._looked_at(folder, names, at, prefix)
            known = old.get(folder, nothing)
            if known.names == files and known.prints == prints:
                return known.nodes(), links, known
            nodes, memory = self._read(files, prints, known, at, prefix)
            return nodes, links, known if memory == known else memory

    def _is_real(self, folder: str) -> bool:
        """Return whether a folder exists and no part of its path is a symlink."""
        if folder not in self._real:
            try:
                mode = os.lstat(os.path.join(self._root, folder)).st_mode
            except OSError:
                mode = 0
            self._real[folder] = self._is_real(os.path.dirname(folder)) and S_ISDIR(mode)
        return self._real[folder]

    def _looked_at(
        self, folder: str, names: Sequence[str], at: int | None, prefix: str
    ) -> tuple[list[str], "array[int]", dict[str, str]]:
        """Return a folder's files, their fingerprints, and its symlinks."""
        files: list[str] = []
        numbers: list[int] = []
        links: dict[str, str] = {}
        stat = os.stat
        for name in sorted(names):
            try:
                status = stat(prefix + name, dir_fd=at, follow_symlinks=False)
            except FileNotFoundError:
                continue
            mode = status.st_mode
            if S_ISREG(mode):
                files.append(name)
                numbers += _numbers(status)
            elif S_ISLNK(mode):
                target = os.readlink(prefix + name, dir_fd=at)
                if self._keeps(f"{folder}/{name}" if folder else name, target):
                    links[name] = target
        return files, _packed(numbers), links

    def _read(
        self,
        files: Sequence[str],
        prints: "array[int]",
        known: _Folder,
        at: int | None,
        prefix: str,
    ) -> tuple[dict[str, FileNode], _Folder]:
        """Return the files of a folder and the record of them; files that are not remembered are read."""
        remembered = {name: (print_, digest) for name, print_, digest in known.by_name()}
        nodes: dict[str, FileNode] = {}
        kept, kept_prints, digests = [], array("q"), []
        for number, name in enumerate(files):
            print_ = prints[number * _FIELDS : (number + 1) * _FIELDS]
            before, digest = remembered.get(name, (None, ""))
            old = before == print_
            if old:
                nodes[name] = FileNode(digest, print_[0], bool(print_[-1]))
            else:
                nodes[name], status = _hashed(prefix + name, at)
                print_ = _packed(_numbers(status))
                old = self._clock is not None and self._clock.is_old(status)
            if old:
                kept.append(name)
                kept_prints += print_
                digests.append(nodes[name].digest)
        return nodes, _Folder(kept, kept_prints, "".join(digests))


def _numbers(status: os.stat_result) -> tuple[int, int, int, int, int]:
    """Return the fields of a fingerprint."""
    executable = (status.st_mode & 0o111) != 0
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, executable


def _packed(numbers: Sequence[int]) -> "array[int]":
    try:
        return array("q", numbers)
    except OverflowError:  # an inode above 2**63, a time after the year 2262
        return array("q", [number & sys.maxsize for number in numbers])


@contextlib.contextmanager
def _opened(folder: str) -> Iterator[tuple[int | None, str]]:
    """Yield a ``dir_fd`` and a prefix of names that reach the files of a folder."""
    if not _BY_DESCRIPTOR:
        yield None, os.path.join(folder, "")
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor, ""
    finally:
        os.close(descriptor)


def _hashed(name: str, at: int | None) -> tuple[FileNode, os.stat_result]:
    """Return a file's node, and its status before it was read."""
    with open(os.open(name, os.O_RDONLY | _NO_LINK | _BINARY, dir_fd=at), "rb", 0) as file:
        status = os.fstat(file.fileno())
        data = file.read(min(status.st_size + 1, _CHUNK))
        sha, size = hashlib.sha256(data), len(data)
        while data := file.read(_CHUNK if size >= _CHUNK else 1):
            sha.update(data)
            size += len(data)
    return FileNode(sha.hexdigest(), size, (status.st_mode & 0o111) != 0), status


# --- the record on disk: a line of JSON (clock, names), the fingerprints, the digests -----------


def _load(path: Path) -> _Record:
    """Return the record in a file; an empty one unless this version wrote the file and it is intact."""
    try:
        data = memoryview(notes.read(path))
        body = data[len(_MAGIC) + 32 :]
        seal = hashlib.sha256(body).digest()
        if data[: len(_MAGIC) + 32] != _MAGIC + seal:
            return _Record()
        head = io.BytesIO(body).readline()
        clock, order, folders = json.loads(head)
        if order != sys.byteorder:
            return _Record()
        return _Record(clock, _unpacked(folders, body[len(head) :]))
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return _Record()


def _unpacked(folders: Mapping[str, list[str]], rest: memoryview) -> dict[str, _Folder]:
    count = sum(map(len, folders.values()))
    numbers = array("q")
    numbers.frombytes(rest[: count * _FIELDS * 8])
    digests = rest[count * _FIELDS * 8 :].hex()
    if len(digests) != count * _DIGEST:
        raise ValueError("digests are missing")
    found: dict[str, _Folder] = {}
    at = 0
    for folder, names in folders.items():
        end = at + len(names)
        found[folder] = _Folder(
            names, numbers[at * _FIELDS : end * _FIELDS], digests[at * _DIGEST : end * _DIGEST]
        )
        at = end
    return found


def _save(path: Path, record: _Record) -> None:
    """Write a record atomically, without a flush to disk: its checksum detects a torn one. May fail."""
    names = {folder: memory.names for folder, memory in record.folders.items()}
    head = json.dumps([record.clock, sys.byteorder, names], separators=(",", ":"))
    body = b"".join(
        (
            head.encode("ascii"),
            b"\n",
            *(memory.prints.tobytes() for memory in record.folders.values()),
            *(bytes.fromhex(memory.digests) for memory in record.folders.values()),
        )
    )
    with contextlib.suppress(OSError):
        notes.put(path, _MAGIC + hashlib.sha256(body).digest() + body)
