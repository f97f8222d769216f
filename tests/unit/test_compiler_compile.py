"""Plans: what each session does, and what of the spec tells one result from another."""

from dataclasses import replace

import pytest

from mpforge.compiler.compile import compile_plan
from mpforge.compiler.steps import settings
from mpforge.compiler.typed_commands import commands, text
from mpforge.plan.facts import HostFacts, ProjectFacts
from mpforge.plan.pins import EnvironmentRequest, Lock
from mpforge.plan.requirements import OwnPackage
from mpforge.plan.sessions import Plan, PlannedSession
from mpforge.plan.steps import (
    AskRequirements,
    BuildWheel,
    InstallPackages,
    MakeSdist,
    OutputOf,
    ProjectFiles,
    RepairWheel,
    RunCommands,
    RunOnWheel,
    RunTests,
)
from mpforge.plan.texts import Argv, Placeholder, ShellLine
from mpforge.plan.toolchains import Compilers
from mpforge.plan.wants import Packages
from mpforge.spec.load import load_spec

HOST = HostFacts(platform="x86_64", system="Linux x86_64")
PROJECT = ProjectFacts("tree", "setuptools.build_meta", False, ("setuptools",))
ONE = '[project]\npython = ["cp311", "cp313"]\ntargets = ["aarch64", "x86_64"]\n'


def _plan(text: str = ONE, *, project: ProjectFacts = PROJECT, lock: Lock | None = None) -> Plan:
    spec = load_spec(f"schema = 1\n{text}", file="m.toml")
    return compile_plan(spec, HOST, project, lock or Lock())


def _session(plan: Plan, name: str) -> PlannedSession:
    session = plan.session(name)
    assert session is not None, name
    return session


def _wheel(plan: Plan, name: str) -> BuildWheel:
    steps = [plan.step(identifier).command for identifier in _session(plan, name).steps]
    return next(command for command in steps if isinstance(command, BuildWheel))


def _compilers(plan: Plan, name: str) -> Compilers:
    found = _wheel(plan, name).compilers
    assert found is not None
    return found


def _test(plan: Plan, name: str) -> RunTests:
    command = plan.step(_session(plan, name).result or "").command
    assert isinstance(command, RunTests)
    return command


def test_the_same_values_give_the_same_plan() -> None:
    assert _plan() == _plan()


def test_a_wheel_is_built_from_the_sdist_repaired_last_and_that_is_what_is_published() -> None:
    plan = _plan()
    session = _session(plan, "build-aarch64-cp311")
    assert _wheel(plan, session.name).source == OutputOf("sdist")
    last = plan.step(session.result or "").command
    assert isinstance(last, RepairWheel)
    assert (last.target, last.python, last.policy) == ("aarch64", "cp311", "manylinux_2_17")


def test_a_setup_py_that_asks_a_compiler_has_this_host_s_in_the_sdist_s_hooks() -> None:
    plan = _plan(project=replace(PROJECT, asks_compiler=True))
    commands = [plan.step(name).command for name in _session(plan, "sdist").steps]
    asked = [c.compilers for c in commands if isinstance(c, AskRequirements | MakeSdist)]
    assert [(c.target, c.cross) for c in asked if c is not None] == [("x86_64", False)] * 2
    plan = _plan()
    plain = [plan.step(name).command for name in _session(plan, "sdist").steps]
    assert [c.compilers for c in plain if isinstance(c, AskRequirements | MakeSdist)] == [None] * 2


def test_the_sdist_step_alone_sees_git() -> None:
    plan = _plan()
    sdist = plan.step(_session(plan, "sdist").result or "").command
    assert isinstance(sdist, MakeSdist)
    assert sdist.source == ProjectFiles(vcs=True)
    seen = [
        step.id
        for step in plan.steps
        if getattr(step.command, "source", None) == ProjectFiles(vcs=True)
    ]
    assert all(name.startswith("sdist") for name in seen)


def test_an_sdist_as_source_is_used_as_it_is() -> None:
    plan = _plan(project=replace(PROJECT, form="sdist"))
    assert _session(plan, "sdist").not_run == "the source is already an sdist"
    assert _wheel(plan, "build-aarch64-cp311").source == ProjectFiles()


def test_without_an_sdist_wheels_are_built_from_the_tracked_files() -> None:
    plan = _plan(f"{ONE}[sdist]\nenable = false\n")
    assert _session(plan, "sdist").not_run is not None
    assert _wheel(plan, "build-aarch64-cp311").source == ProjectFiles()


def test_two_targets_of_one_platform_are_built_each_with_their_own_options() -> None:
    own = '[targets.edge]\nplatform = "linux/arm64"\ndist = "edge"\n'
    plan = _plan(f'{ONE}{own}build = {{ environment = {{ WHO = "edge" }} }}\n')
    values = {
        name: plan.step(step.id).variables.values
        for name in ("build-aarch64-cp311", "build-edge-cp311")
        for step in (plan.step(i) for i in _session(plan, name).steps)
        if isinstance(step.command, BuildWheel)
    }
    assert values == {
        "build-aarch64-cp311": (),
        "build-edge-cp311": (("WHO", ("edge",)),),
    }
    assert _compilers(plan, "build-edge-cp311").target == "aarch64"


def test_two_targets_of_one_platform_that_run_make_have_a_step_each() -> None:
    plan = _plan(
        '[project]\ntargets = ["aarch64"]\n[build]\nkind = "make"\noutputs = ["x"]\n'
        '[targets.edge]\nplatform = "linux/arm64"\nbuild = { outputs = ["y"] }\n'
    )
    made = {
        name: plan.step(_session(plan, name).result or "").command
        for name in ("build-aarch64", "build-edge")
    }
    assert [c.outputs for c in made.values() if isinstance(c, RunCommands)] == [("x",), ("y",)]
    folders = [_session(plan, name).folder for name in made]
    assert folders == ["aarch64/", "edge/"]


def test_wheels_go_to_the_top_of_dist_unless_the_target_names_a_folder() -> None:
    plan = _plan(f'{ONE}[targets.edge]\nplatform = "linux/arm64"\ndist = "out"\n')
    assert _session(plan, "build-aarch64-cp311").folder == ""
    assert _session(plan, "build-edge-cp311").folder == "out/"


def test_build_requirements_are_the_project_s_and_the_spec_s_for_the_host() -> None:
    plan = _plan(f'{ONE}[build]\nrequires = ["cython"]\nconstraints = ["setuptools<81"]\n')
    first = plan.step(_session(plan, "build-aarch64-cp313").steps[0]).command
    assert isinstance(first, InstallPackages)
    assert first.request == EnvironmentRequest(
        "build", "cp313", "x86_64", ("cython", "setuptools"), ("setuptools<81",)
    )


def test_target_requirements_are_resolved_for_the_target_and_belong_to_the_host_s_too() -> None:
    plan = _plan(f'{ONE}[build]\ntarget-requires = ["numpy>=2"]\nconstraints = ["numpy<3"]\n')
    steps = [plan.step(step) for step in _session(plan, "build-aarch64-cp313").steps]
    first = steps[0].command
    assert isinstance(first, InstallPackages)
    assert first.request.requirements == ("numpy>=2", "setuptools")
    (own,) = (step for step in steps if step.id == "target-environment-aarch64-cp313")
    assert own.command == InstallPackages(
        EnvironmentRequest("target", "cp313", "aarch64", ("numpy>=2",), ("numpy<3",))
    )
    given = OutputOf(own.id)
    assert _wheel(plan, "build-aarch64-cp313").target_environment == given
    repair = steps[-1].command
    assert isinstance(repair, RepairWheel)
    assert repair.target_environment == given


def test_own_commands_run_before_the_repair_and_after_it_and_the_last_step_is_the_result() -> None:
    repair = '[build.repair]\ncommand = "fix {wheel}"\ncheck = "look {wheel}"\nrequires = ["abi3audit"]\n'
    plan = _plan(f"{ONE}{repair}")
    stem = "aarch64-cp313"
    steps = _session(plan, f"build-{stem}").steps
    assert steps[-5:] == (
        f"wheel-{stem}",
        f"repair-environment-{stem}",
        f"own-repair-{stem}",
        f"repair-{stem}",
        f"own-check-{stem}",
    )
    install, own, proven, check = (plan.step(step).command for step in steps[-4:])
    assert isinstance(install, InstallPackages)
    assert install.request == EnvironmentRequest("build", "cp313", "x86_64", ("abi3audit",))
    assert isinstance(own, RunOnWheel)
    assert (own.wheel, own.replaces) == (OutputOf(f"wheel-{stem}"), True)
    assert isinstance(proven, RepairWheel)
    assert (proven.wheel, proven.built) == (OutputOf(f"own-repair-{stem}"), f"wheel-{stem}")
    assert isinstance(check, RunOnWheel)
    assert (check.wheel, check.replaces) == (OutputOf(f"repair-{stem}"), False)


def test_a_check_alone_leaves_the_wheel_s_repair_as_it_is() -> None:
    plan = _plan(f'{ONE}[build.repair]\ncheck = "look {{wheel}}"\n')
    (with_check, plain) = (found.step("repair-aarch64-cp313") for found in (plan, _plan()))
    assert with_check == plain


def test_without_isolation_nothing_is_installed_and_what_must_be_there_is_named() -> None:
    plan = _plan(f'{ONE}[build]\nisolation = false\nrequires = ["cython"]\n')
    session = _session(plan, "build-aarch64-cp313")
    assert session.steps == ("wheel-aarch64-cp313", "repair-aarch64-cp313")
    wheel = _wheel(plan, session.name)
    assert (wheel.environment, wheel.wanted) == (None, ("cython", "setuptools"))
    assert _session(plan, "sdist").steps == ("sdist",)
    environments = [want.need for want in plan.wants if isinstance(want.need, Packages)]
    assert {need.request.purpose for need in environments} == {"test"}


def test_test_requirements_are_of_the_target_with_groups_and_the_wheel_s_extras() -> None:
    project = replace(PROJECT, groups=(("D_ev", ("hypothesis", "pytest")), ("other", ("x",))))
    plan = _plan(
        f'{ONE}[test]\ncommand = "pytest"\nrequires = ["pytest"]\ngroups = ["d-ev"]\n'
        'extras = ["fast"]\n',
        project=project,
    )
    install = plan.step(_session(plan, "test-aarch64-cp311").steps[0]).command
    assert isinstance(install, InstallPackages)
    assert install.request == EnvironmentRequest(
        "test", "cp311", "aarch64", ("hypothesis", "pytest")
    )
    assert install.extras == ("fast",)


NAMED = replace(
    PROJECT, own=OwnPackage("p.q", (), ("fast",)), groups=(("dev", ()), ("own", ("P_q[slow]",)))
)


@pytest.mark.parametrize(
    ("test", "code", "hint"),
    [
        ('groups = ["devel"]', "unknown-group", "did you mean dev? its groups: dev, own"),
        ('extras = ["fasst"]', "unknown-extra", "did you mean fast? its extras: fast"),
        ('requires = ["p-q[slow]"]', "unknown-extra", "its extras: fast"),
        ('groups = ["own"]', "unknown-extra", "its extras: fast"),
        ('extras = ["FAST"]\nrequires = ["p-q[fast]"]', None, None),
    ],
)
def test_extras_and_groups_that_the_project_lacks_are_refused(
    test: str, code: str | None, hint: str | None
) -> None:
    refusal = _session(_plan(f"{ONE}[test]\n{test}\n", project=NAMED), "test-x86_64-cp311").refusal
    assert (refusal and refusal.error, refusal and refusal.hint) == (code, hint)


@pytest.mark.parametrize(
    ("project", "build"),
    [
        (replace(NAMED, requires=("setuptools", "P_Q>=1")), ""),
        (NAMED, '[build]\nrequires = ["p-q[fast]"]\n'),
    ],
)
def test_a_project_that_needs_itself_to_be_built_is_refused(
    project: ProjectFacts, build: str
) -> None:
    """The index would be asked for its name; PEP 517 forbids such a cycle."""
    plan = _plan(ONE + build, project=project)
    for name in ("sdist", "build-x86_64-cp311"):
        refusal = _session(plan, name).refusal
        assert refusal is not None
        assert "is the project itself" in refusal.what


@pytest.mark.parametrize(
    ("policy", "platform"),
    [
        ("auto", "x86_64"),
        ("manylinux2014", "x86_64"),
        ("manylinux_2_28", "x86_64"),
        ("manylinux_2_34", "x86_64-manylinux_2_34"),
    ],
)
def test_what_tests_require_may_be_for_the_policy_of_the_wheel(policy: str, platform: str) -> None:
    plan = _plan(f'{ONE}[build]\npolicy = "{policy}"\n')
    install = plan.step(_session(plan, "test-x86_64-cp311").steps[0]).command
    assert isinstance(install, InstallPackages)
    assert (install.request.platform, install.request.target) == (platform, "x86_64")


@pytest.mark.parametrize(
    ("target", "strategy", "emulated", "cpu"),
    [
        ("aarch64", "auto", True, "cortex-a53"),
        ("aarch64", "emulate", True, "cortex-a53"),
        ("x86_64", "auto", False, None),
        ("x86_64", "native", False, None),
    ],
)
def test_tests_run_here_or_on_the_baseline_cpu_of_an_emulator(
    target: str, strategy: str, emulated: bool, cpu: str | None
) -> None:
    plan = _plan(f'{ONE}[test]\nstrategy = "{strategy}"\n')
    machine = _test(plan, f"test-{target}-cp311").machine
    assert (machine.target, machine.emulated, machine.cpu) == (target, emulated, cpu)


def test_emulated_tests_of_the_host_s_own_kind_stay_emulated() -> None:
    plan = _plan(f'{ONE}[test]\nstrategy = "emulate"\n')
    assert _test(plan, "test-x86_64-cp311").machine.emulated


def test_native_tests_of_another_machine_are_refused_and_told_where_they_would_run() -> None:
    refusal = _session(_plan(f'{ONE}[test]\nstrategy = "native"\n'), "test-aarch64-cp311").refusal
    assert refusal is not None
    assert refusal.error == "host-cannot"
    assert "aarch64" in (refusal.hint or "")


def test_tests_that_are_skipped_say_so_and_need_nothing() -> None:
    plan = _plan(f'{ONE}[test]\nstrategy = "skip"\n')
    session = _session(plan, "test-aarch64-cp311")
    assert session.not_run == "test.strategy is skip"
    assert session.steps == ()


def test_importing_needs_no_test_sources() -> None:
    plan = _plan()
    assert _test(plan, "test-aarch64-cp311").commands == ()
    assert _test(plan, "test-aarch64-cp311").sources == ()


def test_cpu_models_share_the_environment_and_have_a_test_each() -> None:
    plan = _plan(f'{ONE}[targets.aarch64]\ntest = {{ cpus = ["cortex-a53", "max"] }}\n')
    one = _session(plan, "test-aarch64-cp311-cortex_a53")
    other = _session(plan, "test-aarch64-cp311-max")
    assert one.steps[0] == other.steps[0]
    assert one.result != other.result
    assert _test(plan, other.name).machine.cpu == "max"
    assert _session(plan, "test-aarch64-cp311").steps == ()


def test_a_project_that_may_be_abi3_lets_the_lowest_python_s_wheel_serve_the_others() -> None:
    plan = _plan(project=replace(PROJECT, may_be_abi3=True))
    assert _session(plan, "build-aarch64-cp311").after is None
    assert _session(plan, "build-aarch64-cp313").after == "build-aarch64-cp311"
    assert _session(_plan(), "build-aarch64-cp313").after is None


def test_only_builds_that_cross_are_shown_the_target() -> None:
    plan = _plan()
    assert _compilers(plan, "build-aarch64-cp311").cross
    assert not _compilers(plan, "build-x86_64-cp311").cross


def test_a_policy_s_old_name_is_the_same_policy() -> None:
    for given, policy in (
        ("manylinux2014", "manylinux_2_17"),
        ("manylinux_2_28", "manylinux_2_28"),
    ):
        plan = _plan(f'{ONE}[build]\npolicy = "{given}"\n')
        assert _compilers(plan, "build-aarch64-cp311").policy == policy


# --- what tells a shipped file from another -----------------------------------------------------


def _options(build: str, rest: str = "") -> str:
    return _session(_plan(f"{ONE}[build]\n{build}\n{rest}"), "build-x86_64-cp311").options


@pytest.mark.parametrize(
    "build",
    [
        'environment = { A = "1" }',
        'requires = ["cython"]',
        'config-settings = { "--x" = ["a", "b"] }',
        'policy = "manylinux_2_28"',
        'before-build = [["touch", "x"]]',
        "repair = { strip = true }",
        "pure = true",
        'tools = ["nasm"]',
        'tools = ["cmake>=3.28", "ziglang"]',
    ],
)
def test_an_option_that_may_change_a_wheel_tells_it_apart(build: str) -> None:
    assert _options(build) != _options("")


@pytest.mark.parametrize(
    "build",
    [
        'strategy = "native"',
        'toolchain = "gcc"',
        'timeout = "1h"',
        'frontend = "uv"',
        'tools = ["ziglang==0.15.1"]',
    ],
)
def test_how_and_where_a_wheel_was_made_does_not_tell_it_apart(build: str) -> None:
    assert _options(build) == _options("")


def test_test_options_do_not_tell_a_wheel_apart() -> None:
    assert _options("", '[test]\ncommand = "pytest"\nrequires = ["pytest"]\n') == _options("")


# --- texts --------------------------------------------------------------------------------------


def test_commands_are_shell_lines_or_words_with_placeholders_as_references() -> None:
    assert commands("make {jobs}") == (ShellLine(("make ", Placeholder("jobs"))),)
    assert commands(["a", ["b", "{prefix:z}/c"]]) == (
        ShellLine(("a",)),
        Argv((("b",), (Placeholder("prefix", "z"), "/c"))),
    )
    assert text("${jobs} #{jobs} {unknown}") == ("${jobs} {jobs} {unknown}",)


def test_config_settings_are_sorted_and_a_string_is_a_list_of_one() -> None:
    assert settings({"b": "1", "a": ["2", "3"]}) == (("a", ("2", "3")), ("b", ("1",)))
