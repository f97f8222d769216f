"""What happens while sessions run, as data: the engine emits events, renderers show them.

Times are seconds, sizes bytes. A renderer decides what is worth a line; nothing here prints.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Status = Literal["done", "cached", "not-run", "failed", "interrupted"]


@dataclass(frozen=True)
class Chosen:
    """Before anything is fetched: how a target is built, why, and what will be downloaded."""

    session: str
    target: str
    strategy: str
    toolchain: str
    why: str
    download: int | None
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepStarted:
    """A step runs, because it was not in the store; ``why`` says what of a stored result does not count."""

    session: str
    step: str
    title: str
    log: str
    why: str = ""


@dataclass(frozen=True)
class StepHit:
    """A step's result was in the store."""

    session: str
    step: str
    key: str


@dataclass(frozen=True)
class StepWaits:
    """Another process runs this very step; this one waits for its result."""

    session: str
    step: str


@dataclass(frozen=True)
class StepEnded:
    """A step ended and its result is stored (``key``) unless it failed."""

    session: str
    step: str
    key: str
    seconds: float
    cpu_seconds: float
    failed: bool = False


@dataclass(frozen=True)
class Working:
    """Something long that is not a step: resolving, fetching, priming a compiler's cache."""

    session: str
    what: str


@dataclass(frozen=True)
class WorkEnded:
    """The end of ``Working``."""

    session: str
    what: str
    seconds: float


@dataclass(frozen=True)
class Published:
    """A file of ``dist/`` was written, or was verified to be what the session gives."""

    session: str
    path: str
    digest: str
    fresh: bool


@dataclass(frozen=True)
class Tested:
    """What a test session's end of chain reported."""

    session: str
    wheel: str
    machine: str
    cpu: str | None
    import_only: bool


@dataclass(frozen=True)
class OutputsWritten:
    """What tests declare as outputs was put into a directory, of a pass or of a failure."""

    session: str
    place: str


@dataclass(frozen=True)
class Warned:
    """Something that a user should know and that fails nothing."""

    session: str
    message: str


@dataclass(frozen=True)
class SessionEnded:
    """A session's end; ``reason`` is nox's word for it, ``error`` and ``exit_code`` of a failure."""

    session: str
    phase: str
    status: Status
    reason: str
    exit_code: int = 0
    error: str | None = None
    group: bool = False
    import_only: bool = False


Event = (
    Chosen
    | StepStarted
    | StepHit
    | StepWaits
    | StepEnded
    | Working
    | WorkEnded
    | Published
    | Tested
    | OutputsWritten
    | Warned
    | SessionEnded
)
Emit = Callable[[Event], None]
