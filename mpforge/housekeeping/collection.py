"""Keeping a store bounded: what was not used for longest goes first, what is in use never.

A result goes with whatever only it refers to. What no result refers to (the sources that a build was given,
what a crash left) goes after a day. Everything that a living process touched since it began stays, and
what it says that it uses. Other things than results (tools) are bounded along with them, whatever they
are. Only names, sizes and times are read, never content.

A process that begins to use a thing in the very moment when it is removed finds it gone: a miss.
"""

import contextlib
import functools
import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mpforge.store.process_homes import Home, oldest, sweep, used
from mpforge.store.references import Node, References, contents

_DAY = 24 * 3600.0
NOBODYS_SECONDS = _DAY
"""How long a file is kept that no result refers to."""


@dataclass(frozen=True)
class Limits:
    """``size`` in bytes for all together, ``age`` in seconds since the last use."""

    size: int
    age: float


NOTHING = Limits(size=0, age=float("-inf"))
"""The limits that only what is in use is kept in spite of."""


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
class Left:
    """Something that should have gone, by its name; and why it did not."""

    name: str
    why: str


IN_USE = "a running process uses it"


@dataclass(frozen=True)
class Collected:
    """What a collection did: what went, by the first words of its names; the bytes before and after."""

    removed: Mapping[str, int]
    left: tuple[Left, ...]
    before: int
    after: int


def collect(root: Path, limits: Limits, others: Iterable[Evictable] = ()) -> Collected:
    """Remove what is older or more than the limits allow.

    What can't be removed is left. Raises ``OSError`` where nothing can be, or where the store can't be read:
    then it can't be told who needs what.
    """
    home = Home(root / "work")
    try:
        return _Collection(root, home, limits, tuple(others)).run()
    finally:
        home.close()
        sweep(root / "work")


class _Collection:
    """One collection: what there is, who needs it, what is in use, what goes."""

    def __init__(
        self, root: Path, home: Home, limits: Limits, others: tuple[Evictable, ...]
    ) -> None:
        self._root = root
        self._home = home
        self._limits = limits
        self._others = others
        # From before anything is looked at: what is touched from now on is somebody's.
        self._since = _since(root, home)
        self._kept = dict(contents(root))
        self._references = References(root)
        self._users: Counter[Node] = Counter()
        for kind, name in self._kept:
            if kind == "actions":
                self._count((kind, name))
        self._size = sum(k.size for k in self._kept.values()) + sum(o.size for o in others)
        self._removed: Counter[str] = Counter()
        self._left: dict[str, str] = {}
        self._heard: tuple[object, set[str]] = None, set()

    def run(self) -> Collected:
        before = self._size
        nobodys = min(NOBODYS_SECONDS, self._limits.age)
        for candidate in sorted(self._nobodys(), key=_last_used):
            if _age(candidate) > nobodys:
                self._take(candidate)
        for candidate in sorted(self._candidates(), key=_last_used):
            if _age(candidate) > self._limits.age or self._size > self._limits.size:
                self._take(candidate)
        left = tuple(itertools.starmap(Left, self._left.items()))
        return Collected(dict(self._removed), left, before, self._size)

    def _take(self, candidate: Evictable) -> None:
        """Remove a candidate, unless somebody uses it."""
        name = candidate.name
        is_used = functools.partial(self._is_used, name)
        try:
            if not is_used() and candidate.remove(is_used):
                self._removed[name.partition(" ")[0]] += 1
            else:
                self._left.setdefault(name, IN_USE)
        except OSError as error:
            self._left[name] = error.strerror or str(error)

    # --- what may go ---------------------------------------------------------------------------

    def _candidates(self) -> Iterator[Evictable]:
        for (kind, key), kept in self._kept.items():
            if kind == "actions":
                remove = functools.partial(self._remove_result, key)
                yield Evictable(f"action {key}", kept.size, kept.last_used, remove)
        yield from self._nobodys()
        for other in self._others:
            yield replace(other, remove=functools.partial(self._remove_other, other))

    def _nobodys(self) -> Iterator[Evictable]:
        for thing, kept in self._kept.items():
            if thing[0] != "actions" and not self._users[thing]:
                remove = functools.partial(self._remove_nobodys, thing)
                yield Evictable(_called(thing), kept.size, kept.last_used, remove)

    def _remove_result(self, key: str, is_used: Callable[[], bool]) -> bool:
        """Remove a result and what only it needs; who uses it after all gets it back."""
        thing: Node = "actions", key
        place, away = self._kept[thing].path, self._home.new()
        try:
            os.rename(place, away)
        except FileNotFoundError:
            pass  # another process was quicker
        else:
            if is_used() or away.stat().st_mtime != self._kept[thing].last_used:
                os.rename(away, place)
                return False
            away.unlink()
        self._size -= self._kept.pop(thing).size
        self._release(thing)
        return True

    def _remove_other(self, other: Evictable, is_used: Callable[[], bool]) -> bool:
        gone = other.remove(is_used)
        self._size -= other.size if gone else 0
        return gone

    def _remove_nobodys(self, thing: Node, _is_used: Callable[[], bool]) -> bool:
        return self._remove_thing(thing)

    def _remove_thing(self, thing: Node) -> bool:
        """Remove a blob or pack, unless a living process touched it since it began."""
        place = self._kept[thing].path
        try:
            if self._since <= os.stat(place).st_mtime <= time.time() + _DAY:
                self._left[_called(thing)] = IN_USE
                return False
            os.unlink(place)
        except FileNotFoundError:
            pass
        except OSError as error:
            self._left[_called(thing)] = error.strerror or str(error)
            return False
        self._size -= self._kept.pop(thing).size
        return True

    # --- who needs what ------------------------------------------------------------------------

    def _needs(self, node: Node) -> tuple[Node, ...]:
        try:
            return self._references.of(node)
        except ValueError:  # damaged: what it needed is nobody's
            return ()

    def _count(self, node: Node) -> None:
        """Count a node as a user of what it needs, and so on."""
        for needed in self._needs(node):
            self._users[needed] += 1
            if self._users[needed] == 1:
                self._count(needed)

    def _release(self, node: Node) -> None:
        """Remove what only a node needed that has gone."""
        for needed in self._needs(node):
            self._users[needed] -= 1
            if not self._users[needed]:
                self._release(needed)
                if needed in self._kept:
                    self._remove_thing(needed)

    # --- who uses what -------------------------------------------------------------------------

    def _is_used(self, name: str) -> bool:
        """Whether a living process said so; asked again only if one has said something more."""
        said = []
        for path in sorted((self._root / "work").glob("*/uses")):
            with contextlib.suppress(FileNotFoundError):  # its process has ended
                said.append((str(path), path.stat().st_size))
        if said != self._heard[0]:
            self._heard = said, used(self._root / "work")
        return name in self._heard[1]


def _since(root: Path, home: Home) -> float:
    """What was touched after this may be somebody's: by the clock of the store's file system."""
    own = home.path.stat().st_mtime
    first = oldest(root / "work", but=home.path)
    return own if first is None else min(own, first - 1)


def _called(thing: Node) -> str:
    return f"{thing[0][:-1]} {thing[1]}"


def _last_used(candidate: Evictable) -> float:
    return candidate.last_used


def _age(candidate: Evictable) -> float:
    return time.time() - candidate.last_used
