"""A whole store is checked by content: what is damaged is named and goes, what is foreign stays."""

import errno
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mpforge.errors import Damaged
from mpforge.housekeeping.audit import findings
from mpforge.store.local import Store
from mpforge.store.results import ActionResult

KEY, PACKED = "a" * 64, "b" * 64
LOG = b"the log"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with two results, whose files are one, two and three; one is packed."""
    project = tmp_path / "project"
    (project / "sub").mkdir(parents=True)
    for name in ("one", "two", "sub/three"):
        (project / name).write_text(name, encoding="utf-8")
    store = Store(tmp_path / "store")
    log = store.put_bytes(LOG)
    for key, packed in ((KEY, False), (PACKED, True)):
        (project / "key").write_text(key, encoding="utf-8")
        tree = store.put_directory(project, packed=packed).digest()
        store.keep(ActionResult(key=key, tree=tree, log=log))
    return store.root


def found(root: Path) -> dict[Path, str]:
    """What was found, by the path; each is said to be what became of it."""
    states: dict[Path, str] = {}
    for finding in findings(root):
        assert finding.what
        assert finding.path.exists() == (finding.state != "removed")
        states[finding.path.relative_to(root)] = finding.state
    return states


def blob(root: Path, data: bytes) -> Path:
    digest = hashlib.sha256(data).hexdigest()
    return root / "blobs" / digest[:2] / digest


def action(root: Path, key: str) -> Path:
    return root / "actions" / key[:2] / f"{key}.json"


def pack(root: Path) -> Path:
    (path,) = root.glob("packs/*/*")
    return path


def flip(path: Path) -> None:
    """Another bit in the middle, and the same size and time."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def lengthen(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def usable(root: Path, key: str, to: Path) -> bool:
    store = Store(root)
    try:
        result = store.find(key)
        if result is None:
            return False
        store.restore(store.tree(result.tree), to)
        return store.read(result.log) == LOG
    except Damaged:
        return False


def test_in_a_whole_store_there_is_nothing_to_find(root: Path, tmp_path: Path) -> None:
    before = sorted(root.rglob("*"))
    assert found(root) == {}
    assert sorted(root.rglob("*")) == before
    assert usable(root, KEY, tmp_path / "a")
    assert usable(root, PACKED, tmp_path / "b")


def test_a_store_that_is_not_there_has_nothing_wrong(tmp_path: Path) -> None:
    assert found(tmp_path / "store") == {}
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("damage", [flip, truncate, lengthen])
@pytest.mark.parametrize("data", [b"one", LOG])
def test_a_damaged_file_goes_with_the_results_that_need_it(
    root: Path, damage: Callable[[Path], None], data: bytes
) -> None:
    damage(blob(root, data))
    whole = {action(root, PACKED)} if data == b"one" else set()
    gone = {blob(root, data), action(root, KEY), action(root, PACKED)} - whole
    assert found(root) == {path.relative_to(root): "removed" for path in gone}
    assert found(root) == {}
    assert all(path.exists() for path in whole)


@pytest.mark.parametrize("damage", [flip, truncate, lengthen])
def test_a_damaged_pack_goes_with_its_result(
    root: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    damage(pack(root))
    gone = {pack(root), action(root, PACKED)}
    assert found(root) == {path.relative_to(root): "removed" for path in gone}
    assert usable(root, KEY, tmp_path / "out")
    assert found(root) == {}


@pytest.mark.parametrize("damage", [flip, truncate])
def test_a_damaged_result_goes_alone(
    root: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    damage(action(root, KEY))
    assert found(root) == {action(root, KEY).relative_to(root): "removed"}
    assert usable(root, PACKED, tmp_path / "out")


def test_a_result_under_anothers_key_goes(root: Path) -> None:
    other = action(root, "c" * 64)
    other.parent.mkdir()
    other.write_bytes(action(root, KEY).read_bytes())
    assert found(root) == {other.relative_to(root): "removed"}


@pytest.mark.parametrize("data", [b"two", b"sub/three"])
def test_a_result_whose_file_is_gone_goes(root: Path, data: bytes) -> None:
    blob(root, data).unlink()
    assert found(root) == {action(root, KEY).relative_to(root): "removed"}


def test_a_result_whose_list_of_files_is_gone_goes_and_the_pack_too(root: Path) -> None:
    tree = json.loads(action(root, PACKED).read_bytes())["result"]["tree"]
    (root / "blobs" / tree[:2] / tree).unlink()
    gone = {pack(root), action(root, PACKED)}
    assert found(root) == {path.relative_to(root): "removed" for path in gone}


def test_what_is_not_the_stores_is_named_and_left(root: Path) -> None:
    one = blob(root, b"one")
    places = [
        root / "mine",
        root / "blobs" / "mine",
        one.with_name("mine"),
        one.with_name("0" * 64),
        one.with_name(f"{one.name}.json"),
        action(root, KEY).with_name("a" * 64),
        root / "packs" / "zz" / "mine",
        root / "actions" / "mine.json",
    ]
    for place in places:
        place.parent.mkdir(exist_ok=True)
        place.write_text("mine", encoding="utf-8")
    link = root / "blobs" / "ff" / ("f" * 64)
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(one)
    named = {*places, link} - {root / "packs" / "zz" / "mine"} | {root / "packs" / "zz"}
    assert found(root) == {path.relative_to(root): "foreign" for path in named}
    assert all(path.read_text(encoding="utf-8") == "mine" for path in places)
    assert link.is_symlink()


def test_what_the_store_itself_lays_there_is_not_foreign(root: Path) -> None:
    for name in ("locks", "work"):
        (root / name).mkdir(exist_ok=True)
    assert found(root) == {}


def test_what_no_mpforge_writes_any_more_is_foreign(root: Path) -> None:
    (root / "fingerprints").mkdir()
    (root / "fingerprints-2").write_text("", encoding="utf-8")
    assert found(root) == {Path("fingerprints"): "foreign", Path("fingerprints-2"): "foreign"}


@pytest.mark.parametrize("below", [False, True])
def test_nothing_is_lost_because_a_list_of_files_may_not_be_read(
    root: Path, monkeypatch: pytest.MonkeyPatch, below: bool
) -> None:
    tree = json.loads(action(root, PACKED).read_bytes())["result"]["tree"]
    if below:
        data = (root / "blobs" / tree[:2] / tree).read_bytes()
        ((_, tree),) = json.loads(data)["directories"]
    hidden, opened = root / "blobs" / tree[:2] / tree, os.open

    def refused(path: Any, *words: Any, **named: Any) -> int:  # as root, who reads everything
        if path == hidden:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(path, *words, **named)

    monkeypatch.setattr(os, "open", refused)
    left = found(root)
    monkeypatch.undo()
    assert left[pack(root).relative_to(root)] == "left"
    assert left[action(root, PACKED).relative_to(root)] == "left"
    assert found(root) == {}


def test_what_is_damaged_and_can_t_be_removed_is_left_and_the_cause_is_told(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_words: object, **_named: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    flip(blob(root, b"one"))
    monkeypatch.setattr(Path, "unlink", refused)
    (finding, *_) = findings(root)
    assert finding.state == "left"
    assert finding.what.endswith("; it can't be removed (Read-only file system)")


def test_what_was_removed_is_stored_again_when_it_is_needed(root: Path, tmp_path: Path) -> None:
    flip(blob(root, b"one"))
    found(root)
    store = Store(root)
    tree = store.put_directory(tmp_path / "project")
    store.keep(ActionResult(key=KEY, tree=tree.digest(), log=store.put_bytes(LOG)))
    assert usable(root, KEY, tmp_path / "out")
    assert found(root) == {}


def test_a_newer_mpforge_s_result_is_left(root: Path) -> None:
    action(root, KEY).write_text('{"schema": 2}', encoding="utf-8")
    assert found(root) == {action(root, KEY).relative_to(root): "foreign"}
