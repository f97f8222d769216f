"""Digests that are remembered while files do not change: whatever was edited is found."""

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpforge.store import notes
from mpforge.store.file_digests import YOUNG_NS
from mpforge.store.files import files_below
from mpforge.store.fingerprints import Clock, clock_of, scan
from mpforge.store.trees import Directory

CONTENTS = {"top": b"1" * 300_000, "d/one": b"2" * 300_000, "d/e/two": b"3" * 300_000, "empty": b""}
TOTAL = sum(map(len, CONTENTS.values()))
HOUR_NS = 3600 * 10**9


def _shifted(nanoseconds: int) -> Callable[[Path], Clock | None]:
    """The file system's clock, seen from another time: files are that much older."""

    def clock(folder: Path) -> Clock | None:
        now = clock_of(folder)
        return now and replace(now, now=now.now + nanoseconds)

    return clock


LATER = _shifted(HOUR_NS)


def _scan(
    root: Path, record: Path | None, clock: Callable[[Path], Clock | None] = clock_of
) -> Directory:
    names: dict[str, list[str]] = {}
    for path in files_below(root):
        folder, _, name = path.rpartition("/")
        names.setdefault(folder, []).append(name)
    return scan(root, names, record=record, keeps=lambda _, __: True, clock_at=clock)


def _bytes_read(action: Callable[[], object]) -> int:
    """What this process reads during an action, as the kernel counts it."""

    def count() -> int:
        text = Path("/proc/self/io").read_text("ascii")
        return int(text.split("rchar:")[1].split()[0])

    before = count()
    action()
    return count() - before


def _wait_for_a_tick(folder: Path) -> None:
    """Until a file that is written now has another time than those that were written before."""

    def now() -> int:
        clock = clock_of(folder)
        assert clock is not None
        return clock.now

    begin = now()
    while now() <= begin:
        pass


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for path, content in CONTENTS.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    _wait_for_a_tick(tmp_path)
    return root


@pytest.fixture(name="record")
def _record(tmp_path: Path) -> Path:
    return tmp_path / "state" / "fingerprints"


# --- what is remembered -----------------------------------------------------------------------


def test_unchanged_files_are_not_read_again(root: Path, record: Path) -> None:
    assert _bytes_read(lambda: _scan(root, record, LATER)) > TOTAL
    assert _bytes_read(lambda: _scan(root, record, LATER)) < TOTAL / 10


def test_only_what_was_edited_is_read_again(root: Path, record: Path) -> None:
    _scan(root, record, LATER)
    (root / "d/one").write_bytes(b"x" * 300_000)
    assert 300_000 <= _bytes_read(lambda: _scan(root, record, LATER)) < 400_000
    (root / "empty").write_bytes(b"x")
    (root / "new").write_bytes(b"x")
    assert _bytes_read(lambda: _scan(root, record, LATER)) < 100_000
    assert _scan(root, record, LATER) == _scan(root, None)


def test_a_record_is_not_written_while_nothing_changes(root: Path, record: Path) -> None:
    _scan(root, record, LATER)
    before = record.stat().st_ino
    _scan(root, record, LATER)
    assert record.stat().st_ino == before, "written anew, it would be another file"
    (root / "new").write_bytes(b"")
    _scan(root, record, LATER)
    assert record.stat().st_ino != before


def test_a_file_that_is_never_remembered_does_not_make_a_record_change(
    root: Path, record: Path
) -> None:
    os.utime(root / "empty", (2**32, 2**32))
    _scan(root, record, LATER)
    before = record.stat()
    _scan(root, record, LATER)
    assert record.stat() == before


def test_a_tree_that_moved_is_remembered_and_what_took_its_place_is_not(
    root: Path, record: Path
) -> None:
    _scan(root, record, LATER)
    other = root.with_name("other")
    root.rename(other)
    assert _bytes_read(lambda: _scan(other, record, LATER)) < TOTAL / 10
    root.mkdir()
    (root / "top").write_bytes(b"4" * 300_000)
    os.utime(root / "top", ns=(0, (other / "top").stat().st_mtime_ns))
    assert _scan(root, record, LATER) == _scan(root, None)


# --- what is not believed ---------------------------------------------------------------------


def test_an_edit_right_after_a_scan_is_found_however_quick_it_is(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    file, record = tmp_path / "root" / "file", tmp_path / "record"
    for number in range(300):
        file.write_text(f"{number:03}")
        os.utime(file, (0, 0))
        found = _scan(tmp_path / "root", record)
        assert found.files["file"].digest == hashlib.sha256(f"{number:03}".encode()).hexdigest()


@pytest.mark.parametrize("times", [None, (0, 0)])
def test_a_file_that_was_young_is_read_until_it_is_old(
    root: Path, record: Path, times: tuple[int, int] | None
) -> None:
    for path in CONTENTS:
        os.utime(root / path, times)
    _scan(root, record)
    assert _bytes_read(lambda: _scan(root, record)) > TOTAL
    _scan(root, record, LATER)
    assert _bytes_read(lambda: _scan(root, record, LATER)) < TOTAL / 10


@pytest.mark.parametrize("age", [0, YOUNG_NS - 1])
def test_a_file_s_own_time_may_make_it_young(root: Path, record: Path, age: int) -> None:
    record.parent.mkdir()
    now = LATER(root)
    assert now is not None
    for path in CONTENTS:
        os.utime(root / path, ns=(0, now.now - age))
    _scan(root, record, lambda _: now)
    assert _bytes_read(lambda: _scan(root, record, LATER)) > TOTAL


@pytest.mark.parametrize("year", [-1, 0, 100, 290, 400])
def test_files_from_the_past_and_the_future_are_seen_as_they_are(
    root: Path, record: Path, year: int
) -> None:
    seconds = int(year * 365.25 * 24 * 3600)
    for path in CONTENTS:
        os.utime(root / path, (seconds, seconds))
    assert _scan(root, record, LATER) == _scan(root, None)
    (root / "d/one").write_bytes(b"x" * 300_000)
    os.utime(root / "d/one", (seconds, seconds))
    assert _scan(root, record, LATER) == _scan(root, None)


def test_a_record_from_the_future_is_not_believed_when_the_clock_has_gone_back(
    root: Path, record: Path
) -> None:
    _scan(root, record, LATER)
    assert _bytes_read(lambda: _scan(root, record)) > TOTAL
    assert _scan(root, record) == _scan(root, None)


def test_files_of_another_device_than_the_record_s_have_another_clock(
    root: Path, record: Path
) -> None:
    def elsewhere(folder: Path) -> Clock | None:
        now = LATER(folder)
        return now and replace(now, device=now.device + 1)

    _scan(root, record, elsewhere)
    assert _bytes_read(lambda: _scan(root, record, elsewhere)) > TOTAL


def _edit(root: Path, path: str) -> None:
    data = (root / path).read_bytes()
    (root / path).write_bytes(bytes(byte ^ 1 for byte in data))


def _replace(root: Path, path: str) -> None:
    data = (root / path).read_bytes()
    (root / "new").write_bytes(bytes(byte ^ 2 for byte in data))
    (root / "new").rename(root / path)


def _swap(root: Path, path: str) -> None:
    other = next(name for name in CONTENTS if name != path)
    (root / path).rename(root / "third")
    (root / other).rename(root / path)
    (root / "third").rename(root / other)


def _change_mode(root: Path, path: str) -> None:
    (root / path).chmod((root / path).stat().st_mode ^ 0o111)


def _make_link(root: Path, path: str) -> None:
    (root / path).unlink()
    (root / path).symlink_to("top2")


def _remove(root: Path, path: str) -> None:
    (root / path).unlink()


EDITS = [_edit, _replace, _swap, _change_mode, _make_link, _remove]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(EDITS), st.sampled_from(sorted(CONTENTS)), st.booleans()),
        min_size=1,
        max_size=5,
    )
)
def test_any_edit_that_keeps_size_and_time_is_found(
    tmp_path_factory: pytest.TempPathFactory,
    edits: list[tuple[Callable[[Path, str], None], str, bool]],
) -> None:
    base = tmp_path_factory.mktemp("edits")
    root, record = base / "root", base / "state" / "fingerprints"
    for number, path in enumerate(CONTENTS):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(bytes([number]) * 10)
        os.utime(root / path, ns=(0, 0))
    for edit, path, scanned in edits:
        _wait_for_a_tick(base)
        if scanned:
            assert _scan(root, record, LATER) == _scan(root, None)
        if (root / path).is_file() and len(list(files_below(root))) == len(CONTENTS):
            edit(root, path)
        for name in files_below(root):
            os.utime(root / name, ns=(0, 0), follow_symlinks=False)
    assert _scan(root, record, LATER) == _scan(root, None)


# --- a record that is not what it should be ---------------------------------------------------


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_damaged_record_is_not_believed_and_is_written_anew(
    root: Path, record: Path, data: st.DataObject
) -> None:
    _scan(root, record, LATER)
    good = record.read_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    damaged = data.draw(
        st.sampled_from(
            [good[:at], good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :], good + good[:at] + b"x"]
        )
    )
    record.write_bytes(damaged)
    assert _scan(root, record, LATER) == _scan(root, None)
    assert record.read_bytes() != damaged
    assert _bytes_read(lambda: _scan(root, record, LATER)) < TOTAL / 10


@pytest.mark.parametrize(
    "foreign", [b"", b"{}", b"\x80\x04K\x01.", notes.sealed({"schema": 1}), notes.sealed([])]
)
def test_a_foreign_record_is_replaced(root: Path, record: Path, foreign: bytes) -> None:
    record.parent.mkdir()
    record.write_bytes(foreign)
    assert _scan(root, record, LATER) == _scan(root, None)
    assert _bytes_read(lambda: _scan(root, record, LATER)) < TOTAL / 10


def test_where_nothing_can_be_remembered_everything_is_read(root: Path, record: Path) -> None:
    record.parent.write_text("a file where the folder should be")
    assert _scan(root, record, LATER) == _scan(root, None)
    record.parent.unlink()
    record.mkdir(parents=True)
    assert _scan(root, record, LATER) == _scan(root, None)
    assert list(record.parent.iterdir()) == [record]


def test_several_scans_at_once_leave_one_whole_record(root: Path, record: Path) -> None:
    found: list[Directory] = []
    threads = [
        threading.Thread(target=lambda: found.append(_scan(root, record, LATER))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [_scan(root, None)] * 8
    assert list(record.parent.iterdir()) == [record]
    assert _bytes_read(lambda: _scan(root, record, LATER)) < TOTAL / 10


# --- what a scan sees -------------------------------------------------------------------------


def test_what_is_no_file_or_not_there_is_left_out_and_links_if_the_caller_says_so(
    root: Path, record: Path
) -> None:
    os.mkfifo(root / "pipe")
    (root / "link").symlink_to("top")
    (root / "away").symlink_to("/etc/passwd")
    (root / "to-d").symlink_to("d")
    names = {"": ["top", "top", "pipe", "link", "away", "gone", "d", ""], "nowhere": ["x"]}
    found = scan(
        root, {**names, "to-d": ["one"]}, record=record, keeps=lambda path, _: path != "away"
    )
    assert [path for path, _ in found.walk()] == ["link", "top"]
