"""What the sessions of a plan need from outside, who needs it, and what of it a lock pins."""

from mpforge.compiler.compile import compile_plan
from mpforge.plan.facts import HostFacts, ProjectFacts
from mpforge.plan.pins import (
    EnvironmentPin,
    EnvironmentRequest,
    ImagePin,
    ImageRequest,
    Lock,
)
from mpforge.plan.places import Machine
from mpforge.plan.sessions import Plan, Refusal
from mpforge.plan.wants import (
    BasePrograms,
    Crates,
    Emulation,
    Image,
    Interpreter,
    Need,
    Packages,
    Rust,
    ToolWheel,
    Zig,
    unpinned,
)
from mpforge.spec.load import load_spec

HOST = HostFacts(platform="x86_64", system="here", container_runtime=True)
SETUPTOOLS = ProjectFacts("tree", "setuptools.build_meta", False, ("setuptools",))
MATURIN = ProjectFacts("tree", "maturin", False, ("maturin",))
ONE = '[project]\npython = ["cp311"]\ntargets = ["aarch64"]\n'
TWO = '[project]\npython = ["cp311", "cp313"]\ntargets = ["aarch64"]\n'
BUILD = EnvironmentRequest("build", "cp311", "x86_64", ("setuptools",))
ZIG = EnvironmentRequest("tool", "cp311", "x86_64", ("ziglang",))


def _plan(text: str = ONE, *, project: ProjectFacts = SETUPTOOLS) -> Plan:
    return compile_plan(load_spec(f"schema = 1\n{text}", file="m.toml"), HOST, project, Lock())


def _needs(plan: Plan) -> list[Need]:
    return [want.need for want in plan.wants]


def _users(plan: Plan, need: Need) -> tuple[str, ...]:
    return next(want.sessions for want in plan.wants if want.need == need)


def test_each_need_stands_once_with_every_session_that_has_it() -> None:
    plan = _plan(TWO)
    needs = _needs(plan)
    assert len(needs) == len(set(needs))
    builds = ("build-aarch64-cp311", "build-aarch64-cp313")
    assert _users(plan, Zig(ZIG)) == ("deps-aarch64", *builds)
    assert _users(plan, Packages(BUILD)) == ("sdist", "build-aarch64-cp311")
    assert _users(plan, Interpreter("cp313")) == ("build-aarch64-cp313",)
    assert _users(plan, Emulation("aarch64", "cp313")) == ("test-aarch64-cp313",)


def test_a_musl_target_of_this_machine_is_tested_natively_in_a_python_of_its_own() -> None:
    plan = _plan(ONE.replace("aarch64", "x86_64_musl"))
    assert _users(plan, Emulation("x86_64_musl", "cp311")) == ("test-x86_64_musl-cp311",)
    session = plan.session("test-x86_64_musl-cp311")
    assert session is not None
    machines = [tests.machine for step in session.steps if (tests := plan.step(step).tests)]
    assert machines == [Machine("x86_64_musl", emulated=False, cpu=None)]


def test_pinned_base_programs_are_a_need_of_sessions_that_run_programs_here() -> None:
    assert BasePrograms() not in _needs(_plan())
    plan = _plan(f'{ONE}[build]\nbase-programs = "pinned"\n')
    sessions = ("sdist", "deps-aarch64", "build-aarch64-cp311", "test-aarch64-cp311")
    assert _users(plan, BasePrograms()) == sessions
    assert plan.has_pinned_base
    in_image = _plan(f'{ONE}[build]\nbase-programs = "pinned"\nstrategy = "emulate"\n')
    assert "deps-aarch64" not in _users(in_image, BasePrograms())


def test_the_hosts_gcc_is_refused_with_pinned_base_programs() -> None:
    text = '[project]\npython = ["cp311"]\ntargets = ["x86_64"]\n[build]\ntoolchain = "gcc"\n'

    def refusal(more: str) -> Refusal | None:
        session = _plan(f"{text}{more}").session("build-x86_64-cp311")
        assert session is not None
        return session.refusal

    assert refusal("") is None
    refused = refusal('base-programs = "pinned"\n')
    assert refused is not None
    assert 'toolchain = "zig"' in (refused.hint or "")


def test_requirements_that_a_step_answers_are_a_need_whose_pin_is_not_known_yet() -> None:
    plan = _plan(f'{ONE}[test]\nrequires = ["pytest"]\nextras = ["fast"]\n')
    pins = tuple(
        EnvironmentPin(want.need.request, ())
        for want in plan.wants
        if isinstance(want.need, Packages)
    )
    later = [want for want in plan.wants if isinstance(want.need, Packages) and want.need.more]
    assert [want.is_pinned(Lock(environments=pins)) for want in later] == [None, None]
    test = EnvironmentRequest("test", "cp311", "aarch64", ("pytest",))
    assert [want.need for want in later] == [
        Packages(BUILD, "backend"),
        Packages(test, "wheel", ("fast",)),
    ]


def test_a_rust_project_needs_its_crates_and_rust_for_the_host_and_each_target() -> None:
    plan = _plan(project=MATURIN)
    build = "build-aarch64-cp311"
    assert _users(plan, Crates()) == ("sdist", build)
    assert _users(plan, Rust("stable", None)) == ("sdist", build)
    assert _users(plan, Rust("stable", "aarch64")) == ("deps-aarch64", build)


def test_a_build_in_an_image_needs_it_and_so_do_its_tests_and_no_emulator_of_ours() -> None:
    plan = _plan(f'{ONE}[build]\nstrategy = "emulate"\nimage = "debian:12"\n')
    image = Image(ImageRequest("debian:12", "aarch64"))
    assert _users(plan, image) == ("deps-aarch64", "build-aarch64-cp311", "test-aarch64-cp311")
    assert not [need for need in _needs(plan) if isinstance(need, Emulation | Zig)]


def test_a_declared_program_that_a_wheel_carries_is_wanted() -> None:
    plan = _plan(f'{ONE}[build]\ntools = ["ninja"]\n')
    ninja = EnvironmentRequest("tool", "cp311", "x86_64", ("ninja",))
    assert _users(plan, ToolWheel(ninja)) == ("sdist", "build-aarch64-cp311")


def test_what_has_no_pin_is_said_in_one_phrase_until_the_lock_has_all_of_it() -> None:
    text = (
        f'{TWO}[build]\nstrategy = "hybrid"\nimage = "debian:12"\ntools = ["ninja"]\n'
        "[sdist]\nenable = false\n"
    )
    assert unpinned(_plan().wants, Lock()) == "1 environment and zig"
    assert unpinned(_plan(text).wants, Lock()) == "2 environments, zig and the image debian:12"
    assert unpinned(_plan(f'{ONE}[build]\ntools = ["ninja"]\n').wants, Lock()) == (
        "1 environment, ninja and zig"
    )
    environments = (EnvironmentPin(BUILD, ()), EnvironmentPin(ZIG, ()))
    assert unpinned(_plan().wants, Lock(environments=environments)) == ""
    image = ImageRequest("debian:12", "aarch64")
    locked = Lock(environments=(EnvironmentPin(ZIG, ()),), images=(ImagePin(image, "sha256:0"),))
    assert unpinned(_plan(text).wants, locked) == "2 environments"
