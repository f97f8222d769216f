"""Events of running sessions, as data: the engine emits them, renderers show them.

Times are seconds, sizes bytes. A renderer decides what is worth a line; nothing here prints.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mpforge.plan.session_end import Level, SessionEnded


@dataclass(frozen=True)
class _OfSession:
    session: str


@dataclass(frozen=True)
class Chosen(_OfSession):
    """A target's strategy, its reason and its downloads, before anything is fetched."""

    target: str
    strategy: str
    toolchain: str
    why: str
    download: int | None
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepStarted(_OfSession):
    """A step runs, because it was not in the store; ``why`` says why a stored result does not count."""

    step: str
    title: str
    log: str
    why: str = ""


@dataclass(frozen=True)
class StepHit(_OfSession):
    """A step's result was in the store."""

    step: str
    key: str


@dataclass(frozen=True)
class StepWaits(_OfSession):
    """Another process runs this very step; this one waits for its result."""

    step: str


@dataclass(frozen=True)
class StepEnded(_OfSession):
    """A step ended and its result is stored (``key``) unless it failed."""

    step: str
    key: str
    seconds: float
    cpu_seconds: float
    failed: bool = False


@dataclass(frozen=True)
class Working(_OfSession):
    """Long work that is not a step: resolving, fetching, priming a compiler's cache."""

    what: str


@dataclass(frozen=True)
class WorkEnded(_OfSession):
    """The end of ``Working``."""

    what: str
    seconds: float


@dataclass(frozen=True)
class Published(_OfSession):
    """A file of ``dist/`` was written, or was verified to equal the session's result."""

    path: str
    digest: str
    fresh: bool


@dataclass(frozen=True)
class Tested(_OfSession):
    """The facts reported at the end of a test session's chain."""

    wheel: str
    machine: str
    cpu: str | None
    import_only: bool
    level: Level


@dataclass(frozen=True)
class Checked(_OfSession):
    """The files of a test session met the static checks; none of their code ran. ``why`` it did not."""

    files: str
    why: str


@dataclass(frozen=True)
class OutputsWritten(_OfSession):
    """The declared outputs of tests were put into a directory, after a pass or a failure."""

    place: str


@dataclass(frozen=True)
class Warned(_OfSession):
    """A warning for the user; nothing fails."""

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
    | Checked
    | OutputsWritten
    | Warned
    | SessionEnded
)
Emit = Callable[[Event], None]
