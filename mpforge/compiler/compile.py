"""Spec + host facts + project facts + lock → plan.

One plan for all sessions of a spec; a session that can't run here carries its refusal, so that one
impossible target stops no other. Pure: the same values in give the same plan.
"""

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from mpforge.compiler import (
    availability,
    choosing,
    expanded_requirements,
    own_extras,
    pythons,
    steps,
)
from mpforge.compiler.availability import is_zig
from mpforge.compiler.compilation import Compilation
from mpforge.compiler.index import compile_index
from mpforge.plan.facts import HostFacts, ProjectFacts
from mpforge.plan.index import IndexedSession
from mpforge.plan.model import (
    Choice,
    IndexSettings,
    OutputOf,
    Plan,
    PlannedSession,
    Refusal,
)
from mpforge.plan.pins import Lock, platform_with
from mpforge.plan.places import Machine
from mpforge.plan.toolchains import NO_COMPILER, Compilers
from mpforge.platforms import hosts, well_known
from mpforge.spec.options import ResolvedTarget, resolve, targets, word

if TYPE_CHECKING:
    from mpforge.spec.model import BuildOptions, Spec

# Options that say how or where to build, not what: no part of what tells a shipped file apart. Of the
# tools only zig's version is such: see ``_digest``.
_NOT_OF_THE_RESULT = {"strategy", "toolchain", "image", "timeout", "tools", "frontend"}


def compile_plan(spec: "Spec", host: HostFacts, project: ProjectFacts, lock: Lock) -> Plan:
    """The plan of every session. Never raises for what a session can't do: see ``Refusal``."""
    compilation = Compilation(spec, host, project, lock)
    by_name = {target.name: target for target in targets(spec)}
    sessions = tuple(
        _session(compilation, entry, by_name.get(entry.target or ""))
        for entry in compile_index(spec, "").sessions
    )
    zigs = (compilers.toolchain.zig for session in sessions for compilers in session.compilers)
    requests = [
        step.installs.request
        for step in compilation.steps.values()
        if step.installs is not None and step.installs.extra is None
    ]
    requests += [request for step in compilation.steps.values() for request in step.tools.wheels]
    needed = dict.fromkeys([*requests, *(request for request in zigs if request is not None)])
    missing = tuple(request for request in needed if lock.environment(request) is None)
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
        missing=missing,
    )


def _session(
    compilation: Compilation, entry: IndexedSession, target: ResolvedTarget | None
) -> PlannedSession:
    planned = PlannedSession(
        entry.name, entry.phase, entry.target, entry.python, entry.requires, group=entry.group
    )
    if entry.phase == "release":
        return replace(planned, refusal=_not_yet("uploading ([release])"))
    if entry.group:
        return planned
    refusal = _refusal(compilation, target)
    not_run = pythons.exclusion(compilation.project, planned.python)
    if refusal is not None or not_run is not None:
        return replace(planned, refusal=refusal, not_run=None if refusal else not_run)
    if target is None:
        return _sdist(compilation, planned)
    if entry.phase == "test":
        return _test(compilation, planned, target, entry.cpu)
    of_phase = _deps if entry.phase == "deps" else _build
    return of_phase(compilation, planned, target)


def _refusal(compilation: Compilation, target: ResolvedTarget | None) -> Refusal | None:
    """Why nothing of a target (None: the sdist) can be done, if it can't."""
    if compilation.host.platform is None:
        return _foreign_host(compilation.host)
    return compilation.excluded if target is None or target.pythons else None


def _not_yet(what: str) -> Refusal:
    return Refusal("not-available-yet", f"{what}: not available yet in this version of mpforge")


def _foreign_host(host: HostFacts) -> Refusal:
    return Refusal(
        "host-cannot",
        f"builds and tests run on Linux with glibc on {' or '.join(hosts())}; this is {host.system}",
        hint="run it in such a machine, container or CI job; check, plan, lock and matrix work here",
    )


def _sdist(compilation: Compilation, planned: PlannedSession) -> PlannedSession:
    spec, project = compilation.spec, compilation.project
    if project.form == "sdist":
        return replace(planned, not_run="the source is an sdist already")
    if not spec.sdist.enable:
        return replace(planned, not_run="[sdist] enable = false")
    python = compilation.sdist_python
    if python is None:
        return replace(planned, refusal=_not_yet("making an sdist with these Pythons"))
    if (cycle := own_extras.build_refusal(project, spec.build)) is not None:
        return replace(planned, refusal=cycle)
    compilers = choosing.sdist_compilers(compilation, python)
    found = steps.sdist_steps(
        project,
        spec.build,
        exclude=tuple(spec.sdist.exclude),
        python=python,
        host=compilation.host_platform,
        rust=compilation.rust,
        compilers=compilers,
    )
    ids = compilation.add(found)
    return PlannedSession(
        planned.name,
        "sdist",
        None,
        None,
        planned.requires,
        steps=ids,
        result=ids[-1],
        compilers=() if compilers is None else (compilers,),
        options=_digest(compilation, spec.build),
    )


def _deps(
    compilation: Compilation, planned: PlannedSession, target: ResolvedTarget
) -> PlannedSession:
    found: list[Compilers] = []
    choices: list[Choice] = []
    refusal: Refusal | None = None
    allowed = compilation.allowed(target)
    if target.pythons and not allowed:
        reason = pythons.exclusion(compilation.project, target.pythons[0])
        return replace(planned, not_run=reason)
    for python in allowed or (None,):
        build = resolve(compilation.spec, target=target.name, python=python).build
        choice = choosing.chosen(compilation, target, python, build)
        if isinstance(choice, Choice):
            choices.append(choice)
            compilers = choosing.compilers(compilation, choice, target, python)
            found += [compilers] if compilers is not None else []
        else:
            refusal = refusal or choice
    if not choices:
        return replace(planned, refusal=refusal)
    return PlannedSession(
        planned.name,
        "deps",
        planned.target,
        None,
        planned.requires,
        choice=choices[0],
        compilers=tuple(found),
    )


def _build(
    compilation: Compilation, planned: PlannedSession, target: ResolvedTarget
) -> PlannedSession:
    python = planned.python
    build = resolve(compilation.spec, target=target.name, python=python).build
    choice = choosing.chosen(compilation, target, python, build)
    cycle = own_extras.build_refusal(compilation.project, build) if python else None
    if isinstance(choice, Refusal) or cycle is not None:
        return replace(planned, refusal=choice if isinstance(choice, Refusal) else cycle)
    compilers = choosing.compilers(compilation, choice, target, python)
    exclude = tuple(compilation.spec.sdist.exclude)
    # Tests can't change a wheel whose build never read them: "edit a test, rebuild nothing".
    tests = tuple(resolve(compilation.spec, target=target.name, python=python).test.sources)
    after, asks_sdist = None, False
    options = _digest(compilation, build)
    stem = word(target.name, python)
    if python is None:
        if compilers is None:
            raise AssertionError(f"{stem}: commands are given a compiler")
        host = compilation.host_platform
        found = steps.command_steps(
            build, stem=stem, exclude=exclude, compilers=compilers, host=host
        )
    else:
        found = steps.wheel_steps(
            compilation.project,
            build,
            stem=stem,
            source=compilation.source,
            exclude=exclude,
            tests=tests,
            compilers=compilers,
            target=target.platform,
            choice=choice,
            python=python,
            host=compilation.host_platform,
        )
        after = _maker(compilation, target, python, choice, options)
        made = isinstance(compilation.source, OutputOf)
        asks_sdist = made and compilation.project.requires_python is None
    ids = compilation.add(found)
    return PlannedSession(
        planned.name,
        "build",
        planned.target,
        python,
        planned.requires,
        steps=ids,
        result=ids[-1],
        choice=choice,
        compilers=() if compilers is None else (compilers,),
        options=options,
        after=after,
        folder=_folder(target, python),
        asks_sdist=asks_sdist,
    )


def _maker(
    compilation: Compilation, target: ResolvedTarget, python: str, choice: Choice, options: str
) -> str | None:
    """The build session whose wheel may serve this one too: of the lowest Python, or the first target."""
    if choice.toolchain == NO_COMPILER:
        made = _pure_makers(compilation)[options, _folder(target, python)]
    elif compilation.project.may_be_abi3 and not python.endswith("t"):
        made = word(target.name, pythons.lowest(compilation.allowed(target)))
    else:
        return None
    return None if made == word(target.name, python) else f"build-{made}"


def _pure_makers(compilation: Compilation) -> dict[tuple[str, str], str]:
    """What makes the one pure wheel (TARGET-PYTHON), for each digest of options and folder."""
    if compilation.makers is not None:
        return compilation.makers
    found: dict[tuple[str, str], str] = {}
    for target in targets(compilation.spec):
        allowed = compilation.allowed(target)
        lowest = pythons.lowest(allowed)
        for python in sorted(allowed, key=lambda word: word != lowest):
            build = resolve(compilation.spec, target=target.name, python=python).build
            choice = choosing.chosen(compilation, target, python, build)
            if isinstance(choice, Choice) and choice.toolchain == NO_COMPILER:
                place = _digest(compilation, build), _folder(target, python)
                found.setdefault(place, word(target.name, python))
    compilation.makers = found
    return found


def _folder(target: ResolvedTarget, python: str | None) -> str:
    """Where below ``dist/`` a build's files go: wheels at its top unless the target says where."""
    if target.dist is not None:
        return f"{target.dist}/"
    return "" if python is not None else f"{target.name}/"


def _digest(compilation: Compilation, build: "BuildOptions") -> str:
    """What tells a shipped file apart: the options of its content, not of how it was made."""
    # Not mode="json": pydantic 2 warns there of its own lists where a command may be text or words.
    data = build.model_dump(exclude=_NOT_OF_THE_RESULT)
    tools = [tool for tool in build.tools if not is_zig(tool)]
    if tools:
        data["tools"] = tools  # what a build script does may depend on whether it finds one
    project = compilation.project
    data["requires"] = sorted(expanded_requirements.requirements(project, build.requires))
    data["constraints"] = expanded_requirements.constraints(
        project, build.constraints, build.requires
    )
    told = json.dumps([data, compilation.spec.sdist.model_dump()], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _test(
    compilation: Compilation, planned: PlannedSession, target: ResolvedTarget, cpu: str | None
) -> PlannedSession:
    python = planned.python
    options = resolve(compilation.spec, target=target.name, python=python)
    test = options.test
    platform = well_known()[target.platform]
    if test.strategy == "skip":
        return replace(planned, not_run="test.strategy is skip")
    if python is None and test.command == "import":
        return replace(planned, not_run="no test.command is given")
    native = platform.name == compilation.host.platform
    named = compilation.spec.toolchains.get(options.build.toolchain)
    refusal = availability.refusal(platform, python, options.build, named)
    refusal = refusal or availability.test_refusal(platform, cpu)
    refusal = refusal or own_extras.test_refusal(compilation.project, test)
    if refusal is None and test.strategy == "native" and not native:
        refusal = Refusal(
            "host-cannot",
            f"{planned.name}: test.strategy is native and this host is {compilation.host.system}",
            hint=f"run it on a machine of type {platform.name}, or set test.strategy = 'auto'",
        )
    if refusal is not None:
        return replace(planned, refusal=refusal)
    emulated = not native or test.strategy == "emulate" or cpu is not None
    model = cpu or (platform.baseline_cpu if emulated else None)
    inside = choosing.tests_inside(compilation, target, python, options.build)
    if emulated and native:
        inside = (
            None  # an engine runs an image of its own machine natively, whatever model is asked for
        )
    stem = word(target.name, python)
    found = steps.test_steps(
        compilation.project,
        test,
        stem=stem,
        session=f"build-{stem}",
        platform=platform_with(platform.name, choosing.policy(options.build, platform)),
        python=python,
        machine=Machine(platform.name, emulated, model, inside),
    )
    ids = compilation.add(found)
    return PlannedSession(
        planned.name,
        "test",
        planned.target,
        python,
        planned.requires,
        steps=ids,
        result=ids[-1],
    )
