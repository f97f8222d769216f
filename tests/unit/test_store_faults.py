"""The local store where the file system is against it: a warning, and what was asked for all the same."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mpforge.errors import Damaged
from mpforge.store.local import Store
from mpforge.store.results import ActionResult

RESULT = ActionResult(key="a" * 64, tree="b" * 64, log="c" * 64, facts={"wheel": "x.whl"})


@pytest.fixture(name="said")
def _said() -> list[str]:
    return []


@pytest.fixture(name="store")
def _store(tmp_path: Path, said: list[str]) -> Store:
    store = Store(tmp_path / "store")
    store.listen(said.append)
    return store


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "deep").write_text("deep")
    (root / "a.txt").write_text("a")
    (root / "a" / "run").write_text("#!/bin/sh\n")
    (root / "a" / "run").chmod(0o755)
    (root / "empty").touch()
    (root / "link").symlink_to("a/run")
    return root


def _file_in_its_place(root: Path) -> None:
    root.write_text("not a directory")


def _other_layout(root: Path) -> None:
    root.mkdir()
    (root / "layout.json").write_text('{"layout": 99}')


def _layout_that_is_none(root: Path) -> None:
    root.mkdir()
    (root / "layout.json").write_text("[]")


def _half_a_layout(root: Path) -> None:
    root.mkdir()
    (root / "layout.json").write_text("{")


def _empty_layout(root: Path) -> None:
    root.mkdir()
    (root / "layout.json").touch()


HARMS = [_file_in_its_place, _other_layout, _layout_that_is_none, _half_a_layout, _empty_layout]


@pytest.mark.parametrize("harm", HARMS)
def test_a_store_that_can_t_be_used_is_said_once_and_everything_works_without_it(
    store: Store, project: Path, tmp_path: Path, said: list[str], harm: Callable[[Path], None]
) -> None:
    harm(store.root)
    before = store.root.read_bytes() if store.root.is_file() else list(store.root.iterdir())
    tree = store.put_directory(project)
    store.keep(RESULT)
    assert store.find(RESULT.key) == RESULT
    store.restore(store.tree(tree.digest()), tmp_path / "again")
    assert (tmp_path / "again" / "a" / "b" / "deep").read_text() == "deep"
    assert store.work_directory().is_dir()
    assert len(said) == 1
    assert str(store.root) in said[0]
    after = store.root.read_bytes() if store.root.is_file() else list(store.root.iterdir())
    assert after == before


def test_a_message_that_nobody_heard_is_told_to_the_first_who_listens(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    store = Store(tmp_path / "store")
    store.put_bytes(b"x")
    heard: list[str] = []
    store.listen(heard.append)
    store.put_bytes(b"y")
    assert len(heard) == 1


def test_what_only_this_process_may_see_is_not_in_the_store(store: Store, project: Path) -> None:
    tree = store.put_directory(project, private=True)
    digest = store.put_bytes(b"the log", private=True)
    store.check(tree)
    assert store.read(digest) == b"the log"
    assert not list(store.root.rglob("*"))
    other = Store(store.root)
    with pytest.raises(Damaged):
        other.read(digest)


def test_the_store_of_another_version_is_not_touched_by_locks_either(store: Store) -> None:
    _other_layout(store.root)
    with store.alone("a" * 64, lambda: None):
        assert [path.name for path in store.root.rglob("*")] == ["layout.json"]


def test_a_file_that_is_not_there_is_no_fault_of_the_store(
    store: Store, project: Path, said: list[str]
) -> None:
    with pytest.raises(FileNotFoundError):
        store.put_file(project / "absent")
    with pytest.raises(FileNotFoundError):
        store.put_directory(project, ["a.txt", "absent"])
    node = store.put_file(project / "a.txt")
    assert (said, Store(store.root).read(node.digest)) == ([], b"a")


def test_a_blob_that_the_disk_can_t_read_is_a_damaged_one(store: Store, tmp_path: Path) -> None:
    def copy_out(digest: str) -> None:
        store.copy_out(digest, tmp_path / "out")

    takes: list[Callable[[str], object]] = [store.read, copy_out]
    for number, take in enumerate(takes):
        digest = store.put_bytes(b"%d" % number)
        blob = store.root / "blobs" / digest[:2] / digest
        blob.unlink()
        blob.symlink_to("/proc/self/mem")  # reading its first byte is EIO
        with pytest.raises(Damaged):
            take(digest)
        assert not (tmp_path / "out").exists()


def test_once_a_blob_was_damaged_all_others_are_written_anew(store: Store, project: Path) -> None:
    tree = store.put_directory(project)
    blobs = [path for path in (store.root / "blobs").rglob("*") if path.is_file()]
    for blob in blobs:
        blob.write_bytes(b"x" * blob.stat().st_size)
    with pytest.raises(Damaged):
        store.read(tree.files["a.txt"].digest)
    assert store.put_directory(project) == tree
    assert Store(store.root).tree(tree.digest()) == tree


# --- packs ------------------------------------------------------------------------------------


def test_a_packed_directory_is_restored_like_any_other(
    store: Store, project: Path, tmp_path: Path
) -> None:
    tree = store.put_directory(project, packed=True)
    assert tree == Store(tmp_path / "other").put_directory(project)
    Store(store.root).restore(tree, tmp_path / "again")
    assert Store(tmp_path / "third").put_directory(tmp_path / "again") == tree


def _flip_last(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("harm", [_flip_last, _truncate, Path.unlink])
def test_a_damaged_pack_is_not_used_and_can_be_stored_again(
    store: Store, project: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    tree = store.put_directory(project, packed=True)
    (pack,) = [path for path in (store.root / "packs").rglob("*") if path.is_file()]
    harm(pack)
    with pytest.raises(Damaged):
        store.restore(tree, tmp_path / "again")
    with pytest.raises(Damaged):
        store.check(tree)
    store.put_directory(project, packed=True)
    store.restore(tree, tmp_path / "anew")
    assert (tmp_path / "anew" / "a" / "b" / "deep").read_text() == "deep"


# --- results ----------------------------------------------------------------------------------


def _entry(store: Store) -> Path:
    (path,) = (store.root / "actions").rglob("*.json")
    return path


DAMAGES: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: data.replace(b"x.whl", b"y.whl"),
    lambda data: data.replace(b"b" * 64, b"c" * 64),  # another result's tree
    lambda data: data.replace(RESULT.key.encode(), b"d" * 64),  # another result in its place
    lambda _: b"",
    lambda data: data[: len(data) // 2],
    lambda data: bytes(len(data)),
    lambda _: b"[]",
    lambda _: b"null",
    lambda _: b"{}",
    lambda _: bytes(range(256)),
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_found_and_can_be_made_again(
    store: Store, damage: Callable[[bytes], bytes]
) -> None:
    store.keep(RESULT)
    entry = _entry(store)
    entry.write_bytes(damage(entry.read_bytes()))
    with pytest.raises(Damaged, match="was damaged"):
        store.find(RESULT.key)
    store.keep(RESULT)
    assert store.find(RESULT.key) == RESULT


def test_a_field_that_a_newer_version_adds_is_ignored(store: Store) -> None:
    import hashlib

    store.keep(RESULT)
    record = json.loads(_entry(store).read_text())
    record["result"]["of the future"] = 1
    text = json.dumps(record["result"], sort_keys=True)
    record["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    _entry(store).write_text(json.dumps(record))
    assert store.find(RESULT.key) == RESULT
