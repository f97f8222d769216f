"""Which projects are known to be pure Python before they are built, and what that makes of a plan."""

import tomllib
from dataclasses import replace

import pytest

from mpforge.compiler.compile import compile_plan
from mpforge.compiler.purity import BuildFiles, reason
from mpforge.formats.pyproject import BuildSystem
from mpforge.plan.facts import HostFacts, ProjectFacts
from mpforge.plan.pins import Lock, StrategyPin
from mpforge.plan.sessions import Plan, PlannedSession
from mpforge.plan.steps import BuildWheel, RepairWheel
from mpforge.plan.wants import Zig
from mpforge.spec.load import load_spec

HOST = HostFacts(platform="x86_64", system="Linux x86_64")
FLIT = ProjectFacts("tree", "flit_core.buildapi", False, ("flit_core",), pure_by="flit is pure")
TWO = '[project]\npython = ["cp311", "cp313"]\ntargets = ["aarch64", "x86_64"]\n'
SETUP = "from setuptools import setup, find_packages\n"


def files(
    backend: str,
    *,
    requires: tuple[str, ...] = (),
    tool: str = "",
    setup_py: str | None = None,
    setup_cfg: str | None = None,
    hatch: str | None = None,
    pdm_build: bool = False,
    in_tree: bool = False,
) -> BuildFiles:
    return BuildFiles(
        BuildSystem(backend, requires, (".",) if in_tree else ()),
        tomllib.loads(tool),
        setup_py,
        setup_cfg,
        None if hatch is None else tomllib.loads(hatch),
        pdm_build,
    )


SETUPTOOLS = "setuptools.build_meta"
PURE = {
    "flit": files("flit_core.buildapi"),
    "uv": files("uv_build"),
    "hatchling": files("hatchling.build"),
    "hatchling that writes a version": files(
        "hatchling.build", tool='[hatch.build.hooks.vcs]\nversion-file = "x.py"\n'
    ),
    "poetry": files("poetry.core.masonry.api", tool='[poetry]\npackages = [{include = "x"}]\n'),
    "pdm": files("pdm.backend", tool="[pdm.build]\nincludes = []\n"),
    "setuptools by pyproject.toml": files(SETUPTOOLS, requires=("setuptools>=61", "wheel")),
    "setuptools_scm": files(SETUPTOOLS, requires=("setuptools", "setuptools_scm[toml]>=8")),
    "setup.py": files(
        f"{SETUPTOOLS}:__legacy__",
        setup_py=f'{SETUP}text = open("README").read()\nsetup(name="x", packages=find_packages())\n',
    ),
}
UNKNOWN = {
    "hatchling with a hook": files("hatchling.build", tool="[hatch.build.hooks.custom]\n"),
    "hatchling with a hook for wheels": files(
        "hatchling.build", tool="[hatch.build.targets.wheel.hooks.mypyc]\n"
    ),
    "hatchling with a hook in hatch.toml": files("hatchling.build", hatch="[hooks.custom]\n"),
    "poetry with a script": files("poetry.core.masonry.api", tool='[poetry]\nbuild = "build.py"\n'),
    "poetry with a table": files(
        "poetry.core.masonry.api", tool='[poetry.build]\nscript = "build.py"\n'
    ),
    "pdm with setup.py": files("pdm.backend", tool="[pdm.build]\nrun-setup = true\n"),
    "pdm with a hook": files("pdm.backend", pdm_build=True),
    "pdm for a platform": files("pdm.backend", tool="[pdm.build]\nis-purelib = false\n"),
    "setuptools with Cython": files(SETUPTOOLS, requires=("setuptools", "Cython")),
    "setuptools with extensions": files(
        SETUPTOOLS, tool='[[setuptools.ext-modules]]\nname = "x"\nsources = ["x.c"]\n'
    ),
    "setup.cfg with setup_requires": files(
        SETUPTOOLS, setup_cfg="[options]\nsetup_requires = cffi\n"
    ),
    "setup.py with extensions": files(
        SETUPTOOLS, setup_py=f"{SETUP}setup(name='x', ext_modules=[])\n"
    ),
    "setup.py that passes on anything": files(
        SETUPTOOLS, setup_py=f"{SETUP}from x import more\nsetup(**more)\n"
    ),
    "setup.py that is no Python 3": files(SETUPTOOLS, setup_py="print 'x'\n"),
    "an in-tree backend": files("hatchling.build", in_tree=True),
    "scikit-build-core": files("scikit_build_core.build"),
}


@pytest.mark.parametrize("case", PURE)
def test_a_project_that_can_not_compile_is_known_to_be_pure(case: str) -> None:
    assert reason(PURE[case])


@pytest.mark.parametrize("case", UNKNOWN)
def test_a_project_that_may_compile_is_not_known_to_be_pure(case: str) -> None:
    assert reason(UNKNOWN[case]) is None


def plan(text: str = TWO, *, project: ProjectFacts = FLIT, lock: Lock | None = None) -> Plan:
    spec = load_spec(f"schema = 1\n{text}", file="m.toml")
    return compile_plan(spec, HOST, project, lock or Lock())


def session(found: Plan, name: str) -> PlannedSession:
    one = found.session(name)
    assert one is not None
    return one


def after(found: Plan) -> dict[str, str | None]:
    builds = [s for s in found.sessions if s.phase == "build" and not s.group]
    return {s.name.removeprefix("build-"): s.after for s in builds}


def test_one_wheel_is_made_for_all_targets_without_a_compiler() -> None:
    found = plan()
    first = "build-aarch64-cp311"
    assert after(found) == {
        "aarch64-cp311": None,
        "aarch64-cp313": first,
        "x86_64-cp311": first,
        "x86_64-cp313": first,
    }
    assert not session(found, first).is_served
    assert session(found, "build-x86_64-cp313").is_served
    commands = [found.step(step).command for step in session(found, first).steps]
    (wheel,) = (c for c in commands if isinstance(c, BuildWheel))
    assert wheel.compilers is None
    (repair,) = (c for c in commands if isinstance(c, RepairWheel))
    assert repair.only_pure == "flit is pure"
    assert session(found, "deps-aarch64").compilers == ()
    assert not [want for want in found.wants if isinstance(want.need, Zig)]


@pytest.mark.parametrize(
    "more",
    [
        "[build]\npure = false\n",
        '[build]\nstrategy = "cross"\n',
        '[build]\nbefore-build = ["make"]\n',
        '[build]\nenvironment = { FOR = "{target}" }\n',
    ],
)
def test_what_the_spec_says_may_make_it_another_wheel_for_each_target(more: str) -> None:
    setuptools = replace(FLIT, backend=SETUPTOOLS, requires=("setuptools",))
    assert set(after(plan(f"{TWO}{more}", project=setuptools)).values()) == {None}


def test_only_builds_with_the_same_options_and_folder_share_a_wheel() -> None:
    own = '[targets.edge]\nplatform = "linux/arm64"\ndist = "edge"\n'
    other = '[[overrides]]\nselect = "x86_64-*"\nbuild = { config-settings = { a = "b" } }\n'
    assert after(plan(f"{TWO}{own}{other}")) == {
        "aarch64-cp311": None,
        "aarch64-cp313": "build-aarch64-cp311",
        "x86_64-cp311": None,
        "x86_64-cp313": "build-x86_64-cp311",
        "edge-cp311": None,
        "edge-cp313": "build-edge-cp311",
    }


def test_pure_in_the_spec_is_the_reason_even_if_the_project_is_known_to_be() -> None:
    choice = session(plan(f"{TWO}[build]\npure = true\n"), "build-aarch64-cp311").choice
    assert choice is not None
    assert choice.why == "pure = true in the spec"


def test_a_backend_that_does_not_cross_builds_one_wheel_where_the_spec_says_pure() -> None:
    unknown = ProjectFacts("tree", "homemade.backend", False, ("homemade",))
    assert session(plan(project=unknown), "build-aarch64-cp311").refusal is not None
    choice = session(plan(f"{TWO}[build]\npure = true\n", project=unknown), "build-aarch64-cp311")
    assert choice.refusal is None
    assert choice.choice is not None
    assert choice.choice.why == "pure = true in the spec"


def test_a_strategy_that_was_pinned_before_the_extension_went_does_not_matter() -> None:
    lock = Lock(strategies=(StrategyPin("aarch64", "x86_64", "cross", "zig"),))
    assert session(plan(lock=lock), "build-aarch64-cp311").compilers == ()
