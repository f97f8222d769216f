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
    assert "claims to run anywhere but contains compiled code" in run.output
    assert "tiny/_tiny.so" in run.output
    assert unbuilt.wheels() == []


def test_tests_stay_in_the_wheel_and_only_an_edit_of_one_that_the_build_read_builds_it_again(
    unbuilt: Workspace,
) -> None:
    unbuilt.write("pyproject.toml", FLIT + '[tool.flit.sdist]\ninclude = ["tests"]\n')
    unbuilt.write("tiny/conftest.py", f"# {unbuilt.root}")
    unbuilt.write("tiny/tests/test_inside.py", "")
    spec = SPEC.replace('"cp311", "cp313"', '"cp311"').replace('"aarch64", "x86_64"', '"aarch64"')
    unbuilt.write("multiplatform.toml", spec)
    assert unbuilt.nox("build").code == 0
    before = unbuilt.wheel().read_bytes()
    sources = '["tests", "tiny/conftest.py", "**/tests/**"]'
    unbuilt.write("multiplatform.toml", f"{spec}[test]\nsources = {sources}\n")
    unbuilt.wheel().unlink()
    assert "build-aarch64-cp311" in unbuilt.nox("build").did, "other files count in its key"
    assert unbuilt.wheel().read_bytes() == before

    outside, inside = unbuilt.read("tests/test_tiny.py"), "tiny/tests/test_inside.py"
    unbuilt.write("tests/test_tiny.py", f"{outside}# edited\n")
    assert "build-aarch64-cp311" in unbuilt.nox("build").cached
    unbuilt.write(inside, "edited = True\n")
    assert unbuilt.nox("sdist").code == 0
    told = f"it read the source's {inside}, which has changed"
    assert f"would run ({told})" in unbuilt.mpforge("plan", "build-aarch64-cp311").output
    run = unbuilt.nox("build")
    assert f"mpforge > the wheel for aarch64-cp311: {told}" in run.output
    assert unbuilt.wheel().read_bytes() != before
    unbuilt.write(inside, "")
    assert "build-aarch64-cp311" in unbuilt.nox("build").cached, "back to what it read first"
    assert unbuilt.wheel().read_bytes() == before
