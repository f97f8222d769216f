"""Compile a plan: spec + host facts + project facts + lock → plan.

One plan for all sessions of a spec; a session that can't run here carries its refusal, so that one
impossible target stops no other. Pure: the same inputs give the same plan.
"""

from dataclasses import replace

from mpforge.compiler import (
    availability,
    libraries,
    missing_wheels,
    project_checks,
    pythons,
    steps,
)
from mpforge.compiler.decide import Compilation, Decision, sdist_compilers
from mpforge.compiler.index import compile_index
from mpforge.compiler.options_digest import options_digest
from mpforge.compiler.wants import wants_of
from mpforge.plan.facts import HostFacts, ProjectFacts
from mpforge.plan.index import IndexedSession
from mpforge.plan.pins import Lock
from mpforge.plan.sessions import Choice, IndexSettings, Plan, PlannedSession, Refusal
from mpforge.plan.steps import OutputOf
from mpforge.platforms import hosts
from mpforge.spec.model import Spec
from mpforge.spec.options import ResolvedTarget, targets, word


def compile_plan(spec: Spec, host: HostFacts, project: ProjectFacts, lock: Lock) -> Plan:
    """Return the plan of every session. A session that can't run has a ``Refusal``; nothing is raised."""
    compilation = Compilation(spec, host, project, lock)
    by_name = {target.name: target for target in targets(spec)}
    sessions = tuple(
        _session(compilation, entry, by_name.get(entry.target or ""))
        for entry in compile_index(spec, "").sessions
    )
    return Plan(
        host=host.system,
        sessions=sessions,
        steps=tuple(compilation.steps.values()),
        index=IndexSettings(
            url=spec.index.url,
            extra=tuple(spec.index.extra),
            username=spec.index.credentials.username,
            password=spec.index.credentials.password,
        ),
        wants=wants_of(
            sessions,
            compilation.steps,
            host=compilation.host_platform,
            pinned_base=compilation.pinned_base,
        ),
    )


def _session(
    compilation: Compilation, entry: IndexedSession, target: ResolvedTarget | None
) -> PlannedSession:
    planned = PlannedSession(
        entry.name, entry.phase, entry.target, entry.python, entry.requires, group=entry.group
    )
    if entry.phase == "release":
        return replace(planned, refusal=_UPLOADING)
    if entry.group:
        return planned
    refusal = _refusal(compilation, target)
    not_run = pythons.exclusion(compilation.project, planned.python)
    if refusal is not None or not_run is not None:
        return replace(planned, refusal=refusal, not_run=None if refusal else not_run)
    if target is None:
        return _sdist(compilation, planned)
    if entry.phase == "deps":
        return _deps(compilation, planned, target)
    decision = compilation.decisions[target.name, planned.python]
    return (
        _test(decision, planned, entry.cpu) if entry.phase == "test" else _build(decision, planned)
    )


def _refusal(compilation: Compilation, target: ResolvedTarget | None) -> Refusal | None:
    """Return why a target (None: the sdist) can't be built at all; None if it can."""
    if compilation.host.platform is None:
        return _foreign_host(compilation.host)
    return compilation.excluded if target is None or target.pythons else None


_UPLOADING = Refusal(
    "not-available-yet", "uploading is a command, not a session: run `mpforge release`"
)


def _not_yet(what: str) -> Refusal:
    return Refusal("not-available-yet", f"{what}: not available yet in this version of mpforge")


def _foreign_host(host: HostFacts) -> Refusal:
    return Refusal(
        "host-cannot",
        f"builds and tests run on Linux with glibc on {' or '.join(hosts())}; this is {host.system}",
        hint="run it on such a machine, in a container or in a CI job; check, plan, lock and "
        "matrix work here",
    )


def _sdist(compilation: Compilation, planned: PlannedSession) -> PlannedSession:
    spec, project = compilation.spec, compilation.project
    if project.form == "sdist":
        return replace(planned, not_run="the source is already an sdist")
    if not spec.sdist.enable:
        return replace(planned, not_run="[sdist] enable = false")
    python = compilation.sdist_python
    if python is None:
        return replace(planned, refusal=_not_yet("making an sdist with these Pythons"))
    if (cycle := project_checks.build_refusal(project, spec.build)) is not None:
        return replace(planned, refusal=cycle)
    compilers = sdist_compilers(compilation, python)
    ids = compilation.add(steps.sdist_steps(compilation, python, compilers))
    return replace(
        planned,
        steps=ids,
        result=ids[-1],
        compilers=() if compilers is None else (compilers,),
        options=options_digest(spec, compilation.project, spec.build),
    )


def _deps(
    compilation: Compilation, planned: PlannedSession, target: ResolvedTarget
) -> PlannedSession:
    own = [decision for decision in compilation.decisions.values() if decision.target == target]
    if not own:
        return replace(planned, not_run=pythons.exclusion(compilation.project, target.pythons[0]))
    choices = [d.choice for d in own if isinstance(d.choice, Choice)]
    if not choices:
        refusal = next(d.choice for d in own if isinstance(d.choice, Refusal))
        return replace(planned, refusal=refusal)
    made = (libraries.steps(decision)[1] for decision in own)
    ids = dict.fromkeys(step for found in made for step in compilation.add(found))
    return replace(
        planned,
        steps=(*ids,),
        choice=choices[0],
        compilers=tuple(d.compilers for d in own if d.compilers is not None),
    )


def _build(decision: Decision, planned: PlannedSession) -> PlannedSession:
    compilation, python, choice = decision.compilation, decision.python, decision.choice
    cycle = project_checks.build_refusal(compilation.project, decision.build) if python else None
    if isinstance(choice, Refusal) or cycle is not None:
        return replace(planned, refusal=choice if isinstance(choice, Refusal) else cycle)
    compilers = decision.compilers
    after, asks_sdist = None, False
    if python is None:
        found = steps.command_steps(decision)
    else:
        found = steps.wheel_steps(decision, choice, python)
        after = _maker(decision, python)
        made = isinstance(compilation.source, OutputOf)
        asks_sdist = made and compilation.project.requires_python is None
    ids = compilation.add(found)
    return replace(
        planned,
        steps=ids,
        result=ids[-1],
        choice=choice,
        compilers=() if compilers is None else (compilers,),
        options=decision.digest,
        after=after,
        folder=decision.folder,
        asks_sdist=asks_sdist,
        cpu=None if compilers is None else decision.oldest_cpu(compilers.policy),
    )


def _maker(decision: Decision, python: str) -> str | None:
    """Return the session whose wheel may serve this one too: of the lowest Python, or the first target."""
    compilation = decision.compilation
    lowest = pythons.lowest(compilation.allowed(decision.target))
    made = decision.stem
    if decision.is_pure:
        made = _pure_maker(decision)
    elif compilation.project.may_be_abi3 and not python.endswith("t"):
        made = word(decision.target.name, lowest)
    return None if made == decision.stem else f"build-{made}"


def _pure_maker(decision: Decision) -> str:
    """Return the TARGET-PYTHON that builds the pure wheel of these options: first target, lowest Python."""
    same = [
        other
        for other in decision.compilation.decisions.values()
        if other.is_pure and (other.digest, other.folder) == (decision.digest, decision.folder)
    ]
    first = [other for other in same if other.target == same[0].target]
    lowest = pythons.lowest(decision.compilation.allowed(first[0].target))
    return min(first, key=lambda other: other.python != lowest).stem


def _test(decision: Decision, planned: PlannedSession, cpu: str | None) -> PlannedSession:
    compilation, platform = decision.compilation, decision.platform
    python, test = decision.python, decision.options.test
    if test.strategy == "skip":
        return replace(planned, not_run="test.strategy is skip")
    if python is None and test.command == "import" and test.strategy != "static":
        return replace(planned, not_run="test.command is not set")
    refusal = decision.unavailable
    refusal = refusal or availability.test_refusal(platform, cpu)
    refusal = refusal or project_checks.test_refusal(compilation.project, test)
    if refusal is None and test.strategy == "native" and not decision.runs_natively:
        refusal = Refusal(
            "host-cannot",
            f"{planned.name}: test.strategy is native and this host is {compilation.host.system}",
            hint=f"run it on a machine of type {platform.name}, or set test.strategy = 'auto'",
        )
    level = decision.level(cpu)
    if refusal is None and level == "native":
        refusal = availability.older_host_refusal(compilation.host, decision.raised)
    if refusal is not None:
        return replace(planned, refusal=refusal)
    static = level == "static"
    found = (steps.check_step(decision),) if static else steps.test_steps(decision, cpu)
    if python is not None and not static:
        compilation.add(missing_wheels.library_steps(decision))
    ids = compilation.add(found)
    unused = decision.machine(cpu) if static else None
    return replace(planned, steps=ids, result=ids[-1], level=level, unused=unused)
