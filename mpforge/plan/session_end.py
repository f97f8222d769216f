"""How a session ended. Every run of nox loads this module, so it imports nothing of mpforge."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["done", "cached", "not-run", "failed", "interrupted"]


@dataclass(frozen=True)
class SessionEnded:
    """A session's end; ``reason`` is nox's word for it, ``error`` and ``exit_code`` are a failure's."""

    session: str
    phase: str
    status: Status
    reason: str
    exit_code: int = 0
    error: str | None = None
    group: bool = False
    import_only: bool = False
