"""Keep a store within limits: evict the least recently used first, and never what is in use.

A result goes together with files that only it refers to, and not before the results whose keys need it.
Files without a referring result (sources of a build, leftovers of a crash) go after a day. Everything that a
living process touched since it began stays, and everything that it marks as used. Other items than results
(tools) count toward the same limits, whatever they are. Only names, sizes and times are read, never content.

A process that begins to use an item at the very moment it is removed gets a miss.
"""

import contextlib
import functools
import itertools
import operator
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from mpforge.errors import WrongInput
from mpforge.store.process_homes import Home, oldest, sweep, used
from mpforge.store.references import Node, References, contents

T = TypeVar("T")

_DAY = 24 * 3600.0
_BY_USE = operator.attrgetter("last_used")
NOBODYS_SECONDS = _DAY
"""Seconds that a file without a referring result is kept."""


SIZE_VARIABLE, AGE_VARIABLE = "MPFORGE_CACHE_SIZE", "MPFORGE_CACHE_AGE"
DEFAULT_SIZE, DEFAULT_AGE = 20 * 10**9, 30 * _DAY

_UNITS = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_SIZE = re.compile(rf"(\d+(?:\.\d+)?) ?({'|'.join(_UNITS)})", re.ASCII)
_AGE = re.compile(r"(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)


@dataclass(frozen=True)
class Limits:
    """``size`` in bytes of everything together, ``age`` in seconds since the last use."""

    size: int
    age: float


NOTHING = Limits(size=0, age=float("-inf"))
"""Limits that evict everything except what is in use."""


@dataclass(frozen=True)
class Evictable:
    """An item that can be evicted: ``name`` by which processes mark it as used, bytes, last use.

    ``remove`` is given a function that returns whether the item is in use after all; it returns whether the
    item is gone.
    """

    name: str
    size: int
    last_used: float
    remove: Callable[[Callable[[], bool]], bool]


@dataclass(frozen=True)
class Left:
    """An item that should have been removed, by its name; and why it was not."""

    name: str
    why: str


IN_USE = "a running process uses it"


@dataclass(frozen=True)
class Collected:
    """Result of a collection: removed items by their names' first words; bytes before and after."""

    removed: Mapping[str, int]
    left: tuple[Left, ...]
    before: int
    after: int


def collect(root: Path, limits: Limits, others: Iterable[Evictable] = ()) -> Collected:
    """Remove items that exceed the limits in age or size.

    Items that can't be removed are left. Raises ``OSError`` if nothing can be removed, or if the store can't
    be read: its references are unknown then.
    """
    home = Home(root / "work")
    try:
        return _Collection(root, home, limits, tuple(others)).run()
    finally:
        home.close()
        sweep(root / "work")


class _Collection:
    """One collection: the items, their references, which are in use, which are removed."""

    def __init__(
        self, root: Path, home: Home, limits: Limits, others: tuple[Evictable, ...]
    ) -> None:
        self._root = root
        self._home = home
        self._limits = limits
        self._others = others
        # Taken before anything is looked at: items touched from now on are in use.
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
        for candidate in sorted(self._nobodys(), key=_BY_USE):
            if _age(candidate) > nobodys:
                self._take(candidate)
        for candidate in sorted(self._candidates(), key=_BY_USE):
            if _age(candidate) > self._limits.age or self._size > self._limits.size:
                self._take(candidate)
        left = tuple(itertools.starmap(Left, self._left.items()))
        return Collected(dict(self._removed), left, before, self._size)

    def _take(self, candidate: Evictable) -> None:
        """Remove a candidate unless it is in use."""
        name = candidate.name
        is_used = functools.partial(self._is_used, name)
        try:
            if not is_used() and candidate.remove(is_used):
                self._removed[name.partition(" ")[0]] += 1
                self._size -= candidate.size
            else:
                self._left.setdefault(name, IN_USE)
        except OSError as error:
            self._left[name] = error.strerror or str(error)

    # --- what can be evicted -------------------------------------------------------------------

    def _candidates(self) -> Iterator[Evictable]:
        results = [(key, kept) for (kind, key), kept in self._kept.items() if kind == "actions"]
        results.sort(key=lambda result: result[1].last_used, reverse=True)
        needed = self._last_needed({key: kept.last_used for key, kept in results})
        # Among results that were last needed at the same time, one that needs others comes first.
        for key, kept in results:
            remove = functools.partial(self._remove_result, key)
            yield Evictable(f"action {key}", kept.size, needed[key], remove)
        yield from (*self._nobodys(), *self._others)

    def _last_needed(self, used: dict[str, float]) -> dict[str, float]:
        """Return when each result, or one whose key needs it, was last used: without it no key is found."""
        needed, pending = dict(used), list(used)
        while pending:
            key = pending.pop()
            for other in self._references.inputs.get(key, ()):
                if needed.get(other, needed[key]) < needed[key]:
                    needed[other] = needed[key]
                    pending.append(other)
        return needed

    def _nobodys(self) -> Iterator[Evictable]:
        for thing, kept in self._kept.items():
            if thing[0] != "actions" and not self._users[thing]:
                remove = functools.partial(self._remove_file, thing)
                yield Evictable(_called(thing), kept.size, kept.last_used, remove)

    def _remove_result(self, key: str, is_used: Callable[[], bool]) -> bool:
        """Remove a result and the files that only it refers to; restore it if it is in use after all."""
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
        del self._kept[thing]
        self._release(thing)
        return True

    def _remove_file(self, thing: Node, _is_used: object = None) -> bool:
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
        del self._kept[thing]
        return True

    # --- references ----------------------------------------------------------------------------

    def _needs(self, node: Node) -> tuple[Node, ...]:
        try:
            return self._references.of(node)
        except ValueError:  # damaged: its references are unknown
            return ()

    def _count(self, node: Node) -> None:
        """Count a node as a user of the nodes that it refers to, recursively."""
        for needed in self._needs(node):
            self._users[needed] += 1
            if self._users[needed] == 1:
                self._count(needed)

    def _release(self, node: Node) -> None:
        """Remove nodes that only a removed node referred to."""
        for needed in self._needs(node):
            self._users[needed] -= 1
            if not self._users[needed]:
                self._release(needed)
                kept = self._kept.get(needed)
                if kept is not None and self._remove_file(needed):
                    self._size -= kept.size

    # --- use -----------------------------------------------------------------------------------

    def _is_used(self, name: str) -> bool:
        """Return whether a living process marked it as used; marks are read again only if they changed."""
        said = []
        for path in sorted((self._root / "work").glob("*/uses")):
            with contextlib.suppress(FileNotFoundError):  # its process has ended
                said.append((str(path), path.stat().st_size))
        if said != self._heard[0]:
            self._heard = said, used(self._root / "work")
        return name in self._heard[1]


def _since(root: Path, home: Home) -> float:
    """Return the time after which touched files may be in use, by the clock of the store's file system."""
    own = home.path.stat().st_mtime
    first = oldest(root / "work", but=home.path)
    return own if first is None else min(own, first - 1)


def _called(thing: Node) -> str:
    return f"{thing[0][:-1]} {thing[1]}"


def _age(candidate: Evictable) -> float:
    return time.time() - candidate.last_used


# --- limits -----------------------------------------------------------------------------------


def limits_of(
    environment: Mapping[str, str], *, size: str | None = None, age: str | None = None
) -> Limits:
    """Return the limits of the cache: those given, else the environment's, else 20 GB and 30 days.

    Raises ``WrongInput``, which names the variable or the option.
    """
    most = _read(parse_size, (size, "--size"), (environment.get(SIZE_VARIABLE), SIZE_VARIABLE))
    oldest = _read(parse_age, (age, "--age"), (environment.get(AGE_VARIABLE), AGE_VARIABLE))
    return Limits(DEFAULT_SIZE if most is None else most, DEFAULT_AGE if oldest is None else oldest)


def _read(parse: Callable[[str], T], *words: tuple[str | None, str]) -> T | None:
    """Parse the first (text, source) whose text was given; None if none was."""
    for text, place in words:
        if text is not None and (text or place.startswith("-")):
            try:
                return parse(text)
            except ValueError as error:
                raise WrongInput(f"{place}: {text!r} can't be parsed", hint=str(error)) from None
    return None


def parse_size(text: str) -> int:
    """Parse ``"1.5GB"``, ``"500 MiB"`` or ``"0"`` to bytes. Raises ``ValueError`` with the expected form."""
    match = _SIZE.fullmatch(text.strip())
    if match is None and text.strip() != "0":
        raise ValueError("give a number with a unit, such as 500MB, 20GB or 1.5TiB, or 0")
    return int(Decimal(match[1]) * _UNITS[match[2]]) if match is not None else 0


def parse_age(text: str) -> float:
    """Parse ``"30d"``, ``"1d12h"`` or ``"0"`` to seconds. Raises ``ValueError`` with the expected form."""
    match = _AGE.fullmatch(text.strip())
    if match is None and text.strip() != "0":
        raise ValueError(
            "give days, hours, minutes or seconds, such as 30d, 12h, 1d12h or 90m, or 0"
        )
    numbers = [int(word or 0) for word in match.groups()] if match is not None else [0] * 4
    days, hours, minutes, seconds = numbers
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
