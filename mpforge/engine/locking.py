"""``mpforge lock``: every pin that a spec needs, for all targets, from any host.

Builds resolve what they miss one by one; this does it for all of them at once, also for hosts of
other kinds, so that CI can run with ``--locked``. Knows nothing of printing.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from mpforge.engine import image_pins
from mpforge.engine.host_facts import host_facts
from mpforge.engine.load_plan import compiled, plan_on, requirements_base
from mpforge.engine.project_facts import project_facts
from mpforge.errors import MpforgeError, NotAvailableYet, ToolUnavailable, WrongInput
from mpforge.kinds.install_packages import of_tests
from mpforge.lock import lock_file
from mpforge.obtain.packages.path_packages import PathPackages
from mpforge.obtain.rust.distribution_rust import RustRequest
from mpforge.plan.facts import HostFacts
from mpforge.plan.pins import (
    DistroPin,
    DistroRequest,
    EnvironmentPin,
    EnvironmentRequest,
    Lock,
    Package,
    StrategyPin,
    build_request,
)
from mpforge.plan.requirements import OwnPackage, normal_name, shown
from mpforge.plan.sessions import Plan
from mpforge.plan.wants import Emulation, Packages, Rust, ToolWheel, Zig
from mpforge.platforms import hosts as all_hosts
from mpforge.platforms import well_known
from mpforge.spec.suggest import close_to
from mpforge.workspace import Workspace

if TYPE_CHECKING:
    from mpforge.obtain.packages.package_index import Index


@dataclasses.dataclass(frozen=True)
class Locked:
    """Result of locking: the differences in words, and what could not be pinned and why."""

    differences: tuple[str, ...]
    left: tuple[str, ...]


def lock(
    workspace: Workspace, *, update: bool, name: str | None, say: Callable[[str], None]
) -> Locked:
    """Pin what is missing, drop what no target needs; with ``update`` update pins, all or those of ``name``.

    Raises ``SpecInvalid`` and the like; what can't be pinned here is listed in the result.
    """
    old = lock_file.read(workspace.lock)
    kept = old
    if name and lock_file.forget(old, name) == old:
        raise _no_pin(name, old)
    preferred: dict[EnvironmentRequest, tuple[Package, ...]] = {}
    if update:
        kept = lock_file.forget(old, name) if name else Lock()
        gone = [pin for pin in old.environments if pin not in kept.environments]
        if name:
            preferred = {
                pin.request: tuple(p for p in pin.packages if p.name != normal_name(name))
                for pin in gone
            }
    left: list[str] = []
    found = _resolved(workspace, kept, preferred, say, left, old=old)
    new = lock_file.update(workspace.lock, lambda _now: found)
    return Locked(lock_file.difference(old, new), tuple(left))


def _no_pin(name: str, lock: Lock) -> WrongInput:
    """Return the error for a name that no pin contains."""
    known = {package.name for pin in lock.environments for package in pin.packages}
    known |= {package.name for pin in lock.distribution for package in pin.packages}
    known |= {pin.target for pin in lock.strategies} | {pin.request.name for pin in lock.images}
    near = close_to(name, known)
    return WrongInput(
        f"the lock has no pin for {name}",
        hint=f"did you mean {near}?" if near else "`mpforge lock` pins what is missing",
    )


def _resolved(
    workspace: Workspace,
    kept: Lock,
    preferred: dict[EnvironmentRequest, tuple[Package, ...]],
    say: Callable[[str], None],
    left: list[str],
    *,
    old: Lock,
) -> Lock:
    from mpforge.obtain.distro import apt
    from mpforge.obtain.packages.package_index import Index

    _, targets = plan_on(workspace, host_facts())
    plans, own = list(_plans(workspace, targets)), _own(workspace)
    settings = plans[0][1].index
    index = Index(settings.url, settings.extra, settings.username, settings.password)
    environments, needed = _environment_pins(
        workspace, plans, own, kept=kept, preferred=preferred, index=index, say=say, left=left
    )
    packages = list(kept.distribution)

    def look_up(wanted: DistroRequest) -> DistroPin:
        say(f"looking up packages of {wanted.distribution} {wanted.suite} {wanted.architecture}")
        return apt.resolve(wanted, state=workspace.cache / "distribution", newest=True)

    here, plan = plans[0]
    on_this_host = here == host_facts()
    for wanted in dict.fromkeys(_distribution(plan)) if on_this_host else ():
        if kept.packages_of(wanted) is not None:
            continue
        try:
            packages.append(look_up(wanted))
        except MpforgeError as error:
            left.append(error.what)
    for offers in _rust(plan) if on_this_host else ():
        try:
            packages += _answered(offers, packages, look_up)
        except MpforgeError as error:
            left.append(error.what)
    wants = (want for _, plan in plans for want in plan.wants)
    images = image_pins.resolved(wants, kept=kept, old=old, say=say, left=left)
    pinned = Lock(tuple(environments), tuple(packages), tuple(_strategies(plans, kept)), images)
    pythons = {session.python for _, plan in plans for session in plan.sessions if session.python}
    return lock_file.only_needed(pinned, needed, pythons, targets)


def _plans(workspace: Workspace, targets: Mapping[str, str]) -> Iterator[tuple[HostFacts, Plan]]:
    """Yield the plan for each kind of host, this one first; others are assumed to have a runtime."""
    here = host_facts()
    wanted = set(targets.values())
    known = all_hosts()
    hosts = [host for host in known if host in wanted or host == here.platform] or [known[0]]
    for host in sorted(hosts, key=lambda h: h != here.platform):
        facts = (
            here
            if host == here.platform
            else HostFacts(host, f"Linux {host}", container_runtime=True)
        )
        yield facts, plan_on(workspace, facts)[0]
    if here.platform in hosts and not here.container_runtime:
        facts = dataclasses.replace(here, container_runtime=True)
        yield facts, plan_on(workspace, facts)[0]


def _environment_pins(
    workspace: Workspace,
    plans: list[tuple[HostFacts, Plan]],
    own: OwnPackage | None,
    *,
    kept: Lock,
    preferred: dict[EnvironmentRequest, tuple[Package, ...]],
    index: "Index",
    say: Callable[[str], None],
    left: list[str],
) -> tuple[list[EnvironmentPin], list[EnvironmentRequest]]:
    """Return all environment pins, kept ones first, and the requests of the plans."""
    from mpforge.obtain.packages.resolve import resolve

    found = compiled(workspace)
    paths = PathPackages(requirements_base(workspace, found.inputs), found.store)
    hosts = sorted({host.platform for host, _ in plans if host.platform is not None})
    pins = list(kept.environments)
    pending = list(dict.fromkeys(r for _, plan in plans for r in _environments(plan, own)))
    for request in pending:  # it grows: what has no wheel is built with packages of its own
        pin = kept.environment(request)
        if request.requirements and pin is None:
            what = shown(request.requirements)
            say(f"resolving {what} for {request.python} {request.platform}")
            tested = own if request.purpose == "test" else None
            prefer = preferred.get(request, ())
            try:
                with paths.local() as local:
                    pin = resolve(request, index, prefer=prefer, own=tested, local=local)
                pins.append(pin)
            except NotAvailableYet as error:
                left.append(error.what)
        for package in pin.packages if pin is not None else ():
            needed = [build_request(package, request.python, host) for host in hosts]
            pending += [r for r in needed if package.is_built and r not in pending]
    return pins, pending


def _own(workspace: Workspace) -> OwnPackage | None:
    """Return the project as a package, as far as its files say what its wheel will require."""
    return project_facts(compiled(workspace).inputs, wheel=False).own


def _environments(plan: Plan, own: OwnPackage | None) -> Iterator[EnvironmentRequest]:
    for want in plan.wants:
        match want.need:
            case Packages(request, more, extras):
                yield of_tests(request, own, extras) if more == "wheel" and own else request
            case ToolWheel(request) | Zig(request):
                yield request


def _distribution(plan: Plan) -> Iterator[DistroRequest]:
    """Yield the emulators, target Pythons and C libraries that this host needs for other machines."""
    from mpforge.obtain import emulators
    from mpforge.obtain.pythons import target_python

    for want in plan.wants:
        if not isinstance(want.need, Emulation):
            continue
        platform, python = well_known()[want.need.target], want.need.python
        if python is not None:
            yield from target_python.distro_requests(platform, python)
        elif (runtime := target_python.runtime_request(platform)) is not None:
            yield runtime
        if emulators.host_emulator(platform) is None:
            emulator = emulators.distro_request()
            yield from (emulator,) if emulator is not None else ()


def _rust(plan: Plan) -> Iterator[tuple[RustRequest, ...]]:
    """Yield, for each target, the requests for Rust packages of this host's distribution, the best first."""
    from mpforge.obtain.rust import rust_toolchain

    needs = [want.need for want in plan.wants if isinstance(want.need, Rust)]
    for need in sorted(needs, key=repr):
        yield rust_toolchain.offers(need.channel, need.target)


def _answered(
    offers: tuple[RustRequest, ...],
    known: list[DistroPin],
    resolve: Callable[[DistroRequest], DistroPin],
) -> list[DistroPin]:
    """Return the missing pins for the first offer that the archive has. Raises what resolving raises."""
    requests = {pin.request for pin in known}
    if any(requests.issuperset(offer.each) for offer in offers):
        return []
    for offer in offers:
        try:
            return [resolve(one) for one in offer.each if one not in requests]
        except ToolUnavailable:
            if offer is offers[-1]:
                raise
    return []


def _strategies(plans: list[tuple[HostFacts, Plan]], kept: Lock) -> Iterator[StrategyPin]:
    yield from kept.strategies
    seen: set[tuple[str, str]] = set()
    for host, plan in plans:
        for session in plan.sessions:
            choice = session.choice
            if choice is None or not choice.is_kept:
                continue
            if session.phase == "deps" and session.target is not None:
                of = (session.target, host.platform or "")
                if kept.strategy(*of) is None and host.platform is not None and of not in seen:
                    seen.add(of)
                    yield StrategyPin(*of, choice.strategy, choice.toolchain)
