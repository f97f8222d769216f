"""A store that can't be written, read or locked, or that holds what it should not.

The build succeeds, what it publishes is right, and one warning names the cause. The faults are real ones: a
full tmpfs, a read-only mount, permissions taken away, a flock that the system refuses.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.test_cache_rules import set_to
from tests.e2e.workspace import Run, Workspace

pytestmark = [pytest.mark.gcc]

BUILD = f"build-{NATIVE}"
SMALL, LARGE = 20, 1_000_000
SCRIPT = f"""
    mkdir out
    for i in $(seq {SMALL}); do cat greeting.txt > out/$i; echo $i >> out/$i; done
    head -c {LARGE} /dev/zero > out/large
"""


@pytest.fixture
def quick(quick: Workspace) -> Workspace:
    """The quick project with some small outputs and a large one."""
    quick.write("build.sh", SCRIPT)
    return quick


def store(workspace: Workspace) -> Path:
    return workspace.cache.root / "store"


def is_right(workspace: Workspace, run: Run) -> None:
    """The run succeeded, and what is published is what the source says now."""
    assert run.code == 0, str(run)
    assert "Traceback" not in run.output, str(run)
    folder, text = workspace.dist / NATIVE / "out", workspace.read("greeting.txt")
    for number in range(1, SMALL + 1):
        assert (folder / f"{number}").read_text() == f"{text}{number}\n"
    assert (folder / "large").read_bytes() == bytes(LARGE)
    assert len(workspace.published()) == SMALL + 1


def builds(workspace: Workspace, text: str | None = None) -> Run:
    """A run that must build, of another source if a text is given."""
    if text is not None:
        workspace.write("greeting.txt", text)
    run = workspace.nox(BUILD)
    is_right(workspace, run)
    assert BUILD in run.did, str(run)
    return run


def hits(workspace: Workspace) -> Run:
    """A run that must find its result, though ``dist/`` is gone."""
    shutil.rmtree(workspace.dist)
    run = workspace.nox(BUILD)
    is_right(workspace, run)
    assert BUILD in run.cached, str(run)
    return run


def warning(run: Run) -> str:
    """The one warning of a run."""
    assert len(run.warnings) == 1, str(run)
    return run.warnings[0]


def warns_of(run: Run, cause: str) -> None:
    """The run names the cause, once for each place that it concerns, and nothing else."""
    assert run.warnings, str(run)
    assert all(cause in said for said in run.warnings), str(run)
    assert len({said.split(cause)[0] for said in run.warnings}) == len(run.warnings), str(run)


def snapshot(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a directory, with its mode."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(path): (path.stat().st_mode, path.read_bytes()) for path in files}


# --- it can't be written --------------------------------------------------------------------------


@pytest.fixture
def mount() -> Iterator[Callable[..., None]]:
    """Mounts until the test ends; skips where this is not permitted (root is needed)."""
    places: list[Path] = []

    def mounted(place: Path, *words: str) -> None:
        place.mkdir(parents=True, exist_ok=True)
        answer = subprocess.run(
            ["mount", *words, place], capture_output=True, text=True, check=False
        )
        if answer.returncode != 0:
            pytest.skip(f"mounting is not permitted here: {answer.stderr.strip()}")
        if place not in places:
            places.append(place)

    yield mounted
    for place in places:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.parametrize(
    "room", ["64k", "1500k", "2500k", "3200k"], ids=["none", "in-the-step", "copying", "storing"]
)
def test_a_full_disk_costs_only_the_keeping(
    quick: Workspace, mount: Callable[..., None], room: str
) -> None:
    mount(store(quick), "-t", "tmpfs", "-o", f"size={room}", "tmpfs")
    for text in ("one\n", "two\n"):
        run = builds(quick, text)
        assert "No space left on device" in warning(run)
        assert quick.cache.stored() == set()
        assert quick.cache.leftovers() == []
    mount(store(quick), "-o", "remount,size=20m")
    shutil.rmtree(quick.dist)
    assert builds(quick).warnings == []
    assert hits(quick).warnings == []


def test_a_read_only_store_is_read_and_new_results_are_not_kept(
    quick: Workspace, mount: Callable[..., None]
) -> None:
    builds(quick, "one\n")
    before = snapshot(store(quick))
    mount(store(quick), "--bind", str(store(quick)))
    mount(store(quick), "-o", "remount,bind,ro")
    assert hits(quick).warnings == []
    warns_of(builds(quick, "two\n"), "Read-only file system")
    assert snapshot(store(quick)) == before


def test_a_read_only_cache_is_no_worse(quick: Workspace, mount: Callable[..., None]) -> None:
    builds(quick, "one\n")
    root = quick.cache.root
    mount(root, "--bind", str(root))
    mount(root, "-o", "remount,bind,ro")
    assert hits(quick).warnings == []
    warns_of(builds(quick, "two\n"), "Read-only file system")
    quick.write("greeting.txt", "three\n")
    done = quick.mpforge("run", "--keep", BUILD)
    assert (done.code, "kept: " in done.output) == (0, False), str(done)
    quick.write("build.sh", "exit 3\n")
    done = quick.mpforge("run", "--keep", BUILD)
    assert done.code == 1, str(done)
    assert re.search(r"not kept: \S+ can't be written: Read-only file system", done.output), str(
        done
    )


@pytest.fixture
def mortal(quick: Workspace) -> Workspace:
    """The project, for somebody to whom permissions matter, as they do not to root."""
    quick.mortal = True
    return quick


@pytest.mark.parametrize("what", ["", "blobs", "actions", "work"])
def test_permissions_taken_away_cost_only_the_keeping(mortal: Workspace, what: str) -> None:
    builds(mortal, "one\n")
    place = store(mortal) / what
    modes = {path: path.stat().st_mode for path in (place, *place.rglob("*")) if path.is_dir()}
    for path in modes:
        path.chmod(0o555)
    assert hits(mortal).warnings == []
    warns_of(builds(mortal, "two\n"), "Permission denied")
    for path, mode in modes.items():
        path.chmod(mode)
    assert builds(mortal, "three\n").warnings == []
    assert hits(mortal).warnings == []


@pytest.mark.parametrize("what", ["", "blobs", "actions", "work", "locks"])
def test_a_store_that_can_not_even_be_read_costs_a_build(mortal: Workspace, what: str) -> None:
    builds(mortal, "one\n")
    place = store(mortal) / what
    place.mkdir(exist_ok=True)
    place.chmod(0)
    shutil.rmtree(mortal.dist)
    run = mortal.nox(BUILD)
    place.chmod(0o755)
    is_right(mortal, run)
    if what in ("work", "locks"):  # nothing that a hit needs
        assert BUILD in run.cached
        assert run.warnings == []
    else:
        assert any("Permission denied" in said for said in run.warnings), str(run)
    assert hits(mortal).warnings == []


def test_a_file_in_the_place_of_the_store_costs_only_the_keeping(quick: Workspace) -> None:
    store(quick).write_text("mine", encoding="utf-8")
    for _ in range(2):
        shutil.rmtree(quick.dist, ignore_errors=True)
        run = builds(quick)
        assert run.warnings
        assert all(str(store(quick)) in warning for warning in run.warnings)
    assert store(quick).read_text(encoding="utf-8") == "mine"


# --- it can't be locked ---------------------------------------------------------------------------


def preloaded(workspace: Workspace, place: Path, source: str) -> None:
    """From now on runs go on top of a C library that answers differently."""
    program = place / "shim.c"
    program.write_text(source, encoding="utf-8")
    library = place / "shim.so"
    argv = ["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(program), "-ldl"]
    subprocess.run(argv, check=True)
    workspace.variables["LD_PRELOAD"] = str(library)


def test_a_file_system_without_locks_is_said_and_used(quick: Workspace, place: Path) -> None:
    code = "#include <errno.h>\nint flock(int f, int o) { errno = ENOLCK; return -1; }\n"
    preloaded(quick, place, code)
    warns_of(builds(quick), "No locks available")
    assert hits(quick).warnings == []


# --- it holds what it should not ------------------------------------------------------------------


def test_foreign_files_and_directories_are_left_alone(quick: Workspace) -> None:
    builds(quick, "one\n")
    mine = {
        quick.cache.root / "store" / path
        for kind in ("blobs", "actions", "packs", "locks")
        for path in (f"{kind}/mine", f"{kind}/folder/mine", f"{kind}/ab/mine", f"{kind}/ab/f/mine")
    }
    for path in (*mine, quick.cache.root / "store" / "mine"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine", encoding="utf-8")
    assert hits(quick).warnings == []
    assert builds(quick, "two\n").warnings == []
    assert hits(quick).warnings == []
    assert all(path.read_text(encoding="utf-8") == "mine" for path in mine)


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def test_a_damaged_entry_is_said_and_made_again(quick: Workspace) -> None:
    builds(quick)
    (entry,) = (store(quick) / "actions").glob("*/*.json")
    entry.write_bytes(half(entry.read_bytes()))
    shutil.rmtree(quick.dist)
    said = warning(builds(quick))
    assert "was damaged" in said
    assert "mpforge makes" in said
    assert hits(quick).warnings == []


DAMAGES: dict[str, Callable[[bytes], bytes]] = {"half": half, "list": lambda _: b"[]"}
OF_THE_CHECKOUT = (
    ".mpforge/index.json",
    ".mpforge/plan.json",
    ".mpforge/fingerprints*",
    ".mpforge/memo.json",
    ".mpforge/keys/*.json",
    ".mpforge/report.jsonl",
    ".mpforge/logs/*",
    "dist/mpforge.json",
    "../cache/name",
    "../cache/host*",
)


@pytest.mark.parametrize("damage", ["half", "list", "fifo"])
def test_damaged_files_of_the_checkout_and_notes_change_no_result(
    quick: Workspace, damage: str
) -> None:
    for text in ("one\n", "two\n", "one\n"):  # so that there is a previous key too
        quick.write("greeting.txt", text)
        is_right(quick, quick.nox(BUILD))
    end, memo = time.monotonic() + 60, quick.root / ".mpforge" / "memo.json"
    while not list(quick.root.glob(".mpforge/fingerprints*")):  # young files are not remembered
        assert time.monotonic() < end, "no file is ever remembered"
        memo.unlink(missing_ok=True)  # it would answer without a look at the files
        is_right(quick, quick.nox(BUILD))
    assert BUILD in quick.nox(BUILD).cached
    for name in OF_THE_CHECKOUT:
        places = list(quick.root.glob(name))
        assert places, f"there is no {name}"
        for place in places:
            if damage == "fifo" and place.name != "mpforge.json":
                place.unlink()
                os.mkfifo(place)
            elif damage != "fifo":
                place.write_bytes(DAMAGES[damage](place.read_bytes()))
    run = quick.nox(BUILD)
    is_right(quick, run)
    assert BUILD in run.cached, str(run)
    assert quick.mpforge("explain", BUILD).code == 0
    set_to(quick.root / "greeting.txt", "two\n")
    is_right(quick, quick.nox(BUILD))


def test_a_store_of_another_version_is_not_touched(quick: Workspace) -> None:
    builds(quick)
    (store(quick) / "layout.json").write_text('{"layout": 99}', encoding="utf-8")
    before = snapshot(store(quick))
    for _ in range(2):
        shutil.rmtree(quick.dist)
        said = warning(builds(quick, "two\n"))
        assert "99" in said
        assert str(store(quick)) in said
    assert snapshot(store(quick)) == before


# --- the clock goes backwards ---------------------------------------------------------------------

CLOCK = """
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <stdlib.h>
    #include <time.h>

    int clock_gettime(clockid_t clock, struct timespec *now)
    {
        static int (*real)(clockid_t, struct timespec *);
        if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
        int answer = real(clock, now);
        const char *later = getenv("CLOCK_IS_LATER_BY");
        if (!answer && later && clock == CLOCK_REALTIME) now->tv_sec += atol(later);
        return answer;
    }
"""
YEAR = 365 * 24 * 3600


def test_times_in_the_future_change_nothing(quick: Workspace) -> None:
    builds(quick, "one\n")
    later = time.time() + 10 * YEAR
    for root in (quick.cache.root, quick.root):
        for path in root.rglob("*"):
            os.utime(path, (later, later), follow_symlinks=False)
    assert hits(quick).warnings == []
    set_to(quick.root / "greeting.txt", "two\n")
    assert builds(quick).warnings == []
    set_to(quick.root / "greeting.txt", "one\n")
    assert hits(quick).warnings == []


def test_a_clock_that_goes_backwards_changes_nothing(quick: Workspace, place: Path) -> None:
    preloaded(quick, place, CLOCK)
    texts = ("one\n", "two\n", "one\n", "two\n", "six\n")
    for text, later in zip(texts, (0, 2 * YEAR, YEAR, -YEAR, 0), strict=True):
        quick.variables["CLOCK_IS_LATER_BY"] = str(later)
        if (quick.root / "dist").exists():
            set_to(quick.root / "greeting.txt", text)
        else:
            quick.write("greeting.txt", text)
        run = quick.nox(BUILD)
        is_right(quick, run)
        assert run.warnings == []
        assert (BUILD in run.cached) == (quick.steps() == [])
    assert len(quick.cache.stored()) == 3
