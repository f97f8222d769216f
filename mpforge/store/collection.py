"""Keeping a store bounded: what was not used for longest goes first, what is in use never.

A result goes with whatever only it refers to. Everything that a living process touched since it began
stays, and what it says that it uses. Other things than results (tools) are bounded along with them,
whatever they are. Only sizes and times are looked at, and what results refer to: content is not read.
"""

import contextlib
import functools
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mpforge.store.homes import Home, oldest, sweep, used
from mpforge.store.results import from_bytes
from mpforge.store.shelf import Kind, Shelf

Thing = tuple[Kind, str]

KINDS: tuple[Kind, ...] = ("blobs", "packs", "actions")
_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Limits:
    """``size`` in bytes for all together, ``age`` in seconds since the last use."""

    size: int
    age: float


@dataclass(frozen=True)
class Evictable:
    """Something that may go: ``name`` as processes say that they use it, bytes, last use.

    ``remove`` is given a function that tells whether somebody uses it after all; it returns whether
    the thing is gone.
    """

    name: str
    size: int
    last_used: float
    remove: Callable[[Callable[[], bool]], bool]


@dataclass(frozen=True)
class Collected:
    """What a collection did: how many results and other things went, the bytes before and after."""

    removed: int
    before: int
    after: int


@dataclass(frozen=True)
class Kept:
    """A file of the store: its size, and when it was last used."""

    size: int
    last_used: float


def contents(root: Path) -> Iterator[tuple[Thing, Kept]]:
    """Every blob, pack and result below a store's root; foreign files are passed over."""
    for kind in KINDS:
        for path in files_of(root, kind):
            name = path.name.removesuffix(".json")
            if not _NAME.fullmatch(name) or path.parent.name != name[:2]:
                continue
            with contextlib.suppress(OSError):
                status = path.stat()
                yield (kind, name), Kept(status.st_size, status.st_mtime)


def files_of(root: Path, kind: Kind) -> Iterator[Path]:
    """All that lies where things of a kind lie, foreign files too."""
    for folder in _listed(root / kind):
        if folder.is_dir() and not folder.is_symlink():
            yield from _listed(folder)
        else:
            yield folder


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def references(root: Path, key: str) -> set[Thing]:
    """What a result needs to be whole, by what its trees say.

    Raises ``OSError`` or ``ValueError`` where that can't be told.
    """
    shelf = Shelf(root)
    result = from_bytes(shelf.place("actions", key).read_bytes(), key)
    found: set[Thing] = {("blobs", result.log)}
    packed = shelf.place("packs", result.tree).exists()
    if packed:
        found.add(("packs", result.tree))
    trees = [result.tree]
    while trees:
        digest = trees.pop()
        if ("blobs", digest) in found:
            continue
        found.add(("blobs", digest))
        entries = json.loads(shelf.place("blobs", digest).read_bytes())
        try:
            trees += [name for _, name in entries["directories"]]
            if not packed:
                found |= {("blobs", row[1]) for row in entries["files"]}
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"{digest} is no directory: {error}") from None
    return found


def collect(root: Path, limits: Limits, others: Iterable[Evictable] = ()) -> Collected:
    """Remove what is older or more than the limits allow, and what no result refers to.

    Raises ``OSError`` where the store can't be changed.
    """
    home = Home(root / "work")
    try:
        return _Collection(root, home, limits, tuple(others)).run()
    finally:
        home.close()
        sweep(root / "work")


class _Collection:
    """One collection: what there is, what is in use, what goes."""

    def __init__(
        self, root: Path, home: Home, limits: Limits, others: tuple[Evictable, ...]
    ) -> None:
        self._root = root
        self._shelf = Shelf(root)
        self._home = home
        self._limits = limits
        self._began = oldest(root / "work", but=home.path)
        self._kept = dict(contents(root))
        self._needs = {name: self._needed(name) for kind, name in self._kept if kind == "actions"}
        self._users = Counter(thing for needs in self._needs.values() for thing in needs)
        self._others = others
        self._size = sum(k.size for k in self._kept.values()) + sum(o.size for o in others)

    def run(self) -> Collected:
        before, removed = self._size, 0
        in_use = self._in_use()
        for candidate in sorted(self._candidates(), key=lambda c: c.last_used):
            old = time.time() - candidate.last_used > self._limits.age
            if (old or self._size > self._limits.size) and candidate.name not in in_use:
                removed += candidate.remove(functools.partial(self._is_used, candidate.name))
        self._remove_unreferenced()
        return Collected(removed, before, self._size)

    def _candidates(self) -> Iterator[Evictable]:
        for key in self._needs:
            kept = self._kept["actions", key]
            remove = functools.partial(self._evict, key)
            yield Evictable(f"action {key}", kept.size, kept.last_used, remove)
        for other in self._others:
            yield replace(other, remove=functools.partial(self._remove_other, other))

    def _remove_other(self, other: Evictable, keep: Callable[[], bool]) -> bool:
        gone = other.remove(keep)
        self._size -= other.size if gone else 0
        return gone

    def _evict(self, key: str, keep: Callable[[], bool]) -> bool:
        """Remove a result; who said since that it uses it gets it back."""
        place, away = self._shelf.place("actions", key), self._home.new()
        try:
            os.rename(place, away)
        except FileNotFoundError:
            return False
        if keep():
            os.rename(away, place)
            return False
        away.unlink()
        self._size -= self._kept.pop(("actions", key)).size
        for thing in self._needs.pop(key):
            self._users[thing] -= 1
            if not self._users[thing]:
                self._remove(thing)
        return True

    def _remove_unreferenced(self) -> None:
        for thing in [t for t in self._kept if t[0] != "actions" and not self._users[t]]:
            self._remove(thing)

    def _remove(self, thing: Thing) -> None:
        """Remove a blob or pack, unless a living process touched it since it began."""
        kept = self._kept.get(thing)
        place = self._shelf.place(*thing)
        with contextlib.suppress(FileNotFoundError):
            if kept is None or (
                self._began is not None and place.stat().st_mtime >= self._began - 1
            ):
                return
            place.unlink()
            del self._kept[thing]
            self._size -= kept.size

    def _needed(self, key: str) -> set[Thing]:
        try:
            return references(self._root, key)
        except (OSError, ValueError):
            return set()

    def _is_used(self, name: str) -> bool:
        return name in self._in_use()

    def _in_use(self) -> set[str]:
        return used(self._root / "work")
