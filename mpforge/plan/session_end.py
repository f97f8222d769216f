"""How a session ended. Every run of nox loads this module, so it imports nothing of mpforge."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["done", "cached", "checked", "not-run", "failed", "interrupted"]
"""``checked``: a test session whose files passed the static checks and were not run."""

Level = Literal["native", "emulated", "static"]
"""How a test session tests: on a machine of the target, under an emulator, or by reading the files only."""


@dataclass(frozen=True)
class SessionEnded:
    """A session's end; ``reason`` is nox's word for it, ``error`` and ``exit_code`` are a failure's.

    ``level`` is a test's.
    """

    session: str
    phase: str
    status: Status
    reason: str
    exit_code: int = 0
    error: str | None = None
    group: bool = False
    import_only: bool = False
    level: Level | None = None
