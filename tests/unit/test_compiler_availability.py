"""What the spec may say and this version does not build: refused, and by name."""

from dataclasses import replace

import pytest

from mpforge.compiler.compile import compile_plan
from mpforge.plan.facts import HostFacts, ProjectFacts
from mpforge.plan.pins import Lock
from mpforge.plan.places import Machine
from mpforge.plan.sessions import Plan, PlannedSession
from mpforge.plan.steps import RunTests
from mpforge.platforms.cpus import known_cpus
from mpforge.spec.load import load_spec
from mpforge.spec.options import cpu_word

HOST = HostFacts(platform="x86_64", system="Linux x86_64")
PROJECT = ProjectFacts("tree", "setuptools.build_meta", False, ("setuptools",))
BOXED = '[toolchains.boxed]\nkind = "container"\nimage = "x"'


def _plan(text: str, host: HostFacts = HOST) -> Plan:
    return compile_plan(load_spec(f"schema = 1\n{text}", file="m.toml"), host, PROJECT, Lock())


def _session(plan: Plan, name: str) -> PlannedSession:
    session = plan.session(name)
    assert session is not None
    return session


def _spec(build: str = "", *, target: str = "x86_64", python: str = "cp311", rest: str = "") -> str:
    return f'[project]\npython = ["{python}"]\ntargets = ["{target}"]\n[build]\n{build}\n{rest}\n'


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (_spec(target="loongarch64_musl"), "loongarch64_musl"),
        (_spec(target="windows_x86_64"), "windows_x86_64"),
        (_spec(python="pp310"), "pp310"),
        (_spec('strategy = "hybrid"\nisolation = false'), "isolation"),
        (_spec('strategy = "emulate"\nfrontend = "uv"'), "uv as the frontend"),
        (_spec('isolation = false\ntarget-requires = ["numpy"]'), "target-requires"),
        (
            _spec('toolchain = "vendor"', rest='[toolchains.vendor]\nkind = "gcc"\nprefix = "x-"'),
            "vendor",
        ),
        (
            _spec(
                'toolchain = "boxed"\nkind = "make"\noutputs = ["x"]',
                rest=f'{BOXED}\n[test]\ncommand = ["x"]',
            ),
            "in an image",
        ),
        (_spec('toolchain = "boxed"\nisolation = false', rest=BOXED), "isolation"),
        (_spec('toolchain = "boxed"\ntarget-requires = ["numpy"]', rest=BOXED), "target-requires"),
        (
            _spec(
                'libraries = ["z"]\nstrategy = "hybrid"',
                rest='[libraries.z]\nkind = "make"\nsource = { path = "z" }',
            ),
            "native libraries",
        ),
    ],
)
def test_a_build_that_is_not_available_is_refused_by_name_and_so_is_its_test(
    text: str, named: str
) -> None:
    plan = _plan(text)
    refused = [s for s in plan.sessions if s.refusal is not None and s.phase in ("build", "test")]
    assert {session.phase for session in refused} == {"build", "test"}
    for session in refused:
        assert session.refusal is not None
        if named == "native libraries":
            assert "install the library in the image, by before-all" in (session.refusal.hint or "")
        assert session.refusal.error == "not-available-yet"
        assert named in session.refusal.what
        assert session.steps == ()


def test_a_target_of_another_system_is_refused_with_the_command_that_writes_its_job() -> None:
    refusal = _session(_plan(_spec(target="macos_arm64")), "build-macos_arm64-cp311").refusal
    assert refusal is not None
    assert "`mpforge ci github`" in (refusal.hint or "")


@pytest.mark.parametrize("tool", ["ziglang", "ziglang==0.15.2", "Ziglang >= 0.15"])
def test_a_version_of_zig_may_be_asked_for_and_is_what_is_pinned(tool: str) -> None:
    plan = _plan(_spec(f'tools = ["{tool}"]'))
    assert _session(plan, "build-x86_64-cp311").refusal is None
    zig = _session(plan, "deps-x86_64").compilers[0].toolchain.zig
    assert zig is not None
    assert zig.requirements == (tool,)


def test_one_python_that_is_not_available_does_not_stop_a_target_s_others() -> None:
    plan = _plan('[project]\npython = ["cp311", "pp310"]\ntargets = ["x86_64"]\n')
    assert _session(plan, "build-x86_64-cp311").refusal is None
    assert _session(plan, "build-x86_64-pp310").refusal is not None
    deps = _session(plan, "deps-x86_64")
    assert deps.choice is not None
    assert [compilers.python for compilers in deps.compilers] == ["cp311"]


def test_on_a_host_that_can_t_build_only_groups_and_release_are_not_refused_for_it() -> None:
    plan = _plan(_spec(), replace(HOST, platform=None, system="Darwin arm64"))
    for session in plan.sessions:
        if session.group or session.phase == "release":
            continue
        assert session.refusal is not None
        assert session.refusal.error == "host-cannot"
        assert "Darwin arm64" in session.refusal.what
    assert plan.steps == ()
    assert plan.wants == ()


def test_a_model_of_the_native_target_is_emulated_and_nothing_else_is() -> None:
    plan = _plan(_spec(rest='[test]\ncpus = ["qemu64", "Haswell"]'))
    for word, model in (("qemu64", "qemu64"), ("haswell", "Haswell")):
        step = plan.step(_session(plan, f"test-x86_64-cp311-{word}").result or "")
        assert isinstance(step.command, RunTests)
        assert step.command.machine == Machine("x86_64", True, model)
    native = _plan(_spec())
    step = native.step(_session(native, "test-x86_64-cp311").result or "")
    assert isinstance(step.command, RunTests)
    assert step.command.machine == Machine("x86_64", False, None)


@pytest.mark.parametrize("model", ["Skylake-Server", "Icelake-Server-v6", "EPYC-Genoa"])
def test_an_x86_model_with_avx_512_is_refused_on_every_host(model: str) -> None:
    spec = _spec(rest=f'[test]\ncpus = ["{model}"]')
    for host in (HOST, HostFacts(platform="aarch64", system="Linux aarch64")):
        session = _session(_plan(spec, host), f"test-x86_64-cp311-{cpu_word(model)}")
        assert session.refusal is not None
        assert session.refusal.error == "host-cannot"
        assert model in session.refusal.what
        assert "AVX-512" in session.refusal.what
        assert "Haswell" in (session.refusal.hint or "")


def test_what_is_built_for_a_newer_cpu_is_not_tested_on_an_older_host() -> None:
    """Its tests are emulated if that is asked for, and the build says which CPU its files need."""
    older = replace(HOST, cpu_features=known_cpus()["x86-64-v2"].features)
    plan = _plan(_spec('cpu = "x86-64-v3"'), older)
    session = _session(plan, "test-x86_64-cp311")
    assert session.refusal is not None
    assert session.refusal.error == "host-cannot"
    assert "x86-64-v3 (build.cpu)" in session.refusal.what
    assert "lacks AVX, AVX2" in (session.refusal.why or "")
    assert _session(plan, "build-x86_64-cp311").cpu == "x86-64-v3"
    assert _session(_plan(_spec(), older), "build-x86_64-cp311").cpu == "x86-64"
    unknown = _plan(_spec('cpu = "x86-64-v3"'))
    emulated = _plan(_spec('cpu = "x86-64-v3"', rest='[test]\nstrategy = "emulate"'), older)
    for found in (unknown, emulated):
        assert _session(found, "test-x86_64-cp311").refusal is None
    step = emulated.step(_session(emulated, "test-x86_64-cp311").result or "")
    assert isinstance(step.command, RunTests)
    assert step.command.machine.cpu == "Haswell"
