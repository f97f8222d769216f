"""Pure Python projects: one wheel for all targets and Pythons, and no compiler is fetched for it."""

import pytest

from tests.e2e.workspace import Cache, Workspace

pytestmark = [pytest.mark.cross, pytest.mark.network]

FLIT = """
    [build-system]
    requires = ["flit_core>=3.11"]
    build-backend = "flit_core.buildapi"

    [project]
    name = "tiny"
    version = "1.0"
    description = "a small package"
    requires-python = ">=3.9"
"""
SPEC = """
    schema = 1
    [project]
    python = ["cp311", "cp313"]
    targets = ["aarch64", "x86_64"]
"""


def test_a_flit_project_is_built_once_for_all_targets_without_zig(
    unbuilt: Workspace, empty_cache: Cache, unlike: str
) -> None:
    unbuilt.write("pyproject.toml", FLIT)
    unbuilt.write("multiplatform.toml", SPEC)
    unbuilt.write("tiny/__init__.py", f"# {unlike}")
    (unbuilt.root / "multiplatform.lock").unlink()
    unbuilt.cache = empty_cache
    run = unbuilt.nox("build")
    assert run.code == 0, str(run)
    assert unbuilt.wheel().name == "tiny-1.0-py3-none-any.whl"
    assert [step for step in unbuilt.steps() if step.startswith("wheel")] == ["wheel-aarch64-cp311"]
    entry = unbuilt.record()[unbuilt.wheel().name]
    assert entry["session"] == "build-aarch64-cp311"
    assert entry["users"] == [
        "build-aarch64-cp313",
        "build-x86_64-cp311",
        "build-x86_64-cp313",
    ]
    lock = unbuilt.read("multiplatform.lock")
    assert "zig" not in lock
    assert unbuilt.nox("build").did == set()
    assert unbuilt.read("multiplatform.lock") == lock, "what is served resolves nothing of its own"
    planned = unbuilt.mpforge("plan", "build-x86_64-cp313").output
    assert "build-x86_64-cp313: cached (dist/ has it)" in planned
    unbuilt.write("tiny/__init__.py", "answer = 43\n")
    planned = unbuilt.mpforge("plan", "build-x86_64-cp313").output
    assert "build-x86_64-cp313: would run (build-aarch64-cp311 makes it)" in planned


def test_code_that_a_pure_project_turns_out_to_hold_is_not_shipped(unbuilt: Workspace) -> None:
    unbuilt.write("pyproject.toml", FLIT)
    (unbuilt.root / "tiny" / "_tiny.so").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(57))
    run = unbuilt.nox("build-aarch64")
    assert run.code == 1
    assert "not pure Python, but the project was taken to be: flit" in run.output
    assert "tiny/_tiny.so" in run.output
    assert unbuilt.wheels() == []


@pytest.mark.emulation
def test_tests_in_the_package_that_test_sources_took_away_are_told_of(unbuilt: Workspace) -> None:
    unbuilt.write("pyproject.toml", FLIT)
    unbuilt.write("tiny/tests/__init__.py", "")
    unbuilt.write("tiny/tests/test_tiny.py", "def test_it():\n    pass\n")
    spec = SPEC.replace('"cp311", "cp313"', '"cp311"').replace('"aarch64", "x86_64"', '"aarch64"')
    test = """
    [test]
    sources = ["tiny/tests"]
    requires = ["pytest"]
    command = "{python} -m pytest --pyargs tiny"
"""
    unbuilt.write("multiplatform.toml", spec + test)
    run = unbuilt.nox("test-aarch64")
    assert run.code == 1, str(run)
    assert "tests-failed: " in run.output
    assert "exit status 5): pytest found no tests" in run.output
    assert "-> tests run in a directory with [test] sources only" in run.output
    unbuilt.edit("multiplatform.toml", 'sources = ["tiny/tests"]', "")
    unbuilt.edit("multiplatform.toml", "--pyargs tiny", "--pyargs tiny.tests")
    run = unbuilt.nox("test-aarch64")
    assert run.code == 0, str(run)
    assert "build-aarch64-cp311" in run.did, "dist/ has the wheel without its tests"
    assert "1 passed" in unbuilt.log("test-aarch64-cp311")
