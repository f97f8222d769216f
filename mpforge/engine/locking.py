"""``mpforge lock``: every pin that a spec needs, for all targets, from any host.

Builds add their missing pins one by one; this adds all of them at once, also for hosts of other
kinds, so that CI can run with ``--locked``. Knows nothing of printing.
"""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping

from mpforge.engine import lock_requests
from mpforge.engine.load_plan import compiled, facts_here, plan_on, requirements_base
from mpforge.engine.project_facts import project_facts
from mpforge.errors import (
    MpforgeError,
    NoContainerRuntime,
    NotAvailableYet,
    WrongInput,
)
from mpforge.lock import lock_file
from mpforge.obtain.packages.package_index import Index
from mpforge.obtain.packages.path_packages import PathPackages
from mpforge.obtain.pins import Pins
from mpforge.obtain.rust.distribution_rust import RustRequest
from mpforge.places.containers import connection, images
from mpforge.plan.facts import HostFacts
from mpforge.plan.pins import (
    Crate,
    CratesPin,
    DistroPin,
    DistroRequest,
    EnvironmentPin,
    EnvironmentRequest,
    ImagePin,
    Lock,
    Package,
    build_request,
)
from mpforge.plan.reporter import SILENT
from mpforge.plan.requirements import normal_name, shown
from mpforge.plan.sessions import Plan
from mpforge.plan.wants import (
    Crates,
    Image,
    Rust,
    Want,
)
from mpforge.platforms import well_known
from mpforge.spec.suggest import close_to
from mpforge.workspace import Workspace


@dataclasses.dataclass(frozen=True)
class Locked:
    """Result of locking: the differences as texts, and what could not be pinned and why."""

    differences: tuple[str, ...]
    left: tuple[str, ...]


def lock(
    workspace: Workspace, *, update: bool, name: str | None, say: Callable[[str], None]
) -> Locked:
    """Pin what is missing, drop what no target needs; with ``update`` update pins, all or those of ``name``.

    Raises ``SpecInvalid`` and the like; what can't be pinned here is listed in the result.
    """
    old = lock_file.read(workspace.lock)
    kept = Lock() if update else old
    preferred: dict[EnvironmentRequest, tuple[Package, ...]] = {}
    if name:
        kept = lock_file.forget(old, name)
        if kept == old:
            raise _no_pin(name, old)
        preferred = {
            pin.request: tuple(p for p in pin.packages if p.name != normal_name(name))
            for pin in old.environments
            if pin not in kept.environments
        }
    crates = {
        pin.request.manifest: tuple(crate for crate in pin.packages if crate.name != name)
        for pin in old.crates
        if name or not update
    }
    locking = _Locking(workspace, old, kept, preferred, crates, say)
    found = locking.resolved()
    new = lock_file.update(workspace.lock, lambda _now: found)
    return Locked(lock_file.difference(old, new), tuple(locking.left))


def _no_pin(name: str, lock: Lock) -> WrongInput:
    """Return the error for a name that no pin contains."""
    known = {package.name for pin in lock.environments for package in pin.packages}
    known |= {package.name for pin in lock.distribution for package in pin.packages}
    known |= {crate.name for pin in lock.crates for crate in pin.packages}
    known |= {pin.target for pin in lock.strategies} | {pin.request.name for pin in lock.images}
    near = close_to(name, known)
    return WrongInput(
        f"the lock has no pin for {name}",
        hint=f"did you mean {near}?" if near else "`mpforge lock` pins what is missing",
    )


@dataclasses.dataclass
class _Locking:
    """One run of ``mpforge lock``: ``kept`` are the pins of ``old`` that stay, ``left`` what can't be pinned.

    ``preferred`` are the packages to choose again, if possible, where another one of their environment is
    updated; ``preferred_crates`` likewise, by manifest.
    """

    workspace: Workspace
    old: Lock
    kept: Lock
    preferred: Mapping[EnvironmentRequest, tuple[Package, ...]]
    preferred_crates: Mapping[str, tuple[Crate, ...]]
    say: Callable[[str], None]
    left: list[str] = dataclasses.field(default_factory=list)

    def resolved(self) -> Lock:
        """Return the kept pins and the missing ones, of all that the plans need."""
        _, targets = plan_on(self.workspace, facts_here(self.workspace))
        plans = list(lock_requests.plans_of_hosts(self.workspace, targets))
        environments, needed = self._environments(plans)
        here, plan = plans[0]
        packages = list(self.kept.distribution)
        release = self._add_base(plans, packages)
        if here == facts_here(self.workspace):
            self._add_distribution(plan, packages, release)
        images = self._images([want for _, plan in plans for want in plan.wants])
        strategies = tuple(lock_requests.strategy_pins(plans, self.kept))
        pinned = Lock(tuple(environments), tuple(packages), strategies, images)
        pinned = dataclasses.replace(pinned, crates=self._crates(plans, pinned))
        pythons = {session.python for _, p in plans for session in p.sessions if session.python}
        return lock_file.only_needed(pinned, needed, pythons, targets)

    def _environments(
        self, plans: list[tuple[HostFacts, Plan]]
    ) -> tuple[list[EnvironmentPin], list[EnvironmentRequest]]:
        """Return all environment pins, kept ones first, and the requests of the plans."""
        from mpforge.obtain.packages.resolve import resolve

        found, index = compiled(self.workspace), _index(plans[0][1])
        # The project as a package, as far as its files say what its wheel will require.
        own = project_facts(found.inputs, wheel=False).own
        paths = PathPackages(requirements_base(self.workspace, found.inputs), found.store)
        hosts = sorted({host.platform for host, _ in plans if host.platform is not None})
        pins = list(self.kept.environments)
        pending = list(
            dict.fromkeys(
                r for _, plan in plans for r in lock_requests.environment_requests(plan, own)
            )
        )
        for request in pending:  # it grows: what has no wheel is built with packages of its own
            pin = self.kept.environment(request)
            if request.requirements and pin is None:
                what = shown(request.requirements)
                self.say(f"resolving {what} for {request.python} {request.platform}")
                tested = own if request.purpose == "test" else None
                prefer = self.preferred.get(request, ())
                try:
                    with paths.local() as local:
                        pin = resolve(request, index, prefer=prefer, own=tested, local=local)
                    pins.append(pin)
                except NotAvailableYet as error:
                    self.left.append(error.what)
            for package in pin.packages if pin is not None else ():
                needed = [build_request(package, request.python, host) for host in hosts]
                if package.sdist and request.purpose == "test":
                    needed += of_missing_wheels(plans, request.target)
                pending += [r for r in needed if package.is_built and r not in pending]
        return pins, pending

    def _add_base(
        self, plans: list[tuple[HostFacts, Plan]], packages: list[DistroPin]
    ) -> tuple[str, str] | None:
        """Add the missing pins of base programs for each kind of host; return the first one's release.

        Pins that can't be updated are kept.
        """
        from mpforge.obtain import base_programs

        release = None
        for host in [host for host, plan in plans if host.platform and plan.has_pinned_base]:
            architecture = well_known()[host.platform or ""].debian_arch or ""
            found = base_programs.pinned(Lock(distribution=tuple(packages)), architecture)
            if not found:
                found = base_programs.pinned(self.old, architecture)
                with self._leaving_out():
                    found = tuple(map(self._look_up, base_programs.requests(architecture)))
                packages += found
            if found and release is None:
                release = found[0].request.distribution, found[0].request.suite
        return release

    def _add_distribution(
        self, plan: Plan, packages: list[DistroPin], release: tuple[str, str] | None
    ) -> None:
        """Add the missing pins of the distribution's packages that this host needs."""
        pinned = {pin.request for pin in packages}
        tests = {session.name for session in plan.sessions if session.phase == "test"}
        for want in plan.wants:
            requests: list[DistroRequest] = []
            with self._leaving_out():
                requests += lock_requests.distribution_requests(want, tests, release)
            for wanted in requests:
                if self.kept.packages_of(wanted) is None and wanted not in pinned:
                    pinned.add(wanted)
                    with self._leaving_out():
                        packages.append(self._look_up(wanted))
        for offers in lock_requests.rust_offers(plan, release):
            with self._leaving_out():
                packages += self._best_of(offers, Lock(distribution=tuple(packages)))

    def _best_of(self, offers: tuple[RustRequest, ...], known: Lock) -> list[DistroPin]:
        """Return the missing pins for the first offer that the archive has."""
        from mpforge.obtain.rust import distribution_rust

        def answer(offer: RustRequest) -> tuple[DistroPin, ...]:
            pins = tuple(known.packages_of(one) or self._look_up(one) for one in offer)
            distribution_rust.check_versions(pins)
            return pins

        if any(distribution_rust.pinned(known, offer) for offer in offers):
            return []
        found = distribution_rust.choose(offers, answer, self.say)
        if found is None and offers:
            names = " ".join(distribution_rust.names_of(offers[0]))
            self.left.append(f"no suite has Rust for this target: {names}")
        return [pin for pin in found or () if known.packages_of(pin.request) is None]

    def _look_up(self, wanted: DistroRequest) -> DistroPin:
        from mpforge.obtain.distro import apt

        where = f"{wanted.distribution} {wanted.suite} {wanted.architecture}"
        self.say(f"looking up packages of {where}")
        return apt.resolve(wanted, state=self.workspace.cache / "distribution", newest=True)

    def _crates(self, plans: list[tuple[HostFacts, Plan]], pinned: Lock) -> tuple[CratesPin, ...]:
        """Return the pins of crates for Cargo files without a Cargo.lock; one that can't be updated is kept.

        cargo is that of a ``pinned`` Rust for this host.
        """
        needs = [want.need for _, plan in plans for want in plan.wants]
        channel = next((need.channel for need in needs if isinstance(need, Rust)), None)
        if channel is None or not any(isinstance(need, Crates) for need in needs):
            return ()
        from mpforge.kinds import fetch_crates
        from mpforge.kinds.toolbox import Toolbox
        from mpforge.sources import cargo

        found, known = compiled(self.workspace), self._pins(plans[0][1])
        inputs, pins = found.inputs, list[CratesPin]()
        known.lock = pinned
        toolbox = Toolbox(self.workspace, known, SILENT)
        source = cargo.manifests(inputs.files, inputs.read)
        for request in fetch_crates.crate_requests(source, inputs):
            if (pin := self.kept.crates_of(request)) is not None:
                pins.append(pin)
                continue
            self.say(f"resolving the crates of {request.manifest}")
            before = self.old.crates_of(request)
            pins += [before] if before is not None else []
            with self._leaving_out():
                resolved = fetch_crates.resolved(
                    request,
                    inputs,
                    found.store,
                    functools.partial(toolbox.rust.cargo, channel),
                    prefer=self.preferred_crates.get(request.manifest, ()),
                )
                pins.append(resolved)
        return tuple({pin.request: pin for pin in pins}.values())

    def _pins(self, plan: Plan) -> Pins:
        """Return pins for tools, which resolve what is missing."""
        found = compiled(self.workspace)
        return Pins(
            self.workspace.lock,
            index=_index(plan),
            state=self.workspace.cache / "distribution",
            locked=False,
            reporter=SILENT,
            paths=PathPackages(requirements_base(self.workspace, found.inputs), found.store),
        )

    @contextlib.contextmanager
    def _leaving_out(self) -> Iterator[None]:
        """Note what the block can't pin."""
        try:
            yield
        except MpforgeError as error:
            self.left.append(error.what)

    def _images(self, wants: Iterable[Want]) -> tuple[ImagePin, ...]:
        """Return the kept pins of images and the missing ones; one that can't be updated is kept.

        A registry is asked directly, without a runtime; an image that only a runtime has needs that runtime.
        Raises ``ImageNameWrong``.
        """
        pins = list(self.kept.images)
        images_of = [want.need.request for want in wants if isinstance(want.need, Image)]
        missing = [request for request in dict.fromkeys(images_of) if not self.kept.image(request)]
        runtime = _runtime() if missing else None
        for request in missing:
            self.say(f"looking up the image {request.name} for {request.platform}")
            try:
                pins.append(images.resolve(runtime, request))
            except WrongInput:
                raise
            except MpforgeError as error:
                why = f" ({error.why})" if error.why else ""
                before = self.old.image(request)
                pins += [before] if before is not None else []
                stays = f", which stays {before.digest[:19]}" if before is not None else ""
                what = f"the image {request.name} for {request.platform}"
                self.left.append(f"{what}{stays}: {error.what}{why}")
        return tuple(pins)


def of_missing_wheels(
    plans: Iterable[tuple[HostFacts, Plan]], target: str
) -> Iterator[EnvironmentRequest]:
    """Yield the requests for zig, other programs and libraries that build a target's test requirements."""
    for each, step in ((plan, step) for _, plan in plans for step in plan.steps):
        installs = step.installs
        if installs is None or installs.request.target != target:
            continue
        if installs.request.purpose == "library":
            yield installs.request
        if installs.missing is not None:
            zig = installs.missing.compilers.toolchain.zig
            yield from (zig,) if zig is not None else ()
            yield from installs.missing.tools
            for _, library in installs.missing.libraries:
                yield from each.step(library.step).tools.wheels


def _index(plan: Plan) -> Index:
    given = plan.index
    return Index(given.url, given.extra, given.username, given.password)


def _runtime() -> connection.ContainerRuntime | None:
    try:
        return connection.connect(os.environ)
    except NoContainerRuntime:
        return None
