"""`mpforge cache`: what is kept is shown, bounded, checked and emptied, under running builds too.

Most use a project of shell lines with outputs of a megabyte, in a cache of its own.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tests.e2e.conftest import NATIVE
from tests.e2e.storage import Storage
from tests.e2e.workspace import SHARED, Cache, Gate, Run, Workspace

pytestmark = [pytest.mark.gcc]

BUILD, WHEEL = f"build-{NATIVE}", "build-aarch64-cp311"
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


def size_of(cache: Cache) -> int:
    """The bytes of the results and all that they consist of."""
    return sum(path.stat().st_size for path in things(cache, "blobs", "packs", "actions"))


def tools_of(cache: Cache) -> set[str]:
    return {path.parent.name for path in cache.root.glob("tools/*/tool.json")}


def set_back(paths: Iterable[Path], seconds: float) -> None:
    """As if that much time had passed since (less than none: was still to pass)."""
    for path in paths:
        moment = path.lstat().st_mtime - seconds
        os.utime(path, (moment, moment), follow_symlinks=False)  # a link may lead to a host program


def output(run: Run) -> Any:
    """The JSON that an mpforge command printed."""
    data = json.loads(run.output)
    assert data["schema"] == 1
    return data


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


def test_gc_without_limits_given_takes_the_variables(quick: Workspace) -> None:
    builds(quick, "one")
    builds(quick, "two")
    quick.variables["MPFORGE_CACHE_AGE"] = "3d"
    assert len(quick.cache.stored()) == 2
    quick.mpforge("cache", "gc")
    assert len(quick.cache.stored()) == 2
    set_back(things(quick.cache, "actions"), 4 * 24 * HOUR)
    hits(quick, "one")
    done = quick.mpforge("cache", "gc")
    assert done.code == 0
    assert done.output.startswith("removed 1 result"), done.output
    hits(quick, "one")
    quick.variables["MPFORGE_CACHE_SIZE"] = "10kB"
    quick.json("cache", "gc", "--size", "1GB", "--json")
    assert len(quick.cache.stored()) == 1
    quick.mpforge("cache", "gc")
    assert quick.cache.stored() == set()


def test_times_that_are_still_to_come_lose_nothing(quick: Workspace) -> None:
    builds(quick, "one")
    everything = [path for path in quick.cache.root.rglob("*") if path.is_file()]
    set_back(everything, -400 * 24 * HOUR)
    done = quick.json("cache", "gc", "--json")
    assert (done["removed"], done["before"]) == ({}, done["after"])
    assert all(path.exists() for path in everything)
    hits(quick, "one")
    builds(quick, "two")
    hits(quick, "one")
    assert not quick.json("cache", "gc", "--json")["removed"]


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


def test_gc_removes_what_killed_processes_left(quick: Workspace) -> None:
    builds(quick, "one")
    root = quick.cache.root
    stale = [
        root / "store" / "locks" / ("a" * 64),
        root / "tools" / ".zig-0123456789abcdef.lock",
        root / "store" / "work" / "1700000000-1-killed" / "0" / "file",
        root / "tools" / ".making" / "1700000000-1-killed" / "0" / "file",
    ]
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    held = root / "store" / "locks" / ("b" * 64)
    with FileLock(held):
        assert quick.mpforge("cache", "gc").code == 0
        assert not any(path.exists() for path in stale)
        assert held.exists()
    hits(quick, "one")


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


@pytest.fixture
def own(workspace: Workspace, tools: Path, place: Path) -> Workspace:
    """The small package, built, in a cache of its own: neither results nor tools are others'."""
    cache = Cache(place / "cache")
    workspace.cache.copy_store(cache)
    for tool in [path for path in (tools / "tools").iterdir() if is_for_builds(path.name)]:
        own = cache.root / "tools" / tool.name
        shutil.copytree(tool, own, symlinks=True, copy_function=link_or_copy)
    workspace.cache = cache
    return workspace


def link_or_copy(source: str, destination: str) -> None:
    """Give a file another name, which is enough for what is only removed; a copy on another file system."""
    try:
        os.link(source, destination)
    except OSError:
        shutil.copy2(source, destination)


def is_for_builds(tool: str) -> bool:
    return tool.startswith(("base-", "view-", "zig"))


@pytest.mark.cross
@pytest.mark.network
def test_what_a_wheels_build_uses_survives_gc_and_clear(own: Workspace, gate: Gate) -> None:
    setup = own.read("setup.py")
    own.write(
        "setup.py", f"if 'bdist_wheel' in __import__('sys').argv: exec({gate.python!r})\n{setup}"
    )
    shutil.rmtree(own.dist)
    with own.started("nox", "-s", WHEEL) as running:
        gate.arrivals(1)
        used = {thing["name"] for thing in own.json("cache", "gc", "--size", "0", "--json")["left"]}
        assert own.mpforge("cache", "clear").code == 0
        gate.open()
        run = running.end()
    assert run.code == 0, str(run)
    assert "warning" not in run.output, str(run)
    assert any(name.startswith("tool zig-") for name in used), used
    assert any(name.startswith("action ") for name in used), used
    shutil.rmtree(own.dist)
    assert WHEEL in own.nox(WHEEL).cached
    assert own.steps() == []


# --- verify ---------------------------------------------------------------------------------------


def flip(path: Path) -> None:
    """Another bit, and the same size and time."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def finds(workspace: Workspace, *damaged: Path) -> None:
    """`verify` names and removes what is damaged, and only once."""
    run = workspace.mpforge("cache", "verify")
    assert run.code == 1, str(run)
    for path in damaged:
        assert f"removed: {path}: " in run.output
        assert not path.exists()
    assert workspace.mpforge("cache", "verify").code == 0


def test_verify_says_nothing_of_what_is_whole(quick: Workspace) -> None:
    builds(quick, "one")
    before = sorted(quick.cache.root.rglob("*"))
    run = quick.mpforge("cache", "verify")
    assert (run.code, run.output) == (0, "nothing is damaged\n")
    assert quick.json("cache", "verify", "--json") == {"schema": 1, "damaged": 0, "findings": []}
    assert sorted(quick.cache.root.rglob("*")) == before


def test_verify_finds_a_bit_that_flipped_in_an_output(quick: Workspace) -> None:
    builds(quick, "one")
    (blob,) = [p for p in things(quick.cache, "blobs") if p.stat().st_size == LARGE]
    flip(blob)
    finds(quick, blob, *things(quick.cache, "actions"))
    shutil.rmtree(quick.dist)
    assert "warning" not in builds(quick, "one").output
    hits(quick, "one")


def test_verify_finds_a_bit_that_flipped_in_an_entry(quick: Workspace) -> None:
    builds(quick, "one")
    (entry,) = things(quick.cache, "actions")
    flip(entry)
    finds(quick, entry)
    shutil.rmtree(quick.dist)
    assert "warning" not in builds(quick, "one").output
    hits(quick, "one")


def relink(tool: Path) -> None:
    link = tool / "tree" / "sh"
    link.unlink()
    link.symlink_to("/bin/false")


def flip_manifest(tool: Path) -> None:
    flip(tool / "manifest.json")


@pytest.mark.parametrize("damage", [relink, flip_manifest])
def test_verify_finds_what_changed_in_a_tool(
    quick: Workspace, damage: Callable[[Path], None]
) -> None:
    builds(quick, "one")
    (tool,) = quick.cache.root.glob("tools/base-*")
    target = os.readlink(tool / "tree" / "sh")
    damage(tool)
    finds(quick, tool)
    builds(quick, "two")
    assert os.readlink(tool / "tree" / "sh") == target


@pytest.mark.cross
@pytest.mark.network
def test_verify_finds_a_bit_that_flipped_in_a_pack(
    workspace: Workspace, tools: Path, place: Path
) -> None:
    cache = Cache(place / "cache")
    workspace.cache.copy_store(cache)
    workspace.cache = cache
    largest = max(things(cache, "packs"), key=lambda path: path.stat().st_size)
    flip(largest)
    finds(workspace, largest)
    for name in SHARED:  # not before: other tests use them, so they are not to be checked here
        (cache.root / name).symlink_to(tools / name)
    workspace.edit("tiny/_tiny.c", "(42)", "(6 * 7)")
    run = workspace.nox(WHEEL)
    assert run.code == 0, str(run)
    assert "warning" not in run.output, str(run)
    Storage(cache.root / "store").check()


def test_foreign_files_are_named_and_left(quick: Workspace) -> None:
    builds(quick, "one")
    root = quick.cache.root
    some = next(root.glob("store/blobs/*"))
    mine = [
        root / "mine",
        root / "store" / "mine",
        root / "store" / "blobs" / "mine",
        some / "mine",
        root / "store" / "actions" / "mine.json",
        root / "tools" / "mine",
        root / "distribution" / "downloads" / "mine.deb",
    ]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine", encoding="utf-8")
    (root / "tools" / "my-folder").mkdir()
    named = {str(path) for path in (*mine, root / "tools" / "my-folder")}
    assert set(quick.json("cache", "stats", "--json")["foreign"]) == named
    found = quick.json("cache", "verify", "--json")
    assert found["damaged"] == 0
    assert {finding["path"] for finding in found["findings"]} == named
    assert quick.json("cache", "gc", "--size", "0", "--json")["left"] == []
    left = quick.json("cache", "clear", "--json")["left"]
    assert {thing["name"] for thing in left} == {*named, str(root / "name")}
    assert all(path.read_text(encoding="utf-8") == "mine" for path in mine)
    assert (root / "tools" / "my-folder").is_dir()
    shutil.rmtree(quick.dist)
    builds(quick, "one")


# --- by itself ------------------------------------------------------------------------------------


def an_hour_passes(cache: Cache) -> None:
    """Since the last collection, and since anything was used, or a quick run looks like one still going."""
    set_back([cache.root / "collected", *things(cache, "blobs", "packs", "actions")], HOUR + 60)


def test_the_cache_keeps_itself_below_its_limit(quick: Workspace) -> None:
    quick.variables["MPFORGE_CACHE_SIZE"] = f"{5 * LARGE // 2 // 1000} kB"
    texts = [f"{number}" for number in range(6)]
    for text in texts:
        run = builds(quick, text)
        assert run.warnings == []
        an_hour_passes(quick.cache)
        assert size_of(quick.cache) < 3 * LARGE
    assert size_of(quick.cache) > LARGE, "what fits is kept"
    hits(quick, texts[-1])
    hits(quick, texts[-2])
    builds(quick, texts[0])


def test_the_cache_is_looked_at_once_an_hour(quick: Workspace) -> None:
    quick.variables["MPFORGE_CACHE_SIZE"] = "0"
    for text in ("one", "two", "three"):
        builds(quick, text)
    assert len(quick.cache.stored()) == 3
    set_back([quick.cache.root / "collected"], -HOUR)
    builds(quick, "four")
    assert len(quick.cache.stored()) == 1, "a time that is still to come says nothing"
    hits(quick, "four")


def test_a_limit_that_is_not_understood_fails_no_build(quick: Workspace) -> None:
    quick.variables["MPFORGE_CACHE_SIZE"] = "plenty"
    (said,) = builds(quick, "one").warnings
    assert "MPFORGE_CACHE_SIZE: 'plenty'" in said


# --- as a command ---------------------------------------------------------------------------------


def test_without_a_project_and_a_cache_there_is_nothing_to_do(place: Path) -> None:
    nowhere = Workspace(place / "empty", Cache(place / "no-cache"))
    nowhere.root.mkdir()
    for words in (["stats"], ["gc"], ["verify"], ["clear"]):
        assert nowhere.mpforge("cache", *words).code == 0
        assert nowhere.json("cache", *words, "--json")["schema"] == 1
    assert not nowhere.cache.root.exists()
    assert list(nowhere.root.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gc", "--size", "20"], "--size: '20' is not understood"),
        (["gc", "--age", "a month"], "--age: 'a month' is not understood"),
        (["empty"], "invalid choice"),
        ([], "usage: mpforge cache"),
    ],
)
def test_a_wrong_command_line_is_exit_2(quick: Workspace, words: list[str], said: str) -> None:
    run = quick.mpforge("cache", *words)
    assert run.code == 2
    assert said in run.output


def test_a_cache_of_another_layout_is_left_alone(quick: Workspace) -> None:
    builds(quick, "one")
    layout = quick.cache.root / "store" / "layout.json"
    layout.write_text('{"layout": 99}', encoding="utf-8")
    before = sorted(quick.cache.root.rglob("*"))
    for words in (["stats"], ["gc", "--size", "0"], ["verify"], ["clear"]):
        run = quick.mpforge("cache", *words)
        assert run.code == 4, str(run)
        assert "layout 99" in run.output
    assert sorted(quick.cache.root.rglob("*")) == before


def test_stats_tell_what_is_kept_how_much_and_when_it_was_used(quick: Workspace) -> None:
    start = time.time()
    builds(quick, "one")
    stats = quick.json("cache", "stats", "--json")
    held = {holding["what"]: holding for holding in stats["holdings"]}
    assert held["results"]["count"] == 1
    assert held["tools"]["count"] == len(tools_of(quick.cache))
    assert held["files"]["size"] > LARGE
    assert stats["size"] == sum(holding["size"] for holding in stats["holdings"])
    assert stats["limits"] == {"size": 20 * 10**9, "age": 30 * 24 * HOUR}
    run = quick.mpforge("cache", "stats", env={"MPFORGE_CACHE_SIZE": "2MB"})
    assert str(quick.cache.root) in run.output
    assert "of 2 MB (5" in run.output
    assert time.strftime("%Y-%m-%d", time.localtime(start)) in run.output
