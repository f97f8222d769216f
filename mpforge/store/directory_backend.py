"""A directory of content by digest: its layout, and atomic writes to it.

``blobs/ab/<sha256>``, ``packs/ab/<tree>`` (the files of a tree, one after another in the tree's order),
``actions/ab/<key>.json``; ``locks/`` and ``work/`` are what processes use while they run. Everything is
written in the process's home, flushed to disk and renamed: a crash leaves garbage, never half an entry.
Raises ``OSError`` as the file system does; the store decides how to go on.
"""

import contextlib
import ctypes
import functools
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from io import RawIOBase
from pathlib import Path
from typing import Literal, NamedTuple

from mpforge.errors import UPDATE, written_by_newer
from mpforge.store import notes
from mpforge.store.process_homes import Home
from mpforge.store.trees import FileNode

LAYOUT = 1
LAYOUT_FILE = "layout.json"
Kind = Literal["blobs", "packs", "actions"]

_CHUNK = 1 << 18  # larger ones leave the cache of the processor
_SMALL = 1 << 20
_DAY = 24 * 3600.0
_FEW = 16


class LayoutProblem(NamedTuple):
    """Why this version can't use a directory as a store, and the remedy."""

    why: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.why}: {self.remedy}"


def layout_problem(root: Path) -> LayoutProblem | None:
    """Return the reason why this version can't use a directory as a store; None if it can."""
    place = root / LAYOUT_FILE
    try:
        layout = json.loads(notes.read(place))["layout"]
    except FileNotFoundError:
        return None
    except OSError as error:
        why = f"{place} can't be read ({error.strerror})"
        return LayoutProblem(why, f"{root} must be a directory that this user can read")
    except (ValueError, KeyError, TypeError, RecursionError):
        layout = None
    if type(layout) is not int:
        return LayoutProblem(f"{place} is damaged", f"run `rm {place}`; mpforge writes it again")
    if layout == LAYOUT:
        return None
    if layout > LAYOUT:
        why = written_by_newer(str(root), layout, LAYOUT, name="layout")
        return LayoutProblem(why, UPDATE)
    why = f"{root} has layout {layout}, but this mpforge reads layout {LAYOUT}"
    return LayoutProblem(why, "set MPFORGE_CACHE to another directory")


class Unreadable(OSError):
    """The original of a copy can't be read; the destination is not at fault."""


class Shelf:
    """The entries below ``root``; ``begun`` is the time when this process began to use them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.begun = time.time()

    @functools.cached_property
    def home(self) -> Home:
        """This process's home; created, with the store itself, at the first write."""
        home = Home(self.root / "work", since=self.begun)
        place = self.root / LAYOUT_FILE
        if not place.exists():
            temporary = home.new()
            temporary.write_text(json.dumps({"layout": LAYOUT}), "ascii")
            os.replace(temporary, place)
        return home

    def place(self, kind: Kind, name: str) -> Path:
        """Return the path of an entry."""
        suffix = ".json" if kind == "actions" else ""
        return self.root / kind / name[:2] / f"{name}{suffix}"

    def has(self, kind: Kind, name: str, size: int) -> bool:
        """Return whether an entry of this size exists, and set its time of last use to now."""
        place = self.place(kind, name)
        try:
            status = place.stat()
        except OSError:
            return False
        if status.st_size != size:
            return False
        touch(place, status.st_mtime, self.begun)
        return True

    @contextlib.contextmanager
    def adding(self) -> Iterator["Batch"]:
        """Collect entries that are flushed and stored together; none of them if the block fails."""
        batch = Batch(self)
        try:
            yield batch
            batch.commit()
        finally:
            batch.drop()


class Batch:
    """New entries of a shelf: written to temporary files, then moved into place together."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self._places: dict[Path, Path | None] = {}

    def add_bytes(self, kind: Kind, name: str, data: bytes) -> None:
        """Add an entry from memory."""
        with self.writing() as (file, put):
            _write_all(file, memoryview(data))
            put(kind, name)

    def add_file(self, path: Path, is_stored: Callable[[str, int], bool]) -> FileNode:
        """Add a copy of a file as a blob unless it ``is_stored``; the hashed bytes are the copied ones.

        Raises ``Unreadable``.
        """
        with path.open("rb", buffering=0) as original:
            status = os.fstat(original.fileno())
            executable = bool(status.st_mode & 0o111)
            if status.st_size > _SMALL:
                with self.writing() as (copy, put):
                    digest, size = copied(original, copy)
                    put("blobs", digest)
                return FileNode(digest, size, executable)
            with _reading():
                data = original.readall()
        digest = hashlib.sha256(data).hexdigest()
        if not is_stored(digest, len(data)):
            self.add_bytes("blobs", digest, data)
        return FileNode(digest, len(data), executable)

    @contextlib.contextmanager
    def writing(self) -> Iterator[tuple[RawIOBase, Callable[[Kind, str], None]]]:
        """Open a new file; yield it and a function that sets its kind and name."""
        temporary = self.shelf.home.new()
        self._places[temporary] = None

        def put(kind: Kind, name: str) -> None:
            self._places[temporary] = self.shelf.place(kind, name)

        with temporary.open("xb", buffering=0) as file:
            yield file, put

    def commit(self) -> None:
        """Flush all files to disk, then move them into place."""
        flush(list(self._places))
        for temporary, place in list(self._places.items()):
            if place is not None:
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(temporary, place)
                del self._places[temporary]

    def drop(self) -> None:
        """Remove the files that were not moved into place."""
        for temporary in self._places:
            with contextlib.suppress(OSError):
                temporary.unlink()


def copied(original: RawIOBase, copy: RawIOBase | None, size: int | None = None) -> tuple[str, int]:
    """Copy a file, or its next ``size`` bytes, to another; return sha256 and size of the copy.

    Without ``copy`` it is only read. Raises ``Unreadable``, and ``OSError`` if writing fails.
    """
    sha, total = hashlib.sha256(), 0
    buffer = memoryview(bytearray(_CHUNK if size is None else min(_CHUNK, size or 1)))
    while size is None or total < size:
        part = buffer if size is None else buffer[: size - total]
        with _reading():
            count = original.readinto(part) or 0
        if count == 0:
            break
        sha.update(part[:count])
        if copy is not None:
            _write_all(copy, part[:count])
        total += count
    return sha.hexdigest(), total


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unreadable(error.errno, error.strerror) from error


def _write_all(file: RawIOBase, data: memoryview) -> None:
    while data:
        data = data[file.write(data) or 0 :]


def touch(place: Path, used: float, since: float) -> None:
    """Set an entry's time of last use to now if it (``used``) is before ``since`` or in the future."""
    if not since <= used <= since + _DAY:
        with contextlib.suppress(OSError):
            os.utime(place)


def flush(paths: list[Path]) -> None:
    """Flush files to disk: each by itself, or many of them by a sync of the whole file system."""
    if len(paths) > _FEW and sys.platform == "linux":
        descriptor = os.open(paths[0], os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(paths[0]))
        finally:
            os.close(descriptor)
        return
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
