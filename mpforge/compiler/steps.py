"""Compile the steps of a session: for an sdist, a wheel, other outputs, or a test.

Pure: options and choices become typed commands. Knows nothing of hosts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mpforge.compiler import build_systems, expanded_requirements, own_extras, programs
from mpforge.compiler.availability import is_zig
from mpforge.compiler.typed_commands import commands, text, texts_of
from mpforge.plan.facts import ProjectFacts
from mpforge.plan.pins import EnvironmentRequest, platform_with
from mpforge.plan.places import Machine
from mpforge.plan.sessions import Choice
from mpforge.plan.steps import (
    AskRequirements,
    BuildWheel,
    FetchCrates,
    InstallPackages,
    MakeSdist,
    OutputOf,
    ProjectFiles,
    RepairWheel,
    RunCommands,
    RunTests,
    ShippedFiles,
    Step,
    Tools,
    Tree,
    Variables,
    Work,
)
from mpforge.plan.texts import CommandLine, Placeholder, Text
from mpforge.plan.toolchains import NO_COMPILER, Compilers
from mpforge.platforms import well_known

if TYPE_CHECKING:
    from mpforge.spec.model import BuildOptions, TestOptions

ZIG = "ziglang"


def settings(written: Mapping[str, str | Sequence[str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return config settings as sorted pairs; a single string becomes a list of one."""
    return tuple(
        (name, (value,) if isinstance(value, str) else tuple(value))
        for name, value in sorted(written.items())
    )


# Placeholders that only a build for a target has a value for: the sdist's variables can't use them.
_OF_A_TARGET = {"run", "triple", "arch", "target", "policy", "build_dir", "prefix"}


def variables(options: "BuildOptions | TestOptions", *, of_target: bool = True) -> Variables:
    """Return a step's environment from the spec; without ``of_target``, only what needs no target."""
    written = {name: text(str(value)) for name, value in sorted(options.environment.items())}
    values = tuple(
        (name, value) for name, value in written.items() if of_target or not _asks_for_target(value)
    )
    return Variables(
        values=values, passed=tuple(options.pass_environment), secrets=tuple(options.secrets)
    )


def _unrun(given: Variables) -> Variables:
    """Return the variables of a step that runs no target programs: without those that use ``{run}``."""
    values = tuple((name, value) for name, value in given.values if Placeholder("run") not in value)
    return replace(given, values=values)


def of_target(build: "BuildOptions") -> bool:
    """Return whether the spec's options for a build differ from target to target."""
    return any(_asks_for_target(value) for _, value in variables(build).values)


def _of_any_target(lines: tuple[CommandLine, ...]) -> tuple[CommandLine, ...]:
    """Return the commands if they mean the same for every target, else none."""
    return () if any(map(_asks_for_target, texts_of(lines))) else lines


def _asks_for_target(value: Text) -> bool:
    return any(isinstance(part, Placeholder) and part.name in _OF_A_TARGET for part in value)


def stripped(given: Variables) -> Variables:
    """Return the variables with LDFLAGS that strip symbols. zig's wrappers do so anyway."""
    values = dict(given.values)
    flags = values.get("LDFLAGS", ())
    values["LDFLAGS"] = (*flags, " -Wl,-s") if flags else ("-Wl,-s",)
    return Variables(tuple(sorted(values.items())), given.passed, given.secrets)


def zig_request(build: "BuildOptions", host: str) -> EnvironmentRequest:
    """Return the request for zig itself; ``build.tools`` may name a version."""
    wanted = next((tool for tool in build.tools if is_zig(tool)), ZIG)
    return EnvironmentRequest("tool", "cp311", host, (wanted,))


def build_request(
    project: ProjectFacts,
    build: "BuildOptions",
    *,
    python: str,
    host: str,
    compilers: Compilers | None = None,
) -> EnvironmentRequest:
    """Return the request for a build environment: for the host's interpreter, or for an image's.

    Programs come from the image, if there is one, except those that a wheel contains.
    """
    own = expanded_requirements.requirements(project, build.requires)
    wanted = {*project.requires, *own, *build.target_requires}
    constraints = expanded_requirements.constraints(project, build.constraints, build.requires)
    if compilers is None or compilers.place.sees_host:
        return EnvironmentRequest("build", python, host, tuple(sorted(wanted)), constraints)
    platform = compilers.place.platform(host)
    carried = programs.tools(build, platform).wheels
    wanted |= {requirement for request in carried for requirement in request.requirements}
    platform = platform_with(platform, compilers.policy)
    return EnvironmentRequest("image", python, platform, tuple(sorted(wanted)), constraints)


def crates_steps(rust: str | None) -> tuple[Step, ...]:
    """Return the step that fetches a Rust project's crates, one for all targets; nothing without Rust."""
    if rust is None:
        return ()
    return (Step("crates", "the crates of Cargo.lock", FetchCrates(ProjectFiles(), rust)),)


def _granted(build: "BuildOptions", host: str, *steps: Step) -> tuple[Step, ...]:
    """Return steps with the permissions that the spec grants to those that run the project's code."""
    tools = programs.tools(build, host)
    in_image = Tools(host=tools.host)  # programs from wheels are in its environment
    return tuple(
        replace(step, network=build.network, tools=tools if step.place.sees_host else in_image)
        if step.command.work is Work.BUILD
        else step
        for step in steps
    )


def sdist_steps(
    project: ProjectFacts,
    build: "BuildOptions",
    *,
    exclude: tuple[str, ...],
    python: str,
    host: str,
    compilers: Compilers | None = None,
    rust: str | None = None,
) -> tuple[Step, ...]:
    """Return the steps for the ``sdist`` step's tree: the archive and its unpacked content.

    ``rust`` is the channel of a Rust project.
    """
    request = build_request(project, build, python=python, host=host)
    given = variables(build, of_target=False)
    config = settings(build.config_settings)
    source = ProjectFiles(vcs=True)
    crates = crates_steps(rust)
    base = OutputOf("sdist-base")
    retry = _of_any_target(commands(list(build.before_build)))
    asked = compilers if compilers and compilers.configurer is None else None
    ask = AskRequirements("sdist", source, base, python, asked, config_settings=config, retry=retry)
    install = InstallPackages(request, OutputOf("sdist-requirements"))
    environment = (
        Step(base.step, f"build requirements ({python})", InstallPackages(request)),
        Step(
            "sdist-requirements",
            "build requirements reported by the backend",
            ask,
            given,
            int(build.timeout),
        ),
        Step("sdist-environment", f"build environment ({python})", install),
    )
    return _granted(
        build,
        host,
        *crates,
        *(environment if build.isolation else ()),
        Step(
            "sdist",
            "the source distribution",
            MakeSdist(
                source,
                OutputOf("sdist-environment") if build.isolation else None,
                python,
                exclude,
                config,
                compilers,
                rust,
                OutputOf(crates[0].id) if crates else None,
                () if build.isolation else request.requirements,
                retry,
            ),
            given,
            int(build.timeout),
        ),
    )


def wheel_steps(
    project: ProjectFacts,
    build: "BuildOptions",
    *,
    stem: str,
    source: Tree,
    exclude: tuple[str, ...],
    tests: tuple[str, ...],
    compilers: Compilers | None,
    target: str,
    choice: Choice,
    python: str,
    host: str,
) -> tuple[Step, ...]:
    """Return the steps from build requirements to a repaired and verified wheel; the last is the result.

    ``stem`` is TARGET-PYTHON: two targets of one platform have separate steps. ``target`` is the
    platform; without ``compilers`` the wheel must be pure.
    """
    request = build_request(project, build, python=python, host=host, compilers=compilers)
    given = variables(build)
    if build.repair.strip and choice.toolchain not in ("zig", NO_COMPILER):
        given = stripped(given)
    config = settings(build.config_settings)
    targets = _target_step(project, build, stem=stem, target=target, python=python)
    target_environment = OutputOf(targets[0].id) if targets else None
    before = commands(list(build.before_build))
    # Asking a backend for requirements compiles nothing, but ``before-build`` may.
    asked = compilers and (
        compilers if before else replace(compilers, configurer=None, emulator=None)
    )
    ask = AskRequirements(
        "wheel",
        source,
        OutputOf(f"base-{stem}"),
        python,
        asked,
        exclude,
        tests,
        config,
        before,
        target_environment=target_environment if before else None,
    )
    install = InstallPackages(request, OutputOf(f"requirements-{stem}"))
    environment = (
        Step(f"base-{stem}", f"build requirements ({python})", InstallPackages(request)),
        Step(
            f"requirements-{stem}",
            f"{'before-build, and ' if before else ''}build requirements reported by the backend",
            ask,
            given if before else _unrun(given),
            int(build.timeout),
        ),
        Step(f"environment-{stem}", f"build environment ({python})", install),
    )
    crates = crates_steps(compilers.rust if compilers else None)
    wheel = BuildWheel(
        source=source,
        exclude=exclude,
        tests=tests,
        environment=OutputOf(f"environment-{stem}") if build.isolation else None,
        python=python,
        compilers=compilers,
        before=before,
        config_settings=config,
        frontend=build.frontend,
        crates=OutputOf(crates[0].id) if crates else None,
        target_environment=target_environment,
        wanted=() if build.isolation else request.requirements,
    )
    repair = RepairWheel(
        wheel=OutputOf(f"wheel-{stem}"),
        target=target,
        python=python,
        policy=choice.policy,
        pure=build.pure,
        only_pure=choice.why if compilers is None else None,
        optional=tuple(build.optional_extensions),
        provided=tuple(build.allow_undefined),
        exclude=tuple(build.repair.exclude),
        arguments=tuple(build.repair.args),
        target_environment=target_environment,
    )
    return _granted(
        build,
        host,
        *crates,
        *(environment if build.isolation else ()),
        *targets,
        Step(f"wheel-{stem}", f"the wheel for {stem}", wheel, given, int(build.timeout)),
        Step(f"repair-{stem}", f"repair and verify {stem}", repair),
    )


def _target_step(
    project: ProjectFacts, build: "BuildOptions", *, stem: str, target: str, python: str
) -> tuple[Step, ...]:
    """Return the step that installs the target's own build requirements, if there are any."""
    if not build.target_requires:
        return ()
    wanted = tuple(sorted(set(build.target_requires)))
    constraints = expanded_requirements.constraints(project, build.constraints, build.requires)
    request = EnvironmentRequest("target", python, target, wanted, constraints)
    title = f"the target's build requirements ({stem})"
    return (Step(f"target-environment-{stem}", title, InstallPackages(request)),)


def command_steps(
    build: "BuildOptions",
    *,
    stem: str,
    exclude: tuple[str, ...],
    compilers: Compilers,
    host: str,
) -> tuple[Step, ...]:
    """Return the one step of a build other than a wheel's."""
    run = RunCommands(
        source=ProjectFiles(),
        exclude=exclude,
        commands=build_systems.commands_of(
            build, cross=compilers.cross, here=well_known()[host].gnu_triple
        ),
        outputs=tuple(build.outputs) or ("**",),
        compilers=compilers,
        target=compilers.target,
        policy=compilers.policy,
        installs=build_systems.configurer(build.kind) is not None,
        provided=tuple(build.allow_undefined),
    )
    title = f"{build.kind} for {stem}"
    step = Step(f"build-{stem}", title, run, variables(build), int(build.timeout))
    return _granted(build, host, step)


def test_steps(
    project: ProjectFacts,
    test: "TestOptions",
    *,
    stem: str,
    session: str,
    platform: str,
    python: str | None,
    machine: Machine,
) -> tuple[Step, ...]:
    """Return the steps for the tests' environment and the tests; the last is the result."""
    shipped = ShippedFiles(session)
    suffix = f"{stem}-{machine.cpu}" if machine.cpu else stem
    steps: list[Step] = []
    environment = None
    if python is not None:
        wanted = own_extras.requirements_of(project, test)
        constraints = expanded_requirements.constraints(project, test.constraints, test.requires)
        request = EnvironmentRequest("test", python, platform, wanted, constraints)
        install = InstallPackages(request, shipped, tuple(test.extras))
        steps.append(Step(f"test-environment-{stem}", f"test requirements ({stem})", install))
        environment = OutputOf(f"test-environment-{stem}")
    imports = test.command == "import"
    run = RunTests(
        shipped=shipped,
        source=ProjectFiles(),
        sources=() if imports else tuple(test.sources),
        commands=() if imports else commands(test.command),
        machine=machine,
        python=python,
        environment=environment,
        before=commands(list(test.before)),
        outputs=tuple(test.outputs),
    )
    model = f" on a {machine.cpu}" if machine.cpu else ""
    title = f"{'import' if imports else 'tests'} of {stem}{model}"
    given, timeout = variables(test), int(test.timeout)
    steps.append(Step(f"test-{suffix}", title, run, given, timeout, test.cache, test.network))
    return tuple(steps)
