"""What the locks of a store count on: filelock lets go of a file that nobody else can find."""

import fcntl
from pathlib import Path

import pytest
from filelock import FileLock

from mpforge.store.locks import alone


def test_who_gets_the_lock_of_a_removed_file_does_not_hold_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    flock = fcntl.flock
    looked: list[int] = []

    def removed_before(descriptor: int, operation: int) -> None:
        if not looked:
            path.unlink()  # the one who held it leaves, after we opened its file
        looked.append(descriptor)
        flock(descriptor, operation)

    path.touch()
    monkeypatch.setattr(fcntl, "flock", removed_before)
    with alone(path, waits=lambda: None, warn=pytest.fail):
        monkeypatch.undo()
        with pytest.raises(TimeoutError):
            FileLock(path).acquire(timeout=0)
    assert len(looked) > 1
