"""``dist/``: only what its record says is ours is replaced or removed."""

import json
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mpforge.engine.dist import RECORD, Dist, Entry, Write, digest_of
from mpforge.errors import DistConflict
from mpforge.store.files import hash_file


@pytest.fixture(name="dist")
def _dist(tmp_path: Path) -> Dist:
    return Dist(tmp_path / "dist", tmp_path / "state")


def _content(dist: Dist, text: str) -> Path:
    path = dist.root.parent / "content"
    path.write_text(text)
    return path


def _entry(
    dist: Dist, path: str, text: str, *, session: str = "build-aarch64-cp311", recipe: str = "r1"
) -> Entry:
    return Entry(
        path=path,
        digest=hash_file(_content(dist, text)).digest,
        session=session,
        target="aarch64",
        python="cp311",
        source="s",
        options="o",
        recipe=recipe,
        key="k",
        store="here",
        strategy="cross",
        host="Linux x86_64",
        tags=("manylinux_2_17_aarch64",),
    )


def _writing(*texts: str, mode: int = 0o644) -> Write:
    """Writes the next of these texts each time."""
    left = list(texts)

    def write(_entry: Entry, place: Path) -> None:
        place.write_text(left.pop(0))
        place.chmod(mode)

    return write


def _publish(dist: Dist, entry: Entry, text: str) -> bool:
    (fresh,) = dist.publish([entry], _writing(text))
    return fresh


def _made(
    dist: Dist, path: str, text: str, session: str = "build-aarch64-cp311", recipe: str = "r1"
) -> Entry:
    entry = _entry(dist, path, text, session=session, recipe=recipe)
    _publish(dist, entry, text)
    return entry


def _files(dist: Dist) -> list[str]:
    found = (path.relative_to(dist.root) for path in dist.root.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.name != RECORD)


# --- publishing -------------------------------------------------------------------------------


def test_a_file_is_put_in_place_and_recorded(dist: Dist) -> None:
    entry = _entry(dist, "a.whl", "one")
    assert _publish(dist, entry, "one")
    assert (dist.root / "a.whl").read_text() == "one"
    assert dist.entries() == (entry,)
    assert dist.of(entry.session) == (entry,)
    assert dist.of("another") == ()
    assert dist.intact(entry)


def test_the_record_is_json_that_says_its_schema(dist: Dist) -> None:
    _made(dist, "a.whl", "one")
    data = json.loads((dist.root / RECORD).read_text())
    assert data["schema"] == 1
    assert [item["path"] for item in data["files"]] == ["a.whl"]


def test_a_file_that_is_in_place_is_left_as_it_is(dist: Dist) -> None:
    entry = _made(dist, "a.whl", "one")
    before = (dist.root / "a.whl").stat()
    assert not _publish(dist, entry, "one")
    assert (dist.root / "a.whl").stat().st_ino == before.st_ino


def test_a_file_that_was_edited_or_deleted_is_put_back(dist: Dist) -> None:
    entry = _made(dist, "a.whl", "one")
    (dist.root / "a.whl").write_text("edited")
    assert not dist.intact(entry)
    assert _publish(dist, entry, "one")
    (dist.root / "a.whl").unlink()
    assert not dist.intact(entry)
    assert _publish(dist, entry, "one")
    assert (dist.root / "a.whl").read_text() == "one"


def test_folders_and_executable_bits_are_kept(dist: Dist) -> None:
    entry = replace(_entry(dist, "gateway/bin/hello", "#!/bin/sh"), executable=True)
    dist.publish([entry], _writing("#!/bin/sh", mode=0o755))
    assert os.access(dist.root / "gateway/bin/hello", os.X_OK)
    assert dist.in_place(entry)


def test_a_lost_executable_bit_is_put_back_and_is_no_other_file(dist: Dist) -> None:
    entry = replace(_entry(dist, "hello", "#!/bin/sh"), executable=True)
    dist.publish([entry], _writing("#!/bin/sh", mode=0o755))
    (dist.root / "hello").chmod(0o644)
    assert dist.intact(entry), "what carries dist/ to another machine may drop modes"
    assert not dist.in_place(entry)
    assert dist.publish([entry], _writing("#!/bin/sh", mode=0o755)) == [True]
    assert os.access(dist.root / "hello", os.X_OK)


def test_a_symlink_is_published_as_one_wherever_it_leads(dist: Dist) -> None:
    link = replace(_entry(dist, "latest", "nowhere"), symlink="nowhere")

    def write(entry: Entry, place: Path) -> None:
        place.symlink_to(entry.symlink or "")

    assert dist.publish([link], write) == [True]
    assert os.readlink(dist.root / "latest") == "nowhere"
    assert dist.publish([link], write) == [False]
    (dist.root / "latest").unlink()
    (dist.root / "latest").write_text("nowhere")
    assert not dist.intact(link)


def test_nothing_is_left_beside_a_published_file(dist: Dist) -> None:
    _made(dist, "a.whl", "one")
    assert sorted(path.name for path in dist.root.iterdir()) == ["a.whl", RECORD]


# --- what is not ours -------------------------------------------------------------------------


def test_a_user_s_file_is_neither_replaced_nor_removed(dist: Dist) -> None:
    dist.root.mkdir()
    (dist.root / "a.whl").write_text("mine")
    (dist.root / "notes.txt").write_text("mine")
    with pytest.raises(DistConflict, match=r"dist/a\.whl"):
        _made(dist, "a.whl", "one")
    _made(dist, "b.whl", "one")
    _made(dist, "c.whl", "two", recipe="r2")
    assert (dist.root / "a.whl").read_text() == "mine"
    assert _files(dist) == ["a.whl", "c.whl", "notes.txt"]


def test_a_file_that_happens_to_be_the_very_same_becomes_ours(dist: Dist) -> None:
    dist.root.mkdir()
    (dist.root / "a.whl").write_text("one")
    entry = _entry(dist, "a.whl", "one")
    assert not _publish(dist, entry, "one")
    assert dist.entries() == (entry,)


@pytest.mark.parametrize(
    "record",
    [
        *("", "{", "[" * 9999, "[]", '{"files": []}', '{"schema": 1, "files": 1}', "\udcff"),
        '{"schema": 1, "files": [{"path": "x"}]}',
    ],
)
def test_an_unreadable_record_holds_nothing_and_endangers_nothing(dist: Dist, record: str) -> None:
    dist.root.mkdir()
    (dist.root / "a.whl").write_text("old")
    (dist.root / RECORD).write_bytes(os.fsencode(record))
    assert dist.entries() == ()
    with pytest.raises(DistConflict):
        _made(dist, "a.whl", "one")
    assert (dist.root / "a.whl").read_text() == "old"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("path", path) for path in ("", ".", "/a", "../a", "a/../../b", "a\\b", "a\0b", 1)),
        *(("digest", None), ("tags", [1]), ("users", 1), ("executable", "yes"), ("tests", [])),
        *(("tests", {"t": 1}), ("target", 1)),
    ],
)
def test_a_record_with_a_field_of_another_kind_is_unreadable(
    dist: Dist, field: str, value: object
) -> None:
    _made(dist, "a.whl", "one")
    data = json.loads((dist.root / RECORD).read_text())
    data["files"][0][field] = value
    (dist.root / RECORD).write_text(json.dumps(data))
    assert dist.entries() == ()


def test_a_newer_record_s_fields_are_kept(dist: Dist) -> None:
    _made(dist, "a.whl", "one")
    data = json.loads((dist.root / RECORD).read_text())
    data["files"][0]["attestation"] = {"of": ["a newer mpforge"]}
    (dist.root / RECORD).write_text(json.dumps({**data, "made": "later"}))
    assert [entry.path for entry in dist.entries()] == ["a.whl"]
    _made(dist, "b.whl", "two", session="build-other-cp311")
    files = json.loads((dist.root / RECORD).read_text())["files"]
    assert files[0]["attestation"] == {"of": ["a newer mpforge"]}
    assert "attestation" not in files[1]


def test_a_record_of_a_newer_schema_is_refused_and_left_as_it_is(dist: Dist) -> None:
    dist.root.mkdir()
    text = '{"schema": 99, "entries": []}'
    (dist.root / RECORD).write_text(text)
    for use in (dist.entries, dist.set_damaged_aside, lambda: _made(dist, "a.whl", "one")):
        with pytest.raises(DistConflict, match=r"newer mpforge \(schema 99; this one knows 1\)"):
            use()
    assert (dist.root / RECORD).read_text() == text


# --- what may stand in dist/ ------------------------------------------------------------------


@pytest.fixture(name="outside")
def _outside(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.whl").write_text("theirs")
    return outside


def _untouched(outside: Path) -> bool:
    return [path.read_text() for path in outside.iterdir()] == ["theirs"]


@pytest.mark.parametrize("link", ["", "x86_64", "x86_64/deep"])
def test_nothing_is_written_through_a_linked_directory(
    dist: Dist, outside: Path, link: str
) -> None:
    place = dist.root / link
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(outside)
    with pytest.raises(DistConflict) as caught:
        _made(dist, "x86_64/deep/a.whl", "ours")
    assert "a symlink" in f"{caught.value.what} {caught.value.why}"
    assert _untouched(outside)


def test_nothing_is_removed_through_a_linked_directory(dist: Dist, outside: Path) -> None:
    _made(dist, "x86_64/a.whl", "theirs")
    (dist.root / "x86_64/a.whl").unlink()
    (dist.root / "x86_64").rmdir()
    (dist.root / "x86_64").symlink_to(outside)
    assert not dist.intact(dist.entries()[0])
    _made(dist, "b.whl", "the next version")
    assert _untouched(outside)


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_has_the_name_for_what_is_not_yet_in_place_goes(
    dist: Dist, outside: Path, kind: str
) -> None:
    dist.root.mkdir()
    place = dist.root / ".mpforge-new"
    place.symlink_to(outside) if kind == "link" else place.write_text("")
    _made(dist, "d/a.whl", "ours")
    assert _files(dist) == ["d/a.whl"]
    assert _untouched(outside)


def test_empty_directories_in_a_file_s_place_go(dist: Dist) -> None:
    (dist.root / "a.whl" / "b" / "c").mkdir(parents=True)
    _made(dist, "a.whl", "ours")
    assert _files(dist) == ["a.whl"]


def test_a_fifo_is_neither_waited_for_nor_replaced_unless_it_is_the_record(dist: Dist) -> None:
    dist.root.mkdir()
    for name in ("a.whl", RECORD):
        os.mkfifo(dist.root / name)
    aside = dist.set_damaged_aside()
    assert aside is not None
    assert aside.is_fifo()
    with pytest.raises(DistConflict, match=r"a\.whl"):
        _made(dist, "a.whl", "ours")


def test_each_damaged_record_is_kept(dist: Dist) -> None:
    for text in ("one", "two"):
        dist.root.mkdir(exist_ok=True)
        (dist.root / RECORD).write_text(text)
        aside = dist.set_damaged_aside()
        assert aside is not None
        assert aside.read_text() == text


def test_a_file_in_the_place_of_dist_is_told(dist: Dist) -> None:
    dist.root.write_text("")
    with pytest.raises(DistConflict, match="dist is not a directory"):
        _made(dist, "a.whl", "ours")


@pytest.mark.parametrize("make", [os.mkfifo, lambda place: place.symlink_to("../outside/a.whl")])
def test_the_lock_is_taken_whatever_stands_in_its_place(
    dist: Dist, outside: Path, make: Callable[[Path], None]
) -> None:
    lock = dist.root.parent / "state" / "dist.lock"
    lock.parent.mkdir()
    make(lock)
    _made(dist, "a.whl", "ours")
    assert _untouched(outside)


# --- several sessions -------------------------------------------------------------------------


def test_the_same_name_with_other_bytes_of_the_same_source_fails(dist: Dist) -> None:
    _made(dist, "a.whl", "one", "build-aarch64-cp311")
    with pytest.raises(DistConflict, match="build-edge-cp311"):
        _made(dist, "a.whl", "two", "build-edge-cp311")
    assert (dist.root / "a.whl").read_text() == "one"


def test_another_session_s_file_of_an_older_source_is_replaced(dist: Dist) -> None:
    _made(dist, "a.whl", "one", "build-aarch64-cp311")
    newer = replace(_entry(dist, "a.whl", "two", session="build-edge-cp311"), source="newer")
    assert _publish(dist, newer, "two")
    assert dist.entries() == (newer,)


def test_the_same_bytes_of_two_sessions_are_one_file_that_serves_both(dist: Dist) -> None:
    first = _made(dist, "a-py3-none-any.whl", "one", "build-aarch64-cp311")
    _made(dist, "a-py3-none-any.whl", "one", "build-x86_64-cp311")
    assert dist.entries() == (replace(first, users=("build-x86_64-cp311",)),)
    assert dist.of("build-x86_64-cp311") == dist.of("build-aarch64-cp311")


def test_a_file_is_recorded_to_serve_a_session_once(dist: Dist) -> None:
    entry = _made(dist, "a-abi3.whl", "one")
    for session in ("build-aarch64-cp313", "build-aarch64-cp313", entry.session):
        dist.serve(entry, session)
    assert dist.of("build-aarch64-cp313") == (replace(entry, users=("build-aarch64-cp313",)),)


def test_making_the_same_bytes_again_keeps_users_and_tests(dist: Dist) -> None:
    entry = _made(dist, "a.whl", "one")
    dist.serve(entry, "build-aarch64-cp313")
    dist.record_test(entry, "test-aarch64-cp311", {"machine": "aarch64"})
    _made(dist, "a.whl", "one", recipe="r2")
    (again,) = dist.entries()
    assert again.recipe == "r2"
    assert again.users == ("build-aarch64-cp313",)
    assert again.tests == {"test-aarch64-cp311": {"machine": "aarch64"}}


def test_tests_of_other_bytes_are_not_recorded(dist: Dist) -> None:
    entry = _made(dist, "a.whl", "one")
    dist.record_test(replace(entry, digest="0" * 64), "test-aarch64-cp311", {"machine": "x"})
    assert dist.entries() == (entry,)


def test_new_bytes_have_no_tests_yet(dist: Dist) -> None:
    entry = _made(dist, "a.whl", "one")
    dist.record_test(entry, "test-aarch64-cp311", {"machine": "aarch64"})
    _made(dist, "a.whl", "two", recipe="r2")
    assert dist.entries()[0].tests == {}


# --- what was there before --------------------------------------------------------------------


def test_an_older_version_of_the_same_session_is_removed(dist: Dist) -> None:
    _made(dist, "a-1.whl", "one")
    _made(dist, "b-1.whl", "other", "build-x86_64-cp311")
    _made(dist, "a-2.whl", "two", recipe="r2")
    assert _files(dist) == ["a-2.whl", "b-1.whl"]
    assert [entry.path for entry in dist.entries()] == ["a-2.whl", "b-1.whl"]


def test_an_older_version_that_was_edited_by_hand_is_left_to_its_editor(dist: Dist) -> None:
    _made(dist, "a-1.whl", "one")
    (dist.root / "a-1.whl").write_text("edited")
    _made(dist, "a-2.whl", "two", recipe="r2")
    assert _files(dist) == ["a-1.whl", "a-2.whl"]
    assert [entry.path for entry in dist.entries()] == ["a-2.whl"]


def test_an_older_version_that_serves_another_session_stays(dist: Dist) -> None:
    entry = _made(dist, "a-1.whl", "one")
    dist.serve(entry, "build-aarch64-cp313")
    _made(dist, "a-2.whl", "two", recipe="r2")
    assert _files(dist) == ["a-1.whl", "a-2.whl"]


def test_an_older_version_goes_also_where_the_new_one_is_another_session_s_file(
    dist: Dist,
) -> None:
    _made(dist, "a-cp313.whl", "old", "build-aarch64-cp313")
    _made(dist, "a-abi3.whl", "one", "build-aarch64-cp311")
    _made(dist, "a-abi3.whl", "one", "build-aarch64-cp313", recipe="r2")
    assert _files(dist) == ["a-abi3.whl"]


def test_files_of_one_session_are_published_together(dist: Dist) -> None:
    old = [_entry(dist, path, "old") for path in ("t/one", "t/two", "t/sub/gone")]
    assert dist.publish(old, _writing("old", "old", "old")) == [True] * 3
    (dist.root / "t/two").write_text("edited by hand")
    new = [_entry(dist, path, "new", recipe="r2") for path in ("t/one", "t/two")]
    assert dist.publish(new, _writing("new", "new")) == [True] * 2
    assert _files(dist) == ["t/one", "t/two"]
    assert not (dist.root / "t/sub").exists(), "it was left empty"
    assert (dist.root / "t/two").read_text() == "new"
    assert [entry.recipe for entry in dist.entries()] == ["r2", "r2"]


def test_what_can_not_be_written_changes_nothing(dist: Dist) -> None:
    old = _made(dist, "a", "old")
    entries = [_entry(dist, path, "new", recipe="r2") for path in ("a", "b")]
    with pytest.raises(IndexError):
        dist.publish(entries, _writing("new"))
    assert dist.entries() == (old,)
    assert sorted(path.name for path in dist.root.iterdir()) == ["a", RECORD]
    assert dist.intact(old)


def test_whenever_it_is_killed_each_file_is_known_to_be_ours(
    dist: Dist, monkeypatch: pytest.MonkeyPatch
) -> None:
    _made(dist, "old", "old")
    entries = [_entry(dist, path, "new", recipe="r2") for path in ("a", "b")]
    real = os.replace

    def killed_at_b(source: Path, place: Path) -> None:
        if Path(place).name == "b":
            raise KeyboardInterrupt
        real(source, place)

    monkeypatch.setattr(os, "replace", killed_at_b)
    with pytest.raises(KeyboardInterrupt):
        dist.publish(entries, _writing("new", "new"))
    monkeypatch.undo()
    recorded = {entry.path for entry in dist.entries()}
    assert set(_files(dist)) <= recorded
    assert not all(map(dist.intact, dist.of(entries[0].session))), "it is seen to be incomplete"
    assert dist.publish(entries, _writing("new")) == [False, True]
    assert dist.entries() == tuple(entries)


def test_a_file_may_become_a_directory_and_a_directory_a_file(dist: Dist) -> None:
    _made(dist, "out", "one")
    _made(dist, "out/a", "two", recipe="r2")
    assert _files(dist) == ["out/a"]
    _made(dist, "out", "three", recipe="r3")
    assert _files(dist) == ["out"]
    (dist.root / "out").unlink()
    (dist.root / "out").mkdir()
    (dist.root / "out/mine").write_text("mine")
    with pytest.raises(DistConflict, match="dist/out/mine"):
        _made(dist, "out", "four", recipe="r4")
    with pytest.raises(DistConflict, match="dist/out/mine"):
        _made(dist, "out/mine/b", "four", recipe="r4")
    assert (dist.root / "out/mine").read_text() == "mine"


def test_sessions_that_publish_at_once_all_end_up_in_the_record(dist: Dist) -> None:
    entries = [_entry(dist, f"{n}.whl", str(n), session=f"build-{n}") for n in range(8)]
    state = dist.root.parent / "state"
    threads = [
        threading.Thread(target=_publish, args=(Dist(dist.root, state), entry, str(number)))
        for number, entry in enumerate(entries)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dist.entries() == tuple(entries)


def test_one_digest_of_named_digests_depends_on_both_and_not_on_their_order() -> None:
    assert digest_of({"a": "1", "b": "2"}) == digest_of({"b": "2", "a": "1"})
    assert len({digest_of(p) for p in ({"a": "1"}, {"a": "2"}, {"b": "1"}, {})}) == 4
