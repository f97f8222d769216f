"""Compile the steps of a session: for an sdist, a wheel, other outputs, or a test.

Pure: options and choices become typed commands. Knows nothing of hosts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mpforge.compiler import (
    build_environments,
    build_systems,
    libraries,
    missing_wheels,
    programs,
    project_checks,
    purity,
)
from mpforge.compiler.decide import Compilation, Decision
from mpforge.compiler.own_repair import own_steps
from mpforge.compiler.typed_commands import (
    OF_A_TARGET,
    commands,
    compiled_for,
    texts_of,
    uses,
    variables,
    without,
)
from mpforge.formats.globs import normal
from mpforge.plan.pins import EnvironmentRequest, platform_with
from mpforge.plan.sessions import Choice
from mpforge.plan.steps import (
    AskRequirements,
    BuildWheel,
    CheckFiles,
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
    Variables,
    Work,
)
from mpforge.plan.texts import CommandLine
from mpforge.plan.toolchains import NO_COMPILER, Compilers
from mpforge.platforms import python_words, well_known
from mpforge.spec.model import BuildOptions


def settings(written: Mapping[str, str | Sequence[str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return config settings as sorted pairs; a single string becomes a list of one."""
    return tuple(
        (name, (value,) if isinstance(value, str) else tuple(value))
        for name, value in sorted(written.items())
    )


def _of_any_target(lines: tuple[CommandLine, ...]) -> tuple[CommandLine, ...]:
    """Return the commands if they mean the same for every target, else none."""
    return () if any(uses(value, OF_A_TARGET) for value in texts_of(lines)) else lines


def _stripped(given: Variables) -> Variables:
    """Return the variables with LDFLAGS that strip symbols. zig's wrappers do so anyway."""
    values = dict(given.values)
    flags = values.get("LDFLAGS", ())
    values["LDFLAGS"] = (*flags, " -Wl,-s") if flags else ("-Wl,-s",)
    return replace(given, values=tuple(sorted(values.items())))


def _build_request(
    compilation: Compilation,
    build: BuildOptions,
    python: str,
    compilers: Compilers | None = None,
) -> EnvironmentRequest:
    """Return the request for a build environment: for the host's interpreter, or for an image's.

    Programs come from the image, if there is one, except those that a wheel contains.
    """
    project, host = compilation.project, compilation.host_platform
    own = project.requirements(build.requires)
    wanted = {*project.requires, *own, *build.target_requires}
    constraints = project.constraints(build.constraints, build.requires)
    if compilers is None or compilers.place.sees_host:
        word = python_words.parse(python).builder
        return EnvironmentRequest("build", word, host, tuple(sorted(wanted)), constraints)
    platform = compilers.place.platform(host)
    carried = programs.tools(build, platform).wheels
    wanted |= {requirement for request in carried for requirement in request.requirements}
    platform = platform_with(platform, compilers.policy)
    return EnvironmentRequest("image", python, platform, tuple(sorted(wanted)), constraints)


def _crates_steps(rust: str | None) -> tuple[Step, ...]:
    """Return the step that fetches a Rust project's crates, one for all targets; nothing without Rust."""
    if rust is None:
        return ()
    return (Step("crates", "the crates of Cargo.lock", FetchCrates(ProjectFiles(), rust)),)


def _granted(build: BuildOptions, host: str, *steps: Step) -> tuple[Step, ...]:
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
    compilation: Compilation, python: str, compilers: Compilers | None
) -> tuple[Step, ...]:
    """Return the steps for the ``sdist`` step's tree: the archive and its unpacked content."""
    spec, build, rust = compilation.spec, compilation.spec.build, compilation.rust
    request = _build_request(compilation, build, python)
    given = without(variables(build), OF_A_TARGET)
    config = settings(build.config_settings)
    source = ProjectFiles(vcs=True)
    crates = _crates_steps(rust)
    retry = _of_any_target(commands(build.before_build))
    asked = compilers if compilers and compilers.configurer is None else None
    ask = AskRequirements(
        "sdist", source, OutputOf("sdist-base"), python, asked, config_settings=config, retry=retry
    )
    sdist = MakeSdist(
        source,
        OutputOf("sdist-environment") if build.isolation else None,
        python,
        tuple(spec.sdist.exclude),
        config,
        compilers,
        rust,
        OutputOf(crates[0].id) if crates else None,
        () if build.isolation else request.requirements,
        retry,
    )
    return _granted(
        build,
        compilation.host_platform,
        *crates,
        *_environment(build, request, ask, given, "sdist-{}"),
        Step("sdist", "the source distribution", sdist, given, build.timeout),
    )


def _environment(
    build: BuildOptions,
    request: EnvironmentRequest,
    ask: AskRequirements,
    given: Variables,
    ids: str,
) -> tuple[Step, ...]:
    """Return the steps that make an isolated environment, if any; ``ids`` is the format of their ids."""
    if not build.isolation:
        return ()
    return build_environments.steps(request, ask, given, build.timeout, ids)


def wheel_steps(decision: Decision, choice: Choice, python: str) -> tuple[Step, ...]:
    """Return the steps from build requirements to a repaired and verified wheel; the last is the result.

    Their ids contain TARGET-PYTHON: two targets of one platform have separate steps. Without compilers
    the wheel must be pure.
    """
    compilation, build = decision.compilation, decision.build
    compilers, stem = decision.compilers, decision.stem
    source, exclude = compilation.source, tuple(compilation.spec.sdist.exclude)
    # Tests are left out of a wheel's inputs, so that editing a test rebuilds nothing.
    tests = tuple(s for s in decision.options.test.sources if normal(s) != "**")
    request = _build_request(compilation, build, python, compilers)
    given = compiled_for(decision.raised, variables(libraries.with_exports(decision)))
    if build.repair.strip and choice.toolchain not in ("zig", NO_COMPILER):
        given = _stripped(given)
    config = settings(build.config_settings)
    targets = _target_step(decision, python)
    target_environment = OutputOf(targets[0].id) if targets else None
    before = commands(build.before_build)
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
    asks_given = given if before else without(given, {"run"})
    crates = _crates_steps(compilers.rust if compilers else None)
    needed, library_steps = libraries.steps(decision)
    ask = replace(ask, libraries=needed if asked else ())
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
        libraries=needed,
    )
    by_user = own_steps(decision, choice.policy, python, needed, target_environment)
    repair = RepairWheel(
        wheel=by_user.changed or OutputOf(f"wheel-{stem}"),
        target=decision.platform.name,
        python=python,
        policy=choice.policy,
        pure=build.pure,
        only_pure=choice.why if compilers is None else None,
        optional=tuple(build.optional_extensions),
        provided=tuple(build.allow_undefined),
        cpu=build.cpu,
        newer=tuple(build.allow_newer_cpu),
        exclude=tuple(build.repair.exclude),
        arguments=tuple(build.repair.args),
        target_environment=target_environment,
        libraries=needed,
        identities=libraries.identities(decision, needed),
        built=f"wheel-{stem}" if by_user.changed else None,
    )
    own = _granted(
        build,
        compilation.host_platform,
        *crates,
        *_environment(build, request, ask, asks_given, f"{{}}-{stem}"),
        *targets,
        Step(f"wheel-{stem}", f"the wheel for {stem}", wheel, given, build.timeout),
        *by_user.before,
        Step(f"repair-{stem}", f"repair and verify {stem}", repair),
        *by_user.after,
    )
    return (*library_steps, *own)


def _target_step(decision: Decision, python: str) -> tuple[Step, ...]:
    """Return the step that installs the target's own build requirements, if there are any."""
    project, build, stem = decision.compilation.project, decision.build, decision.stem
    if not build.target_requires:
        return ()
    wanted = tuple(sorted(set(build.target_requires)))
    constraints = project.constraints(build.constraints, build.requires)
    platform = decision.platform.name
    request = EnvironmentRequest("target", python, platform, wanted, constraints)
    title = f"the target's build requirements ({stem})"
    return (Step(f"target-environment-{stem}", title, InstallPackages(request)),)


def command_steps(decision: Decision) -> tuple[Step, ...]:
    """Return the steps of a build other than a wheel's: its libraries, and the one that builds."""
    build, compilers, stem = decision.build, decision.compilers, decision.stem
    if compilers is None:
        raise AssertionError(f"{stem}: commands are given a compiler")
    compilation = decision.compilation
    host = compilation.host_platform
    here = well_known()[host].gnu_triple
    needed, library_steps = libraries.steps(decision)
    run = RunCommands(
        source=ProjectFiles(),
        exclude=tuple(compilation.spec.sdist.exclude),
        commands=build_systems.commands_of(build, cross=compilers.cross, here=here),
        outputs=tuple(build.outputs) or ("**",),
        compilers=compilers,
        target=compilers.target,
        policy=compilers.policy,
        installs=build_systems.configurer(build.kind) is not None,
        provided=tuple(build.allow_undefined),
        cpu=build.cpu,
        newer=tuple(build.allow_newer_cpu),
        libraries=needed,
    )
    title = f"{build.kind} for {stem}"
    given = compiled_for(decision.raised, variables(libraries.with_exports(decision)))
    step = Step(f"build-{stem}", title, run, given, build.timeout)
    return (*library_steps, *_granted(build, host, step))


def test_steps(decision: Decision, cpu: str | None) -> tuple[Step, ...]:
    """Return the steps for the tests' environment and the tests; the last is the result."""
    project, test = decision.compilation.project, decision.options.test
    stem, python, machine = decision.stem, decision.python, decision.machine(cpu)
    shipped = ShippedFiles(f"build-{stem}")
    suffix = f"{stem}-{machine.cpu}" if machine.cpu else stem
    steps: list[Step] = []
    environment = None
    if python is not None:
        wanted = project_checks.requirements_of(project, test)
        constraints = project.constraints(test.constraints, test.requires)
        platform = platform_with(decision.platform.name, decision.policy)
        request = EnvironmentRequest("test", python, platform, wanted, constraints)
        missing = missing_wheels.missing_wheels(decision)
        install = InstallPackages(request, shipped, tuple(test.extras), missing)
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
        before=commands(test.before),
        outputs=tuple(test.outputs),
    )
    model = f" on a {machine.cpu}" if machine.cpu else ""
    title = f"{'import' if imports else 'tests'} of {stem}{model}"
    given, timeout = variables(test), test.timeout
    steps.append(Step(f"test-{suffix}", title, run, given, timeout, test.cache, test.network))
    return tuple(steps)


def check_step(decision: Decision) -> Step:
    """Return the step that checks the shipped files without running them."""
    build, stem = decision.build, decision.stem
    check = CheckFiles(
        shipped=ShippedFiles(f"build-{stem}"),
        target=decision.platform.name,
        python=decision.python,
        policy=purity.NO_POLICY if decision.is_pure else decision.policy,
        only_pure=decision.is_pure,
        exclude=tuple(build.repair.exclude),
        provided=tuple(build.allow_undefined),
        cpu=build.cpu,
        newer=tuple(build.allow_newer_cpu),
    )
    return Step(
        f"test-{stem}", f"static check of {stem}", check, timeout=decision.options.test.timeout
    )
