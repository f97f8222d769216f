"""A process's own directory in a store: temporary files, its steps' directories, what it uses.

A flock on the directory says that its process lives; it ends with the process, however that ends. The
next process that needs one removes those of the dead. Knows nothing of what is put there.
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
        remove_tree(self.path)
        _close(self._descriptor)


def _claimed(folder: Path, since: float) -> tuple[Path, int | None]:
    """A new directory, and the descriptor whose lock says that it is ours (None where there are none)."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=f"{int(since)}-{os.getpid()}-", dir=folder))
        with contextlib.suppress(FileNotFoundError):  # somebody swept it before it was locked
            descriptor = _locked(path)
            if path.exists():
                return path, descriptor
            _close(descriptor)


def _locked(path: Path) -> int | None:
    """Open and lock a directory; waits for who holds it. Raises ``FileNotFoundError``."""
    if sys.platform == "win32":
        return None
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _lock(descriptor, wait=True)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _lock(descriptor: int, *, wait: bool = False) -> bool | None:
    """Whether the lock was free, and is ours until the descriptor is closed; None: there are no locks."""
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
        with _examined(path) as dead:
            pass
        if not dead:
            yield path


def used(folder: Path) -> set[str]:
    """What living processes recorded that they use."""
    names: set[str] = set()
    for path in living(folder):
        with contextlib.suppress(OSError):
            names |= set((path / _USES).read_text("utf-8", "replace").split("\n"))
    return names - {""}


def oldest(folder: Path, *, but: Path) -> float | None:
    """When the first of the living processes began, in seconds since the epoch; None: there is none.

    ``but`` is a home that does not count.
    """
    began = [path.name.partition("-")[0] for path in living(folder) if path != but]
    return min((float(word) if word.isdigit() else 0.0 for word in began), default=None)


def sweep(folder: Path) -> int:
    """Remove the homes of dead processes; how many there were."""
    return sum(_swept(path) for path in _homes(folder))


def _swept(path: Path) -> bool:
    """Remove a dead process's home while its lock is held: who waits for that sees that it is gone."""
    with _examined(path) as dead:
        if dead:
            remove_tree(path)
    return dead


def _homes(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []


@contextlib.contextmanager
def _examined(path: Path) -> Iterator[bool]:
    """Whether the process of a home is dead; if so, its lock is held while the block runs."""
    try:
        descriptor = None if sys.platform == "win32" else os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield True
        return
    except OSError:  # a directory that was made unreadable, or another user's
        yield _is_forgotten(path)
        return
    try:
        free = None if descriptor is None else _lock(descriptor)
        yield _is_forgotten(path) if free is None else free
    finally:
        _close(descriptor)


def _is_forgotten(path: Path) -> bool:
    """Whether a home is older than anybody works, where no lock tells."""
    try:
        return abs(time.time() - path.stat().st_mtime) > _FORGOTTEN_SECONDS
    except OSError:
        return False


@functools.cache
def private_directory() -> Path:
    """A directory of this process's outside of any store, removed at its end.

    Raises ``OSError`` where there is no place for one either.
    """
    path = Path(tempfile.mkdtemp(prefix="mpforge-"))
    atexit.register(remove_tree, path)
    return path
