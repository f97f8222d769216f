"""Pins for what a session needs: from the lock, else resolved and recorded (docs/design.md 2.5).

A build never moves a pin. With ``--locked`` (or in CI) a missing one is an error that names the
command. Knows nothing of what is done with a pin.
"""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mpforge.errors import PinMissing
from mpforge.plan.events import Emit, WorkEnded, Working
from mpforge.plan.pins import (
    DistroPin,
    DistroRequest,
    EnvironmentPin,
    EnvironmentRequest,
    Lock,
    StrategyPin,
)
from mpforge.tools import lockfile
from mpforge.tools.index import Index

T = TypeVar("T")


class Pins:
    """The lock of a workspace, completed as sessions need it."""

    def __init__(
        self, path: Path, *, index: Index, state: Path, locked: bool, session: str, emit: Emit
    ) -> None:
        self.path = path
        self.index = index
        self._state = state
        self._locked = locked
        self._session = session
        self._emit = emit
        self.lock: Lock = lockfile.read(path)

    def environment(self, request: EnvironmentRequest) -> EnvironmentPin:
        """The packages that answer a request. Raises ``PinMissing``, and what resolving raises."""
        pin = self.lock.environment(request)
        if pin is not None:
            return pin
        if not request.requirements:
            return EnvironmentPin(request, ())
        what = " ".join(request.requirements)
        self._refuse_if_locked(f"{what} ({request.purpose}, {request.python})")

        def resolve() -> EnvironmentPin:
            from mpforge.tools.packages import resolve as resolve_packages

            return resolve_packages(request, self.index)

        found = self._timed(f"resolving {what} for {request.python} {request.platform}", resolve)
        self.lock = lockfile.merge(self.path, environments=(found,))
        return found

    def digest_of(self, request: EnvironmentRequest) -> str:
        """A digest of every pin for a request's purpose, Python and platform."""
        like = (request.purpose, request.python, request.platform)
        pins = [
            pin
            for pin in self.lock.environments
            if (pin.request.purpose, pin.request.python, pin.request.platform) == like
        ]
        return hashlib.sha256(repr(pins).encode()).hexdigest()

    def distribution(self, request: DistroRequest) -> DistroPin:
        """The distribution's packages that answer a request. Raises as ``environment`` does."""
        pin = self.lock.packages_of(request)
        if pin is not None:
            return pin
        what = f"{request.distribution} {request.suite} {request.architecture}"
        self._refuse_if_locked(f"{len(request.names)} packages of {what}")

        def resolve() -> DistroPin:
            from mpforge.tools import distribution

            return distribution.resolve(request, state=self._state)

        found = self._timed(f"looking up packages of {what}", resolve)
        self.lock = lockfile.merge(self.path, distribution=(found,))
        return found

    def strategy(self, pin: StrategyPin) -> None:
        """Record what ``auto`` chose, unless it is recorded or may not be."""
        if not self._locked and self.lock.strategy(pin.target, pin.host) is None:
            self.lock = lockfile.merge(self.path, strategies=(pin,))

    def _refuse_if_locked(self, what: str) -> None:
        if self._locked:
            raise PinMissing(
                f"{self.path.name} has no pin for {what}",
                why="--locked is set, or CI is",
                hint="run `mpforge lock` where it may change, and commit the lock",
            )

    def _timed(self, what: str, resolve: Callable[[], T]) -> T:
        self._emit(Working(self._session, what))
        start = time.monotonic()
        try:
            return resolve()
        finally:
            self._emit(WorkEnded(self._session, what, time.monotonic() - start))
