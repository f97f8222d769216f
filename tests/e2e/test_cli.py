"""The commands beside nox, as they are called in a checkout: they look, and run nothing."""

import json
import shlex
import tomllib
from pathlib import Path

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.workspace import Workspace

pytestmark = [pytest.mark.cross, pytest.mark.emulation, pytest.mark.network]

ROOT = Path(__file__).parents[2]
BUILD, TEST = "build-aarch64-cp311", "test-aarch64-cp311"
QUICK = f"build-{NATIVE}"
CFLAGS = 'environment = { CFLAGS = "-DX" }'


def states(workspace: Workspace, *words: str) -> dict[str, str]:
    plan = workspace.json("plan", "--json", *words)
    assert plan["schema"] == 1
    return {session["name"]: session["state"] for session in plan["sessions"]}


# --- plan, explain --------------------------------------------------------------------------------


def contents(root: Path) -> dict[Path, bytes]:
    """The files of a checkout but for mpforge's own notes."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in files if ".mpforge" not in path.parts}


def test_a_plan_of_what_is_built_says_cached_and_changes_nothing(workspace: Workspace) -> None:
    before = contents(workspace.root)
    assert set(states(workspace, "test-aarch64").values()) == {"cached"}
    assert contents(workspace.root) == before


def test_the_plan_tells_strategy_policy_and_what_would_run(workspace: Workspace) -> None:
    workspace.edit("tiny/_tiny.c", "(42)", "(6 * 7)")
    done = workspace.mpforge("plan", "test-aarch64")
    assert done.code == 0
    assert "cross with zig, manylinux_2_17" in done.output
    found = states(workspace, "test-aarch64")
    assert found["deps-aarch64"] == "cached"
    assert found[BUILD] == found["sdist"] == "would run"


@pytest.mark.parametrize(
    ("file", "old", "new", "ingredient"),
    [
        ("multiplatform.toml", "environment = {}", CFLAGS, "environment.CFLAGS"),
        ("tiny/_tiny.c", "(42)", "(40 + 2)", "tiny/_tiny.c"),
        ("multiplatform.lock", 'name = "ziglang", version = "', None, "toolchain.zig"),
    ],
)
def test_explain_names_the_ingredient_that_differs_from_the_last_run(
    workspace: Workspace, file: str, old: str, new: str | None, ingredient: str
) -> None:
    workspace.edit(file, old, new or f"{old}9")
    done = workspace.mpforge("explain", BUILD)
    assert done.code == 0, str(done)
    block = done.output.split("since the last run:\n", 1)[1]
    assert ingredient in block.splitlines()[0]
    data = workspace.json("explain", BUILD, "--json")
    assert data["schema"] == 1
    assert ingredient in json.dumps(data)


# --- run ------------------------------------------------------------------------------------------


def test_run_gives_the_exit_code_of_what_failed(quick: Workspace) -> None:
    assert quick.mpforge("run", "build-nothing").code in (2, 3)
    quick.write("build.sh", "exit 9\n")
    assert quick.mpforge("run", QUICK).code == 1
    quick.edit("multiplatform.toml", f'["{NATIVE}"]', f'["{NATIVE}", "windows_x86_64"]')
    done = quick.mpforge("run", "build-windows_x86_64")
    assert done.code == 4, str(done)


def test_run_without_cache_runs_every_step_and_gives_the_same_bytes(quick: Workspace) -> None:
    assert quick.nox(QUICK).code == 0
    before = contents(quick.dist / NATIVE)
    done = quick.mpforge("run", "--no-cache", QUICK)
    assert done.code == 0, str(done)
    assert quick.steps() == [QUICK]
    assert contents(quick.dist / NATIVE) == before


def test_run_keeps_a_failed_steps_directory_when_asked_to(quick: Workspace) -> None:
    quick.write("build.sh", "echo made > here\nexit 3\n")
    done = quick.mpforge("run", "--keep", QUICK)
    assert done.code == 1
    (line,) = [line for line in done.output.splitlines() if "kept: " in line]
    kept = Path(line.split("kept: ")[1].strip(), "src")
    assert not kept.is_relative_to(quick.root), "below the checkout tools find other configuration"
    assert (kept / "greeting.txt").is_file()
    assert (kept / "here").read_text() == "made\n"


@pytest.mark.parametrize("strategy", ["skip", "static"])
def test_strict_takes_a_test_that_is_not_run_as_a_failure(
    workspace: Workspace, strategy: str
) -> None:
    workspace.edit("multiplatform.toml", "[test]", f'[test]\nstrategy = "{strategy}"')
    assert workspace.mpforge("run", TEST).code == 0
    done = workspace.mpforge("run", "--strict", TEST)
    assert done.code == 1, str(done)


def test_a_static_test_never_looks_like_a_pass(workspace: Workspace) -> None:
    workspace.edit("multiplatform.toml", "[test]", '[test]\nstrategy = "static"')
    why = 'test.strategy is "static"; this host could run them'
    for _ in range(2):  # the second time its check is stored
        done = workspace.mpforge("run", TEST)
        assert done.code == 0, str(done)
        assert f"{TEST}: skipped (checked only, not run: {why}" in done.output
        assert "0 tested, 0 import-only, 1 checked only, 0 not run" in done.output
    (tests,) = (file["tests"] for file in workspace.record().values() if file["tests"])
    assert tests[TEST].keys() == {"level", "key", "checked"}
    assert tests[TEST]["level"] == "static"
    planned = workspace.mpforge("plan", TEST).output
    assert f"{TEST}: checked\n    static: checked only, not run: {why}" in planned


def test_run_passes_on_to_tests_alone_what_stands_behind_two_dashes(workspace: Workspace) -> None:
    done = workspace.mpforge("run", TEST, "--", "-k", "test_child")
    assert done.code == 0, str(done)
    assert {"sdist", BUILD} <= done.cached, str(done)
    assert TEST in done.did, "a test with other arguments is another test"
    log = workspace.log(TEST)
    assert "test_child" in log
    assert "Ran 1 test" in log


# --- lock, log, matrix, schema --------------------------------------------------------------------


def test_lock_pins_what_a_locked_run_needs(workspace: Workspace) -> None:
    lock = workspace.root / "multiplatform.lock"
    lock.unlink()
    done = workspace.mpforge("lock")
    assert done.code == 0, str(done)
    assert "+ setuptools" in done.output
    assert "+ ziglang" in done.output
    before = lock.read_bytes()
    assert tomllib.loads(before.decode())["schema"] == 1
    run = workspace.nox("test-aarch64", env={"CI": "true", "MPFORGE_LOCKED": None})
    assert run.code == 0, str(run)
    assert lock.read_bytes() == before, "a build never moves a pin"
    assert workspace.mpforge("lock").code == 0
    assert lock.read_bytes() == before


def test_a_name_that_no_pin_has_is_no_update(workspace: Workspace) -> None:
    before = workspace.read("multiplatform.lock")
    done = workspace.mpforge("lock", "--update", "setuptoolz")
    assert done.code == 2, str(done)
    assert "the lock has no pin for setuptoolz" in done.output
    assert "-> did you mean setuptools?" in done.output
    assert workspace.read("multiplatform.lock") == before


def test_what_is_doubtful_in_a_spec_is_told_once_by_run_and_its_nox(workspace: Workspace) -> None:
    workspace.edit("multiplatform.toml", "[build]", '[build]\nstrategy = "cross"\nimage = "a/b:1"')
    done = workspace.mpforge("run", "sdist")
    assert done.code == 0, str(done)
    assert done.output.count("warning: unused-key: `build.image` has no effect") == 1, str(done)


def test_what_is_said_to_repeat_a_failure_repeats_it(quick: Workspace) -> None:
    text = quick.read("multiplatform.toml")
    quick.write("my other.toml", text)
    quick.write("build.sh", "exit 3\n")
    done = quick.mpforge("run", "--spec", "my other.toml", "build")
    (line,) = [line for line in done.output.splitlines() if line.startswith("  again: mpforge ")]
    words = shlex.split(line.partition(" (with --keep")[0])[2:]
    assert words[:3] == ["run", "--spec", "my other.toml"]
    again = quick.mpforge(*words)
    assert again.code == done.code == 1, str(again)
    assert line in again.output
    assert f"`mpforge shell {shlex.join(words[1:])}` opens" in line


def test_log_prints_a_sessions_log(workspace: Workspace) -> None:
    done = workspace.mpforge("log", TEST)
    assert done.code == 0
    assert "the child is on aarch64" in done.output
