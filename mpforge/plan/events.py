"""Events of running sessions, as data: the engine emits them, renderers show them.

Times are seconds, sizes bytes. A renderer decides what is worth a line; nothing here prints.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mpforge.plan.session_end import SessionEnded


@dataclass(frozen=True)
class Chosen:
    """A target's strategy, its reason and its downloads, before anything is fetched."""

    session: str
    target: str
    strategy: str
    toolchain: str
    why: str
    download: int | None
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepStarted:
    """A step runs, because it was not in the store; ``why`` says why a stored result does not count."""

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
    """Long work that is not a step: resolving, fetching, priming a compiler's cache."""

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
    """A file of ``dist/`` was written, or was verified to equal the session's result."""

    session: str
    path: str
    digest: str
    fresh: bool


@dataclass(frozen=True)
class Tested:
    """The facts reported at the end of a test session's chain."""

    session: str
    wheel: str
    machine: str
    cpu: str | None
    import_only: bool


@dataclass(frozen=True)
class OutputsWritten:
    """The declared outputs of tests were put into a directory, after a pass or a failure."""

    session: str
    place: str


@dataclass(frozen=True)
class Warned:
    """A warning for the user; nothing fails."""

    session: str
    message: str


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
