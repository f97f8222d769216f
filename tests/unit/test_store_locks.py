"""Single flight: one at a time, the next one waits visibly, and nothing is left of it."""

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from mpforge.store.locks import alone


def never() -> None:
    pytest.fail("there was nobody to wait for")


def unheard(message: str) -> None:
    pytest.fail(message)


def test_a_free_lock_is_had_at_once_and_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "key"
    with alone(path, waits=never, warn=unheard):
        assert path.exists()
    assert list(path.parent.iterdir()) == []


def test_who_comes_second_says_so_and_enters_when_the_first_has_gone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    first = FileLock(path)
    first.acquire()
    told = []

    def first_leaves() -> None:
        told.append(first.is_locked)
        path.unlink()  # as a holder does
        first.release()

    with alone(path, waits=first_leaves, warn=unheard):
        assert told == [True]
        other = FileLock(path)
        with pytest.raises(TimeoutError):
            other.acquire(timeout=0)
    assert not path.exists()


def test_who_does_not_want_to_wait_can_leave(tmp_path: Path) -> None:
    class Left(Exception):
        pass

    def leave() -> None:
        raise Left

    path = tmp_path / "key"
    with FileLock(path):
        with pytest.raises(Left), alone(path, waits=leave, warn=unheard):
            pytest.fail("it was held")
        assert path.exists()
    with alone(path, waits=never, warn=unheard):
        pass


def test_what_a_killed_holder_left_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.touch()
    with alone(path, waits=never, warn=unheard):
        pass
    assert not path.exists()


def test_an_error_in_the_block_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(RuntimeError), alone(path, waits=never, warn=unheard):
        raise RuntimeError
    with alone(path, waits=never, warn=unheard):
        pass


def file_in_the_way(tmp_path: Path) -> Path:
    (tmp_path / "locks").write_text("", encoding="utf-8")
    return tmp_path / "locks" / "key"


def folder_in_the_way(tmp_path: Path) -> Path:
    (tmp_path / "key").mkdir()
    return tmp_path / "key"


@pytest.mark.parametrize("made", [file_in_the_way, folder_in_the_way])
def test_where_there_can_be_no_lock_the_work_is_done_and_the_reason_told(
    tmp_path: Path, made: Callable[[Path], Path]
) -> None:
    said: list[str] = []
    done = []
    with alone(made(tmp_path), waits=never, warn=said.append):
        done.append(True)
    assert done
    assert len(said) == 1
    assert "no lock on" in said[0]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_on_a_file_system_without_locks_the_work_is_done_and_the_cause_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(_descriptor: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refused)
    said: list[str] = []
    with alone(tmp_path / "key", waits=never, warn=said.append) as is_locked:
        assert not is_locked
    assert [os.strerror(number) in message for message in said] == [True]


def test_what_telling_of_the_wait_raises_is_no_fault_of_the_lock(tmp_path: Path) -> None:
    first = FileLock(tmp_path / "key")
    first.acquire()

    def closed_pipe() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError), alone(tmp_path / "key", waits=closed_pipe, warn=unheard):
        pass
    first.release()
