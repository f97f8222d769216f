"""The probes that every task runner was put to (docs/caching.md), put to mpforge: one row, one or more tests.

A test's name begins with its row's; tests/unit/test_docs_caching.py compares the two. Most use a project of
shell lines that is built for this host in a second; the rules are the same for wheels, and where a wheel
goes another way there is a test with one.
"""

import ctypes
import os
import select
import shutil
import signal
import stat
import struct
import sys
import textwrap
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.workspace import Cache, Gate, Run, Workspace, wait_until_gone

pytestmark = [pytest.mark.gcc]

BUILD = f"build-{NATIVE}"
WHEEL = "build-aarch64-cp311"
OUT = f"{NATIVE}/out"
HELLO = "hello, world\n"
wheels = [pytest.mark.cross, pytest.mark.network]


def built(workspace: Workspace, *, again: bool = True) -> Run:
    """A first run, which must build; then one that has nothing to do, and must say so in a memo."""
    run = workspace.nox(BUILD)
    assert run.code == 0, str(run)
    assert BUILD in run.did, str(run)
    assert workspace.steps() == [BUILD]
    if again:
        hits(workspace)
        assert (workspace.root / ".mpforge/memo.json").exists()
    return run


def hits(workspace: Workspace, **variables: str) -> Run:
    """A run that must find its result in the store, and executes nothing."""
    run = workspace.nox(BUILD, env=variables)
    assert run.code == 0, str(run)
    assert BUILD in run.cached, str(run)
    assert workspace.steps() == []
    return run


def misses(workspace: Workspace, **variables: str) -> Run:
    """A run that must not find a result."""
    run = workspace.nox(BUILD, env=variables)
    assert run.code == 0, str(run)
    assert BUILD in run.did, str(run)
    assert workspace.steps() == [BUILD]
    return run


def out(workspace: Workspace, name: str = "greeting.txt") -> Path:
    """A published file."""
    return workspace.dist / OUT / name


def says(workspace: Workspace, name: str = "greeting.txt") -> str:
    """The text of a published file."""
    return out(workspace, name).read_text(encoding="utf-8")


# --- undeclared env changed -----------------------------------------------------------------------


def test_undeclared_env_changed_is_not_seen_by_a_build_and_is_a_hit(quick: Workspace) -> None:
    quick.write("build.sh", 'mkdir out\necho "${FLAVOUR-none}" > out/flavour.txt; env > out/env\n')
    quick.variables["FLAVOUR"] = "vanilla"
    built(quick)
    assert says(quick, "flavour.txt") == "none\n"
    assert "vanilla" not in says(quick, "env")
    hits(quick, FLAVOUR="chocolate")
    quick.edit("multiplatform.toml", "[build]", '[build]\npass-environment = ["FLAVOUR"]')
    misses(quick, FLAVOUR="chocolate")
    assert says(quick, "flavour.txt") == "chocolate\n", "the same variable, declared"


@pytest.mark.cross
@pytest.mark.network
def test_undeclared_env_changed_is_not_seen_by_a_wheel_and_is_a_hit(unbuilt: Workspace) -> None:
    setup = unbuilt.read("setup.py")
    flavour = 'open("tiny/flavour.py", "w").write(os.environ.get("FLAVOUR", "none"))'
    unbuilt.write("setup.py", f"import os\n\n{flavour}\n{setup}")
    first = unbuilt.nox(WHEEL, env={"FLAVOUR": "vanilla"})
    assert first.code == 0, str(first)
    assert b"vanilla" not in unbuilt.wheel().read_bytes()
    assert WHEEL in unbuilt.nox(WHEEL, env={"FLAVOUR": "chocolate"}).cached
    assert unbuilt.steps() == []


# --- toolchain changed ----------------------------------------------------------------------------


def test_toolchain_changed_by_another_gcc_on_path_is_a_miss(quick: Workspace, place: Path) -> None:
    quick.write("answer.c", '#include <stdio.h>\nint main(void) { printf("%d\\n", ANSWER); }\n')
    quick.write("build.sh", "mkdir out\n$CC answer.c -o answer\n./answer > out/answer.txt\n")
    runs = []
    for number in ("1", "2", "1"):
        # The same cc1, as and ld: what differs is the program that is called.
        wrapper = f'#!/bin/sh\nexec {shutil.which("gcc")} -DANSWER={number} "$@"\n'
        program = place / "bin" / "gcc"
        program.parent.mkdir(exist_ok=True)
        program.write_text(wrapper, encoding="utf-8")
        program.chmod(0o755)
        path = f"{program.parent}:{quick.environment()['PATH']}"
        runs.append(quick.nox(BUILD, env={"PATH": path}))
        assert runs[-1].code == 0, str(runs[-1])
        assert says(quick, "answer.txt") == f"{number}\n"
    assert BUILD in runs[-1].cached, "the first gcc again"


@pytest.mark.cross
@pytest.mark.network
def test_toolchain_changed_by_another_zig_is_a_miss(quick: Workspace, tools: Path) -> None:
    quick.cache = Cache.sharing(tools, quick.root.parent / "with-zig")
    quick.edit("multiplatform.toml", 'toolchain = "gcc"', 'toolchain = "zig"')
    built(quick)
    hits(quick)
    own = quick.read("multiplatform.toml")
    quick.edit("multiplatform.toml", "[build]", '[build]\ntools = ["ziglang==0.16.0"]')
    assert quick.mpforge("lock").code == 0
    states = {s["name"]: s["state"] for s in quick.json("plan", "--json", BUILD)["sessions"]}
    assert states[BUILD] == "would run"
    assert "toolchain.zig" in quick.mpforge("explain", BUILD).output
    quick.write("multiplatform.toml", own)
    hits(quick)


def test_toolchain_changed_by_a_declared_tool_is_a_miss(quick: Workspace, place: Path) -> None:
    quick.edit("multiplatform.toml", "[build]", '[build]\ntools = ["frobnicate"]')
    quick.write("build.sh", "mkdir out\nfrobnicate > out/greeting.txt\n")
    program = place / "bin" / "frobnicate"
    program.parent.mkdir()
    quick.variables["PATH"] = f"{program.parent}:{quick.environment()['PATH']}"
    program.write_text("#!/bin/sh\necho one\n", encoding="utf-8")
    program.chmod(0o755)
    built(quick)
    hits(quick)
    before = program.stat()
    program.write_text("#!/bin/sh\necho two\n", encoding="utf-8")
    os.utime(program, ns=(before.st_atime_ns, before.st_mtime_ns))
    misses(quick)
    assert says(quick) == "two\n"


# --- command line changed -------------------------------------------------------------------------


def test_command_line_changed_is_a_miss(quick: Workspace) -> None:
    quick.write("build.sh", 'mkdir out\necho "$*" > out/words.txt\n')
    built(quick)
    quick.edit("multiplatform.toml", "sh build.sh", "sh build.sh --fast")
    misses(quick)
    assert says(quick, "words.txt") == "--fast\n"


def test_command_line_changed_in_its_outputs_only_is_a_miss(quick: Workspace) -> None:
    quick.write("build.sh", "mkdir out\necho 1 > out/one\necho 2 > out/two\n")
    quick.edit("multiplatform.toml", "out/**", "out/one")
    built(quick)
    assert quick.published() == {f"{OUT}/one"}
    quick.edit("multiplatform.toml", "out/one", "out/two")
    misses(quick)
    assert quick.published() == {f"{OUT}/two"}


# --- one output deleted, or edited by hand --------------------------------------------------------


def test_one_output_deleted_is_restored(quick: Workspace) -> None:
    quick.write("build.sh", "mkdir out\ncp greeting.txt out/\necho other > out/other.txt\n")
    built(quick)
    out(quick).unlink()
    hits(quick)
    assert says(quick) == HELLO
    assert says(quick, "other.txt") == "other\n"


def test_output_edited_by_hand_is_restored(quick: Workspace) -> None:
    built(quick)
    before = out(quick).stat()
    out(quick).write_text("jello, world\n", encoding="utf-8")
    os.utime(out(quick), ns=(before.st_atime_ns, before.st_mtime_ns))
    hits(quick)
    assert says(quick) == HELLO


# --- inputs ---------------------------------------------------------------------------------------


def test_touch_an_input_is_a_hit(quick: Workspace) -> None:
    built(quick)
    for name in ("greeting.txt", "build.sh"):
        os.utime(quick.root / name)
    hits(quick)


def in_place(path: Path, text: str) -> None:
    """The same file, with other bytes."""
    with path.open("r+b") as file:
        file.write(text.encode())


def by_rename(path: Path, text: str) -> None:
    """Another file of that name, as an editor saves it."""
    other = path.with_name("new")
    other.write_text(text, encoding="utf-8")
    other.chmod(stat.S_IMODE(path.stat().st_mode))
    os.replace(other, path)


@pytest.mark.parametrize("edit", [in_place, by_rename])
@pytest.mark.parametrize("age", [0, 3600], ids=["young", "old"])
def test_edit_same_size_and_mtime_is_a_miss(
    quick: Workspace, edit: Callable[[Path, str], None], age: int
) -> None:
    source = quick.root / "greeting.txt"
    now = source.stat().st_mtime_ns - age * 10**9
    os.utime(source, ns=(now, now))
    built(quick)
    hits(quick)
    edit(source, "jello, world\n")
    os.utime(source, ns=(now, now))
    assert source.stat().st_size == len(HELLO)
    assert source.stat().st_mtime_ns == now
    misses(quick)
    assert says(quick) == "jello, world\n"


def test_edit_same_size_and_mtime_by_another_session_of_the_run_is_a_miss(quick: Workspace) -> None:
    """Sessions that follow one another share one look at the source, but not across somebody else's."""
    quick.edit("multiplatform.toml", f'targets = ["{NATIVE}"]', 'targets = ["one", "two"]')
    platforms = "".join(f'[targets.{name}]\nplatform = "{NATIVE}"\n' for name in ("one", "two"))
    quick.write("multiplatform.toml", quick.read("multiplatform.toml") + platforms)
    edit = """
        import nox, os
        @nox.session(python=False)
        def edit(session):
            before = os.stat("greeting.txt")
            with open("greeting.txt", "r+") as file:
                file.write("HELLO")
            os.utime("greeting.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    """
    quick.write("noxfile.py", quick.read("noxfile.py") + textwrap.dedent(edit))
    assert quick.nox("build").code == 0
    run = quick.nox("--no-dependencies", "-s", "build-one", "edit", "build-two")
    assert run.code == 0, str(run)
    assert "build-one" in run.cached, str(run)
    assert "build-two" in run.did, str(run)
    texts = [(quick.dist / name / "out/greeting.txt").read_text() for name in ("one", "two")]
    assert texts == [HELLO, HELLO.replace("hello", "HELLO")]


def test_chmod_x_on_an_input_is_a_miss(quick: Workspace) -> None:
    built(quick)
    assert not os.access(out(quick), os.X_OK)
    (quick.root / "greeting.txt").chmod(0o755)
    misses(quick)
    assert os.access(out(quick), os.X_OK), "the build copied it with its mode"
    (quick.root / "greeting.txt").chmod(0o600)
    hits(quick)
    assert not os.access(out(quick), os.X_OK), "read permissions and umask do not matter"


def test_back_to_an_older_input_is_a_hit(quick: Workspace) -> None:
    built(quick)
    for text in ("one\n", "two\n"):
        quick.write("greeting.txt", text)
        misses(quick)
        assert says(quick) == text
    quick.write("greeting.txt", HELLO)
    hits(quick)
    assert says(quick) == HELLO


# --- failed or killed build -----------------------------------------------------------------------


def test_failed_or_killed_build_that_fails_is_a_miss(quick: Workspace, place: Path) -> None:
    (place / "shown").mkdir()
    ready = place / "shown" / "ready"
    named = f'environment = {{ SHOWN = "{ready.parent}" }}'
    quick.edit("multiplatform.toml", "[build]", f"[build]\n{named}")
    quick.write("build.sh", "mkdir out\ncp greeting.txt out/\ntest -e $SHOWN/ready\n")
    for _ in range(2):
        run = quick.nox(BUILD)
        assert run.code == 1
        assert "step-failed" in run.reason(BUILD)
        assert quick.steps() == [BUILD], "a failure is not remembered"
        assert quick.cache.stored() == set()
        assert not quick.dist.exists() or quick.published() == set()
    ready.touch()
    misses(quick)
    assert says(quick) == HELLO


def test_failed_or_killed_build_that_misses_an_output_is_a_miss(quick: Workspace) -> None:
    quick.edit("multiplatform.toml", '"out/**"', '"out/**", "other"')
    for _ in range(2):
        run = quick.nox(BUILD)
        assert run.code == 1
        assert "other" in run.output
        assert quick.steps() == [BUILD]
        assert quick.cache.stored() == set()


@pytest.mark.parametrize("kind", ["Ctrl-C", "SIGTERM", "SIGKILL"])
def test_failed_or_killed_build_that_is_killed_is_a_miss(
    quick: Workspace, gate: Gate, kind: str
) -> None:
    # All its outputs are there, and it would call being interrupted a success.
    calm = "import signal, sys\nfor n in (2, 15):\n    signal.signal(n, lambda *_: sys.exit(0))\n"
    quick.write("wait.py", f"{calm}{gate.python}\n")
    gate.show(quick)
    quick.write("build.sh", f"mkdir out\ncp greeting.txt out/\nexec {sys.executable} wait.py\n")
    with quick.started("nox", "-s", BUILD) as running:
        told = gate.arrivals(1)
        number = {"Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM}.get(kind, signal.SIGKILL)
        running.signal(number, group=kind == "Ctrl-C")
        run = running.end()
    if kind != "SIGKILL":
        wait_until_gone(told[0])
        assert running.left() == []
        assert "Traceback" not in run.output
    assert run.code == (-9 if kind == "SIGKILL" else 130), str(run)
    gate.open()
    assert quick.cache.stored() == set()
    misses(quick)
    assert says(quick) == HELLO
    assert quick.cache.leftovers() == []


# --- what a result consists of --------------------------------------------------------------------


def test_mode_755_symlink_restored(quick: Workspace) -> None:
    quick.write(
        "build.sh",
        """
        mkdir -p out/sub
        printf '#!/bin/sh\\necho it runs\\n' > out/sub/run
        chmod 755 out/sub/run
        ln -s sub/run out/link
        cp greeting.txt out/
        """,
    )
    built(quick)
    for again in (False, True):
        if again:
            shutil.rmtree(quick.dist)
            hits(quick)
        assert stat.S_IMODE(out(quick, "sub/run").stat().st_mode) == 0o755
        assert stat.S_IMODE(out(quick).stat().st_mode) == 0o644
        assert os.readlink(out(quick, "link")) == "sub/run"


def test_mode_755_symlink_restored_for_a_build(quick: Workspace) -> None:
    (quick.root / "greeting.txt").chmod(0o755)
    (quick.root / "link").symlink_to("greeting.txt")
    quick.write("build.sh", "mkdir out\ntest -x greeting.txt\nreadlink link > out/link.txt\n")
    built(quick)
    assert says(quick, "link.txt") == "greeting.txt\n"
    (quick.root / "link").unlink()
    (quick.root / "link").symlink_to("build.sh")
    misses(quick)
    assert says(quick, "link.txt") == "build.sh\n"


def test_stale_extra_file_in_the_output_directory_is_left_alone_if_it_is_a_users(
    quick: Workspace,
) -> None:
    mine = [quick.write(f"dist/{OUT}/mine.txt", "mine\n"), quick.write("dist/notes.txt", "mine\n")]
    built(quick)
    shutil.rmtree(out(quick).parent.parent)
    mine[0].parent.mkdir(parents=True)
    mine[0].write_text("mine\n", encoding="utf-8")
    hits(quick)
    quick.write("greeting.txt", "other\n")
    misses(quick)
    assert [path.read_text(encoding="utf-8") for path in mine] == ["mine\n"] * 2
    assert set(quick.record()) == {f"{OUT}/greeting.txt"}


def test_stale_extra_file_in_the_output_directory_goes_with_the_build_that_made_it(
    quick: Workspace,
) -> None:
    good = "mkdir out\ncp greeting.txt out/\n"
    quick.write("build.sh", f"{good}echo 1 > out/extra.txt\n")
    built(quick)
    assert set(quick.record()) == {f"{OUT}/extra.txt", f"{OUT}/greeting.txt"}
    quick.write("build.sh", f"{good}echo 2 > out/failed.txt\nexit 1\n")
    assert quick.nox(BUILD).code == 1
    quick.write("build.sh", good)
    misses(quick)
    assert quick.published() == {f"{OUT}/greeting.txt"}, "and nothing of the one that failed"
    assert set(quick.record()) == {f"{OUT}/greeting.txt"}


# --- stored blob truncated or bit-flipped ---------------------------------------------------------


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    at = data.index(HELLO.encode())
    data[at] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(data))


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("damage", "count"),
    [(flip, 1), (truncate, 40), (remove, 40)],
    ids=["one-output", "many-small-outputs", "gone"],
)
def test_stored_blob_truncated_or_bit_flipped_is_said_and_made_again(
    quick: Workspace, damage: Callable[[Path], None], count: int
) -> None:
    each = "cat greeting.txt > out/$i; echo $i >> out/$i"
    quick.write("build.sh", f"mkdir out\nfor i in $(seq {count}); do {each}; done\n")
    built(quick)
    # The inputs are stored too; they are not needed as long as the checkout has them.
    (output,) = quick.cache.holding(f"{HELLO}1\n".encode())
    damage(output)
    shutil.rmtree(quick.dist)
    run = misses(quick)
    assert "mpforge > warning: " in run.output
    assert "mpforge makes" in run.output
    names = [str(number) for number in range(1, count + 1)]
    assert [says(quick, name) for name in names] == [f"{HELLO}{name}\n" for name in names]
    shutil.rmtree(quick.dist)
    assert "warning" not in hits(quick).output
    assert says(quick, "1") == f"{HELLO}1\n"


def test_stored_blob_truncated_or_bit_flipped_of_an_input_is_no_poison(quick: Workspace) -> None:
    built(quick)
    for path in quick.cache.holding(HELLO.encode()):
        flip(path)
    quick.write("build.sh", "mkdir out\ncat greeting.txt > out/greeting.txt\n")
    run = quick.nox(BUILD)
    assert run.code == 0, str(run)
    assert BUILD in run.did
    assert says(quick) == HELLO


# --- input changes between hashing and reading, then back -----------------------------------------

ONE, TWO = "one\n", "two\n"


def set_to(path: Path, text: str) -> None:
    """Change a file in place, its times as if nothing had happened."""
    before = path.stat()
    in_place(path, text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


class Swapper(threading.Thread):
    """Whenever somebody has read a file to its end, it changes to the other text, unseen by its times.

    So who reads it twice gets two texts, and who reads it three times finds the first one again.
    """

    _CLOSED_UNWRITTEN = 0x10

    def __init__(self, path: Path, *texts: str) -> None:
        super().__init__(daemon=True)
        self.path, self.texts, self.swaps = path, texts, 0
        libc = ctypes.CDLL(None, use_errno=True)
        self._watch = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        assert self._watch >= 0
        added = libc.inotify_add_watch(self._watch, os.fsencode(path), self._CLOSED_UNWRITTEN)
        assert added >= 0, os.strerror(ctypes.get_errno())
        self._over, self._end = os.pipe()

    def run(self) -> None:
        while True:
            ready, _, _ = select.select([self._watch, self._over], [], [])
            if self._over in ready:
                return
            events = os.read(self._watch, 4096)
            for _ in range(len(events) // struct.calcsize("iIII")):
                self.swaps += 1
                set_to(self.path, self.texts[self.swaps % 2])

    def stop(self) -> None:
        os.write(self._end, b"x")
        self.join()


def says_what_its_input_says(workspace: Workspace) -> None:
    """Whatever the store has by now, each input's result is its own."""
    for text in (ONE, TWO, ONE):
        workspace.write("greeting.txt", text)
        run = workspace.nox(BUILD)
        assert run.code == 0, str(run)
        assert says(workspace) == text


def test_input_changes_between_hashing_and_reading_then_back_by_another_process(
    quick: Workspace,
) -> None:
    source = quick.write("greeting.txt", ONE)
    for _ in range(5):
        swapper = Swapper(source, ONE, TWO)
        swapper.start()
        run = quick.nox(BUILD, env={"MPFORGE_NO_CACHE": "1"})
        swapper.stop()
        assert run.code == 0, str(run)
        assert says(quick) in {ONE, TWO}
        assert swapper.swaps > 0, "nobody read the file"
        set_to(source, ONE)
    says_what_its_input_says(quick)


@pytest.mark.cross
@pytest.mark.network
def test_input_changes_between_hashing_and_reading_then_back_under_a_wheel(
    unbuilt: Workspace,
) -> None:
    source = unbuilt.write("tiny/__init__.py", "VALUE = 1\n")
    swapper = Swapper(source, "VALUE = 1\n", "VALUE = 2\n")
    swapper.start()
    run = unbuilt.nox(WHEEL)
    swapper.stop()
    assert run.code == 0, str(run)
    for text in swapper.texts:
        set_to(source, text)
        run = unbuilt.nox(WHEEL)
        assert run.code == 0, str(run)
        with zipfile.ZipFile(unbuilt.wheel()) as wheel:
            assert wheel.read("tiny/__init__.py").decode() == text


# --- two runs at once -----------------------------------------------------------------------------


def test_two_runs_at_once_execute_once(quick: Workspace, gate: Gate, place: Path) -> None:
    quick.write("wait.py", f"{gate.python}\n")
    gate.show(quick)
    quick.write("build.sh", f"{sys.executable} wait.py\nmkdir out\ncp greeting.txt out/\n")
    other = quick.copy(place / "other")
    with (
        quick.started("nox", "-s", BUILD) as first,
        other.started("nox", "-s", BUILD) as second,
    ):
        gate.arrivals(1)
        # Whoever came first is at the gate; the other one says that it waits.
        waiting = second if len(quick.steps()) == 1 else first
        waiting.says("waiting: another process makes")
        gate.open()
        runs = [first.end(), second.end()]
    assert [run.code for run in runs] == [0, 0], f"{runs[0]}\n{runs[1]}"
    assert sorted(quick.steps() + other.steps()) == [BUILD]
    assert says(quick) == says(other) == HELLO
