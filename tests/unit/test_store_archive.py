"""An archive of a store's results brings all of them over, or nothing; nothing lands outside the store."""

import gzip
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mpforge.errors import ArchiveInvalid, MpforgeError
from mpforge.store import archive
from mpforge.store.local import Store
from mpforge.store.results import ActionResult, to_bytes
from mpforge.store.trees import Directory, FileNode, to_manifest

KEY, OTHER = "1" * 64, "2" * 64
Members = dict[str, bytes]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An archive of two results, one of which the store keeps as a pack, and of another file."""
    tmp_path = tmp_path_factory.mktemp("first")
    made = tmp_path / "made"
    (made / "bin").mkdir(parents=True)
    (made / "bin" / "run").write_text("run")
    (made / "bin" / "run").chmod(0o755)
    (made / "link").symlink_to("/usr/bin/env")
    store = Store(tmp_path / "first")
    results = []
    for key, packed in ((KEY, True), (OTHER, False)):
        (made / "name").write_text(key)
        tree = store.put_directory(made, packed=packed)
        log = store.put_bytes(b"log")
        results.append(ActionResult(key, tree.digest(), log, observed={"host:/x": "1"}))
    wheel = tmp_path / "x.whl"
    wheel.write_bytes(b"wheel")
    about = {"files": [{"digest": hashlib.sha256(b"wheel").hexdigest(), "symlink": None}]}
    files = {about["files"][0]["digest"]: wheel}
    place = tmp_path / "archive.tar.gz"
    archive.write(
        place, store, results, files={str(k): v for k, v in files.items()}, about=about, mpforge="1"
    )
    return place.read_bytes()


@pytest.fixture
def written(data: bytes, tmp_path: Path) -> Path:
    """The archive, as a file of this test's own."""
    (place := tmp_path / "archive.tar.gz").write_bytes(data)
    return place


def _read(place: Path, root: Path) -> Mapping[str, Any]:
    return archive.read(place, root, lambda about: about)


def _entries(root: Path) -> list[Path]:
    """Everything that a store keeps."""
    return [path for name in ("actions", "blobs", "packs") for path in (root / name).rglob("*")]


def _members(place: Path) -> Members:
    with tarfile.open(place) as tar:
        return {m.name: file.read() for m in tar if (file := tar.extractfile(m)) is not None}


def _pack(place: Path, members: Members) -> Path:
    with tarfile.open(place, "w:gz") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return place


def test_what_is_exported_is_the_same_after_import(written: Path, tmp_path: Path) -> None:
    about = _read(written, tmp_path / "second")
    assert about["results"] == [KEY, OTHER]
    store = Store(tmp_path / "second")
    for key in (KEY, OTHER):
        result = store.find(key)
        assert result is not None
        assert result.observed == {"host:/x": "1"}
        assert store.read(result.log) == b"log"
        store.restore(store.tree(result.tree), tmp_path / key)
        assert (tmp_path / key / "name").read_text() == key
        assert (tmp_path / key / "bin" / "run").stat().st_mode & 0o111
        assert (tmp_path / key / "link").readlink() == Path("/usr/bin/env")
    assert store.read(about["files"][0]["digest"]) == b"wheel"


def test_the_same_results_are_the_same_bytes(written: Path, tmp_path: Path) -> None:
    _read(written, tmp_path / "second")
    store, again = Store(tmp_path / "second"), tmp_path / "again"
    results = [result for key in (OTHER, KEY) if (result := store.find(key))]
    (wheel := tmp_path / "x.whl").write_bytes(b"wheel")
    files = {hashlib.sha256(b"wheel").hexdigest(): wheel}
    about = {"files": [{"digest": name, "symlink": None} for name in files]}
    archive.write(again, store, results, files=files, about=about, mpforge="1")
    assert again.read_bytes() == written.read_bytes()


def test_wherever_an_archive_is_cut_off_nothing_of_it_is_stored(
    written: Path, data: bytes, tmp_path: Path
) -> None:
    for size in {0, 1, 20, *range(100, len(data), 97), len(data) - 8, len(data) - 1}:
        written.write_bytes(data[:size])
        with pytest.raises(ArchiveInvalid, match="the store is unchanged"):
            _read(written, tmp_path / "second")
    assert _entries(tmp_path / "second") == []


def test_a_changed_byte_is_noticed(written: Path, tmp_path: Path) -> None:
    plain = bytearray(gzip.decompress(written.read_bytes()))
    chance = random.Random(7)
    for place in (chance.randrange(len(plain) - 1024) for _ in range(15)):
        changed = bytearray(plain)
        changed[place] ^= 1 << chance.randrange(8)
        written.write_bytes(gzip.compress(bytes(changed), 1))
        root = tmp_path / f"second-{place}"
        try:
            _read(written, root)
        except MpforgeError:
            continue  # else it was of a tar header's field or padding that means nothing here
        for key in (KEY, OTHER):
            store = Store(root)
            result = store.find(key)
            assert result is not None
            store.check(store.tree(result.tree))


def _outside(members: Members) -> None:
    members["blobs/../../escaped"] = b"x"


def _absolute(members: Members) -> None:
    members["/etc/escaped"] = b"x"


def _unneeded(members: Members) -> None:
    members[f"blobs/{hashlib.sha256(b'x').hexdigest()}"] = b"x"


def _other_blob(members: Members) -> None:
    members[f"blobs/{'0' * 64}"] = b"x"


def _without_a_blob(members: Members) -> None:
    del members[next(name for name in members if name.startswith("blobs/"))]


def _without_a_tree(members: Members) -> None:
    del members[next(name for name in members if name.startswith("trees/"))]


def _without_a_result(members: Members) -> None:
    del members[f"results/{KEY}.json"]


def _head_later(members: Members) -> None:
    members["export.json"] = members.pop("export.json")


def _other_key(members: Members) -> None:
    members[f"results/{KEY}.json"] = members[f"results/{OTHER}.json"]


def _no_json(members: Members) -> None:
    members["export.json"] = b"{"


def _list_head(members: Members) -> None:
    members["export.json"] = b"[]"


def _with_tree(tree: Directory) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        """Put another tree in the place of all results, whole but for its names."""
        log = hashlib.sha256(b"log").hexdigest()
        result = ActionResult(KEY, tree.digest(), log)
        members.clear()
        blobs = {n.digest: b"log" for _, n in tree.walk() if isinstance(n, FileNode)}
        members["export.json"] = json.dumps({"schema": 1, "results": [KEY]}).encode()
        members |= {f"blobs/{digest}": data for digest, data in {**blobs, log: b"log"}.items()}
        members[f"trees/{tree.digest()}"] = to_manifest(tree)
        members[f"results/{KEY}.json"] = to_bytes(result)

    return change


LOG = FileNode(hashlib.sha256(b"log").hexdigest(), 3)


def test_a_plain_tree_is_taken_in_the_form_of_the_next_test(tmp_path: Path) -> None:
    members: Members = {}
    _with_tree(Directory({"a": LOG}))(members)
    assert _read(_pack(tmp_path / "x.tar.gz", members), tmp_path / "second")["results"] == [KEY]


@pytest.mark.parametrize(
    "change",
    [
        *(_outside, _absolute, _unneeded, _other_blob, _without_a_blob, _without_a_tree),
        *(_without_a_result, _head_later, _other_key, _no_json, _list_head),
        _with_tree(Directory({"../../../escaped": LOG})),
        _with_tree(Directory({"..": LOG})),
        _with_tree(Directory(directories={"..": Directory({"a": LOG})})),
        _with_tree(Directory({"a": LOG}, symlinks={"a": "/etc"})),
        _with_tree(Directory(directories={"a": Directory({"b": LOG})}, symlinks={"a": "/etc"})),
        _with_tree(Directory({"a": replace(LOG, size=4)})),
    ],
)
def test_an_archive_that_was_changed_on_purpose_stores_nothing(
    written: Path, tmp_path: Path, change: Callable[[Members], None]
) -> None:
    members = _members(written)
    change(members)
    with pytest.raises(ArchiveInvalid, match="the store is unchanged"):
        _read(_pack(written, members), tmp_path / "second")
    assert _entries(tmp_path / "second") == []
    assert not list(tmp_path.rglob("escaped"))


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "x.tar.gz"
    with tarfile.open(place, "w:gz") as tar:
        member = tarfile.TarInfo("export.json")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(ArchiveInvalid, match="the store is unchanged"):
        _read(place, tmp_path / "second")


def test_an_archive_of_a_newer_mpforge_says_so(written: Path, tmp_path: Path) -> None:
    members = _members(written)
    members["export.json"] = json.dumps({"schema": 2, "results": []}).encode()
    with pytest.raises(ArchiveInvalid, match="written by a newer mpforge"):
        _read(_pack(written, members), tmp_path / "second")


@pytest.mark.parametrize("content", [b"", b"no archive", gzip.compress(b"no tar", mtime=0)])
def test_another_file_is_no_archive(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "x.tar.gz"
    place.write_bytes(content)
    with pytest.raises(ArchiveInvalid, match=r"x\.tar\.gz can't be imported"):
        _read(place, tmp_path / "second")


def test_a_failed_export_leaves_no_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "first")
    lost = ActionResult(KEY, "3" * 64, "4" * 64)
    with pytest.raises(MpforgeError):
        archive.write(tmp_path / "x", store, [lost], files={}, about={}, mpforge="1")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []
