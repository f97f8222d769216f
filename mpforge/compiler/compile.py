"""Spec + host facts + project facts + lock → plan.

One plan for all sessions of a spec; a session that can't run here carries its refusal, so that one
impossible target stops no other. Pure: the same values in give the same plan.
"""

import functools
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mpforge.compiler import (
    availability,
    backends,
    images,
    kinds,
    purity,
    pythons,
    steps,
    strategies,
)
from mpforge.compiler.availability import is_zig
from mpforge.compiler.index import compile_index
from mpforge.compiler.texts import commands, text
from mpforge.plan.facts import HostFacts, ProjectFacts
from mpforge.plan.index import IndexedSession
from mpforge.plan.model import (
    NO_COMPILER,
    OF_IMAGE,
    Choice,
    Compilers,
    IndexSettings,
    Inside,
    InstallPackages,
    Machine,
    OutputOf,
    Plan,
    PlannedSession,
    ProjectFiles,
    Refusal,
    Step,
    Tree,
)
from mpforge.plan.pins import ImageRequest, Lock, platform_with
from mpforge.platforms import BASELINE_CPU, Platform, well_known
from mpforge.spec.options import ResolvedTarget, resolve, targets, word

if TYPE_CHECKING:
    from mpforge.spec.model import BuildOptions, Spec

# Options that say how or where to build, not what: no part of what tells a shipped file apart. Of the
# tools only zig's version is such: see ``_digest``.
_NOT_OF_THE_RESULT = {"strategy", "toolchain", "image", "timeout", "tools", "frontend"}


@dataclass
class _Compilation:
    """The values of one compilation, and the steps that it has given so far."""

    spec: "Spec"
    host: HostFacts
    project: ProjectFacts
    lock: Lock
    steps: dict[str, Step] = field(default_factory=dict)

    def add(self, found: Iterable[Step]) -> tuple[str, ...]:
        """Keep steps; their ids."""
        ids = []
        for step in found:
            if self.steps.setdefault(step.id, step) != step:
                raise AssertionError(f"two steps are called {step.id}")
            ids.append(step.id)
        return tuple(ids)

    @property
    def host_platform(self) -> str:
        """The host's platform, or a word that no target has."""
        return self.host.platform or "none"

    @functools.cached_property
    def pythons(self) -> tuple[str, ...]:
        """The Pythons of all targets."""
        return tuple(python for target in targets(self.spec) for python in target.pythons)

    @functools.cached_property
    def excluded(self) -> Refusal | None:
        """Why no wheel can be built at all: the project allows none of the spec's Pythons."""
        return pythons.all_excluded(self.project, self.pythons)

    @property
    def sdist_python(self) -> str | None:
        """The Python that makes the sdist: the first that can build this project, with the GIL if any."""
        able = [p for p in self.pythons if pythons.exclusion(self.project, p) is None]
        words = sorted((w for w in able if w.startswith("cp")), key=lambda w: w.endswith("t"))
        return words[0] if words else None

    @functools.cached_property
    def pure_makers(self) -> dict[tuple[str, str], str]:
        """What makes the one pure wheel (TARGET-PYTHON), for each digest of options and folder."""
        found: dict[tuple[str, str], str] = {}
        for target in targets(self.spec):
            allowed = _allowed(self, target)
            lowest = pythons.lowest(allowed)
            for python in sorted(allowed, key=lambda word: word != lowest):
                build = resolve(self.spec, target=target.name, python=python).build
                _, choice = _choice(self, target, python, build)
                if isinstance(choice, Choice) and choice.toolchain == NO_COMPILER:
                    place = _digest(self, build), _folder(target, python)
                    found.setdefault(place, word(target.name, python))
        return found

    @property
    def rust(self) -> str | None:
        """The channel of a project whose wheel is built by cargo, None for any other."""
        backend = backends.recognise(self.project)
        return self.project.rust if backend.configurer == "cargo" else None

    @property
    def source(self) -> Tree:
        """What a wheel is built from."""
        made = self.project.form == "tree" and self.spec.sdist.enable
        return OutputOf("sdist") if made else ProjectFiles()


def compile_plan(spec: "Spec", host: HostFacts, project: ProjectFacts, lock: Lock) -> Plan:
    """The plan of every session. Never raises for what a session can't do: see ``Refusal``."""
    compilation = _Compilation(spec, host, project, lock)
    by_name = {target.name: target for target in targets(spec)}
    sessions = tuple(
        _session(compilation, entry, by_name.get(entry.target or ""))
        for entry in compile_index(spec, "").sessions
    )
    zigs = (compilers.zig for session in sessions for compilers in session.compilers)
    requests = [
        step.command.request
        for step in compilation.steps.values()
        if isinstance(step.command, InstallPackages) and step.command.extra is None
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
    compilation: _Compilation, entry: IndexedSession, target: ResolvedTarget | None
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


def _refusal(compilation: _Compilation, target: ResolvedTarget | None) -> Refusal | None:
    """Why nothing of a target (None: the sdist) can be done, if it can't."""
    if compilation.host.platform is None:
        return _foreign_host(compilation.host)
    return compilation.excluded if target is None or target.pythons else None


def _not_yet(what: str) -> Refusal:
    return Refusal("not-available-yet", f"{what}: not available yet in this version of mpforge")


def _foreign_host(host: HostFacts) -> Refusal:
    return Refusal(
        "host-cannot",
        f"builds and tests run on Linux with glibc on x86-64 or aarch64; this is {host.system}",
        hint="run it in such a machine, container or CI job; check, plan, lock and matrix work here",
    )


def _sdist(compilation: _Compilation, planned: PlannedSession) -> PlannedSession:
    spec, project = compilation.spec, compilation.project
    if project.form == "sdist":
        return replace(planned, not_run="the source is an sdist already")
    if not spec.sdist.enable:
        return replace(planned, not_run="[sdist] enable = false")
    python = compilation.sdist_python
    if python is None:
        return replace(planned, refusal=_not_yet("making an sdist with these Pythons"))
    compilers = _sdist_compilers(compilation, python)
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


def _sdist_compilers(compilation: _Compilation, python: str) -> Compilers | None:
    """Compilers of this host for meson-python, whose `meson dist` wants a configured project."""
    if backends.recognise(compilation.project).configurer != "meson":
        return None
    host, build = compilation.host_platform, compilation.spec.build
    toolchain = "gcc" if build.toolchain == "gcc" else "zig"
    return Compilers(
        toolchain=toolchain,
        target=host,
        policy=well_known()[host].default_policy,
        cross=False,
        python=python,
        zig=steps.zig_request(build, host) if toolchain == "zig" else None,
        configurer="meson",
    )


def _choice(
    compilation: _Compilation, target: ResolvedTarget, python: str | None, build: "BuildOptions"
) -> tuple[Platform, Choice | Refusal]:
    platform = well_known()[target.platform]
    named = compilation.spec.toolchains.get(build.toolchain)
    refusal = availability.refusal(platform, python, build, named)
    if refusal is not None:
        return platform, refusal
    backend = backends.recognise(compilation.project) if build.kind == "wheel" else None
    pure = purity.taken_as_pure(
        compilation.project,
        build,
        crosses=backend is not None and backend.crosses,
        of_target=steps.of_target(build),
    )
    if pure is not None:
        return platform, Choice("native", NO_COMPILER, purity.NO_POLICY, pure)
    wanted = strategies.Wanted(
        target=target.name,
        platform=platform,
        strategy=build.strategy,
        toolchain=build.toolchain,
        policy=_policy(build, platform),
        backend=backend,
        image=images.of(platform, _policy(build, platform))
        if build.image == "auto"
        else build.image,
        image_given=build.image != "auto",
        boxed=None if named is None else named.image,
        kind=build.kind,
    )
    pin = compilation.lock.strategy(target.name, compilation.host_platform)
    return platform, strategies.choose(wanted, compilation.host, pin)


def _policy(build: "BuildOptions", platform: Platform) -> str:
    return steps.normal_policy(build.policy if build.policy != "auto" else platform.default_policy)


def _tests_inside(
    compilation: _Compilation, target: ResolvedTarget, python: str | None, build: "BuildOptions"
) -> Inside | None:
    """The image that tests run in: the target's own, where that is what it is built in."""
    _, choice = _choice(compilation, target, python, build)
    if isinstance(choice, Refusal) or choice.image is None or choice.strategy == "cross":
        return None
    return _inside(choice.image, target, build)


def _inside(image: str, target: ResolvedTarget, build: "BuildOptions") -> Inside:
    request = ImageRequest(image, target.platform)
    return Inside(request, commands(list(build.before_all)), build.network)


def _deps(
    compilation: _Compilation, planned: PlannedSession, target: ResolvedTarget
) -> PlannedSession:
    found: list[Compilers] = []
    choices: list[Choice] = []
    refusal: Refusal | None = None
    allowed = _allowed(compilation, target)
    if target.pythons and not allowed:
        reason = pythons.exclusion(compilation.project, target.pythons[0])
        return replace(planned, not_run=reason)
    for python in allowed or (None,):
        build = resolve(compilation.spec, target=target.name, python=python).build
        _, choice = _choice(compilation, target, python, build)
        if isinstance(choice, Choice):
            choices.append(choice)
            compilers = _compilers(compilation, choice, target, python)
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


def _compilers(
    compilation: _Compilation, choice: Choice, target: ResolvedTarget, python: str | None
) -> Compilers | None:
    if choice.toolchain == NO_COMPILER:
        return None
    build = resolve(compilation.spec, target=target.name, python=python).build
    zig = choice.toolchain == "zig"
    cross = choice.strategy == "cross"
    configurer = kinds.configurer(build.kind)
    if build.kind == "wheel":
        configurer = backends.recognise(compilation.project).configurer
    runs = configurer in ("cmake", "meson") or kinds.runs_programs(build)
    boxed = compilation.spec.toolchains.get(choice.toolchain)
    if boxed is not None:
        return Compilers(
            toolchain=OF_IMAGE,
            target=target.platform,
            policy=choice.policy,
            cross=True,
            python=python,
            configurer=configurer,
            inside=Inside(
                ImageRequest(choice.image or "", compilation.host_platform),
                commands(list(build.before_all)),
                build.network,
                tuple(
                    (name, text(str(value))) for name, value in sorted(boxed.environment.items())
                ),
            ),
        )
    if choice.image is not None:
        return _compilers_inside(compilation, choice, target, build)
    return Compilers(
        toolchain=choice.toolchain,
        target=target.platform,
        policy=choice.policy,
        cross=cross,
        python=python,
        zig=steps.zig_request(build, compilation.host_platform) if zig else None,
        configurer=configurer,
        emulator=_emulated(target.platform) if cross and runs else None,
        rust=compilation.rust if build.kind == "wheel" else None,
    )


def _compilers_inside(
    compilation: _Compilation, choice: Choice, target: ResolvedTarget, build: "BuildOptions"
) -> Compilers:
    """Compilers that are called in the target's image: what they build for is what they run on."""
    zig = choice.toolchain == "zig"
    return Compilers(
        toolchain=choice.toolchain,
        target=target.platform,
        policy=choice.policy,
        cross=False,
        python=None,
        zig=steps.zig_request(build, compilation.host_platform) if zig else None,
        inside=_inside(choice.image or "", target, build),
    )


def _emulated(platform: str) -> Machine:
    """The emulated machine of a target, of the oldest kind."""
    return Machine(platform, True, BASELINE_CPU.get(well_known()[platform].machine))


def _build(
    compilation: _Compilation, planned: PlannedSession, target: ResolvedTarget
) -> PlannedSession:
    python = planned.python
    build = resolve(compilation.spec, target=target.name, python=python).build
    _, choice = _choice(compilation, target, python, build)
    if isinstance(choice, Refusal):
        return replace(planned, refusal=choice)
    compilers = _compilers(compilation, choice, target, python)
    exclude = tuple(compilation.spec.sdist.exclude)
    # Tests can't change a wheel that never saw them: "edit a test, rebuild nothing".
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
    compilation: _Compilation, target: ResolvedTarget, python: str, choice: Choice, options: str
) -> str | None:
    """The build session whose wheel may serve this one too: of the lowest Python, or the first target."""
    if choice.toolchain == NO_COMPILER:
        made = compilation.pure_makers[options, _folder(target, python)]
    elif compilation.project.may_be_abi3 and not python.endswith("t"):
        made = word(target.name, pythons.lowest(_allowed(compilation, target)))
    else:
        return None
    return None if made == word(target.name, python) else f"build-{made}"


def _allowed(compilation: _Compilation, target: ResolvedTarget) -> tuple[str, ...]:
    """A target's Pythons that the project allows."""
    return tuple(p for p in target.pythons if pythons.exclusion(compilation.project, p) is None)


def _folder(target: ResolvedTarget, python: str | None) -> str:
    """Where below ``dist/`` a build's files go: wheels at its top unless the target says where."""
    if target.dist is not None:
        return f"{target.dist}/"
    return "" if python is not None else f"{target.name}/"


def _digest(compilation: _Compilation, build: "BuildOptions") -> str:
    """What tells a shipped file apart: the options of its content, not of how it was made."""
    # Not mode="json": pydantic 2 warns there of its own lists where a command may be text or words.
    data = build.model_dump(exclude=_NOT_OF_THE_RESULT)
    tools = [tool for tool in build.tools if not is_zig(tool)]
    if tools:
        data["tools"] = tools  # what a build script does may depend on whether it finds one
    told = json.dumps([data, compilation.spec.sdist.model_dump()], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _test(
    compilation: _Compilation, planned: PlannedSession, target: ResolvedTarget, cpu: str | None
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
    unknown = sorted(set(test.groups) - {name for name, _ in compilation.project.groups})
    if unknown:
        refusal = Refusal(
            "wrong-input",
            f"test.groups names {unknown[0]!r}, which pyproject.toml's [dependency-groups] lacks",
            hint="its groups: " + (", ".join(n for n, _ in compilation.project.groups) or "none"),
        )
    if refusal is None and test.strategy == "native" and not native:
        refusal = Refusal(
            "host-cannot",
            f"{planned.name}: test.strategy is native and this host is {compilation.host.system}",
            hint=f"run it on a machine of type {platform.name}, or set test.strategy = 'auto'",
        )
    if refusal is not None:
        return replace(planned, refusal=refusal)
    emulated = not native or test.strategy == "emulate" or cpu is not None
    model = cpu or (BASELINE_CPU.get(platform.machine) if emulated else None)
    inside = _tests_inside(compilation, target, python, options.build)
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
        platform=platform_with(platform.name, _policy(options.build, platform)),
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
