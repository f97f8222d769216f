"""The index: session names, requirements and tags, all that nox needs to know.

It depends on the spec, on mpforge's version, and with ``python = "auto"`` on the project's files. It is kept
in ``.mpforge/`` and read by every ``nox -l``, so this module imports nothing heavy.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class IndexedSession:
    """A session as nox sees it; ``group``: it only stands for the sessions that it requires."""

    name: str
    description: str
    phase: Literal["sdist", "deps", "build", "test", "release"]
    target: str | None = None
    python: str | None = None
    cpu: str | None = None
    requires: tuple[str, ...] = ()
    group: bool = False

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags for nox: its phase, its target and its Python."""
        return tuple(word for word in (self.phase, self.target, self.python) if word is not None)


@dataclass(frozen=True)
class Index:
    """All sessions of a spec, in nox's order; ``key`` is the digest of the index's inputs.

    ``left_out`` are the names that ``project.skip`` removes, ``warnings`` the doubtful entries of the spec,
    each with its place. ``read`` are the files that the Pythons depend on, with their digests.
    """

    key: str
    sessions: tuple[IndexedSession, ...]
    left_out: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    read: tuple[tuple[str, str], ...] = ()
