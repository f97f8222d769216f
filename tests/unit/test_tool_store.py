import contextlib
import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mpforge.errors import StepFailed, ToolUnavailable
from mpforge.housekeeping.cache_directory import clear, collect, stats, verify
from mpforge.housekeeping.collection import Limits
from mpforge.store import notes, stamps, tool_manifests, tool_store, unfinished
from mpforge.store.files import hash_file
from mpforge.store.local import Store
from mpforge.store.locks import alone
from mpforge.store.process_homes import Home
from mpforge.store.tool_store import ToolStore, ToolTree

DIGEST = "ab" * 32


class Maker:
    """Makes a small tool, and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, directory: Path) -> None:
        self.times += 1
        (directory / "bin").mkdir()
        (directory / "bin" / "tool").write_text("#!/bin/sh\necho right\n", encoding="utf-8")
        (directory / "bin" / "tool").chmod(0o755)
        (directory / "lib" / "package").mkdir(parents=True)
        (directory / "lib" / "package" / "module.py").write_text("x = 1\n", encoding="utf-8")
        (directory / "lib" / "package.link").symlink_to("package")
        (directory / "empty").mkdir()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make() -> Maker:
    return Maker()


@pytest.fixture
def obtain(tmp_path: Path, said: list[str], make: Maker) -> Callable[[], ToolTree]:
    """Ask for the tool as a new process does, which has looked at nothing yet."""

    def asked() -> ToolTree:
        tool_store.forget()
        store = ToolStore(
            tmp_path / "tools", warn=said.append, fallback=lambda: tmp_path / "private"
        )
        return store.obtain(name="tool", version="1.0", digest=DIGEST, make=make)

    return asked


def edit(path: Path) -> None:
    """Another byte, and the same size and modification time."""
    before = path.stat()
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"1", b"2"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def relink(path: Path) -> None:
    """Another target of the same length."""
    target = os.readlink(path)
    path.unlink()
    path.symlink_to(target[::-1])


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


DAMAGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a byte was changed, and neither size nor time": (
        "lib/package/module.py was changed",
        lambda tree: edit(tree / "lib/package/module.py"),
    ),
    "a file is missing": (
        "lib/package/module.py is missing",
        lambda tree: (tree / "lib/package/module.py").unlink(),
    ),
    "a file was added": (
        "lib/package/other.py was added",
        lambda tree: (tree / "lib/package/other.py").write_text("", encoding="utf-8"),
    ),
    "a directory was added": (
        "lib/package/other was added",
        lambda tree: (tree / "lib/package/other").mkdir(),
    ),
    "a directory is missing": ("empty is missing", lambda tree: (tree / "empty").rmdir()),
    "everything is missing": ("bin is missing", shutil.rmtree),
    "a program is none any more": (
        "bin/tool was changed",
        lambda tree: (tree / "bin/tool").chmod(0o644),
    ),
    "a link leads elsewhere": (
        "lib/package.link was changed",
        lambda tree: relink(tree / "lib/package.link"),
    ),
    "the record is truncated": (
        "tool.json is not readable",
        lambda tree: (tree.parent / "tool.json").write_text('{"schema": 2, "na', encoding="utf-8"),
    ),
    "the record is gone": (
        "tool.json is not readable",
        lambda tree: (tree.parent / "tool.json").unlink(),
    ),
    "the record is no record": (
        "tool.json is not readable",
        lambda tree: (tree.parent / "tool.json").write_text("[]", encoding="utf-8"),
    ),
    "the record is of an mpforge that had no manifests": (
        "without a manifest",
        lambda tree: (tree.parent / "tool.json").write_text(
            json.dumps({"schema": 1, "name": "tool", "version": "1.0", "digest": DIGEST}),
            encoding="utf-8",
        ),
    ),
    "the record is another tool's": (
        "tool.json belongs to another tool",
        lambda tree: (tree.parent / "tool.json").write_text(
            json.dumps({"schema": 2, "name": "tool", "version": "1.0", "digest": "cd" * 32}),
            encoding="utf-8",
        ),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_tool_is_named_and_made_again(
    damage: str, obtain: Callable[[], ToolTree], said: list[str], make: Maker
) -> None:
    tree = obtain().path
    words, do = DAMAGES[damage]
    do(tree)
    assert obtain().path == tree
    assert make.times == 2
    assert [line for line in said if words in line and "tool 1.0 was damaged" in line] == said
    assert tree.joinpath("lib/package.link/module.py").read_text("utf-8") == "x = 1\n"
    obtain()
    assert (make.times, len(said)) == (2, 1)


def test_a_damaged_manifest_is_no_reason_to_trust_a_tree_that_was_touched(
    obtain: Callable[[], ToolTree], said: list[str], make: Maker
) -> None:
    tree = obtain().path
    (tree.parent / "manifest.jsonl").write_text("{}", encoding="utf-8")
    (tree.parent / "stamps.json").unlink()
    obtain()
    assert make.times == 2
    assert "manifest.jsonl was modified" in said[0]


def test_the_manifest_of_a_tool_is_the_store_s_tree(
    tmp_path: Path, obtain: Callable[[], ToolTree]
) -> None:
    home = obtain().path.parent
    digest = json.loads((home / "tool.json").read_bytes())["tree"]
    store = Store(tmp_path / "store")
    for line in (home / "manifest.jsonl").read_bytes().splitlines():
        store.put_bytes(line)
    tree = store.tree(digest)
    assert store.put_tree(tree) == digest
    store.put_directory(home / "tree")
    store.restore(tree, tmp_path / "restored")
    for path in (home / "tree").rglob("*"):
        again = tmp_path / "restored" / path.relative_to(home / "tree")
        assert (again.is_dir(), again.is_symlink()) == (path.is_dir(), path.is_symlink())
        assert path.is_dir() or hash_file(again) == hash_file(path)


@pytest.mark.parametrize("what", ["stamps.json", "times"])
def test_a_tree_that_only_looks_changed_is_read_and_kept(
    what: str,
    obtain: Callable[[], ToolTree],
    said: list[str],
    make: Maker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tool_manifests, "is_old", lambda _: True)
    tree = obtain().path
    stamps = tree.parent / "stamps.json"
    if what == "stamps.json":
        stamps.write_text("{", encoding="utf-8")
    else:
        (tree / "lib/package/module.py").touch()
    obtain()
    assert (make.times, said) == (1, [])
    monkeypatch.setattr(tool_manifests, "hash_file", pytest.fail)
    obtain()
    assert (make.times, said) == (1, [])


def test_a_tree_that_was_touched_just_now_is_read_each_time(
    obtain: Callable[[], ToolTree], make: Maker
) -> None:
    """Another edit might leave the same stamps."""
    tree = obtain().path
    before = (tree.parent / "stamps.json").read_bytes()
    (tree / "lib/package/module.py").touch()
    obtain()
    assert make.times == 1
    assert (tree.parent / "stamps.json").read_bytes() == before


def test_a_tree_made_before_the_machine_s_last_start_is_read_once_more(
    obtain: Callable[[], ToolTree],
    said: list[str],
    make: Maker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a power failure took from a file may look right."""
    tree = obtain().path
    edit(tree / "lib/package/module.py")
    note = tree.parent / "stamps.json"
    lost = {**notes.load(note), "stamp": stamps.below(tree)[0]}
    notes.keep(note, lost)
    obtain()
    assert make.times == 1
    monkeypatch.setattr(stamps, "boot_id", lambda: "another")
    obtain()
    assert make.times == 2
    assert "module.py was changed" in said[0]


def before(home: Path) -> dict[str, Any]:
    """Give a tool the record and the manifest that mpforge wrote before tools were trees of its store."""
    tree = home / "tree"
    entries: dict[str, list[object]] = {}
    for path in sorted(tree.rglob("*")):
        if path.is_symlink():
            entry: list[object] = ["symlink", os.readlink(path)]
        elif path.is_dir():
            entry = ["directory"]
        else:
            node = hash_file(path)
            entry = ["file", node.size, node.executable, node.digest]
        entries[str(path.relative_to(tree))] = entry
    text = json.dumps({"schema": 1, "entries": entries}, sort_keys=True).encode()
    (home / "manifest.json").write_bytes(text)
    (home / "manifest.jsonl").unlink()
    record: dict[str, Any] = json.loads((home / "tool.json").read_bytes())
    record |= {"schema": 2, "tree": hashlib.sha256(text).hexdigest()}
    (home / "tool.json").write_text(json.dumps(record), encoding="utf-8")
    return record


def test_a_tool_of_before_is_used_as_it_is_and_made_again_if_it_is_damaged(
    obtain: Callable[[], ToolTree], said: list[str], make: Maker, tmp_path: Path
) -> None:
    tree = obtain().path
    record = before(tree.parent)
    obtain()
    assert list(ToolStore(tmp_path / "tools").verify()) == []
    assert json.loads((tree.parent / "tool.json").read_bytes()) == record
    assert (make.times, said) == (1, [])
    edit(tree / "lib/package/module.py")
    obtain()
    assert make.times == 2
    assert "lib/package/module.py was changed" in said[0]
    assert not (tree.parent / "manifest.json").exists()


def test_a_tool_of_before_with_a_damaged_manifest_is_made_again(
    obtain: Callable[[], ToolTree], said: list[str], make: Maker
) -> None:
    home = obtain().path.parent
    before(home)
    (home / "manifest.json").write_text("{}", encoding="utf-8")
    obtain()
    assert make.times == 2
    assert "manifest.json was modified" in said[0]


def test_a_copied_store_is_read_and_used(
    tmp_path: Path, obtain: Callable[[], ToolTree], said: list[str], make: Maker
) -> None:
    tools = tmp_path / "tools"
    obtain()
    tools.rename(tmp_path / "old")
    shutil.copytree(tmp_path / "old", tools, symlinks=True)
    obtain()
    assert (make.times, said) == (1, [])


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


# --- what is kept -----------------------------------------------------------------------------


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
