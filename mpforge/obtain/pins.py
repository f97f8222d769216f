"""Pins for a session's requests: from the lock, else resolved and recorded (docs/contract.md, "Lock").

A build never moves a pin. With ``--locked`` (or in CI) a missing one is an error that names the
command. Sessions that miss the same pin at once resolve it once, and all use the lock's pin afterwards.
Knows nothing of the use of a pin.
"""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mpforge.errors import PinMissing
from mpforge.lock import lock_file
from mpforge.obtain.packages.package_index import Index
from mpforge.obtain.packages.path_packages import PathPackages
from mpforge.plan.pins import (
    CratesPin,
    CratesRequest,
    DistroPin,
    DistroRequest,
    EnvironmentPin,
    EnvironmentRequest,
    ImagePin,
    ImageRequest,
    Lock,
    StrategyPin,
)
from mpforge.plan.reporter import Reporter
from mpforge.plan.requirements import OwnPackage, shown

T = TypeVar("T")


class Pins:
    """The lock of a workspace, completed as sessions need it."""

    def __init__(
        self,
        path: Path,
        *,
        index: Index,
        state: Path,
        locked: bool,
        reporter: Reporter,
        paths: PathPackages,
    ) -> None:
        self.path = path
        self.index = index
        self.paths = paths
        self._state = state
        self._locked = locked
        self._reporter = reporter
        self.lock: Lock = lock_file.read(path)

    def environment(
        self, request: EnvironmentRequest, own: OwnPackage | None = None
    ) -> EnvironmentPin:
        """Return the packages pinned for a request; ``own`` is the project under test, if any.

        Raises ``PinMissing``, and the errors of resolving.
        """
        if not request.requirements:
            return EnvironmentPin(request, ())
        words = shown(request.requirements)

        def resolve() -> EnvironmentPin:
            from mpforge.obtain.packages.resolve import resolve as resolve_packages

            with self.paths.local() as local:
                return resolve_packages(request, self.index, own=own, local=local)

        pin = self._pinned(
            request,
            f"{words} ({request.purpose}, {request.python})",
            doing=f"resolving {words} for {request.python} {request.platform}",
            look=lambda lock: lock.environment(request),
            resolve=resolve,
            lock_of=lambda found: Lock(environments=(found,)),
        )
        return pin if own is None else pin.without(own.name)

    def digest_of(self, request: EnvironmentRequest) -> str:
        """Return a digest of every pin for a request's purpose, Python and platform."""
        like = (request.purpose, request.python, request.platform)
        pins = [
            pin
            for pin in self.lock.environments
            if (pin.request.purpose, pin.request.python, pin.request.platform) == like
        ]
        return hashlib.sha256(repr(pins).encode()).hexdigest()

    def distribution(self, request: DistroRequest) -> DistroPin:
        """Return the distribution's packages pinned for a request. Raises as ``environment`` does."""
        return self.distributions((request,))[0]

    def distributions(
        self,
        requests: tuple[DistroRequest, ...],
        check: Callable[[tuple[DistroPin, ...]], None] = lambda _: None,
    ) -> tuple[DistroPin, ...]:
        """Return the pins of requests that belong together; missing ones are recorded if ``check`` passes."""
        first = requests[0]
        archive = f"{first.distribution} {first.suite} {requests[-1].architecture}"

        def look(lock: Lock) -> tuple[DistroPin, ...] | None:
            known = [pin for one in requests if (pin := lock.packages_of(one)) is not None]
            return tuple(known) if len(known) == len(requests) else None

        def resolve() -> tuple[DistroPin, ...]:
            from mpforge.obtain.distro import apt

            known = ((one, self.lock.packages_of(one)) for one in requests)
            pins = tuple(pin or apt.resolve(one, state=self._state) for one, pin in known)
            check(pins)
            return pins

        return self._pinned(
            requests,
            f"{sum(len(one.names) for one in requests)} packages of {archive}",
            doing=f"looking up packages of {archive}",
            look=look,
            resolve=resolve,
            lock_of=lambda found: Lock(distribution=found),
        )

    def crates(self, request: CratesRequest, resolve: Callable[[], CratesPin]) -> CratesPin:
        """Return the crates pinned for Cargo files without a lock. Raises as ``image`` does."""
        return self._pinned(
            request,
            f"the crates of {request.manifest}, which has no Cargo.lock or has changed",
            doing=f"resolving the crates of {request.manifest}",
            look=lambda lock: lock.crates_of(request),
            resolve=resolve,
            lock_of=lambda found: Lock(crates=(found,)),
        )

    def image(self, request: ImageRequest, resolve: Callable[[], ImagePin]) -> ImagePin:
        """Return the pin of an image's name. Raises ``PinMissing``, and the errors of resolving."""
        return self._pinned(
            request,
            f"the image {request.name} ({request.platform})",
            doing=f"looking up the image {request.name}",
            look=lambda lock: lock.image(request),
            resolve=resolve,
            lock_of=lambda found: Lock(images=(found,)),
        )

    def strategy(self, pin: StrategyPin) -> None:
        """Record the strategy that ``auto`` chose, unless one is recorded or the lock must not change."""
        warn = self._reporter.warn_once
        if not self._locked and self.lock.strategy(pin.target, pin.host) is None:
            self.lock = lock_file.merge(self.path, Lock(strategies=(pin,)), warn=warn)

    def _pinned(
        self,
        request: EnvironmentRequest | tuple[DistroRequest, ...] | ImageRequest | CratesRequest,
        what: str,
        *,
        doing: str,
        look: Callable[[Lock], T | None],
        resolve: Callable[[], T],
        lock_of: Callable[[T], Lock],
    ) -> T:
        """Return the lock's pin for a request; one process resolves it if it is missing.

        ``what`` is the request and ``doing`` its resolving, in messages.
        """
        if (pin := look(self.lock)) is not None:
            return pin
        if self._locked:
            raise PinMissing(
                f"{self.path.name} has no pin for {what}",
                why="--locked is set, or CI is",
                hint="run `mpforge lock` on a development machine, and commit the lock",
            )
        name = f"resolving-{hashlib.sha256(repr(request).encode()).hexdigest()[:16]}"
        reporter = self._reporter
        waits = functools.partial(reporter.waits, f"a pin ({doing})")
        with lock_file.single(self.path, name, waits=waits, warn=reporter.warn_once):
            self.lock = lock_file.read(self.path)
            if (pin := look(self.lock)) is not None:
                return pin
            with reporter.working(doing):
                found = resolve()
            self.lock = lock_file.merge(self.path, lock_of(found), warn=reporter.warn_once)
        return look(self.lock) or found
