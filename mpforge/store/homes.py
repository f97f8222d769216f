"""A process's own directory in a store: temporary files, its steps' directories, what it uses.

A flock on the directory says that its process lives; it ends with the process, however that ends. The
next process that needs one removes those of the dead. Knows nothing of what is put there.
"""

import atexit
import contextlib
import functools
import itertools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":  # nothing is built there
    import fcntl

_USES = "uses"
_FORGOTTEN_SECONDS = 2 * 24 * 3600.0  # where there are no locks: nobody works that long


class Home:
    """This process's directory below ``folder``; removed when the process ends.

    ``since`` (default: now) is when it began to look at what it uses; the name tells it. Raises
    ``OSError`` where it can't be made.
    """

    def __init__(self, folder: Path, *, since: float | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        self.path, self._descriptor = _claimed(folder, time.time() if since is None else since)
        self._names = itertools.count()
        atexit.register(self.close)

    def new(self) -> Path:
        """A path in it that nothing has yet."""
        return self.path / f"{next(self._names)}"

    def directory(self) -> Path:
        """A new empty directory in it."""
        path = self.new()
        path.mkdir()
        return path

    def use(self, *names: str) -> None:
        """Record that this process uses something: whoever collects garbage leaves that alone."""
        with (self.path / _USES).open("a", encoding="utf-8") as file:
            file.write("".join(f"{name}\n" for name in names))

    def close(self) -> None:
        """Remove it with all that is in it."""
        atexit.unregister(self.close)
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.close(self._descriptor)


def _claimed(folder: Path, since: float) -> tuple[Path, int]:
    """A new directory and the descriptor whose lock says that it is ours."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=f"{int(since)}-{os.getpid()}-", dir=folder))
        descriptor = os.open(path, os.O_RDONLY)
        _lock(descriptor, wait=True)
        if path.exists():  # else somebody swept it before it was locked
            return path, descriptor
        os.close(descriptor)


def _lock(descriptor: int, *, wait: bool = False) -> bool | None:
    """Whether the lock was free; None where there are no locks."""
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def living(folder: Path) -> Iterator[Path]:
    """The homes below ``folder`` whose processes live, or may live."""
    for path in _homes(folder):
        if _lives(path):
            yield path


def used(folder: Path) -> set[str]:
    """What living processes recorded that they use."""
    names: set[str] = set()
    for path in living(folder):
        with contextlib.suppress(OSError):
            names |= set((path / _USES).read_text("utf-8").split("\n"))
    return names - {""}


def oldest(folder: Path, *, but: Path) -> float | None:
    """When the first of the living processes began, in seconds since the epoch; None: there is none.

    ``but`` is a home that does not count.
    """
    began = [path.name.partition("-")[0] for path in living(folder) if path != but]
    return min((float(word) if word.isdigit() else 0.0 for word in began), default=None)


def sweep(folder: Path) -> int:
    """Remove the homes of dead processes; how many there were."""
    dead = [path for path in _homes(folder) if not _lives(path)]
    for path in dead:
        shutil.rmtree(path, ignore_errors=True)
    return len(dead)


def _homes(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []


def _lives(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        free = _lock(descriptor)
        if free is None:
            return abs(time.time() - os.fstat(descriptor).st_mtime) < _FORGOTTEN_SECONDS
        return not free
    finally:
        os.close(descriptor)


@functools.cache
def private_directory() -> Path:
    """A directory of this process's outside of any store, removed at its end.

    Raises ``OSError`` where there is no place for one either.
    """
    path = Path(tempfile.mkdtemp(prefix="mpforge-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path
