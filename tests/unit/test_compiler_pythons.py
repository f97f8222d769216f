"""Requires-Python against the spec's Pythons: what is built, what is not run, what is an error."""

from dataclasses import replace

import pytest

from mpforge.compiler.compile import compile_plan
from mpforge.compiler.project_checks import findings
from mpforge.compiler.pythons import allows, lowest
from mpforge.plan.facts import HostFacts, ProjectFacts
from mpforge.plan.pins import Lock
from mpforge.plan.sessions import Plan, PlannedSession
from mpforge.plan.steps import MakeSdist
from mpforge.spec.load import find_problems, load_spec

HOST = HostFacts(platform="x86_64", system="Linux x86_64")
PROJECT = ProjectFacts("tree", "setuptools.build_meta", False, ("setuptools",))
NEW = replace(PROJECT, requires_python=">=3.12")
SPEC = """
schema = 1
[project]
python = ["cp311", "cp312", "cp313"]
targets = ["aarch64"]
[targets.x86_64]
python = ["cp311"]
"""


def plan(project: ProjectFacts, spec: str = SPEC) -> Plan:
    return compile_plan(load_spec(spec, file="m.toml"), HOST, project, Lock())


def session(name: str, project: ProjectFacts, spec: str = SPEC) -> PlannedSession:
    found = plan(project, spec).session(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("requires", "python", "expected"),
    [
        (">=3.12", "cp311", False),
        (">=3.12", "cp312", True),
        (">=3.11.4", "cp311", True),
        (">=3.8,!=3.9.*,<3.13", "cp39", False),
        (">=3.8,!=3.9.*,<3.13", "cp313", False),
        ("<3.13", "cp313t", False),
        ("~=3.9", "cp313", True),
        (">3.11,<3.12", "cp311", True),
        ("==3.11", "cp311", True),
        (">=3.10", "pp310", True),
        ("", "cp38", True),
    ],
)
def test_a_python_is_excluded_only_where_no_release_of_it_is_allowed(
    requires: str, python: str, expected: bool
) -> None:
    assert allows(requires, python) is expected


@pytest.mark.parametrize("phase", ["build", "test"])
def test_an_excluded_python_is_not_run_and_the_reason_names_where_it_stands(phase: str) -> None:
    excluded = session(f"{phase}-aarch64-cp311", NEW)
    assert excluded.not_run == "pyproject.toml's requires-python is >=3.12"
    assert excluded.steps == ()
    assert session(f"{phase}-aarch64-cp312", NEW).not_run is None


def test_the_sdist_is_made_by_an_allowed_python_and_no_compilers_are_made_for_others() -> None:
    made = plan(NEW)
    sdist = made.step("sdist").command
    assert isinstance(sdist, MakeSdist)
    assert sdist.python == "cp312"
    assert [c.python for c in session("deps-aarch64", NEW).compilers] == ["cp312", "cp313"]


def test_a_target_whose_pythons_are_all_excluded_needs_no_tools() -> None:
    assert session("deps-x86_64", NEW).not_run == "pyproject.toml's requires-python is >=3.12"


def test_an_abi3_wheel_is_built_by_the_lowest_python_that_is_allowed() -> None:
    limited = replace(NEW, may_be_abi3=True)
    assert session("build-aarch64-cp312", limited).after is None
    assert session("build-aarch64-cp313", limited).after == "build-aarch64-cp312"


def test_the_lowest_python_is_told_by_number_and_has_the_gil() -> None:
    assert lowest(["cp313t", "cp313", "cp39", "cp310"]) == "cp39"
    assert lowest(["cp313t", "pp310"]) is None


def test_a_free_threaded_wheel_is_built_apart_and_the_sdist_by_a_python_with_the_gil() -> None:
    spec = SPEC.replace('["cp311", "cp312", "cp313"]', '["cp313t", "cp313"]')
    limited = replace(PROJECT, may_be_abi3=True)
    assert session("build-aarch64-cp313t", limited, spec).after is None
    assert session("build-aarch64-cp313t", limited, spec).refusal is None
    sdist = plan(replace(NEW, may_be_abi3=True), spec).step("sdist").command
    assert isinstance(sdist, MakeSdist)
    assert sdist.python == "cp313"


def test_a_project_that_allows_none_of_the_pythons_is_an_error_in_every_session() -> None:
    newest = replace(PROJECT, requires_python=">=3.14")
    for name in ("sdist", "deps-aarch64", "build-aarch64-cp313", "test-aarch64-cp313"):
        refusal = session(name, newest).refusal
        assert refusal is not None
        assert refusal.error == "wrong-input"
        assert "excludes every Python of the spec: cp311, cp312, cp313" in refusal.what


def test_what_only_the_sdist_tells_is_asked_of_it() -> None:
    assert session("build-aarch64-cp311", PROJECT).asks_sdist
    assert not session("build-aarch64-cp312", NEW).asks_sdist
    without = f"{SPEC}[sdist]\nenable = false\n"
    assert not session("build-aarch64-cp311", PROJECT, without).asks_sdist


def test_check_warns_of_each_excluded_python_at_its_place_and_fails_where_all_are() -> None:
    told = find_problems(SPEC, file="m.toml", beside=lambda spec: findings(spec, NEW))
    assert [(p.key, p.place.line, p.warning) for p in told] == [
        ("project.python[0]", 4, True),
        ("targets.x86_64.python[0]", 7, True),
    ]
    assert "cp311 will not run: pyproject.toml's requires-python is >=3.12" in told[0].message
    newest = replace(PROJECT, requires_python=">=3.14")
    whole = find_problems(SPEC, file="m.toml", beside=lambda spec: findings(spec, newest))
    assert [(p.key, p.warning) for p in whole] == [("project.python", False)]
