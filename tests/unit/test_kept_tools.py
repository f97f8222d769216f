"""Kept tools are listed, verified and removed; unfinished ones are completed."""

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mpforge.housekeeping.cache_directory import clear, collect, stats, verify
from mpforge.housekeeping.collection import Limits
from mpforge.store import tool_manifests, tool_store, unfinished
from mpforge.store.locks import alone
from mpforge.store.tool_store import ToolStore, ToolTree
from tests.unit.small_tools import DIGEST, Maker, edit, make, obtain, said

__all__ = ["make", "obtain", "said"]  # fixtures


def test_kept_tools_are_listed_with_size_and_last_use(
    tmp_path: Path, obtain: Callable[[], ToolTree]
) -> None:
    record = obtain().path.parent / "tool.json"
    os.utime(record, (1000, 1000))
    (kept,) = ToolStore(tmp_path / "tools").trees()
    assert (kept.name, kept.last_used) == (f"tool-{DIGEST[:16]}", 1000)
    assert kept.label.startswith("tool ")
    assert kept.size == len("#!/bin/sh\necho right\n") + len("x = 1\n") + len("package")
    obtain()
    (kept,) = ToolStore(tmp_path / "tools").trees()
    assert time.time() - kept.last_used < 3600


def test_a_kept_tool_is_removed_by_its_name(
    tmp_path: Path, obtain: Callable[[], ToolTree], make: Maker
) -> None:
    obtain()
    store = ToolStore(tmp_path / "tools")
    (kept,) = store.trees()
    assert store.remove(kept.name)
    assert list(store.trees()) == []
    assert list((tmp_path / "tools" / ".making").iterdir()) == []
    obtain()
    assert make.times == 2


def test_a_tool_that_is_used_after_all_is_given_back(
    tmp_path: Path, obtain: Callable[[], ToolTree], make: Maker
) -> None:
    obtain()
    store = ToolStore(tmp_path / "tools")
    (kept,) = store.trees()
    assert not store.remove(kept.name, keep=lambda: True)
    obtain()
    assert make.times == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_tool_of_which_it_can_t_be_told_whether_it_is_used_is_given_back(
    error: type[BaseException], tmp_path: Path, obtain: Callable[[], ToolTree], make: Maker
) -> None:
    def keep() -> bool:
        raise error

    obtain()
    store = ToolStore(tmp_path / "tools")
    (kept,) = store.trees()
    with pytest.raises(error):
        store.remove(kept.name, keep=keep)
    obtain()
    assert make.times == 1


def test_verifying_names_a_tool_that_can_t_be_listed(
    tmp_path: Path, obtain: Callable[[], ToolTree], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_tree: Path) -> object:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    obtain()
    monkeypatch.setattr(tool_manifests, "entries_below", refused)
    ((_, problems),) = ToolStore(tmp_path / "tools").verify()
    assert problems == ["it can't be read (Permission denied)"]


def test_verifying_reads_every_file_and_names_all_that_is_wrong(
    tmp_path: Path, obtain: Callable[[], ToolTree]
) -> None:
    tree = obtain().path
    store = ToolStore(tmp_path / "tools")
    assert list(store.verify()) == []
    module = tree / "lib/package/module.py"
    edit(module)
    (tree / "extra").touch()
    assert list(store.verify()) == [
        (f"tool-{DIGEST[:16]}", ["extra was added", "lib/package/module.py was changed"])
    ]


def test_verifying_names_a_directory_that_is_no_tool(tmp_path: Path) -> None:
    (tmp_path / "tools" / "foreign").mkdir(parents=True)
    found = list(ToolStore(tmp_path / "tools").verify())
    assert found == [("foreign", ["tool.json is not readable"])]


class LongMaker:
    """Makes a tool in two parts, and ends with an error between them as often as is asked."""

    def __init__(self, *ends: BaseException) -> None:
        self.ends = list(ends)
        self.parts: list[str] = []

    def __call__(self, directory: Path) -> None:
        for name in ("first", "second"):
            if not (directory / name).exists():
                self.parts.append(name)
                (directory / name).write_text(name, encoding="utf-8")
            if self.ends:
                raise self.ends.pop(0)


def long_made(root: Path, make: LongMaker) -> ToolTree:
    tool_store.forget()
    return ToolStore(root).obtain(
        name="long", version="1.0", digest=DIGEST, make=make, resumable=True
    )


def test_an_interrupted_tool_is_gone_on_with_and_then_there_whole(tmp_path: Path) -> None:
    make = LongMaker(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        long_made(tmp_path, make)
    assert ToolStore(tmp_path).find("long", DIGEST) is None
    tree = long_made(tmp_path, make)
    assert make.parts == ["first", "second"]
    assert sorted(path.name for path in tree.path.iterdir()) == ["first", "second"]
    assert not list(ToolStore(tmp_path).verify())
    assert not list((tmp_path / unfinished.FOLDER).iterdir())


def test_what_failed_is_made_from_the_start(tmp_path: Path) -> None:
    make = LongMaker(KeyboardInterrupt(), OSError(errno.EIO, "no"))
    with pytest.raises(KeyboardInterrupt):
        long_made(tmp_path, make)
    with pytest.raises(OSError, match="no"):
        long_made(tmp_path, make)
    long_made(tmp_path, make)
    assert make.parts == ["first", "first", "second"]


@pytest.mark.parametrize("boot", [b"another boot\n", None])
def test_what_was_left_before_the_machine_started_again_is_not_trusted(
    boot: bytes | None, tmp_path: Path
) -> None:
    make = LongMaker(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        long_made(tmp_path, make)
    (mark,) = tmp_path.glob(f"{unfinished.FOLDER}/*/boot")
    if boot is None:
        mark.unlink()
    else:
        mark.write_bytes(boot)
    long_made(tmp_path, make)
    assert make.parts == ["first", "first", "second"]


def test_without_locks_nothing_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def no_lock(_path: Path, **_rest: object) -> Iterator[bool]:
        yield False

    monkeypatch.setattr(tool_store, "alone", no_lock)
    make = LongMaker(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        long_made(tmp_path, make)
    long_made(tmp_path, make)
    assert make.parts == ["first", "first", "second"]


def test_an_unfinished_tool_is_kept_for_a_day_and_known_to_the_cache_s_commands(
    tmp_path: Path, said: list[str]
) -> None:
    make = LongMaker(*[KeyboardInterrupt()] * 3)

    def interrupted() -> Path:
        with pytest.raises(KeyboardInterrupt):
            long_made(tmp_path / "tools", make)
        (mark,) = tmp_path.glob(f"tools/{unfinished.FOLDER}/*/boot")
        return mark

    mark = interrupted()
    assert [holding.count for holding in stats(tmp_path).holdings if holding.what == "tools"] == [1]
    assert not stats(tmp_path).foreign
    assert not list(verify(tmp_path))
    limits = Limits(size=10**9, age=30 * 24 * 3600.0)
    collect(tmp_path, limits, waits=lambda: None)
    assert mark.exists()
    os.utime(mark, (0, time.time() - 25 * 3600))
    collect(tmp_path, limits, waits=lambda: None)
    assert not mark.exists()
    mark = interrupted()
    with alone(
        tmp_path / "tools" / f".{mark.parent.name}.lock", waits=lambda: None, warn=said.append
    ):
        clear(tmp_path, waits=lambda: None)
        assert mark.exists()
    clear(tmp_path, waits=lambda: None)
    assert not mark.exists()


def test_only_what_is_made_is_told(tmp_path: Path) -> None:
    told: list[str] = []

    @contextlib.contextmanager
    def making() -> Iterator[None]:
        told.append("begun")
        yield
        told.append("ended")

    store = ToolStore(tmp_path / "tools").telling(making)
    for _ in range(2):
        store.obtain(name="tool", version="1", digest=DIGEST, make=Maker())
    assert told == ["begun", "ended"]
