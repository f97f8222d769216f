"""Single flight: one process does the work; the others wait, say so, and then use its result.

The lock is flock(2) on a file, by ``filelock``: it ends with its holder, even a killed one. If it can't be
taken (a file system without locks, a read-only one) the work is done without it: at worst twice, never
wrong, because everything is written atomically. Knows nothing of the work under a lock.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

_POLL_SECONDS = 0.05


@contextlib.contextmanager
def alone(path: Path, *, waits: Callable[[], None], warn: Callable[[str], None]) -> Iterator[bool]:
    """Hold the lock of ``path`` while the block runs; yield True if it was taken.

    ``waits`` is called once if another process holds it; ``warn`` gets the reason if it can't be taken.
    The file is removed with the lock: only a killed holder leaves one, which locks nothing.
    """
    lock = _acquired(path, waits, warn)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            with contextlib.suppress(OSError):
                path.unlink()  # a process that waits for it notices, and tries a new one
            with contextlib.suppress(OSError):
                lock.release()


def _acquired(
    path: Path, waits: Callable[[], None], warn: Callable[[str], None]
) -> "BaseFileLock | None":
    # Imported late: it takes a third of a cached session's time budget.
    from filelock import FileLock, Timeout

    # The soft locks that it would fall back to outlive a killed holder.
    lock = FileLock(path, poll_interval=_POLL_SECONDS, fallback_to_soft=False)
    timeout = 0
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=timeout)
        except Timeout:
            waits()
            timeout = -1
        except OSError as error:
            why = error.strerror or str(error)
            warn(f"no lock on {path.parent}: {why}; work may be done twice")
            return None
        else:
            return lock
