"""Globs over ``/``-separated paths, matched in time that grows with the path only, whatever the glob is.

``*`` and ``?`` match within a name, ``**`` across names; a folder matches everything in it.
A regular expression with many stars would backtrack exponentially, so a glob is an automaton whose
states are created when a path reaches them.
"""

import posixpath
import re
from collections.abc import Iterable, Sequence

_State = frozenset[int]


def without(paths: Iterable[str], exclude: Sequence[str]) -> list[str]:
    """Return the paths that no glob of ``exclude`` matches."""
    globs = [Glob(glob) for glob in exclude]
    return [path for path in paths if not any(glob.matches(path) for glob in globs)]


def select(paths: Iterable[str], globs: Sequence[str]) -> list[str]:
    """Return the paths that a glob matches, or that are in a folder that one matches."""
    wanted = [Glob(glob) for glob in globs]
    return [path for path in paths if any(glob.matches(path) for glob in wanted)]


def normal(glob: str) -> str:
    """Return a glob without ``./`` and needless slashes; of ``.``, the whole directory, ``**``."""
    trimmed = glob.strip("/")
    short = trimmed and posixpath.normpath(trimmed)
    return "**" if short == "." else short


class Glob:
    """One glob; its parts are ``**/`` (whole names or nothing), ``**``, ``*``, ``?`` and characters.

    A position is before a part. Each character of a path leads from a set of positions to the next.
    """

    def __init__(self, glob: str) -> None:
        self._parts: list[str] = []
        for part in re.split(r"(\*\*/|\*\*|\*|\?)", normal(glob)):
            self._parts += [part] if part in {"**/", "**", "*", "?"} else part
        self._start = self._closed({0})
        self._next: dict[tuple[_State, str], _State] = {}

    def matches(self, path: str) -> bool:
        """Return whether it matches the path, or a folder that the path is in."""
        state = self._start
        end = len(self._parts)
        for character in path:
            if character == "/" and end in state:
                return True
            state = self._after(state, character)
            if not state:
                return False
        return end in state

    def _after(self, state: _State, character: str) -> _State:
        found = self._next.get((state, character))
        if found is None:
            found = self._closed(self._reached(state, character))
            self._next[state, character] = found
        return found

    def _reached(self, state: _State, character: str) -> set[int]:
        """Return the positions after a character; -1 - N is within the names of the ``**/`` at N."""
        reached: set[int] = set()
        for position in state:
            at = -1 - position if position < 0 else position
            part = self._parts[at] if at < len(self._parts) else ""
            if part == "**/":
                reached |= {-1 - at, at + 1} if character == "/" else {-1 - at}
            elif part == "**" or (part == "*" and character != "/"):
                reached.add(at)
            elif part == character or (part == "?" and character != "/"):
                reached.add(at + 1)
        return reached

    def _closed(self, positions: set[int]) -> _State:
        """Add the positions reached without a character, after a star that matches nothing."""
        pending = [position for position in positions if position >= 0]
        closed = set(positions)
        while pending:
            position = pending.pop()
            stars = position < len(self._parts) and self._parts[position].startswith("*")
            if stars and position + 1 not in closed:
                closed.add(position + 1)
                pending.append(position + 1)
        return frozenset(closed)
