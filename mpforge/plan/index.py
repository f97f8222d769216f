"""The index: session names, requirements and tags, all that nox needs to know.

It depends on the spec and on mpforge's version alone, is kept in ``.mpforge/`` and is read by every ``nox
-l``, so this module imports nothing heavy.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

SCHEMA = 2


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
    tags: tuple[str, ...] = ()
    group: bool = False


@dataclass(frozen=True)
class Index:
    """All sessions of a spec, in nox's order; ``key`` is the digest of the index's inputs.

    ``left_out`` are the names that ``project.skip`` removes, ``warnings`` the doubtful entries of the spec,
    each with its place.
    """

    key: str
    sessions: tuple[IndexedSession, ...]
    left_out: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return JSON data."""
        return {"schema": SCHEMA, **asdict(self)}

    @staticmethod
    def from_json(data: dict[str, Any]) -> "Index":
        """Parse the data of ``to_json``; ``KeyError`` or ``TypeError`` for anything else."""
        if data["schema"] != SCHEMA:
            raise KeyError("schema")
        sessions = tuple(
            IndexedSession(
                **{**entry, "requires": tuple(entry["requires"]), "tags": tuple(entry["tags"])}
            )
            for entry in data["sessions"]
        )
        return Index(data["key"], sessions, tuple(data["left_out"]), tuple(data["warnings"]))
