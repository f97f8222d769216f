"""The tool store: immutable trees, each made once for all of a user's projects and used in place.

A tool is known by the digest of what it was made from (a pinned archive, or named ingredients). It is
made in a directory of the process that makes it and renamed, under a lock, so that it is there whole
or not at all; before it is used it is compared with what was recorded of it then. Where the store can't
be written, tools are made for this process alone. This module knows nothing of what a tool is.
"""

import contextlib
import errno
import functools
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpforge.errors import MpforgeError, ToolUnavailable
from mpforge.store import notes, tool_manifests, unfinished
from mpforge.store.files import remove_tree, unwritable, write_atomically
from mpforge.store.locks import alone
from mpforge.store.process_homes import Home, private_directory

SCHEMA = 2
NEWER = "it was made by a newer mpforge"
"""The problem of a tool that is none for those who understand it."""

_RECORD = "tool.json"
_MAKING = ".making"  # homes of processes that make or remove tools
_TOUCH_SECONDS = 3600.0

# Trees that this process compared with their manifests already.
_looked_at: set[Path] = set()
# Where this process keeps tools in the place of stores that it could not write.
_instead: dict[Path, Path] = {}


def forget() -> None:
    """Look at every tree again when it is used next, as a new process does."""
    _looked_at.clear()
    _instead.clear()


@dataclass(frozen=True)
class ToolTree:
    """A tool in the store: ``path`` is its directory, ``digest`` the identity that enters keys."""

    name: str
    version: str
    digest: str
    path: Path


@dataclass(frozen=True)
class KeptTool:
    """A tool as the store keeps it, under ``name``: its size in bytes, when it was last used."""

    name: str
    size: int
    last_used: float


@dataclass(frozen=True)
class Problem:
    """Something wrong with a kept tool, in words that name the file."""

    tool: str
    what: str


@dataclass(frozen=True)
class _Wanted:
    """A tool that is asked for, and what makes it."""

    name: str
    version: str
    digest: str
    make: Callable[[Path], None]
    resumable: bool = False

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

    ``used`` is told the name of each tool before it is looked up, ``waits`` what another process is
    making, ``warn`` what is wrong with the store. ``fallback`` gives a directory of this process's for
    tools, where ``root`` can't be written.
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

    def find(self, name: str, digest: str) -> ToolTree | None:
        """The tool, if it is here; for plans: only what ``obtain`` gives may be run."""
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
    ) -> ToolTree:
        """The tool, as it was made; made by ``make(directory)`` unless it is here and whole.

        ``make`` fills an empty directory; that directory's final path differs, so a tool holds no
        absolute path of itself. An error of ``make`` leaves nothing behind. A ``resumable`` make may find
        what one left that was interrupted or killed, and goes on from there.
        """
        wanted = _Wanted(name, version, digest, make, resumable)
        self._used(wanted.folder)
        for root in self._roots():
            if _problem(root / wanted.folder, wanted) is None:
                return _tree(root / wanted.folder, wanted)
        if self.root not in _instead:
            try:
                return self._made(self.root, wanted)
            except _NoRoom as error:
                self._warn(f"{self.root}: {error.args[0]}; tools are made for this run alone")
        try:
            return self._made(self._private_root(), wanted)
        except _NoRoom as error:
            raise ToolUnavailable(
                f"there is no room for {wanted}",
                why=str(error.args[0]),
                hint="free space, or move MPFORGE_CACHE and TMPDIR to a disk with room",
            ) from error

    # --- what is kept --------------------------------------------------------------------------

    def trees(self) -> Iterator[KeptTool]:
        """The tools that are kept; one without a readable record too: it takes room."""
        for home in _homes(self.root):
            record = _record(home)
            try:
                last_used = (home / _RECORD if record else home).stat().st_mtime
                size = int(record["size"]) if record and "size" in record else _size(home)
            except (OSError, ValueError, KeyError, TypeError):
                continue
            yield KeptTool(home.name, size, last_used)

    def remove(self, tool: str, keep: Callable[[], bool] = lambda: False) -> bool:
        """Remove a kept tool by its name; whether it is gone.

        It is renamed first, so that nobody sees half of it. Then ``keep`` is asked: a process that said
        since that it uses the tool gets it back. Raises ``OSError``.
        """
        with contextlib.closing(Home(self.root / _MAKING)) as place:
            away = place.new()
            try:
                os.rename(self.root / tool, away)
                kept = keep()
            except BaseException:  # whether somebody uses it is not known
                _give_back(away, self.root / tool)
                raise
            return not (kept and _give_back(away, self.root / tool))

    def verify(self) -> Iterator[Problem]:
        """Compare every kept tool with its manifest, by content."""
        for home in _homes(self.root):
            record = _record(home)
            if record is None:
                found = iter([f"{_RECORD} is not readable"])
            elif record["schema"] > SCHEMA:
                found = iter([NEWER])
            else:
                found = tool_manifests.problems(home, str(record.get("tree")))
            for what in found:
                if os.path.exists(home):  # else it was removed while it was read
                    yield Problem(home.name, what)

    def altered(self) -> str | None:
        """What has changed in a tool since this process looked at it; None: nothing."""
        for home in sorted(_looked_at):
            record = _record(home)
            try:
                problem = (
                    None if record is None else tool_manifests.damage(home, str(record["tree"]))
                )
            except (OSError, KeyError):
                problem = None  # it is being removed: nobody uses it
            if problem is not None:
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
        """The tool below ``root``, made by one process while the others wait. Raises ``_NoRoom``."""
        home = root / wanted.folder
        record = _record(home)
        if record is not None and int(record["schema"]) > SCHEMA:
            raise _NoRoom(f"{home.name} was made by a newer mpforge")
        with _room():
            place = Home(root / _MAKING)
        with contextlib.closing(place), self._alone(root, wanted) as locked:
            problem = _problem(home, wanted)
            if problem is None:
                return _tree(home, wanted)
            if problem:
                self._warn(f"{wanted} was damaged: {problem}; it is made again")
            work = _workplace(root, wanted, place, locked=locked)
            try:
                _fill(work, wanted)
            except Exception:  # no interrupt: whatever is there, it did not become the tool
                remove_tree(work)
                raise
            with _room():
                _put(work, home, place)
        _looked_at.add(home)
        return _tree(home, wanted)

    def _alone(self, root: Path, wanted: _Wanted) -> contextlib.AbstractContextManager[bool]:
        path = root / f".{wanted.folder}.lock"
        return alone(path, waits=lambda: self._waits(str(wanted)), warn=self._warn)


@contextlib.contextmanager
def _room() -> Iterator[None]:
    """What goes wrong in the block is the store's fault. Raises ``_NoRoom``."""
    try:
        yield
    except OSError as error:
        raise _NoRoom(error.strerror or str(error)) from error


def _workplace(root: Path, wanted: _Wanted, place: Home, *, locked: bool) -> Path:
    """The directory to make a tool in. Raises ``_NoRoom``."""
    with _room():
        found = unfinished.resume(root, wanted.folder) if wanted.resumable and locked else None
    return place.new() if found is None else found


def _fill(work: Path, wanted: _Wanted) -> None:
    """The whole tool and its record in a directory of its own. Raises ``_NoRoom``, and what making raises."""
    with _room():
        (work / tool_manifests.TREE).mkdir(parents=True, exist_ok=True)
    try:
        wanted.make(work / tool_manifests.TREE)
    except (OSError, MpforgeError) as error:
        why = unwritable(work)
        if why is not None:
            raise _NoRoom(why) from error
        raise
    with _room():
        unfinished.finish(work)
        digest, size = tool_manifests.seal(work)
        record = {
            "schema": SCHEMA,
            "name": wanted.name,
            "version": wanted.version,
            "digest": wanted.digest,
            "tree": digest,
            "size": size,
        }
        write_atomically(work / _RECORD, json.dumps(record).encode())


def _put(made: Path, home: Path, place: Home) -> None:
    """Put what was made in its place; who still uses a damaged one finds the new one there."""
    with contextlib.suppress(FileNotFoundError):
        os.rename(home, place.new())
    try:
        os.rename(made, home)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        # Where there are no locks another process may have been quicker: its tool is as good.


def _give_back(away: Path, home: Path) -> bool:
    """Put a tool back; False: it was made again meanwhile."""
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
    """What ``tool.json`` says; None where there is none that can be understood."""
    try:
        record = json.loads(notes.read(home / _RECORD))
        int(record["schema"]), str(record["digest"]), str(record["version"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _problem(home: Path, wanted: _Wanted) -> str | None:
    """What is wrong with a tool; None: nothing, empty: it is not here.

    Without the lock another process may replace or remove it meanwhile: only who has it can be sure.
    """
    if home in _looked_at and os.path.exists(home):
        return None
    record = _record(home)
    if record is None:
        return f"{_RECORD} is not readable" if os.path.exists(home) else ""
    if record["digest"] != wanted.digest:
        return f"{_RECORD} is another tool's"
    if record["schema"] != SCHEMA:
        return "it was made by another mpforge, without a manifest"
    try:
        problem = tool_manifests.damage(home, str(record.get("tree")))
    except OSError as error:
        return f"it can't be read ({error.strerror})"
    if problem is None:
        _looked_at.add(home)
    return problem


def _tree(home: Path, wanted: _Wanted) -> ToolTree:
    """A tool that was looked at; that it is used is noted for who removes what is not."""
    with contextlib.suppress(OSError):
        if time.time() - (home / _RECORD).stat().st_mtime > _TOUCH_SECONDS:
            os.utime(home / _RECORD)
    return ToolTree(wanted.name, wanted.version, wanted.digest, home / tool_manifests.TREE)


def _size(home: Path) -> int:
    return sum(
        os.lstat(Path(folder, name)).st_size for folder, _, names in os.walk(home) for name in names
    )
