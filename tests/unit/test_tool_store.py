"""The tool store makes a tool once, whole or not at all."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mpforge.errors import StepFailed, ToolUnavailable
from mpforge.store import stamps
from mpforge.store.locks import alone
from mpforge.store.process_homes import Home
from mpforge.store.tool_store import ToolStore, ToolTree
from tests.unit.small_tools import DIGEST, Maker, make, obtain, said

__all__ = ["make", "obtain", "said"]  # fixtures


def test_a_tool_is_made_once_and_found_by_its_digest(
    obtain: Callable[[], ToolTree], make: Maker, tmp_path: Path
) -> None:
    made = obtain()
    assert obtain() == made
    assert make.times == 1
    assert ToolStore(tmp_path / "tools").find("tool", DIGEST) == made
    assert ToolStore(tmp_path / "tools").find("tool", "cd" * 32) is None


def test_the_files_of_a_tool_are_read_only_and_programs_stay_programs(
    obtain: Callable[[], ToolTree],
) -> None:
    path = obtain().path
    assert path.joinpath("bin/tool").stat().st_mode & 0o777 == 0o555
    assert path.joinpath("lib/package/module.py").stat().st_mode & 0o777 == 0o444


def test_a_failure_to_make_a_tool_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(directory: Path) -> None:
        (directory / "half").touch()
        raise StepFailed("no")

    store = ToolStore(tmp_path / "tools")
    with pytest.raises(StepFailed):
        store.obtain(name="tool", version="1", digest=DIGEST, make=fail)
    assert [path.name for path in (tmp_path / "tools").iterdir()] == [".making"]
    assert list((tmp_path / "tools" / ".making").iterdir()) == []


def test_what_a_killed_process_left_is_swept_when_the_next_tool_is_made(
    tmp_path: Path, obtain: Callable[[], ToolTree]
) -> None:
    left = tmp_path / "tools" / ".making" / "1-killed"
    (left / "0" / "tree").mkdir(parents=True)
    obtain()
    assert not left.exists()


def test_what_a_living_process_makes_is_left_alone(
    tmp_path: Path, obtain: Callable[[], ToolTree]
) -> None:
    other = Home(tmp_path / "tools" / ".making")
    obtain()
    assert other.path.is_dir()
    other.close()


def test_a_store_that_can_t_be_written_costs_a_warning_and_the_tool_is_made_for_this_run(
    tmp_path: Path, said: list[str], make: Maker
) -> None:
    (tmp_path / "tools").touch()
    store = ToolStore(tmp_path / "tools", warn=said.append, fallback=lambda: tmp_path / "private")
    for digest in (DIGEST, "cd" * 32, DIGEST):
        made = store.obtain(name="tool", version="1", digest=digest, make=make)
        assert made.path.is_relative_to(tmp_path / "private")
    assert make.times == 2
    assert len(said) == 1
    assert "tools are made for this run only" in said[0]


def test_an_error_that_is_not_the_store_s_is_not_blamed_on_it(
    tmp_path: Path, said: list[str]
) -> None:
    def fail(directory: Path) -> None:
        (directory / "no" / "such" / "directory").touch()

    store = ToolStore(tmp_path / "tools", warn=said.append)
    with pytest.raises(FileNotFoundError):
        store.obtain(name="tool", version="1", digest=DIGEST, make=fail)
    assert said == []


def test_no_room_anywhere_is_an_error_that_says_so(tmp_path: Path, make: Maker) -> None:
    (tmp_path / "file").touch()
    store = ToolStore(tmp_path / "file", fallback=lambda: tmp_path / "file")
    with pytest.raises(ToolUnavailable, match="not enough disk space for tool 1"):
        store.obtain(name="tool", version="1", digest=DIGEST, make=make)


def test_a_newer_mpforge_s_tool_is_not_touched(
    tmp_path: Path, obtain: Callable[[], ToolTree], said: list[str]
) -> None:
    record = obtain().path.parent / "tool.json"
    text = record.read_text("utf-8").replace('"schema": 3', '"schema": 4')
    record.write_text(text, encoding="utf-8")
    assert obtain().path.is_relative_to(tmp_path / "private")
    assert "was made by a newer mpforge" in said[0]
    assert record.read_text("utf-8") == text


def test_a_tool_s_use_is_told_before_it_is_looked_for(tmp_path: Path, make: Maker) -> None:
    there: list[tuple[str, bool]] = []

    def used(name: str) -> None:
        there.append((name, (tmp_path / "tools" / name).exists()))

    store = ToolStore(tmp_path / "tools", used=used)
    store.obtain(name="tool", version="1", digest=DIGEST, make=make)
    store.obtain(name="tool", version="1", digest=DIGEST, make=make)
    assert there == [("tool-" + DIGEST[:16], False), ("tool-" + DIGEST[:16], True)]


def test_who_waits_for_another_process_says_for_what(tmp_path: Path, make: Maker) -> None:
    waited: list[str] = []
    name = f"tool-{DIGEST[:16]}"

    class Released(Exception):
        pass

    def waits(what: str) -> None:
        waited.append(what)
        raise Released

    store = ToolStore(tmp_path / "tools", waits=waits)
    lock = tmp_path / "tools" / f".{name}.lock"
    with (
        alone(lock, waits=lambda: None, warn=lambda _: None),
        pytest.raises(Released),
    ):
        store.obtain(name="tool", version="1.0", digest=DIGEST, make=make)
    assert waited == ["tool 1.0"]


def test_a_tool_that_goes_while_it_is_looked_at_is_looked_at_again_under_the_lock(
    obtain: Callable[[], ToolTree],
    said: list[str],
    make: Maker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tree = obtain().path
    below, looks = stamps.below, []

    def replaced_meanwhile(path: Path) -> tuple[str, int]:
        looks.append(path)
        if len(looks) == 1:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return below(path)

    monkeypatch.setattr(stamps, "below", replaced_meanwhile)
    assert obtain().path == tree
    assert (len(looks), make.times, said) == (2, 1, [])


def test_tools_that_may_not_be_seen_are_made_for_this_run_alone(
    tmp_path: Path,
    obtain: Callable[[], ToolTree],
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = tmp_path / "tools"
    obtain()
    looked, made = os.stat, os.mkdir

    def refused(path: object) -> None:  # as root, who sees everything
        if isinstance(path, str | Path) and Path(path).is_relative_to(place):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def stat(path: Any, *words: Any, **named: Any) -> os.stat_result:
        refused(path if path != place else None)
        return looked(path, *words, **named)

    def mkdir(path: Any, *words: Any, **named: Any) -> None:
        refused(path)
        made(path, *words, **named)

    (place / f"tool-{DIGEST[:16]}" / "tool.json").unlink()
    monkeypatch.setattr(os, "stat", stat)
    monkeypatch.setattr(os, "mkdir", mkdir)
    assert obtain().path.is_relative_to(tmp_path / "private")
    assert "Permission denied; tools are made for this run only" in said[0]
