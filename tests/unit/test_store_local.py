"""The local store: what comes out is what went in, or it is said that it is not."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpforge.errors import Damaged
from mpforge.store.files import files_below, hash_file, remove_tree, write_atomically
from mpforge.store.local import Store
from mpforge.store.results import ActionResult, from_bytes

RESULT = ActionResult(
    key="a" * 64, tree="b" * 64, log="c" * 64, facts={"machine": "aarch64"}, cpu_seconds=1.5
)


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "src").mkdir(parents=True)
    (root / "src" / "a.c").write_text("int a;")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o700)
    (root / "link").symlink_to("src/a.c")
    (root / "dangling").symlink_to("nowhere")
    return root


def _blobs(store: Store) -> list[Path]:
    return [path for path in (store.root / "blobs").rglob("*") if path.is_file()]


def _blob(store: Store, digest: str) -> Path:
    return next(path for path in _blobs(store) if path.name == digest)


# --- blobs ------------------------------------------------------------------------------------


def test_a_file_and_its_bytes_are_one_blob(store: Store, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"content")
    node = store.put_file(tmp_path / "x")
    assert node == hash_file(tmp_path / "x")
    assert node.digest == store.put_bytes(b"content")
    assert len(_blobs(store)) == 1


def _flip(path: Path) -> None:
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("harm", [_flip, _truncate, Path.unlink])
def test_a_damaged_blob_is_said_removed_and_can_be_stored_again(
    store: Store, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    for take in (store.read, lambda d: store.copy_out(d, tmp_path / "out")):
        digest = store.put_bytes(b"content")
        harm(_blob(store, digest))
        with pytest.raises(Damaged, match=digest[:12]):
            take(digest)
        assert _blobs(store) == []
        assert not (tmp_path / "out").exists()
    assert store.read(store.put_bytes(b"content")) == b"content"


def test_nothing_but_blobs_is_left_behind(store: Store, project: Path) -> None:
    tree = store.put_directory(project)
    for path in _blobs(store):
        assert hash_file(path).digest == path.name
        assert path.parent.name == path.name[:2]
    assert len(_blobs(store)) == 2 + 2  # files, directories
    assert store.tree(tree.digest()) == tree


# --- actions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "1", "{}", '{"schema": 1, "key": "other"}'])
def test_a_damaged_entry_is_said_once_and_is_a_miss_then(store: Store, text: str) -> None:
    store.keep(RESULT)
    entry = next((store.root / "actions").rglob("*.json"))
    entry.write_text(text)
    with pytest.raises(Damaged, match=RESULT.key[:12]):
        store.find(RESULT.key)
    assert store.find(RESULT.key) is None


def test_a_newer_mpforge_s_entry_is_said_and_left(store: Store) -> None:
    store.keep(RESULT)
    entry = next((store.root / "actions").rglob("*.json"))
    entry.write_text(text := '{"schema": 2, "answer": 42}')
    with pytest.raises(Damaged, match=r"by a newer mpforge \(schema 2; this one knows 1\)"):
        store.find(RESULT.key)
    assert store.find(RESULT.key) is None
    assert entry.read_text() == text


def test_fields_of_a_newer_result_are_passed_over() -> None:
    body = {**asdict(RESULT), "licence": "MIT"}
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    data = json.dumps({"schema": 1, "sha256": digest, "result": body}).encode()
    assert from_bytes(data, RESULT.key) == RESULT


def test_an_entry_under_another_key_s_name_is_not_believed(store: Store) -> None:
    store.keep(RESULT)
    entry = next((store.root / "actions").rglob("*.json"))
    other = "a" * 63 + "b"
    entry.rename(entry.with_name(f"{other}.json"))
    with pytest.raises(Damaged):
        store.find(other)


# --- files ------------------------------------------------------------------------------------


def test_a_file_is_replaced_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    place = tmp_path / "new" / "file"
    write_atomically(place, b"one")
    write_atomically(place, b"two")
    assert place.read_bytes() == b"two"
    assert [path.name for path in place.parent.iterdir()] == ["file"]


def test_a_file_that_can_t_be_replaced_stays_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    with pytest.raises(OSError, match=r"."):
        write_atomically(tmp_path / "folder", b"data")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_links_are_listed_and_never_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").touch()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    os.mkfifo(tmp_path / "root" / "pipe")
    assert list(files_below(tmp_path / "root")) == ["link"]


def test_a_directory_of_any_depth_is_listed_and_removed(tmp_path: Path) -> None:
    """A build makes what it likes; ``shutil.rmtree`` and a recursive walk know 1,000 levels."""
    depth, kept = 1100, tmp_path / "kept"
    kept.mkdir()
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(os.open("file", os.O_CREAT, dir_fd=folder))
    os.symlink(kept, "link", dir_fd=folder)
    os.close(folder)
    assert [*files_below(tmp_path)] == ["d/" * depth + "file", "d/" * depth + "link"]
    remove_tree(tmp_path / "d")
    assert [*tmp_path.iterdir()] == [kept]


@given(st.binary(max_size=64))
def test_a_file_s_digest_is_that_of_its_bytes(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("hash")
    (folder / "x").write_bytes(data)
    assert hash_file(folder / "x").digest == Store(folder / "store").put_bytes(data)
    assert hash_file(folder / "x").size == len(data)
