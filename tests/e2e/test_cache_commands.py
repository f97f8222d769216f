"""`mpforge cache` beside real builds: what they use stays, what they need and is gone is made again.

Most use a project of shell lines with outputs of a megabyte, in a cache of its own.
"""

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from filelock import FileLock

from tests.e2e.conftest import NATIVE
from tests.e2e.storage import Storage
from tests.e2e.workspace import Cache, Gate, Run, Workspace

pytestmark = [pytest.mark.gcc]

BUILD, WHEEL = f"build-{NATIVE}", f"build-{NATIVE}-cp311"
LARGE = 1_000_000
SCRIPT = f'mkdir out\nyes "$(cat greeting.txt)" | head -c {LARGE} > out/large\n'
HOUR = 3600.0


@pytest.fixture
def quick(quick: Workspace) -> Workspace:
    """The quick project; what it builds is a megabyte that repeats the greeting."""
    quick.write("build.sh", SCRIPT)
    return quick


def builds(workspace: Workspace, text: str) -> Run:
    """A run for a greeting that must build."""
    run = runs(workspace, text)
    assert BUILD in run.did, str(run)
    return run


def hits(workspace: Workspace, text: str) -> Run:
    """A run for a greeting that must find its result, though ``dist/`` is gone."""
    shutil.rmtree(workspace.dist, ignore_errors=True)
    run = runs(workspace, text)
    assert BUILD in run.cached, str(run)
    return run


def runs(workspace: Workspace, text: str) -> Run:
    workspace.write("greeting.txt", f"{text}\n")
    run = workspace.nox(BUILD)
    assert run.code == 0, str(run)
    assert is_right(workspace, text)
    return run


def is_right(workspace: Workspace, text: str) -> bool:
    line = f"{text}\n".encode()
    published = workspace.dist / NATIVE / "out" / "large"
    return published.read_bytes() == (line * LARGE)[:LARGE]


def things(cache: Cache, *kinds: str) -> list[Path]:
    """The files of the store of these kinds."""
    found = (path for kind in kinds for path in (cache.root / "store" / kind).glob("*/*"))
    return sorted(path for path in found if path.is_file())


def tools_of(cache: Cache) -> set[str]:
    return {path.parent.name for path in cache.root.glob("tools/*/tool.json")}


def set_back(paths: Iterable[Path], seconds: float) -> None:
    """As if that much time had passed since (less than none: was still to pass)."""
    for path in paths:
        moment = path.lstat().st_mtime - seconds
        os.utime(path, (moment, moment), follow_symlinks=False)  # a link may lead to a host program


# --- gc -------------------------------------------------------------------------------------------


def test_gc_removes_what_was_not_used_for_longest_not_what_was_made_first(quick: Workspace) -> None:
    for text in ("one", "two", "three"):
        builds(quick, text)
    hits(quick, "one")
    before = quick.json("cache", "stats", "--json")["size"]
    done = quick.json("cache", "gc", "--size", f"{(before - LARGE // 2) // 1000}kB", "--json")
    assert done["schema"] == 1
    assert done["removed"]["results"] == 1
    assert (done["before"], done["left"]) == (before, [])
    assert before - 2 * LARGE < done["after"] < before - LARGE // 2
    assert done["after"] == quick.json("cache", "stats", "--json")["size"]
    hits(quick, "one")
    hits(quick, "three")
    builds(quick, "two")
    Storage(quick.cache.root / "store").check()


def test_a_second_gc_says_that_it_waits_for_the_first(quick: Workspace) -> None:
    builds(quick, "one")
    lock = quick.cache.root / "store" / "locks" / "collection"
    with FileLock(lock), quick.started("mpforge", "cache", "gc", "--size", "0") as running:
        running.says("waiting")
        assert len(quick.cache.stored()) == 1
        lock.unlink()
    # Who held the lock has gone.
    assert quick.mpforge("cache", "gc", "--size", "0").code == 0
    assert quick.cache.stored() == set()


@pytest.fixture
def mortal(quick: Workspace) -> Workspace:
    """The project, for somebody to whom permissions matter, as they do not to root."""
    builds(quick, "one")
    quick.mortal = True
    return quick


@pytest.mark.parametrize("action", ["gc", "clear"])
def test_a_store_that_can_not_be_written_is_left_and_said_with_exit_4(
    mortal: Workspace, action: str
) -> None:
    store = mortal.cache.root / "store"
    folders = [store, *(path for path in store.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    before = {path: path.read_bytes() for path in things(mortal.cache, "blobs", "actions")}
    assert mortal.mpforge("cache", "stats").code == 0
    assert mortal.mpforge("cache", "verify").code == 0
    run = mortal.mpforge("cache", action, *(["--size", "0"] if action == "gc" else []))
    assert run.code == 4, str(run)
    assert "file-trouble" in run.output
    assert str(store) in run.output
    assert "MPFORGE_CACHE" in run.output
    for path in folders:
        path.chmod(0o755)
    assert {p: p.read_bytes() for p in things(mortal.cache, "blobs", "actions")} == before
    hits(mortal, "one")


def test_one_folder_that_can_not_be_written_keeps_nothing_else_from_going(
    mortal: Workspace,
) -> None:
    (result,) = things(mortal.cache, "actions")
    result.parent.chmod(0o555)
    run = mortal.mpforge("cache", "clear")
    assert run.code == 4
    assert "Permission denied" in run.output
    assert tools_of(mortal.cache) == set()
    result.parent.chmod(0o755)
    hits(mortal, "one")


def test_a_store_that_can_not_be_read_loses_nothing(mortal: Workspace) -> None:
    (result,) = things(mortal.cache, "actions")
    result.parent.chmod(0)
    run = mortal.mpforge("cache", "gc", "--age", "0")
    result.parent.chmod(0o755)
    assert run.code == 4, str(run)
    assert "Permission denied" in run.output
    hits(mortal, "one")


# --- clear ----------------------------------------------------------------------------------------


def test_after_clear_all_is_made_again(quick: Workspace) -> None:
    builds(quick, "one")
    name = (quick.cache.root / "name").read_text(encoding="utf-8")
    run = quick.mpforge("cache", "clear")
    assert run.code == 0, str(run)
    assert "removed" in run.output
    assert f"left: {quick.cache.root / 'name'}: " in run.output
    files = [path for path in quick.cache.root.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"name", "layout.json"}
    assert quick.json("cache", "stats", "--json")["size"] == 0
    assert (quick.cache.root / "name").read_text(encoding="utf-8") == name
    shutil.rmtree(quick.dist)
    builds(quick, "one")
    hits(quick, "one")
    assert quick.mpforge("cache", "verify").code == 0


def test_what_a_running_build_uses_survives_gc_and_clear(quick: Workspace, gate: Gate) -> None:
    builds(quick, "other")
    quick.write("wait.py", f"{gate.python}\n")
    gate.show(quick)
    quick.write("build.sh", f"{sys.executable} wait.py\n{SCRIPT}")
    quick.write("greeting.txt", "one\n")
    with quick.started("nox", "-s", BUILD) as running:
        gate.arrivals(1)
        tools = tools_of(quick.cache)
        (base,) = quick.cache.root.glob("tools/base-*")
        shutil.copytree(base, base.with_name("other-0123456789abcdef"), symlinks=True)
        collected = quick.json("cache", "gc", "--size", "0", "--age", "0", "--json")
        cleared = quick.mpforge("cache", "clear")
        gate.open()
        run = running.end()
    assert run.code == 0, str(run)
    assert "warning" not in run.output, str(run)
    assert is_right(quick, "one")
    assert tools == tools_of(quick.cache), "those that the build uses, and no other"
    used = {thing["name"] for thing in collected["left"]}
    assert {f"tool {name}" for name in tools} <= used
    assert cleared.code == 0
    assert "a running process uses it" in cleared.output
    hits(quick, "one")
    quick.write("build.sh", SCRIPT)
    builds(quick, "other")
    Storage(quick.cache.root / "store").check()


@pytest.mark.network
def test_what_a_wheels_build_uses_survives_gc_and_clear(
    workspace: Workspace, quick_built: Workspace, gate: Gate, place: Path
) -> None:
    cache = Cache(place / "cache")  # neither its results nor its tools are others'
    workspace.cache.copy_store(cache)
    quick_built.cache.copy_tools(cache)
    workspace.cache = cache
    spec = workspace.read("multiplatform.toml").replace('"aarch64"', f'"{NATIVE}"')
    workspace.write("multiplatform.toml", spec.replace("[build]", '[build]\ntoolchain = "gcc"'))
    gate.show(workspace)
    waits = f"if 'bdist_wheel' in __import__('sys').argv: exec({gate.python!r})\n"
    workspace.write("setup.py", waits + workspace.read("setup.py"))
    with workspace.started("nox", "-s", WHEEL) as running:
        gate.arrivals(1)
        collected = workspace.json("cache", "gc", "--size", "0", "--json")
        assert workspace.mpforge("cache", "clear").code == 0
        gate.open()
        run = running.end()
    assert run.code == 0, str(run)
    assert "warning" not in run.output, str(run)
    used = {thing["name"] for thing in collected["left"]}
    assert any(name.startswith("tool gcc-") for name in used), used
    assert any(name.startswith("action ") for name in used), used
    shutil.rmtree(workspace.dist)
    assert WHEEL in workspace.nox(WHEEL).cached
    assert workspace.steps() == []


# --- by itself ------------------------------------------------------------------------------------


def an_hour_passes(cache: Cache) -> None:
    """Since the last collection, and since anything was used, or a quick run looks like one still going."""
    set_back([cache.root / "collected", *things(cache, "blobs", "packs", "actions")], HOUR + 60)


def test_the_cache_keeps_itself_below_its_limit(quick: Workspace) -> None:
    quick.variables["MPFORGE_CACHE_SIZE"] = f"{3 * LARGE // 2 // 1000} kB"
    for text in ("one", "two"):
        assert builds(quick, text).warnings == []
        an_hour_passes(quick.cache)
    hits(quick, "two")
    builds(quick, "one")
