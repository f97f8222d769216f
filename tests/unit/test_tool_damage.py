"""A damaged tool is named and made again; one that only looks damaged is kept."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mpforge.store import notes, stamps, tool_manifests
from mpforge.store.files import hash_file
from mpforge.store.local import Store
from mpforge.store.tool_store import ToolStore, ToolTree
from tests.unit.small_tools import DIGEST, Maker, before, edit, make, obtain, relink, said

__all__ = ["make", "obtain", "said"]  # fixtures
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
