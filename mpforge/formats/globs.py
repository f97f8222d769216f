"""Globs over ``/``-separated paths, matched in time that grows with the path only, whatever the glob is.

``*`` and ``?`` stand for what is within a name, ``**`` for what crosses names; a folder means all of it.
A regular expression of many stars would try exponentially many ways, so a glob is an automaton whose
states are made when a path leads to them.
"""

import re
from collections.abc import Iterable, Sequence

_State = frozenset[int]


def without(paths: Iterable[str], exclude: Sequence[str]) -> list[str]:
    """The paths that no glob of ``exclude`` matches."""
    globs = [Glob(glob) for glob in exclude]
    return [path for path in paths if not any(glob.matches(path) for glob in globs)]


def select(paths: Iterable[str], globs: Sequence[str]) -> list[str]:
    """The paths that a glob matches, or that lie in a folder that one names."""
    wanted = [Glob(glob) for glob in globs]
    return [path for path in paths if any(glob.matches(path) for glob in wanted)]


class Glob:
    """One glob; its parts are ``**/`` (whole names or nothing), ``**``, ``*``, ``?`` and characters.

    A position is before a part. A path's character leads from a set of them to the next set.
    """

    def __init__(self, glob: str) -> None:
        self._parts: list[str] = []
        for part in re.split(r"(\*\*/|\*\*|\*|\?)", glob.strip("/")):
            self._parts += [part] if part in {"**/", "**", "*", "?"} else part
        self._start = self._closed({0})
        self._next: dict[tuple[_State, str], _State] = {}

    def matches(self, path: str) -> bool:
        """Whether it matches the path, or a folder that the path is in."""
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
        """The positions after a character; -1 - N is within the names of the ``**/`` at N."""
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
        """With those that are reached without a character: after a star that stands for nothing."""
        pending = [position for position in positions if position >= 0]
        closed = set(positions)
        while pending:
            position = pending.pop()
            stars = position < len(self._parts) and self._parts[position].startswith("*")
            if stars and position + 1 not in closed:
                closed.add(position + 1)
                pending.append(position + 1)
        return frozenset(closed)
