"""Report warnings, waiting and long work of a session."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from mpforge.plan.events import Emit, StepWaits, Warned, WorkEnded, Working


class Reporter:
    """Emits the events of one session that are not about a single step."""

    def __init__(self, session: str, emit: Emit) -> None:
        self.session = session
        self.emit = emit
        self._warned: set[str] = set()

    def warn(self, message: str) -> None:
        """Emit a warning."""
        self.emit(Warned(self.session, message))

    def warn_once(self, message: str) -> None:
        """Emit a warning that holds for the whole session, once."""
        if message not in self._warned:
            self._warned.add(message)
            self.warn(message)

    def waits(self, what: str) -> None:
        """Report that another process makes what this session needs."""
        self.emit(StepWaits(self.session, what))

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Report long work while the block runs."""
        self.emit(Working(self.session, what))
        start = monotonic()
        try:
            yield
        finally:
            self.emit(WorkEnded(self.session, what, monotonic() - start))


SILENT = Reporter("", lambda _: None)
"""For work outside of a session."""
