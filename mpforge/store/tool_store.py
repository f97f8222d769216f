"""The tool store: immutable trees, each made once for all of a user's projects and used in place.

A tool is identified by the digest of its ingredients (a pinned archive, or named ones). It is
made in a directory of the process that makes it and renamed, under a lock, so that it exists whole
or not at all; before it is used it is compared with the digest of that moment. If the store can't
be written, tools are made for this process alone. This module knows nothing of a tool's content.
"""

import contextlib
import copy
import errno
import functools
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpforge.errors import MpforgeError, ToolUnavailable
from mpforge.store import notes, tool_manifests, unfinished
from mpforge.store.files import remove_tree, size_below, unwritable, write_atomically
from mpforge.store.locks import alone
from mpforge.store.process_homes import Home, private_directory

NEWER = "it was made by a newer mpforge"
"""The problem of a tool that only a newer mpforge understands; for that one it is fine."""

_RECORD = "tool.json"
_MAKING = ".making"  # homes of processes that make or remove tools
_TOUCH_SECONDS = 3600.0

# Trees that this process compared with their manifests already.
_looked_at: set[Path] = set()
# The directories with this process's own tools, by the store that it could not write.
_instead: dict[Path, Path] = {}


def forget() -> None:
    """Check every tree again at its next use, as a new process does."""
    _looked_at.clear()
    _instead.clear()


@dataclass(frozen=True)
class ToolTree:
    """A tool in the store: ``path`` is its directory, ``digest`` its identity in keys."""

    name: str
    version: str
    digest: str
    path: Path


@dataclass(frozen=True)
class KeptTool:
    """A tool of the store: its ``name`` there, its size in bytes, its time of last use.

    ``label`` is its own name and version, empty without a readable record.
    """

    name: str
    size: int
    last_used: float
    label: str = ""


@dataclass(frozen=True)
class _Wanted:
    """A requested tool, and the function that makes it."""

    name: str
    version: str
    digest: str
    make: Callable[[Path], None]
    resumable: bool = False
    modes: bool = False

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.digest[:16]}"

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class _NoRoom(Exception):
    """The store can't be written; ``args[0]`` says why."""


def _nothing(_text: str) -> None:
    pass


class ToolStore:
    """Tools under ``root`` (``$MPFORGE_CACHE/tools``); several processes may share it.

    ``used`` gets the name of each tool before it is looked up, ``waits`` the one that another process is
    making, ``warn`` problems of the store. ``fallback`` returns a directory of this process for tools,
    used if ``root`` can't be written.
    """

    def __init__(
        self,
        root: Path,
        *,
        used: Callable[[str], None] = _nothing,
        waits: Callable[[str], None] = _nothing,
        warn: Callable[[str], None] = _nothing,
        fallback: Callable[[], Path] = private_directory,
    ) -> None:
        self.root = root
        self._used = used
        self._waits = waits
        self._warn = functools.cache(warn)
        self._fallback = fallback
        self.obtained: set[Path] = set()
        """The directories of the tools that were obtained from it."""
        self.making: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext

    def telling(self, making: Callable[[], AbstractContextManager[object]]) -> "ToolStore":
        """Return this store for a caller whose tools are made in the context that ``making`` returns."""
        other = copy.copy(self)
        other.making = making
        return other

    def find(self, name: str, digest: str) -> ToolTree | None:
        """Return the tool if it is in the store. For plans; only tools from ``obtain`` may be run."""
        for root in self._roots():
            home = root / f"{name}-{digest[:16]}"
            record = _record(home)
            if record is not None and record["digest"] == digest:
                return ToolTree(name, str(record["version"]), digest, home / tool_manifests.TREE)
        return None

    def obtain(
        self,
        *,
        name: str,
        version: str,
        digest: str,
        make: Callable[[Path], None],
        resumable: bool = False,
        modes: bool = False,
    ) -> ToolTree:
        """Return the verified tool; ``make(directory)`` makes it if it is missing or damaged.

        ``make`` fills an empty directory; that directory's final path differs, so a tool holds no
        absolute path of itself. If ``make`` fails, nothing is left behind. A ``resumable`` make may find
        the files of an interrupted or killed one, and continues from there. ``modes``: files keep their
        modes, instead of being made read-only.
        """
        found = self._obtained(_Wanted(name, version, digest, make, resumable, modes))
        self.obtained.add(found.path)
        return found

    def _obtained(self, wanted: _Wanted) -> ToolTree:
        self._used(wanted.folder)
        for root in self._roots():
            if _problem(root / wanted.folder, wanted) is None:
                return _tree(root / wanted.folder, wanted)
        if self.root not in _instead:
            try:
                return self._made(self.root, wanted)
            except _NoRoom as error:
                self._warn(f"{self.root}: {error.args[0]}; tools are made for this run only")
        try:
            return self._made(self._private_root(), wanted)
        except _NoRoom as error:
            raise ToolUnavailable(
                f"not enough disk space for {wanted}",
                why=str(error.args[0]),
                hint="free space, or move MPFORGE_CACHE and TMPDIR to a disk with room",
            ) from error

    # --- what is kept --------------------------------------------------------------------------

    def trees(self) -> Iterator[KeptTool]:
        """Yield the stored tools, also those without a readable record: they take space."""
        for home in _homes(self.root):
            record = _record(home)
            try:
                last_used = (home / _RECORD if record else home).stat().st_mtime
                size = int(record["size"]) if record and "size" in record else size_below(home)
            except (OSError, ValueError, KeyError, TypeError):
                continue
            label = f"{record.get('name', home.name)} {record['version']}" if record else ""
            yield KeptTool(home.name, size, last_used, label)

    def remove(self, tool: str, keep: Callable[[], bool] = lambda: False) -> bool:
        """Remove a stored tool by its name; return True if it is gone.

        It is renamed first, so that no process sees half of it. If ``keep`` then returns True, because a
        process has begun to use it meanwhile, it is put back. Raises ``OSError``.
        """
        with contextlib.closing(Home(self.root / _MAKING)) as place:
            away = place.new()
            try:
                os.rename(self.root / tool, away)
                kept = keep()
            except FileNotFoundError:  # another process was quicker
                return not _give_back(away, self.root / tool)
            except BaseException:  # an interrupt too: it may be in use, and would be lost aside
                _give_back(away, self.root / tool)
                raise
            return not (kept and _give_back(away, self.root / tool))

    def verify(self) -> Iterator[tuple[str, list[str]]]:
        """Compare every stored tool with its manifest, by content; yield each damaged one and its defects."""
        for home in _homes(self.root):
            record = _record(home)
            if record is None:
                found = [f"{_RECORD} is not readable"]
            elif record["schema"] > tool_manifests.SCHEMA:
                found = [NEWER]
            else:
                found = list(tool_manifests.problems(home, record))
            if found and os.path.exists(home):  # else it was removed while it was read
                yield home.name, found

    def altered(self) -> str | None:
        """Return a description of a tool that changed since this process checked it, or None."""
        for home in sorted(_looked_at):
            record = _record(home)
            if record is None:
                continue
            with contextlib.suppress(OSError):  # it is being removed: nobody uses it
                if (problem := tool_manifests.damage(home, record)) is not None:
                    _looked_at.discard(home)
                    return f"{home.name}: {problem}"
        return None

    # --- making --------------------------------------------------------------------------------

    def _roots(self) -> Iterator[Path]:
        yield self.root
        if self.root in _instead:
            yield _instead[self.root]

    def _private_root(self) -> Path:
        if self.root not in _instead:
            _instead[self.root] = self._fallback() / "tools"
        return _instead[self.root]

    def _made(self, root: Path, wanted: _Wanted) -> ToolTree:
        """Return the tool below ``root``, made by one process while others wait. Raises ``_NoRoom``."""
        home = root / wanted.folder
        record = _record(home)
        if record is not None and int(record["schema"]) > tool_manifests.SCHEMA:
            raise _NoRoom(f"{home.name} was made by a newer mpforge")
        with _room():
            place = Home(root / _MAKING)
        lock, waits = root / f".{wanted.folder}.lock", functools.partial(self._waits, str(wanted))
        with contextlib.closing(place), alone(lock, waits=waits, warn=self._warn) as locked:
            problem = _problem(home, wanted)
            if problem is None:
                return _tree(home, wanted)
            if problem:
                self._warn(f"{wanted} was damaged: {problem}; mpforge makes it again")
            with _room():
                left = (
                    unfinished.resume(root, wanted.folder) if wanted.resumable and locked else None
                )
            work = left or place.new()
            try:
                self._fill(work, wanted)
            except Exception:  # whatever `make` raised; after an interrupt they may be resumed
                remove_tree(work)
                raise
            with _room():
                _put(work, home, place)
        _looked_at.add(home)
        return _tree(home, wanted)

    def _fill(self, work: Path, wanted: _Wanted) -> None:
        """Make the tool and its record in its own directory. Raises ``_NoRoom``, and what ``make`` raises."""
        with _room():
            (work / tool_manifests.TREE).mkdir(parents=True, exist_ok=True)
        try:
            with self.making():
                wanted.make(work / tool_manifests.TREE)
        except (OSError, MpforgeError) as error:
            why = unwritable(work)
            if why is not None:
                raise _NoRoom(why) from error
            raise
        with _room():
            unfinished.finish(work)
            identity = {"name": wanted.name, "version": wanted.version, "digest": wanted.digest}
            record = {**identity, **tool_manifests.seal(work, modes=wanted.modes)}
            write_atomically(work / _RECORD, json.dumps(record).encode())


@contextlib.contextmanager
def _room() -> Iterator[None]:
    """Turn the block's ``OSError`` into ``_NoRoom``: the store is at fault."""
    try:
        yield
    except OSError as error:
        raise _NoRoom(error.strerror or str(error)) from error


def _put(made: Path, home: Path, place: Home) -> None:
    """Move a new tool into place; processes that use a damaged one find the new one there."""
    with contextlib.suppress(FileNotFoundError):
        os.rename(home, place.new())
    try:
        os.rename(made, home)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        # Without locks another process may have been quicker: its tool is as good.


def _give_back(away: Path, home: Path) -> bool:
    """Move a tool back into place; False if it was made again meanwhile."""
    with contextlib.suppress(OSError):
        os.rename(away, home)
        return True
    return False


# --- looking ----------------------------------------------------------------------------------


def _homes(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] != ".")
    except OSError:
        return []


def _record(home: Path) -> dict[str, Any] | None:
    """Return the content of ``tool.json``; None if it is missing or not understood."""
    try:
        record = json.loads(notes.read(home / _RECORD))
        int(record["schema"]), str(record["digest"]), str(record["version"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _problem(home: Path, wanted: _Wanted) -> str | None:
    """Return the defect of a tool; None if it is intact, an empty text if it is missing.

    The answer is certain only under the lock: without it another process may replace or remove the tool.
    """
    if home in _looked_at and os.path.exists(home):
        return None
    record = _record(home)
    if record is None:
        return f"{_RECORD} is not readable" if os.path.exists(home) else ""
    if record["digest"] != wanted.digest:
        return f"{_RECORD} belongs to another tool"
    if record["schema"] not in (tool_manifests.SCHEMA, tool_manifests.BEFORE):
        return "it was made by another mpforge, without a manifest"
    try:
        problem = tool_manifests.damage(home, record)
    except OSError as error:
        return f"it can't be read ({error.strerror})"
    if problem is None:
        _looked_at.add(home)
    return problem


def _tree(home: Path, wanted: _Wanted) -> ToolTree:
    """Return a checked tool, and set its time of last use, by which unused ones are removed."""
    with contextlib.suppress(OSError):
        if time.time() - (home / _RECORD).stat().st_mtime > _TOUCH_SECONDS:
            os.utime(home / _RECORD)
    return ToolTree(wanted.name, wanted.version, wanted.digest, home / tool_manifests.TREE)
