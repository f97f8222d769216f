"""Tools that are damaged, half made, wanted by several at once, or worked upon: builds stay right.

zig itself stays the shared one; the smaller tools are copied, so that they can be damaged.
"""

import hashlib
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from mpforge.obtain.distro import apt
from mpforge.plan.pins import DistroRequest
from tests.e2e.workspace import Cache, Run, Workspace

pytestmark = [pytest.mark.cross, pytest.mark.network]

BUILD, DEPS = "build-aarch64", "deps-aarch64"
MAKING = "making zig's C libraries for aarch64-linux-gnu.2.17, once: "
PRIMED = "zigcache-aarch64-linux-gnu.2.17-c"
MAKE_SPEC = """
    schema = 1

    [project]
    targets = ["aarch64"]

    [build]
    kind = "commands"
    commands = [
        "echo 'int main(void) { return 0; }' > main.c",
        "ls $ZIG_GLOBAL_CACHE_DIR/o > start.txt",
        "$CC -O2 -g main.c -o program && $CC -fPIC -shared main.c -o main.so",
        "$CC -O0 main.c -o other && $CC -c -Os main.c && $CC main.o -o other",
        "ls $ZIG_GLOBAL_CACHE_DIR/o > usual.txt",
        "$CC -Os $CFLAGS main.c -o small",
        "ls $ZIG_GLOBAL_CACHE_DIR/o > small.txt",
        "find $ZIG_GLOBAL_CACHE_DIR -type f -exec sh -c 'echo poison > {}' ';'",
    ]
    outputs = ["*.txt"]
"""


def content(tree: Path) -> dict[str, str]:
    """The digest of each file below a directory."""
    return {
        str(path.relative_to(tree)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in tree.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def own_tools(built: Workspace, place: Path) -> Cache:
    """A cache with an empty store, and a copy of each tool but zig, which is shared."""
    cache = Cache.lent(built.cache, place / "cache", "zig-")
    for tool in (built.cache.root / "tools").iterdir():
        if tool.is_dir() and tool.name.startswith((PRIMED, "view-aarch64-cp311", "base-")):
            shutil.copytree(tool, cache.root / "tools" / tool.name, symlinks=True)
    (cache.root / "distribution").symlink_to(built.cache.root / "distribution")
    return cache


@pytest.fixture
def owning(workspace: Workspace, own_tools: Cache) -> Workspace:
    """The package as it was built, with tools that may be damaged, and no result in its store."""
    workspace.cache = own_tools
    return workspace


def kept(cache: Cache, name: str) -> list[Path]:
    """The kept tools whose names begin so; some may be of other versions of mpforge."""
    found = sorted((cache.root / "tools").glob(f"{name}-*"))
    assert found, f"no {name} in {cache.root}"
    return found


def change(path: Path) -> None:
    """Replace the first byte of a file."""
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(b"#")


# --- damaged ----------------------------------------------------------------------------------


def test_damaged_tools_are_said_and_made_again_and_the_wheel_is_the_same(
    owning: Workspace,
) -> None:
    before = owning.wheel().read_bytes()
    for view in kept(owning.cache, "view-aarch64-cp311"):
        change(view / "tree" / "include" / "python3.11" / "pyconfig.h")
    for base in kept(owning.cache, "base"):
        (base / "tree" / "cc").symlink_to("/bin/false")
    for primed in kept(owning.cache, PRIMED):
        (primed / "tool.json").write_text('{"schema": 2,', encoding="utf-8")

    run = owning.nox(BUILD, env={"MPFORGE_NO_CACHE": "1"})

    assert run.code == 0, str(run)
    assert owning.wheel().read_bytes() == before
    for words in (
        "include/python3.11/pyconfig.h was changed; mpforge makes it again",
        "damaged: cc was added; mpforge makes it again",
        "tool.json is not readable; mpforge makes it again",
    ):
        assert sum(words in line for line in run.output.splitlines()) == 1, str(run)
    quiet = owning.nox(BUILD, env={"MPFORGE_NO_CACHE": "1"})
    assert quiet.code == 0, str(quiet)
    assert "damaged" not in quiet.output


def test_a_session_that_runs_nothing_looks_at_no_tool(workspace: Workspace) -> None:
    """What is cached needs no tool: one that is gone is not missed."""
    away = Cache(workspace.cache.root.parent / f"{workspace.root.parent.name}-without-tools")
    workspace.cache.copy_store(away)
    for name in ("name", "hostpythons.jsonl", "hostfiles.json"):
        shutil.copy2(workspace.cache.root / name, away.root / name)
    workspace.cache = away
    run = workspace.nox("build-aarch64-cp311", "--no-dependencies")
    assert run.code == 0, str(run)
    assert run.cached == {"build-aarch64-cp311"}
    assert not (away.root / "tools").exists()
    shutil.rmtree(away.root)


# --- made by one, whatever happens to it ----------------------------------------------------------


def wait_for(what: Callable[[], bool]) -> None:
    """Wait until something can be seen."""
    end = time.monotonic() + 120
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@pytest.fixture
def making(owning: Workspace) -> Path:
    """Where processes make tools; zig's primed cache has to be made, and nothing is published."""
    shutil.rmtree(owning.dist)
    tools = owning.cache.root / "tools"
    for path in tools.glob("zigcache-*"):
        shutil.rmtree(path)
    return tools / ".making"


def test_a_kill_while_a_tool_is_made_leaves_nothing_that_the_next_run_minds(
    owning: Workspace, making: Path
) -> None:
    with owning.started("nox", "-s", DEPS) as running:
        wait_for(lambda: any(making.glob("*/*/tree/h/*")))
        running.signal(signal.SIGKILL, group=True)
        assert running.process.wait() == -signal.SIGKILL
    assert any(making.iterdir())
    assert not list((owning.cache.root / "tools").glob("zigcache-*"))

    run = owning.nox(DEPS)

    assert run.code == 0, str(run)
    assert MAKING in run.output
    assert list(making.iterdir()) == []
    assert list((owning.cache.root / "tools").glob(".*.lock")) == []
    assert len(kept(owning.cache, PRIMED)) == 1


@pytest.mark.usefixtures("making")
def test_four_processes_that_want_one_tool_make_it_once(owning: Workspace, place: Path) -> None:
    four = [owning.copy(place / f"checkout{number}") for number in range(4)]
    with ExitStack() as stack:
        started = [stack.enter_context(one.started("nox", "-s", DEPS)) for one in four]
        runs: list[Run] = [running.end() for running in started]
    assert [run.code for run in runs] == [0, 0, 0, 0], "\n".join(map(str, runs))
    assert sum(MAKING in run.output for run in runs) == 1
    assert len(kept(owning.cache, PRIMED)) == 1


def test_two_sessions_that_miss_the_same_pin_resolve_it_once(owning: Workspace) -> None:
    shutil.rmtree(owning.dist)
    (owning.root / "multiplatform.lock").unlink()
    resolved = "resolving setuptools>=77 for cp311 x86_64: "
    with (
        owning.started("nox", "-s", "sdist") as one,
        owning.started("nox", "-s", "sdist") as two,
    ):
        runs = [one.end(), two.end()]
    assert [run.code for run in runs] == [0, 0], "\n".join(map(str, runs))
    assert sum(resolved in run.output for run in runs) == 1, "\n".join(map(str, runs))
    assert owning.read("multiplatform.lock").count('requirements = ["setuptools>=77"]') == 1


# --- worked upon ----------------------------------------------------------------------------------


def test_what_builds_do_with_zig_s_cache_stays_theirs_and_usual_links_make_nothing_in_it(
    owning: Workspace,
) -> None:
    """Also a build that overwrites all that it finds in there."""
    before = [content(tool / "tree") for tool in kept(owning.cache, PRIMED)]
    owning.write("multiplatform.toml", MAKE_SPEC)
    run = owning.nox("build-aarch64")
    assert run.code == 0, str(run)
    start, usual, small = (
        owning.read(f"dist/aarch64/{name}.txt") for name in ("start", "usual", "small")
    )
    assert usual == start != small
    assert [content(tool / "tree") for tool in kept(owning.cache, PRIMED)] == before
    owning.edit("multiplatform.toml", "return 0", "return 1")
    owning.edit("multiplatform.toml", '"$CC -Os $CFLAGS main.c -o small",', "")
    assert owning.nox("build-aarch64").code == 0
    assert owning.read("dist/aarch64/usual.txt") == start


def test_flags_of_the_spec_that_change_zig_s_libraries_are_made_for_once(
    owning: Workspace,
) -> None:
    spec = MAKE_SPEC.replace(
        'kind = "commands"',
        'kind = "commands"\n    environment = { CFLAGS = "-fomit-frame-pointer -Os" }',
    )
    owning.write("multiplatform.toml", spec)
    run = owning.nox("build-aarch64")
    assert run.code == 0, str(run)
    assert MAKING.replace(", once", " with -Os -fomit-frame-pointer, once") in run.output
    assert owning.read("dist/aarch64/small.txt") == owning.read("dist/aarch64/start.txt")


# --- downloads --------------------------------------------------------------------------------


@pytest.mark.skipif(
    (apt.host_distribution() or ("none",))[0] != "debian",
    reason="needs Debian's apt to fetch from",
)
def test_a_download_that_was_cut_off_is_fetched_again(tmp_path: Path, tools: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    for lists in (tools / "distribution").glob("debian-bookworm*-arm64"):
        (state / lists.name).symlink_to(lists)
    pin = apt.resolve(DistroRequest("debian", "bookworm", "arm64", ("zlib1g",)), state=state)
    apt.fetch(pin, state=state, dest=tmp_path / "one")
    (kept,) = (state / "downloads").glob("*.deb")
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2])
    apt.fetch(pin, state=state, dest=tmp_path / "two")
    assert kept.read_bytes() == whole
    assert content(tmp_path / "one") == content(tmp_path / "two") != {}
