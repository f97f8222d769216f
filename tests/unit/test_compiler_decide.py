"""What is decided for each target and Python, and on which machine its tests run."""

from collections.abc import Mapping

import pytest

from mpforge.compiler.decide import Compilation, Decision
from mpforge.plan.facts import HostFacts, ProjectFacts
from mpforge.plan.pins import Lock
from mpforge.plan.sessions import Choice, Refusal
from mpforge.plan.toolchains import OF_IMAGE
from mpforge.spec.load import load_spec

PROJECT = ProjectFacts("tree", "setuptools.build_meta", False, ("setuptools",), ">=3.12")
TWO = 'schema = 1\n[project]\npython = ["cp311", "cp313"]\ntargets = ["aarch64", "x86_64"]\n'


def _decided(
    more: str = "", platform: str | None = "x86_64", also_runs: tuple[str, ...] = ()
) -> Mapping[tuple[str, str | None], Decision]:
    host = HostFacts(platform, "here", container_runtime=True, also_runs=also_runs)
    spec = load_spec(TWO + more, file="m.toml")
    return Compilation(spec, host, PROJECT, Lock()).decisions


def test_each_target_is_decided_for_each_python_that_the_project_allows() -> None:
    more = (
        '[targets.gateway]\nplatform = "linux/arm64"\nbuild = { kind = "make", outputs = ["x"] }\n'
    )
    assert list(_decided(more)) == [("aarch64", "cp313"), ("x86_64", "cp313"), ("gateway", None)]


def test_nothing_is_decided_for_a_host_on_which_nothing_is_built() -> None:
    assert _decided(platform=None) == {}


def test_options_of_one_python_decide_for_that_python_alone() -> None:
    more = '[[overrides]]\nselect = "aarch64-*"\nbuild = { strategy = "emulate" }\n'
    decisions = _decided(more)
    foreign, native = decisions["aarch64", "cp313"], decisions["x86_64", "cp313"]
    assert isinstance(foreign.choice, Choice)
    assert isinstance(native.choice, Choice)
    assert (foreign.choice.strategy, native.choice.strategy) == ("emulate", "native")
    assert foreign.compilers is not None
    assert foreign.compilers.toolchain.name == OF_IMAGE


@pytest.mark.parametrize(
    ("platform", "strategy", "policy", "image"),
    [
        ("armv7l", "hybrid", "manylinux_2_31", "quay.io/pypa/manylinux_2_31_armv7l"),
        ("ppc64le", "hybrid", "manylinux_2_28", "quay.io/pypa/manylinux_2_28_ppc64le"),
        ("ppc64le", "emulate", "manylinux_2_28", "quay.io/pypa/manylinux_2_28_ppc64le"),
        ("riscv64", "hybrid", "manylinux_2_31", "quay.io/pypa/manylinux_2_39_riscv64"),
        ("riscv64", "emulate", "manylinux_2_39", "quay.io/pypa/manylinux_2_39_riscv64"),
        ("loongarch64", "cross", "manylinux_2_36", None),
        ("s390x", "cross", "manylinux_2_17", None),
    ],
)
def test_the_default_image_is_one_that_is_kept_for_the_policy(
    platform: str, strategy: str, policy: str, image: str | None
) -> None:
    more = f'[targets.own]\nplatform = "{platform}"\nbuild = {{ strategy = "{strategy}" }}\n'
    choice = _decided(more)["own", "cp313"].choice
    assert isinstance(choice, Choice)
    assert (choice.policy, choice.image) == (policy, image)


def test_what_this_version_does_not_have_is_why_it_can_t_be_built() -> None:
    decision = _decided('[build]\nimage = "debian"\nfrontend = "uv"\n')["x86_64", "cp313"]
    assert isinstance(decision.choice, Refusal)
    assert decision.choice == decision.unavailable
    assert decision.compilers is None


@pytest.mark.parametrize(
    ("more", "target", "cpu", "emulated", "in_image"),
    [
        ("", "x86_64", None, False, False),
        ("", "x86_64", "Haswell", True, False),
        ("", "aarch64", None, True, False),
        ('[test]\nstrategy = "emulate"\n', "x86_64", None, True, False),
        ('[build]\nstrategy = "emulate"\n', "aarch64", None, True, True),
        ('[build]\nimage = "debian"\n', "x86_64", None, False, True),
        ('[build]\nimage = "debian"\n', "x86_64", "Haswell", True, False),
    ],
)
def test_tests_run_in_the_image_of_the_build_unless_it_would_run_natively(
    more: str, target: str, cpu: str | None, emulated: bool, in_image: bool
) -> None:
    machine = _decided(more)[target, "cp313"].machine(cpu)
    assert (machine.emulated, bool(machine.place.images)) == (emulated, in_image)
    assert machine.cpu is None if not emulated else machine.cpu == cpu or cpu is None


@pytest.mark.parametrize(
    ("also_runs", "strategy", "cpu", "level"),
    [
        (("i686",), "auto", None, "native"),
        (("i686",), "native", None, "native"),
        (("i686",), "emulate", None, "emulated"),
        (("i686",), "auto", "pentium3", "emulated"),
        ((), "auto", None, "emulated"),
    ],
)
def test_tests_run_natively_on_a_processor_that_runs_the_target_s_programs_too(
    also_runs: tuple[str, ...], strategy: str, cpu: str | None, level: str
) -> None:
    more = f'[targets.own]\nplatform = "i686"\ntest = {{ strategy = "{strategy}" }}\n'
    decision = _decided(more, also_runs=also_runs)["own", "cp313"]
    machine = decision.machine(cpu)
    assert decision.level(cpu) == level
    assert machine.cpu == (None if level == "native" else cpu or "qemu32")
