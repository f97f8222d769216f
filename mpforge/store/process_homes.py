"""A process's own directory in a store: temporary files, its steps' directories, a list of what it uses.

A flock on the directory shows that its process is alive; it ends with the process, even a killed one. The
next process that creates one removes those of dead processes. Knows nothing of their content.
"""

import atexit
import contextlib
import functools
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mpforge.store.files import remove_tree

if sys.platform != "win32":  # nothing is built there
    import fcntl

_USES = "uses"
_FORGOTTEN_SECONDS = 2 * 24 * 3600.0  # on a file system without locks: no run takes that long


class Home:
    """This process's directory below ``folder``; removed when the process ends.

    ``since`` (default: now) is the time when it began to use the store; its name has it. Raises
    ``OSError`` if it can't be created.
    """

    def __init__(self, folder: Path, *, since: float | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        self.path, self._descriptor = _claimed(folder, time.time() if since is None else since)
        self._names = itertools.count()
        atexit.register(self.close)

    def new(self) -> Path:
        """Return an unused path in it."""
        return self.path / f"{next(self._names)}"

    def directory(self) -> Path:
        """Create an empty directory in it and return its path."""
        path = self.new()
        path.mkdir()
        return path

    def use(self, *names: str) -> None:
        """Record that this process uses these entries, so that garbage collection keeps them."""
        with (self.path / _USES).open("a", encoding="utf-8") as file:
            file.write("".join(f"{name}\n" for name in names))

    def close(self) -> None:
        """Remove it with its content."""
        atexit.unregister(self.close)
        remove_tree(self.path)
        _close(self._descriptor)


def _claimed(folder: Path, since: float) -> tuple[Path, int | None]:
    """Create a directory; return it and the descriptor that holds its lock (None: no locks here)."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=f"{int(since)}-{os.getpid()}-", dir=folder))
        with contextlib.suppress(FileNotFoundError):  # swept before it was locked
            descriptor = _opened(path)
            _lock(descriptor, wait=True)
            if path.exists():
                return path, descriptor
            _close(descriptor)


def _opened(path: Path) -> int | None:
    return None if sys.platform == "win32" else os.open(path, os.O_RDONLY)


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _lock(descriptor: int | None, *, wait: bool = False) -> bool | None:
    """Return True if the lock was free, and hold it until the descriptor is closed; None without locks."""
    if sys.platform == "win32" or descriptor is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def living(folder: Path) -> Iterator[Path]:
    """Yield the homes below ``folder`` whose processes are, or may be, alive."""
    for path in _homes(folder):
        with _examined(path) as dead:
            pass
        if not dead:
            yield path


def used(folder: Path) -> set[str]:
    """Return the entries that living processes recorded as used."""
    names: set[str] = set()
    for path in living(folder):
        with contextlib.suppress(OSError):
            names |= set((path / _USES).read_text("utf-8", "replace").split("\n"))
    return names - {""}


def oldest(folder: Path, *, but: Path) -> float | None:
    """Return the earliest start of a living process, in seconds since the epoch; None if none is alive.

    ``but`` is a home to leave out.
    """
    began = [path.name.partition("-")[0] for path in living(folder) if path != but]
    return min((float(word) if word.isdigit() else 0.0 for word in began), default=None)


def sweep(folder: Path) -> None:
    """Remove the homes of dead processes, each under its lock, so that a waiting process sees it."""
    for path in _homes(folder):
        with _examined(path) as dead:
            if dead:
                remove_tree(path)


def _homes(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []


@contextlib.contextmanager
def _examined(path: Path) -> Iterator[bool]:
    """Yield whether the process of a home is dead; if so, its lock is held while the block runs."""
    try:
        descriptor = _opened(path)
    except FileNotFoundError:
        yield True
        return
    except OSError:  # a directory that was made unreadable, or another user's
        yield _is_forgotten(path)
        return
    try:
        free = _lock(descriptor)
        yield _is_forgotten(path) if free is None else free
    finally:
        _close(descriptor)


def _is_forgotten(path: Path) -> bool:
    """Return whether a home is older than any run takes, on a file system without locks."""
    try:
        return abs(time.time() - path.stat().st_mtime) > _FORGOTTEN_SECONDS
    except OSError:
        return False


@functools.cache
def private_directory() -> Path:
    """Create a directory outside of any store, removed when this process ends.

    Raises ``OSError`` if none can be created.
    """
    path = Path(tempfile.mkdtemp(prefix="mpforge-"))
    atexit.register(remove_tree, path)
    return path
