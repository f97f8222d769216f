"""List the parts of a cache besides its store of results: tools, packages, lists, notes; and foreign files.

Each part is returned as something that can be evicted. Files that belong to none of these, nor to the store,
are only named. Knows no limits.
"""

import contextlib
import functools
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from mpforge.housekeeping.collection import NOBODYS_SECONDS, Evictable
from mpforge.store import file_digests, unfinished
from mpforge.store.files import remove_tree
from mpforge.store.locks import alone
from mpforge.store.process_homes import living, sweep, used
from mpforge.store.tool_store import ToolStore
from mpforge.workspace import KEPT

NAME = "name"
"""The file with the cache's name, which distinguishes files built here from those built elsewhere."""
STAMP = "collected"
"""The file whose mtime is the time of the last automatic collection."""

RUNTIMES = "engines"
"""The folder of notes about container runtimes."""
PLATFORMS_RUN = f"{RUNTIMES}/platforms.json"
"""The file of how container runtimes run each platform."""

ALSO_RUN = f"{RUNTIMES}/also-run.json"
"""The file of the other platforms whose programs this host runs."""

HOST_PYTHONS = "hostpythons.jsonl"
"""The file of the host's Pythons."""
PORTABLE_PYTHONS = "portablepythons.jsonl"
"""The file of the host's Pythons that need nothing of its distribution."""

SEALED = (NAME, HOST_PYTHONS, PORTABLE_PYTHONS, file_digests.NOTE, PLATFORMS_RUN, ALSO_RUN)
"""The cache's notes (``store.notes``), by their paths in it."""

_NOTES = {*SEALED, STAMP} - {NAME, PLATFORMS_RUN, ALSO_RUN}
_NEW_NOTE = re.compile(r"\.(new|probe)-.*|\.name\.lock")
_NEW_SECONDS = 3600.0  # nobody writes a note for so long
_TOOL = re.compile(r"[^.].*-[0-9a-f]{16}")
_TOOLS_OWN = re.compile(r"\.making|\.unfinished|\..*\.lock")
_PACKAGE = re.compile(r".+-([0-9a-f]{64})\.deb")


# --- tools ----------------------------------------------------------------------------------------


def is_tool(name: str) -> bool:
    """Return whether a directory of this name is a tool."""
    return _TOOL.fullmatch(name) is not None


def tools(cache: Path) -> Iterator[Evictable]:
    """Yield the tools, unfinished ones too, under the names by which processes mark them as used."""
    yield from _unfinished(cache)
    store = ToolStore(cache / "tools")
    for kept in store.trees():
        if is_tool(kept.name):
            remove = functools.partial(store.remove, kept.name)
            yield Evictable(f"tool {kept.name}", kept.size, kept.last_used, remove)


def _unfinished(cache: Path) -> Iterator[Evictable]:
    """Yield remains of tools whose installation was interrupted."""
    for path, size, last_used in unfinished.kept(cache / "tools"):
        lock = cache / "tools" / f".{path.name}.lock"
        remove = functools.partial(_remove, path, lock=lock)
        yield Evictable(f"tool {path.name}", size, last_used, remove)


def users_of_tool(cache: Path, name: str) -> Callable[[], bool]:
    """Return a function that returns whether a living process uses a tool."""
    return lambda: f"tool {name}" in used(cache / "store" / "work")


# --- the distribution's packages ------------------------------------------------------------------


def packages(cache: Path) -> Iterator[Evictable]:
    """Yield the downloaded packages. Their readers leave no mark, so all stay while other processes live."""
    for path, _ in package_files(cache):
        unlink = functools.partial(Path.unlink, missing_ok=True)
        remove = functools.partial(_remove, path, by=unlink, others_in=cache)
        yield Evictable(f"package {path.name}", *_extent(path), remove)


def package_files(cache: Path) -> Iterator[tuple[Path, str]]:
    """Yield each package and its expected sha256."""
    for path in sorted((cache / "distribution" / "downloads").glob("*.deb")):
        match = _PACKAGE.fullmatch(path.name)
        if match is not None and path.is_file():
            yield path, match[1]


def lists(cache: Path) -> Iterator[Evictable]:
    """Return apt's state for a suite and an architecture: mainly the archive's lists."""
    for folder in _apt_states(cache):
        remove = functools.partial(_remove, folder, lock=folder / ".lock", others_in=cache)
        yield Evictable(f"lists {folder.name}", *_extent_of_all(folder), remove)


def kept(cache: Path) -> Iterator[Evictable]:
    """Yield the directories of failed steps that --keep kept, by checkout."""
    for folder in _listed(cache / KEPT):
        remove = functools.partial(_remove, folder)
        yield Evictable(f"{KEPT} {folder.name}", *_extent_of_all(folder), remove)


PARTS: Mapping[str, Callable[[Path], Iterator[Evictable]]] = {
    "tools": tools,
    "packages": packages,
    "package lists": lists,
    "kept step directories": kept,
}
"""The parts of a cache, besides its store, that can be evicted."""


def _remove(
    path: Path,
    is_used: Callable[[], bool],
    *,
    by: Callable[[Path], object] = remove_tree,
    lock: Path | None = None,
    others_in: Path | None = None,
) -> bool:
    """Remove a path ``by`` a function unless it is in use; return whether it is gone. Raises ``OSError``.

    It is in use while another process holds ``lock``, and while any other works ``others_in`` a cache.
    """
    held: AbstractContextManager[object] = (
        contextlib.nullcontext() if lock is None else alone(lock, waits=give_way, warn=unheard)
    )
    with contextlib.suppress(Busy), held:
        if not (is_used() if others_in is None else _others_live(others_in)):
            by(path)
    return not path.exists()


def _extent_of_all(folder: Path) -> tuple[int, float]:
    """Return the bytes of a directory's files and the last time that one was written or downloaded."""
    extents = [_extent(path) for path in folder.rglob("*") if path.is_file()]
    return sum(size for size, _ in extents), max((came for _, came in extents), default=0.0)


def _extent(path: Path) -> tuple[int, float]:
    """Return a file's bytes and the time it was downloaded: its mtime is the archive's."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0, 0.0
    return status.st_size, status.st_ctime


def _apt_states(cache: Path) -> list[Path]:
    found = sorted((cache / "distribution").glob("*-*-*"))
    return [path for path in found if (path / "lists").is_dir()]


def _others_live(cache: Path) -> bool:
    """Return whether another process works with this cache."""
    folders = cache / "store" / "work", cache / "tools" / ".making"
    own = _held_open()
    return any(os.path.realpath(home) not in own for f in folders for home in living(f))


def _held_open() -> set[str]:
    """Return the files that this process holds open, its homes among them; empty without proc(5).

    A PID can't identify it: containers that share a cache have the same PIDs.
    """
    found = set()
    with contextlib.suppress(OSError), os.scandir("/proc/self/fd") as descriptors:
        for descriptor in descriptors:
            with contextlib.suppress(OSError):
                found.add(os.readlink(descriptor))
    return found


# --- notes and leftovers --------------------------------------------------------------------------


def notes(cache: Path) -> Iterator[Path]:
    """Yield files that only save work, and their unfinished temporary files."""
    for path in (*_listed(cache), *_listed(cache / RUNTIMES)):
        left = _NEW_NOTE.fullmatch(path.name) and time.time() - _extent(path)[1] > _NEW_SECONDS
        if path.name in _NOTES or left or path.parent.name == RUNTIMES:
            yield path


def sweep_leftovers(cache: Path, *, but: Path) -> None:
    """Remove leftovers of killed processes: homes, lock files that nobody holds but one, unfinished tools.

    Unfinished tools stay for a day after the last change.
    """
    sweep(cache / "tools" / ".making")
    sweep(cache / "distribution" / "downloads" / ".arriving")
    for tool in _unfinished(cache):
        if time.time() - tool.last_used > NOBODYS_SECONDS:
            tool.remove(users_of_tool(cache, tool.name.partition(" ")[2]))
    for path in (*(cache / "store" / "locks").glob("*"), *(cache / "tools").glob(".*.lock")):
        if path != but:
            # Whoever gets the lock may remove its file.
            with contextlib.suppress(Busy), alone(path, waits=give_way, warn=unheard):
                pass


class Busy(Exception):
    """Raised if another process has the lock."""


def give_way() -> None:
    """Raise ``Busy`` instead of waiting for a lock."""
    raise Busy


def unheard(_message: str) -> None:
    """Ignore the message that locks are not available."""


# --- foreign files --------------------------------------------------------------------------------


def foreign(cache: Path) -> Iterator[Path]:
    """Yield files in the cache, outside of its store, that are not mpforge's."""
    known = {"store", "tools", "distribution", KEPT, RUNTIMES, NAME, *_NOTES}
    for path in _listed(cache):
        if path.name not in known and not _NEW_NOTE.fullmatch(path.name):
            yield path
    for path in _listed(cache / "tools"):
        own = is_tool(path.name) and path.is_dir() and not path.is_symlink()
        if not own and not _TOOLS_OWN.fullmatch(path.name):
            yield path
    states = _apt_states(cache)
    for path in _listed(cache / "distribution"):
        if path.name != "downloads" and path not in states:
            yield path
    known_packages = {path for path, _ in package_files(cache)}
    for path in _listed(cache / "distribution" / "downloads"):
        if path.name != ".arriving" and path not in known_packages:
            yield path


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
