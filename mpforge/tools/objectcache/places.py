"""Where a call is made, and how the names that only this run has are hidden in what is kept."""

from __future__ import annotations

import os


class NotReusable(Exception):
    """Why a call is the compiler's alone."""


_MARKED = {"@": b"\0@\0", "%": b"\0%\0"}
"""The marks of a place (``Place``) in what a compiler wrote."""
_CHANCE = set("abcdefghijklmnopqrstuvwxyz0123456789_")


class Place:
    """Where a call is made: the step's directory, and a directory below it that has a random name.

    Both have other names next time, so what is kept has marks for them. Each is known as it was given and
    as it really is. Nothing below ``fixed`` changes.
    """

    def __init__(self, step: str, fixed: str, current: str) -> None:
        steps = dict.fromkeys((step, os.path.realpath(step)))
        chance = next(
            (_chance(current[len(s) :]) for s in steps if current.startswith(f"{s}/")), ""
        )
        marks = [(f"{s}{chance}", "%") for s in steps] if chance else []
        self.marks = [*marks, *((s, "@") for s in steps)]
        self.names = [*steps, os.path.basename(chance)] if chance else [*steps]
        self.current = current
        self.fixed = f"{fixed}/"

    def hide(self, path: str) -> str:
        """A path as it is kept. Raises ``NotReusable`` for one that would be read as another."""
        for prefix, mark in self.marks:
            if path == prefix or path.startswith(f"{prefix}/"):
                return f"{mark}{path[len(prefix) :]}"
        if path.startswith(("@", "%")) or "\n" in path:
            raise NotReusable("a path has a strange name")
        return path

    def show(self, path: str) -> str:
        """What ``hide`` was given."""
        prefix = next((prefix for prefix, mark in self.marks if path.startswith(mark)), None)
        return path if prefix is None else f"{prefix}{path[1:]}"

    def is_fixed(self, path: str) -> bool:
        """Whether a file never changes."""
        return path.startswith(self.fixed)

    def hidden(self, data: bytes) -> bytes:
        """Bytes that a compiler wrote for people or for make, as they are kept."""
        for prefix, mark in self.marks:
            data = data.replace(os.fsencode(prefix), _MARKED[mark])
        return data

    def shown(self, data: bytes) -> bytes:
        """What ``hidden`` was given."""
        for mark, marked in _MARKED.items():
            data = data.replace(marked, os.fsencode(self.show(mark)))
        return data

    def is_named_in(self, data: bytes) -> bool:
        """Whether an object tells where it was made."""
        return any(os.fsencode(name) in data for name in self.names)


def _chance(path: str) -> str:
    """The beginning of a path up to a directory that Python's tempfile named; empty without one."""
    parts = path.split("/")
    for number, part in enumerate(parts):
        for prefix in ("tmp", ".mesonpy-"):
            rest = part[len(prefix) :]
            if part.startswith(prefix) and len(rest) == 8 and _CHANCE.issuperset(rest):
                return "/".join(parts[: number + 1])
    return ""
