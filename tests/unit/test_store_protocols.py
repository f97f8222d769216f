"""A store gives back what it was given: one suite for this machine's disk and for the fake of other tests."""

import os
from pathlib import Path

import pytest

from mpforge.errors import Damaged
from mpforge.store.files import files_below
from mpforge.store.local import Store
from mpforge.store.protocols import SessionStore
from mpforge.store.results import ActionResult
from mpforge.store.trees import Directory
from tests.memory_store import MemoryStore

RESULT = ActionResult(
    key="a" * 64, tree="b" * 64, log="c" * 64, facts={"machine": "aarch64"}, cpu_seconds=1.5
)


@pytest.fixture(name="store", params=[Store, MemoryStore])
def _store(tmp_path: Path, request: pytest.FixtureRequest) -> SessionStore:
    made: SessionStore = request.param(tmp_path / "store")
    return made


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


def test_a_stored_file_does_not_follow_its_original(store: SessionStore, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"before")
    node = store.put_file(tmp_path / "x")
    (tmp_path / "x").write_bytes(b"later!")
    assert store.read(node.digest) == b"before"


def test_what_is_restored_can_be_edited_without_harm_to_the_store(
    store: SessionStore, tmp_path: Path
) -> None:
    digest = store.put_bytes(b"content")
    store.copy_out(digest, tmp_path / "x")
    (tmp_path / "x").write_bytes(b"edited")
    assert store.read(digest) == b"content"


def test_bytes_come_back_by_their_digest(store: SessionStore) -> None:
    digest = store.put_bytes(b"content")
    assert store.put_bytes(b"content") == digest
    assert store.read(digest) == b"content"


def test_a_directory_is_restored_with_links_as_links_and_executable_bits(
    store: SessionStore, project: Path, tmp_path: Path
) -> None:
    tree = store.put_directory(project)
    store.restore(store.tree(tree.digest()), tmp_path / "again")
    again = tmp_path / "again"
    assert sorted(files_below(again)) == ["dangling", "link", "run.sh", "src/a.c"]
    assert (again / "src/a.c").read_text() == "int a;"
    assert os.readlink(again / "link") == "src/a.c"
    assert os.access(again / "run.sh", os.X_OK)
    assert not os.access(again / "src/a.c", os.X_OK)
    assert store.put_directory(again) == tree


def test_owners_modes_of_others_and_times_do_not_matter(store: SessionStore, project: Path) -> None:
    before = store.put_directory(project).digest()
    (project / "run.sh").chmod(0o755)
    (project / "src/a.c").chmod(0o600)
    os.utime(project / "src/a.c", (0, 0))
    assert store.put_directory(project).digest() == before


def test_an_executable_bit_matters(store: SessionStore, project: Path) -> None:
    before = store.put_directory(project).digest()
    (project / "src/a.c").chmod(0o755)
    assert store.put_directory(project).digest() != before


def test_only_the_paths_that_are_asked_for_are_stored(store: SessionStore, project: Path) -> None:
    tree = store.put_directory(project, iter(["src/a.c", "link"]))
    assert [path for path, _ in tree.walk()] == ["link", "src/a.c"]


def test_restoring_over_a_file_that_is_there_fails_aloud(
    store: SessionStore, project: Path, tmp_path: Path
) -> None:
    tree = store.put_directory(project)
    store.restore(tree, tmp_path / "again")
    with pytest.raises(FileExistsError):
        store.restore(tree, tmp_path / "again")


def test_a_blob_that_is_no_directory_is_not_taken_for_one(store: SessionStore) -> None:
    for data in (b"content", b"{}", b"[]", b'"x"', b'{"files":[["a"]]}'):
        with pytest.raises(Damaged):
            store.tree(store.put_bytes(data))


def test_an_empty_tree_is_stored_and_restored(store: SessionStore, tmp_path: Path) -> None:
    digest = store.put_tree(Directory())
    store.restore(store.tree(digest), tmp_path / "empty")
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_result_is_found_by_its_key_until_it_is_forgotten(store: SessionStore) -> None:
    assert store.find(RESULT.key) is None
    store.keep(RESULT)
    assert store.find(RESULT.key) == RESULT
    assert store.find("b" * 64) is None
    store.forget(RESULT.key)
    store.forget(RESULT.key)
    assert store.find(RESULT.key) is None


def test_each_work_directory_is_new_and_empty(store: SessionStore) -> None:
    one, other = store.work_directory(), store.work_directory()
    assert one != other
    assert list(one.iterdir()) == []


@pytest.mark.parametrize("packed", [False, True])
def test_a_directory_is_restored_packed_or_not(
    store: SessionStore, project: Path, tmp_path: Path, packed: bool
) -> None:
    tree = store.put_directory(project, packed=packed)
    store.check(tree)
    store.restore(tree, tmp_path / "again")
    assert store.put_directory(tmp_path / "again") == tree


def test_a_file_may_come_from_elsewhere(store: SessionStore, project: Path, tmp_path: Path) -> None:
    (tmp_path / "other.c").write_text("int b;")
    tree = store.put_directory(project, ["src/a.c"], elsewhere={"src/a.c": tmp_path / "other.c"})
    assert store.text(tree, "src/a.c") == "int b;"
    assert store.text(tree, "src/none.c") is None


def test_what_was_never_stored_is_missing_aloud(
    store: SessionStore, project: Path, tmp_path: Path
) -> None:
    other = type(store)(tmp_path / "other")  # type: ignore[call-arg]
    tree = store.put_directory(project)
    for take in (
        lambda: other.read("a" * 64),
        lambda: other.tree(tree.digest()),
        lambda: other.check(tree),
        lambda: other.copy_out("a" * 64, tmp_path / "out"),
    ):
        with pytest.raises(Damaged):
            take()
    assert not (tmp_path / "out").exists()
