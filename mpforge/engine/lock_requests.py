"""List the pins that a spec's plans ask for: the plan of each kind of host, and the requests of its wants.

Resolves nothing: ``engine.locking`` does.
"""

import dataclasses
import os
from collections.abc import Iterator, Mapping

from mpforge.engine.load_plan import facts_here, plan_on
from mpforge.kinds.install_packages import of_tests
from mpforge.obtain.rust.distribution_rust import RustRequest
from mpforge.plan.facts import HostFacts
from mpforge.plan.pins import DistroRequest, EnvironmentRequest, Lock, StrategyPin
from mpforge.plan.requirements import OwnPackage
from mpforge.plan.sessions import Plan
from mpforge.plan.wants import Emulation, Interpreter, Packages, Rust, ToolWheel, Want, Zig
from mpforge.platforms import by_machine, python_words, well_known
from mpforge.platforms import hosts as all_hosts
from mpforge.workspace import Workspace


def plans_of_hosts(
    workspace: Workspace, targets: Mapping[str, str]
) -> Iterator[tuple[HostFacts, Plan]]:
    """Yield the plan for each kind of host, this one first; others are assumed to have a runtime."""
    here = facts_here(workspace)
    wanted = set(targets.values())
    known = all_hosts()
    hosts = [host for host in known if host in wanted or host == here.platform] or [known[0]]
    for host in sorted(hosts, key=lambda h: h != here.platform):
        other = HostFacts(host, f"Linux {host}", container_runtime=True, roots=True)
        facts = here if host == here.platform else other
        yield facts, plan_on(workspace, facts)[0]
    if here.platform in hosts and not (here.container_runtime and here.roots):
        facts = dataclasses.replace(here, container_runtime=True, roots=True)
        yield facts, plan_on(workspace, facts)[0]


def environment_requests(plan: Plan, own: OwnPackage | None) -> Iterator[EnvironmentRequest]:
    """Yield the requests for environments and tools of packages; ``own`` is the project as a package."""
    for want in plan.wants:
        match want.need:
            case Packages(request, more, extras):
                yield of_tests(request, own, extras) if more == "wheel" and own else request
            case ToolWheel(request) | Zig(request):
                yield request


def distribution_requests(
    want: Want, tests: set[str], release: tuple[str, str] | None
) -> Iterator[DistroRequest]:
    """Yield PyPy's headers, or the emulator, target Python or C libraries for another machine.

    ``tests`` are the sessions that run tests: these see a root with base programs. ``release`` is that of
    pinned base programs, which hide this host's emulators. Raises ``NoTargetPython``, ``NoHostPython``.
    """
    need = want.need
    if isinstance(need, Interpreter) and python_words.parse(need.python).is_pypy:
        from mpforge.obtain.distro import apt
        from mpforge.obtain.pythons import pypy_headers

        host = by_machine(os.uname().machine)
        if host is not None:
            yield pypy_headers.request(need.python, host, release or apt.host_distribution())
    if not isinstance(need, Emulation):
        return
    from mpforge.obtain import emulators
    from mpforge.obtain.pythons import providers, target_libraries

    platform = well_known()[need.target]
    if release or emulators.host_emulator(platform) is None:
        emulator = emulators.distro_request(platform, release)
        yield from (emulator,) if emulator is not None else ()
    if need.python is not None:
        wanted = providers.wanted(platform, need.python, release=release)
        yield from providers.choose(wanted).requests(wanted)
    else:
        root = target_libraries.root_request(platform, host=release)
        runtime = target_libraries.runtime_request(platform, host=release)
        yield from (root,) if root and want.is_of(tests) else ()
        yield from (runtime,) if runtime and not tests.issuperset(want.sessions) else ()


def rust_offers(plan: Plan, release: tuple[str, str] | None) -> Iterator[tuple[RustRequest, ...]]:
    """Yield, for each target, the requests for Rust packages of the distribution, the best first."""
    from mpforge.obtain.rust import rust_toolchain

    needs = [want.need for want in plan.wants if isinstance(want.need, Rust)]
    for need in sorted(needs, key=repr):
        yield rust_toolchain.offers(need.channel, need.target, release)


def strategy_pins(plans: list[tuple[HostFacts, Plan]], kept: Lock) -> Iterator[StrategyPin]:
    """Yield the kept strategies, and what ``auto`` chooses for each other target on each host."""
    yield from kept.strategies
    seen: set[tuple[str, str]] = set()
    each = [(h.platform, s) for h, plan in plans if h.platform for s in plan.sessions]
    for host, session in each:
        choice, target = session.choice, session.target
        if session.phase != "deps" or choice is None or target is None or not choice.is_kept:
            continue
        of = (target, host)
        if kept.strategy(*of) is None and of not in seen:
            seen.add(of)
            yield StrategyPin(*of, choice.strategy, choice.toolchain)
