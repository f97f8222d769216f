"""From a spec to a tested wheel, by the real nox, zig and QEMU; and what the second run does."""

import hashlib
import re
import shutil
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.e2e.workspace import Cache, Workspace

pytestmark = [pytest.mark.cross, pytest.mark.emulation, pytest.mark.network]

BUILD, TEST, SDIST = "build-aarch64-cp311", "test-aarch64-cp311", "sdist"
DEPS = "deps-aarch64"


def machines(wheel: Path) -> dict[str, str]:
    """The machine of each compiled file of a wheel, read independently of mpforge."""
    with zipfile.ZipFile(wheel) as archive:
        compiled = [name for name in archive.namelist() if name.endswith(".so")]
        return {n: ELFFile(BytesIO(archive.read(n)))["e_machine"] for n in compiled}


@pytest.mark.parametrize(
    ("target", "elf", "suffix"),
    [("s390x", "EM_S390", "s390x-linux-gnu"), ("armv7l", "EM_ARM", "arm-linux-gnueabihf")],
)
def test_a_big_endian_and_a_32_bit_machine_are_built_for_and_tested_on(
    unbuilt: Workspace, target: str, elf: str, suffix: str
) -> None:
    unbuilt.edit("multiplatform.toml", 'targets = ["aarch64"]', f'targets = ["{target}"]')
    run = unbuilt.nox("test")
    assert run.code == 0, str(run)
    wheel = unbuilt.wheel()
    assert machines(wheel) == {f"tiny/_tiny.cpython-311-{suffix}.so": elf}
    (tests,) = unbuilt.record()[wheel.name]["tests"].values()
    assert (tests["machine"], tests["level"]) == (target, "emulated")
    assert f"the child is on {target}" in unbuilt.log(f"test-{target}-cp311")


# --- the first run, and the second ----------------------------------------------------------------


def test_a_build_publishes_a_wheel_for_the_target(built: Workspace) -> None:
    wheel = built.wheel()
    assert wheel.name.startswith("tiny-1.0-cp311-cp311-")
    assert wheel.name.endswith("-manylinux2014_aarch64.manylinux_2_17_aarch64.whl")
    assert machines(wheel) == {"tiny/_tiny.cpython-311-aarch64-linux-gnu.so": "EM_AARCH64"}
    entry = built.record()[wheel.name]
    assert (entry["target"], entry["python"], entry["strategy"]) == ("aarch64", "cp311", "cross")


def test_tests_run_on_the_target_child_processes_too(built: Workspace) -> None:
    log = built.log(TEST)
    assert "the parent is on aarch64" in log
    assert "the child is on aarch64" in log
    result = built.record()[built.wheel().name]["tests"][TEST]
    assert (result["machine"], result["cpu"]) == ("aarch64", "cortex-a53")


def test_a_second_run_does_nothing_and_says_cached(workspace: Workspace) -> None:
    run = workspace.nox("test-aarch64")
    assert run.code == 0
    assert run.did == set()
    assert all(status == "skipped" for status, _ in run.sessions.values())
    assert re.fullmatch(r"cached: [0-9a-f]{12}", run.reason(BUILD))
    assert re.fullmatch(r"cached: passed \d{4}-\d\d-\d\d, [0-9a-f]{12}", run.reason(TEST))
    assert run.reason("test-aarch64") == "cached: 1 of 1"
    assert workspace.steps() == []


def test_the_same_sources_in_another_checkout_hit_and_are_restored(
    workspace: Workspace,
) -> None:
    before = workspace.wheel().read_bytes()
    shutil.rmtree(workspace.root / ".mpforge")
    shutil.rmtree(workspace.dist)
    run = workspace.nox("test-aarch64")
    assert run.code == 0
    assert {SDIST, BUILD, TEST} <= run.cached
    assert workspace.steps() == []
    assert workspace.wheel().read_bytes() == before


# --- what is a hit, what is a miss ----------------------------------------------------------------


def test_one_changed_byte_runs_sdist_build_and_test_and_nothing_else(workspace: Workspace) -> None:
    before = workspace.wheel().read_bytes()
    workspace.edit("tiny/_tiny.c", "FromLong(42)", "FromLong(43)")
    workspace.edit("tests/test_tiny.py", "42", "43")
    run = workspace.nox("test-aarch64")
    assert run.code == 0, str(run)
    assert run.did == {SDIST, BUILD, TEST, "test-aarch64"}
    assert "deps-aarch64" in run.cached
    assert workspace.wheel().read_bytes() != before
    assert not any("environment" in step or "base" in step for step in workspace.steps())


def test_an_edited_test_runs_again_and_rebuilds_no_wheel(workspace: Workspace) -> None:
    workspace.edit("tests/test_tiny.py", "42)", "40 + 2)")
    run = workspace.nox("test-aarch64")
    assert run.code == 0
    assert BUILD in run.cached
    assert TEST in run.did
    assert not any(step.startswith(("wheel", "repair")) for step in workspace.steps())


def test_another_zig_in_the_lock_is_a_miss(workspace: Workspace) -> None:
    lock = workspace.read("multiplatform.lock")
    start = lock.index('name = "ziglang"')
    version = lock[start:].split('version = "')[1].split('"')[0]
    entry = lock[start : lock.index("\n", start)]
    other = entry.replace(version, "0.0.1")
    workspace.write("multiplatform.lock", lock.replace(entry, other))
    run = workspace.nox(BUILD)
    assert run.code == 1
    assert "deps-aarch64" not in run.cached, "it is another zig, which no index has"
    assert BUILD not in run.cached
    assert "ziglang" in run.output
    assert "Traceback" not in run.output


# --- dist/ ----------------------------------------------------------------------------------------


def test_a_damaged_stored_wheel_is_told_and_made_again(
    workspace: Workspace, empty_cache: Cache
) -> None:
    wheel = workspace.wheel().read_bytes()
    workspace.cache.copy_store(empty_cache)
    workspace.cache = empty_cache
    digest = hashlib.sha256(wheel).hexdigest()
    (blob,) = (empty_cache.root / "store").rglob(digest)
    blob.unlink()
    blob.write_bytes(wheel[:-1] + b"!")
    shutil.rmtree(workspace.dist)
    run = workspace.nox(BUILD)
    assert run.code == 0, str(run)
    assert "mpforge > warning: " in run.output
    assert "mpforge makes" in run.output
    assert workspace.wheel().read_bytes() == wheel


def test_a_file_that_is_not_ours_is_never_overwritten(workspace: Workspace) -> None:
    name = workspace.wheel().name
    shutil.rmtree(workspace.dist)
    mine = workspace.write(f"dist/{name}", "mine")
    run = workspace.nox(BUILD)
    assert run.code == 1
    assert "dist-conflict" in run.reason(BUILD)
    assert mine.read_text(encoding="utf-8") == "mine"


def test_a_build_is_shipped_to_a_machine_with_an_empty_store_and_tested_there(
    workspace: Workspace, empty_cache: Cache
) -> None:
    before = workspace.wheel().read_bytes()
    shutil.rmtree(workspace.root / ".mpforge")
    there = Workspace(workspace.root, empty_cache)
    (plan,) = [s for s in there.json("plan", "--json", DEPS)["sessions"] if s["name"] == DEPS]
    assert plan["state"] == "cached", plan
    run = there.nox("test-aarch64")
    assert run.code == 0, str(run)
    assert {SDIST, DEPS, BUILD} <= run.cached
    assert TEST in run.did
    assert there.wheel().read_bytes() == before
    assert [step for step in there.steps() if not step.startswith("test-")] == []


def test_the_choice_of_auto_is_pinned_also_where_all_is_cached(workspace: Workspace) -> None:
    lock = workspace.root / "multiplatform.lock"
    before = lock.read_text("utf-8")
    blocks = before.split("\n\n")
    kept = [block for block in blocks if not block.startswith("[[strategies]]")]
    assert len(kept) == len(blocks) - 1
    lock.write_text("\n\n".join(kept), encoding="utf-8")
    run = workspace.nox(BUILD)
    assert BUILD in run.cached, str(run)
    assert lock.read_text("utf-8") == before


# --- failures -------------------------------------------------------------------------------------


def test_a_compiler_error_fails_the_build_and_publishes_nothing(unbuilt: Workspace) -> None:
    unbuilt.edit("tiny/_tiny.c", "return PyLong", "return no_such_thing + PyLong")
    run = unbuilt.nox(BUILD)
    assert run.code == 1
    assert run.sessions[BUILD][0] == "aborted"
    assert "step-failed" in run.reason(BUILD)
    assert "no_such_thing" in run.output
    assert f"mpforge run {BUILD}" in run.output
    assert ".mpforge/logs" in run.output
    assert "Traceback (most recent call last)\n  File" not in run.output
    assert not unbuilt.dist.exists(), "nor the sdist that it was built from"


def test_a_failing_test_fails_the_session_each_time(workspace: Workspace) -> None:
    workspace.edit("tests/test_tiny.py", "42)", "54)")
    for _ in range(2):
        run = workspace.nox("test-aarch64")
        assert run.code == 1
        assert run.sessions[TEST][0] == "aborted"
        assert "tests-failed" in run.reason(TEST)
        assert "42 != 54" in run.output
        assert BUILD in run.cached, "the wheel stays"
    assert TEST not in workspace.record()[workspace.wheel().name]["tests"], "the pass is no more"


def test_tests_that_import_the_package_from_their_sources_fail(workspace: Workspace) -> None:
    workspace.write("tests/copy/tiny/__init__.py", "")
    workspace.write(
        "tests/test_tiny.py",
        """
        import os
        import sys
        import unittest

        sys.path.insert(0, os.path.abspath("tests/copy"))
        import tiny


        class Tiny(unittest.TestCase):
            def test_there_is_one(self):
                self.assertTrue(tiny.__file__)
        """,
    )
    run = workspace.nox("test-aarch64")
    assert run.code == 1
    assert "imported-elsewhere" in run.reason(TEST)
    assert "tests/copy/tiny/__init__.py" in run.output
