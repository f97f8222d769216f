"""List, bound, check and empty the whole cache directory.

Files that are not mpforge's are named and left alone. The cache's name is never removed: by it, the records
in the projects' ``dist/`` distinguish files built here from files built elsewhere. Knows nothing of command
lines.
"""

import contextlib
import functools
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from mpforge.errors import FileTrouble, MpforgeError
from mpforge.housekeeping import audit, cache_contents, collection
from mpforge.housekeeping.audit import FOREIGN, Finding
from mpforge.housekeeping.cache_contents import NAME, STAMP, Busy, give_way, unheard
from mpforge.housekeeping.collection import (
    IN_USE,
    NOTHING,
    Collected,
    Evictable,
    Left,
    Limits,
    limits_of,
)
from mpforge.store import notes
from mpforge.store.directory_backend import layout_problem
from mpforge.store.files import seconds_since_written
from mpforge.store.locks import alone
from mpforge.store.references import Kept, contents
from mpforge.store.tool_manifests import STAMPS
from mpforge.store.tool_store import NEWER, ToolStore

KEPT_NAME = "records in dist/ use it to recognise this cache"
EXPECTED = {IN_USE, FOREIGN, KEPT_NAME}
"""Reasons for leaving something that are not faults."""

_EVERY_SECONDS = 3600.0
_KINDS = {"actions": "results", "blobs": "files", "packs": "packs"}


@dataclass(frozen=True)
class Holding:
    """Items of one kind: their number, bytes, and first and last time of use."""

    what: str
    count: int
    size: int
    least_recent: float | None
    most_recent: float | None


@dataclass(frozen=True)
class Contents:
    """Contents of a cache; ``size`` is the bytes that the limits apply to."""

    path: Path
    holdings: tuple[Holding, ...]
    size: int
    foreign: tuple[Path, ...]


def stats(cache: Path) -> Contents:
    """Return the contents of the cache. Raises ``FileTrouble``."""
    with _known(cache):
        found: dict[str, list[Kept | Evictable]] = {what: [] for what in _KINDS.values()}
        for (kind, _), kept in contents(cache / "store"):
            found[_KINDS[kind]].append(kept)
        for what, listed in cache_contents.PARTS.items():
            found[what] = [*listed(cache)]
        held = tuple(itertools.starmap(_holding, found.items()))
        foreign = (*audit.foreign(cache / "store"), *cache_contents.foreign(cache))
        return Contents(cache, held, sum(holding.size for holding in held), foreign)


def _holding(what: str, things: list[Kept | Evictable]) -> Holding:
    times = [thing.last_used for thing in things]
    first, last = min(times, default=None), max(times, default=None)
    return Holding(what, len(things), sum(thing.size for thing in things), first, last)


# --- keeping it bounded ---------------------------------------------------------------------------


def collect(cache: Path, limits: Limits, *, waits: Callable[[], None]) -> Collected:
    """Remove items that exceed the limits in age or size, least recently used first.

    ``waits`` is called once if another process collects already. Raises ``FileTrouble``.
    """
    if not cache.is_dir():
        return Collected({}, (), 0, 0)
    with _known(cache), _alone(cache, waits):
        return _collect(cache, limits)


def tidy(cache: Path, *, environment: Mapping[str, str], warn: Callable[[str], None]) -> None:
    """Collect by the limits, unless that was done within the hour or another process is collecting.

    Errors become warnings: a cache that is too large must not fail a run.
    """
    if not _is_due(cache) or not _is_usable(cache):  # otherwise a warning was given already
        return
    try:
        with _known(cache), _alone(cache, give_way):
            left = _collect_stamped(cache, limits_of(environment)).left if _is_due(cache) else ()
        for thing in [thing for thing in left if thing.why != IN_USE][:1]:
            warn(f"the cache can't be kept within its limits: {thing.name}: {thing.why}")
    except Busy:
        pass
    except MpforgeError as error:
        hint = f" ({error.why or error.hint})" if error.why or error.hint else ""
        warn(f"the cache can't be kept within its limits: {error.what}{hint}")


def _is_due(cache: Path) -> bool:
    return seconds_since_written(cache / STAMP) >= _EVERY_SECONDS


def _is_usable(cache: Path) -> bool:
    """Return whether this process can write to the cache."""
    store = cache / "store"
    folders = cache, store, store / "work"
    return layout_problem(store) is None and all(os.access(path, os.W_OK) for path in folders)


def _collect_stamped(cache: Path, limits: Limits) -> Collected:
    # The stamp comes last: an interrupted collection starts again. But an error of the system is likely to
    # repeat: one warning an hour is enough.
    try:
        collected = _collect(cache, limits)
    except OSError:
        with contextlib.suppress(OSError):
            (cache / STAMP).touch()
        raise
    (cache / STAMP).touch()
    return collected


def _collect(cache: Path, limits: Limits) -> Collected:
    others = [thing for listed in cache_contents.PARTS.values() for thing in listed(cache)]
    collected = collection.collect(cache / "store", limits, others)
    cache_contents.sweep_leftovers(cache, but=_lock(cache))
    return collected


def clear(cache: Path, *, waits: Callable[[], None]) -> Collected:
    """Remove everything except what living processes use, foreign files, and the cache's name.

    Everything left is named. Raises ``FileTrouble``.
    """
    if not cache.is_dir():
        return Collected({}, (), 0, 0)
    with _known(cache), _alone(cache, waits):
        collected = _collect(cache, NOTHING)
        for path in cache_contents.notes(cache):
            _remove_note(path)
        return replace(collected, left=(*collected.left, *_not_to_go(cache)))


def _not_to_go(cache: Path) -> Iterator[Left]:
    for path in (*audit.foreign(cache / "store"), *cache_contents.foreign(cache)):
        yield Left(str(path), FOREIGN)
    if (cache / NAME).exists():
        yield Left(str(cache / NAME), KEPT_NAME)


# --- checking it ----------------------------------------------------------------------------------


def verify(cache: Path) -> Iterator[Finding]:
    """Yield all faults of content in the cache. Damaged files are removed, if possible.

    Raises ``FileTrouble``.
    """
    with _known(cache):
        yield from audit.findings(cache / "store")
        yield from _damaged_tools(cache)
        yield from _damaged_packages(cache)
        yield from _damaged_notes(cache)
        for path in cache_contents.foreign(cache):
            yield Finding(path, FOREIGN, "foreign")


def _damaged_tools(cache: Path) -> Iterator[Finding]:
    store = ToolStore(cache / "tools")
    for name, (first, *more) in store.verify():
        path = cache / "tools" / name
        if not cache_contents.is_tool(name):
            continue
        if first == NEWER:
            yield Finding(path, first, "foreign")
            continue
        what = f"{first}, and {len(more)} more" if more else first
        is_used = cache_contents.users_of_tool(cache, name)
        yield audit.removed(path, what, functools.partial(_remove_tool, store, name, is_used))


def _remove_tool(store: ToolStore, name: str, is_used: Callable[[], bool]) -> bool:
    return not is_used() and store.remove(name, is_used)


def _damaged_packages(cache: Path) -> Iterator[Finding]:
    for path, digest in cache_contents.package_files(cache):
        check = functools.partial(audit.content_problem, digest=digest)
        if (found := audit.checked(path, check)) is not None:
            yield found


def _damaged_notes(cache: Path) -> Iterator[Finding]:
    """Remove unreadable notes and yield a finding for each; they are written anew when needed."""
    ours = [cache / name for name in cache_contents.SEALED]
    ours += sorted((cache / "tools").glob(f"*/{STAMPS}"))
    for path in [path for path in ours if os.path.lexists(path) and notes.load(path) is None]:
        what = "it can't be read; mpforge writes it again when needed"
        yield audit.removed(path, what, functools.partial(_remove_note, path))


def _remove_note(path: Path) -> None:
    """Remove a note, or whatever has its path. Raises ``OSError`` for a directory that is not empty."""
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


# --- one process at a time, in a store whose layout we know ---------------------------------------


def _lock(cache: Path) -> Path:
    return cache / "store" / "locks" / "collection"


def _alone(cache: Path, waits: Callable[[], None]) -> AbstractContextManager[object]:
    # Without locks two processes may collect at once, which only costs time.
    return alone(_lock(cache), waits=waits, warn=unheard)


@contextlib.contextmanager
def _known(cache: Path) -> Iterator[None]:
    """Lock a cache of a known layout while the block runs. Raises ``FileTrouble``."""
    problem = layout_problem(cache / "store")
    if problem is not None:
        raise FileTrouble(f"the cache is left alone: {problem.why}", hint=problem.remedy)
    try:
        yield
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        raise FileTrouble(
            f"{error.strerror or error}{place}",
            hint=f"{cache} (MPFORGE_CACHE) must be a directory that this user can read and write",
        ) from error
