"""Test requirements without a wheel for the target: the steps that build them, and what a failure says."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpforge.compiler import requirement_builds
from mpforge.compiler.compile import compile_plan
from mpforge.engine import locking
from mpforge.errors import Damaged, LibraryMissing, RequirementNotBuilt, StepFailed, render
from mpforge.kinds.install_packages import InstallingPackages
from mpforge.kinds.step_ingredients import Provision
from mpforge.kinds.task import Given
from mpforge.plan.facts import HostFacts, ProjectFacts
from mpforge.plan.pins import EnvironmentPin, EnvironmentRequest, Lock, Package
from mpforge.plan.sessions import Plan
from mpforge.plan.steps import (
    BuildWheel,
    FetchSdist,
    InstallPackages,
    MissingWheels,
    OutputOf,
    RepairWheel,
)
from mpforge.spec.load import find_problems, load_spec
from mpforge.store.trees import FileNode, from_entries

HOST = HostFacts(platform="x86_64", system="Linux x86_64")
SHA = "sha256:" + "a" * 64
YAML = Package("pyyaml", "6.0", (SHA,), 9, sdist=True, build_requires=("setuptools",))
SIX = Package("six", "1.17", (SHA,), 9)
REQUEST = EnvironmentRequest("test", "cp311", "armv7l", ("pyyaml", "six"))
PIN = EnvironmentPin(REQUEST, (YAML, SIX))


def _plan(test: str = "", build: str = "") -> Plan:
    text = f"""
    schema = 1
    [project]
    python = ["cp311"]
    targets = ["armv7l"]
    [build]
    {build}
    [test]
    requires = ["pyyaml", "six"]
    {test}
    """
    project = ProjectFacts("tree", "setuptools.build_meta", False, ("setuptools",))
    return compile_plan(load_spec(text, file="m.toml"), HOST, project, Lock())


def _missing(plan: Plan) -> MissingWheels | None:
    installs = plan.step("test-environment-armv7l-cp311").installs
    assert installs is not None
    return installs.missing


def _built(plan: Plan, package: Package = YAML) -> dict[str, Any]:
    missing = _missing(plan)
    assert missing is not None
    steps = requirement_builds.steps(package, REQUEST, missing, "x86_64")
    return {step.id: step.command for step in steps}


def test_the_lock_pins_the_tools_that_build_their_libraries() -> None:
    plan = _plan('libraries = ["libyaml"]')
    installs = plan.step("test-environment-armv7l-cp311").installs
    assert installs is not None
    pinned = [*locking.of_missing_wheels([(HOST, plan)], installs.request.target)]
    assert {"ziglang", "cmake"} <= {name for request in pinned for name in request.requirements}


def test_its_sdist_is_built_as_any_wheel_is_and_checked_for_the_target() -> None:
    made = _built(_plan())
    assert [*made] == [
        "sdist-pyyaml",
        "base-pyyaml-armv7l-cp311",
        "requirements-pyyaml-armv7l-cp311",
        "environment-pyyaml-armv7l-cp311",
        "wheel-pyyaml-armv7l-cp311",
        "repair-pyyaml-armv7l-cp311",
    ]
    assert made["sdist-pyyaml"] == FetchSdist("pyyaml", "6.0", SHA, "cp311")
    wheel, repair = made["wheel-pyyaml-armv7l-cp311"], made["repair-pyyaml-armv7l-cp311"]
    assert isinstance(wheel, BuildWheel)
    assert isinstance(repair, RepairWheel)
    assert wheel.source == OutputOf("sdist-pyyaml")
    assert wheel.compilers is not None
    assert (wheel.compilers.target, wheel.compilers.cross) == ("armv7l", True)
    assert (repair.target, repair.policy) == ("armv7l", wheel.compilers.policy)
    assert repair.pure, "a requirement may do without what its authors let fail"


@pytest.mark.parametrize(
    ("requires", "configurer", "emulates"),
    [("setuptools", None, False), ("meson-python>=0.18", "meson", True)],
)
def test_its_build_requirements_say_how_it_learns_of_the_target(
    requires: str, configurer: str | None, emulates: bool
) -> None:
    package = Package("x", "1", (SHA,), sdist=True, build_requires=(requires,))
    compilers = _built(_plan(), package)["wheel-x-armv7l-cp311"].compilers
    assert (compilers.configurer, compilers.emulator is not None) == (configurer, emulates)


def test_it_is_compiled_on_this_host_also_if_the_project_is_built_in_an_image() -> None:
    plan = _plan(build='strategy = "emulate"\nimage = "debian"')
    missing = _missing(plan)
    assert missing is not None
    assert missing.compilers.place.sees_host


def test_it_is_given_the_libraries_of_the_test_table_and_their_variables() -> None:
    plan = _plan('libraries = ["libyaml"]')
    wheel = _built(plan)["wheel-pyyaml-armv7l-cp311"]
    assert wheel.libraries == (("libyaml", OutputOf("library-libyaml-armv7l")),)
    assert plan.step("library-libyaml-armv7l").command.kind == "build-library"
    assert "library-libyaml-armv7l" not in _steps(plan), "nothing of it runs if there is a wheel"


def _steps(plan: Plan) -> tuple[str, ...]:
    session = plan.session("test-armv7l-cp311")
    assert session is not None
    return session.steps


def test_libraries_of_the_test_table_are_shared_with_the_build() -> None:
    """They are the same step, so a library that both name is built once."""
    both = _plan('libraries = ["libyaml"]', 'libraries = ["libyaml"]')
    assert [step.id for step in both.steps].count("library-libyaml-armv7l") == 1


def test_a_switch_turns_it_off() -> None:
    assert _missing(_plan("build-missing-wheels = false")) is None


def test_an_unknown_library_of_the_test_table_is_found_by_check() -> None:
    text = """
    schema = 1
    [project]
    python = ["cp311"]
    targets = ["armv7l"]
    [test]
    libraries = ["libyml"]
    """
    (problem,) = find_problems(text, file="m.toml")
    assert (problem.code, problem.key, problem.nearest) == (
        "unknown-library",
        "test.libraries[0]",
        "libyaml",
    )


# --- the environment that they are for ----------------------------------------------------------


def _provision(pin: EnvironmentPin = PIN) -> Provision:
    pins = SimpleNamespace(environment=lambda *_: pin)
    toolbox = SimpleNamespace(python_parts=lambda word: {"python.version": word})
    given = SimpleNamespace(pins=pins, toolbox=toolbox, added={})
    return cast("Provision", given)


INSTALLS = InstallPackages(REQUEST, missing=_missing(_plan()))
KIND = InstallingPackages()


def _given(provision: Provision, realize: Any) -> Given:
    return KIND.given(INSTALLS, {}, provision, realize)


def test_the_environment_s_key_has_the_wheel_that_was_built_and_no_build_tools() -> None:
    tree = from_entries({"pyyaml-6.0-cp311-cp311-linux_armv7l.whl": FileNode("b" * 64, 1)})
    asked: list[str] = []

    def realize(step: str) -> Any:
        asked.append(step)
        return None, tree

    provision = _provision()
    given = _given(provision, realize)
    assert asked == ["repair-pyyaml-armv7l-cp311"]
    assert asked[0] in provision.added, "the session knows the step"
    assert KIND.parts(INSTALLS, given, provision) == {
        "package.pyyaml": f"6.0 {SHA}",
        "package.six": f"1.17 {SHA}",
        "package.wheel.pyyaml": tree.digest(),
        "python.version": "cp311",
    }


def test_a_failed_build_names_the_requirement_and_the_library_in_the_table_of_the_tests() -> None:
    error = LibraryMissing(
        "the wheel of pyyaml failed: it needs yaml.h",
        why="yaml.h: No such file",
        hint='set libraries = ["libyaml"] in [build]: mpforge has a recipe',
    )

    def realize(_: str) -> Any:
        raise error

    with pytest.raises(RequirementNotBuilt) as refused:
        _given(_provision(), realize)
    text = render(refused.value)
    assert text.startswith("requirement-not-built: pyyaml 6.0 has no wheel for armv7l, cp311, and")
    assert 'set libraries = ["libyaml"] in [test]' in text

    error = cast("LibraryMissing", StepFailed("the wheel of pyyaml failed", hint="edit [build]"))
    with pytest.raises(RequirementNotBuilt) as refused:
        _given(_provision(), realize)
    assert "allow a version of pyyaml that has a wheel" in render(refused.value)


def test_a_requirement_in_rust_is_refused_before_anything_is_built() -> None:
    rust = Package("rpds", "1", (SHA,), sdist=True, build_requires=("maturin>=1",))
    with pytest.raises(
        RequirementNotBuilt, match=r"rpds 1 has no wheel for armv7l, cp311, and .*Rust"
    ):
        _given(_provision(EnvironmentPin(REQUEST, (rust,))), None)


def test_a_damaged_store_is_no_failure_of_the_requirement() -> None:
    def realize(_: str) -> Any:
        raise Damaged("a blob is gone")

    with pytest.raises(Damaged):
        _given(_provision(), realize)
