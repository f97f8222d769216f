"""What a process reads is recorded, and its memo answers only while all of that is unchanged."""

import errno
import os
import sys
from pathlib import Path

import pytest

import mpforge
from mpforge.engine import memo as memos
from mpforge.engine import recorded_reads
from mpforge.engine.memo import Memo
from mpforge.engine.recorded_reads import Reads
from mpforge.engine.selection import Selection
from mpforge.places import isolation
from mpforge.plan.events import Published, StepHit, Warned
from mpforge.plan.session_end import SessionEnded, Status
from mpforge.processes import Captured
from mpforge.store.fingerprints import Clock
from mpforge.store.stamps import stamp
from mpforge.workspace import Workspace

ALL = Selection(frozenset({"build"}), frozenset())
HIT = StepHit("build", "wheel", "5eed")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A checkout with a cache, whose files may be young; libraries are no matter here."""
    monkeypatch.setattr(recorded_reads, "YOUNG_NS", -(1 << 62))
    monkeypatch.setattr(sys, "path", [])
    found = Workspace(tmp_path / "project/multiplatform.toml", tmp_path / "cache")
    for folder in (found.state, found.cache / "store"):
        folder.mkdir(parents=True)
    (found.root / "source.c").write_text("int one;\n")
    return found


def read_source(workspace: Workspace) -> None:
    """A look at the project."""
    (workspace.root / "source.c").read_text()


def ended(status: Status = "cached") -> SessionEnded:
    """How a session ended."""
    return SessionEnded("build", "build", status, f"{status}: 5eed")


def remember(workspace: Workspace, memo: Memo | None = None) -> None:
    """Write the memo of a process in which the session was cached."""
    memo = memo or Memo(workspace)
    with memo.recording():
        read_source(workspace)
        memo.keep(ALL, ended(), [HIT])
    memo.write()


def answers(workspace: Workspace, selection: Selection = ALL) -> bool:
    """Whether another process answers from the memo."""
    answer = Memo(workspace).answer("build", selection, since=0)
    if answer is None:
        return False
    assert answer[0] == ended()
    assert [tuple(event) for event in answer[1]] == [("StepHit", vars(HIT))]
    return True


# --- what is recorded -----------------------------------------------------------------------------


def test_each_way_of_reading_is_recorded(workspace: Workspace, tmp_path: Path) -> None:
    for name in [
        "stat",
        "lstat",
        "access",
        "open",
        "os_open",
        "relative",
        "stamped",
        "target/inside",
    ]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("stat")
    (tmp_path / "scanned").mkdir()
    (tmp_path / "scanned/linked").symlink_to("../stat")
    reads = Reads(workspace)
    with reads.recording():
        os.stat(tmp_path / "stat")
        os.lstat(tmp_path / "lstat")
        os.access(tmp_path / "access", os.R_OK)
        os.readlink(tmp_path / "link")
        (tmp_path / "open").read_bytes()
        os.close(os.open(tmp_path / "os_open", os.O_RDONLY))
        (tmp_path / "absent").exists()
        os.listdir(tmp_path / "target")
        [entry.is_file() for entry in os.scandir(tmp_path / "scanned")]
        folder = os.open(tmp_path, os.O_RDONLY)
        os.stat("relative", dir_fd=folder)
        os.close(folder)
        stamp(str(tmp_path / "stamped"))
    (tmp_path / "later").exists()
    found = {os.path.relpath(path, tmp_path) for path in reads.paths([])["whole"]}
    assert found >= {"stat", "access", "link", "open", "os_open", "absent", "target", "scanned"}
    assert found >= {"scanned/linked", "relative", "stamped"}
    assert "lstat" in {os.path.basename(path) for path in reads.paths([])["place"]}
    assert "later" not in found
    assert reads.are_unchanged()


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_text("int two;\n"),
        lambda path: path.unlink(),
        lambda path: path.chmod(0o755),
        lambda path: os.replace(path.with_name("other.c"), path),
    ],
)
def test_what_changes_after_it_was_read_makes_no_memo(workspace: Workspace, change: object) -> None:
    (workspace.root / "other.c").write_text("int two;\n")
    reads = Reads(workspace)
    with reads.recording():
        read_source(workspace)
    assert callable(change)
    change(workspace.root / "source.c")
    reads.paths([])
    assert not reads.are_unchanged()


@pytest.mark.parametrize(
    ("event", "given"),
    [
        ("subprocess.Popen", ("cc", ["cc", "-v"], None, None)),
        ("subprocess.Popen", ("git", ["git", "-C", "/", "cat-file"], None, None)),
        ("os.posix_spawn", ("sh", ["sh"], {})),
        ("os.fork", ()),
        ("socket.connect", (None, "/run/docker.sock")),
        ("os.rename", ("/new", "/old", -1, -1)),
        ("open", ("/etc/new", "w", os.O_WRONLY | os.O_CREAT)),
        ("open", ("/proc/cpuinfo", "r", os.O_RDONLY)),
    ],
)
def test_a_process_whose_reads_are_not_all_known_writes_no_memo(
    workspace: Workspace, event: str, given: tuple[object, ...]
) -> None:
    reads = Reads(workspace)
    with reads.recording():
        reads.hear(event, given)
    reads.paths([])
    assert not reads.are_unchanged()


def test_a_result_of_less_isolation_is_in_no_memo(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host may allow more by the next run; to ask it, a program is started."""

    def refused(argv: list[str], **_named: object) -> Captured:
        reads.hear("subprocess.Popen", (argv[0], argv, None, None))
        return Captured(126, "", f"{errno.EPERM} unshare")

    monkeypatch.setattr(isolation, "capture", refused)
    monkeypatch.setattr(isolation, "isolation", isolation.isolation.__wrapped__)
    reads = Reads(workspace)
    with reads.recording():
        assert not isolation.more_is_possible({isolation.FACT: "none"})
    reads.paths([])
    assert not reads.are_unchanged()


def test_files_that_have_just_changed_or_are_of_the_future_make_no_memo(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for young, clock in ((2 * 10**9, None), (-(1 << 40), Clock(0, 0))):
        monkeypatch.setattr(recorded_reads, "YOUNG_NS", young)
        if clock is not None:
            monkeypatch.setattr(recorded_reads, "clock_of", lambda _folder, clock=clock: clock)
        remember(workspace)
        assert not answers(workspace)


# --- when it answers ------------------------------------------------------------------------------


def test_a_session_is_answered_while_nothing_changed(workspace: Workspace) -> None:
    assert not answers(workspace)
    remember(workspace)
    assert answers(workspace)
    assert not answers(workspace, Selection(frozenset({"build", "sdist"}), frozenset()))
    (workspace.root / "source.c").write_text("int two;\n")
    assert not answers(workspace)


def test_another_environment_version_place_or_damage_is_no_answer(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    remember(workspace)
    with monkeypatch.context() as other:
        other.setenv("FLAVOUR", "other")
        assert not answers(workspace)
    with monkeypatch.context() as other:
        other.setenv("COLUMNS", "123")
        assert answers(workspace)
        workspace.spec.write_text('[build]\npass-environment = ["COLUMNS"]\n')
        assert not answers(workspace)
        workspace.spec.unlink()
    with monkeypatch.context() as other:
        other.setattr(mpforge, "__version__", "0")
        assert not answers(workspace)
    (tmp_path / "copy").mkdir()
    os.rename(workspace.state, tmp_path / "copy" / workspace.state.name)
    assert not answers(Workspace(tmp_path / "copy/multiplatform.toml", workspace.cache))
    os.rename(tmp_path / "copy" / workspace.state.name, workspace.state)
    assert answers(workspace)
    note = workspace.state / memos.NAME
    note.write_bytes(note.read_bytes()[:-20])
    assert not answers(workspace)


@pytest.mark.parametrize("status", ["done", "failed"])
def test_no_memo_is_written_or_read_after_a_session_that_did_something(
    workspace: Workspace, status: Status
) -> None:
    remember(workspace)
    memo = Memo(workspace)
    assert memo.answer("build", ALL, since=0)
    memo.keep(ALL, ended(status), [])
    assert memo.answer("build", ALL, since=0) is None
    (workspace.state / memos.NAME).unlink()
    remember(workspace, memo)
    assert not (workspace.state / memos.NAME).exists()


@pytest.mark.parametrize(
    "event", [Warned("build", "take care"), Published("build", "dist/x", "5eed", True)]
)
def test_a_session_with_something_to_say_is_looked_at_again(
    workspace: Workspace, event: Warned | Published
) -> None:
    memo = Memo(workspace)
    with memo.recording():
        memo.keep(ALL, ended(), [event])
    memo.write()
    assert not answers(workspace)


def test_sessions_are_added_to_a_memo_that_still_holds(workspace: Workspace) -> None:
    remember(workspace)
    memo = Memo(workspace)
    with memo.recording():
        (workspace.root / "other.c").exists()
        memo.keep(Selection(), ended(), [HIT])
    memo.write()
    assert answers(workspace)
    assert answers(workspace, Selection())
    (workspace.root / "other.c").touch()
    assert not answers(workspace)


def test_use_of_the_stores_entries_is_noted_and_a_collected_one_is_missed(
    workspace: Workspace,
) -> None:
    entry = workspace.cache / "store/actions/aa.json"
    entry.parent.mkdir()
    entry.write_text("{}")
    memo = Memo(workspace)
    with memo.recording():
        entry.read_text()
        memo.keep(ALL, ended(), [HIT])
    memo.write()
    os.utime(entry, (0, 0))
    assert answers(workspace)
    assert entry.stat().st_mtime > 0
    entry.unlink()
    assert not answers(workspace)


def test_stamps_are_compared_again_after_a_session_that_is_not_ours(workspace: Workspace) -> None:
    remember(workspace)
    memo = Memo(workspace)
    assert memo.answer("build", ALL, since=0)
    (workspace.root / "source.c").write_text("int two;\n")
    assert memo.answer("build", ALL, since=1) is None
