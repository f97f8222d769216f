"""Whatever becomes of a note is no error: it is written anew, and the cache's check tells of it."""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from mpforge.housekeeping import cache_contents, cache_directory
from mpforge.obtain.pythons import host_python
from mpforge.places.containers.runtime_probe import Probes
from mpforge.plan.events import Warned
from mpforge.reports.journal import Journal
from mpforge.store import notes
from mpforge.store.file_digests import FileDigests, Tree
from mpforge.store.fingerprints import scan

NOTED = {"schema": 1, "words": ["a", "é", None], "n": 2**60}


def flipped(data: bytes) -> bytes:
    """One bit of it is another, never the same one twice."""
    at = random.Random(len(data)).randrange(8 * len(data))
    found = bytearray(data)
    found[at // 8] ^= 1 << (at % 8)
    return bytes(found)


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "flipped": flipped,
    "first-bit": lambda data: bytes([data[0] ^ 0x80]) + data[1:],
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda _: b"",
    "not-utf-8": lambda data: data.replace(b'"', b"\xff", 3),
    "more": lambda data: data + b"x",
    "another-shape": lambda _: b"[1, 2]",
    "a-number": lambda _: b"7",
    "deep": lambda _: b"[" * 100_000,
    "deep-object": lambda _: b'{"a":' * 100_000,
    "huge-number": lambda _: b'{"schema": ' + b"9" * 5000 + b"}",
    "lone-surrogate": lambda _: b'"\\ud800"',
    "directory": lambda _: None,
    "fifo": lambda _: None,
}


def damage(path: Path, how: str) -> None:
    """Damage a file, or put something else in its place."""
    new = DAMAGES[how](path.read_bytes())
    path.unlink()
    if how == "directory":
        path.mkdir()
    elif how == "fifo":
        os.mkfifo(path)
    else:
        assert new is not None
        path.write_bytes(new)


def test_a_note_is_json_and_is_read_back_as_it_was(tmp_path: Path) -> None:
    place = tmp_path / "folder" / "note.json"
    assert notes.load(place) is None
    notes.keep(place, NOTED)
    assert notes.load(place) == json.loads(place.read_bytes())["note"] == NOTED
    assert [path.name for path in place.parent.iterdir()] == ["note.json"]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_note_is_none_and_is_written_anew(tmp_path: Path, how: str) -> None:
    place = tmp_path / "note.json"
    notes.keep(place, NOTED)
    damage(place, how)
    assert notes.load(place) is None
    notes.keep(place, NOTED)
    assert notes.load(place) == NOTED


def test_no_bit_of_a_note_can_flip_unseen(tmp_path: Path) -> None:
    place = tmp_path / "note.json"
    data = notes.sealed(NOTED)
    for at in range(0, 8 * len(data), 5):
        found = bytearray(data)
        found[at // 8] ^= 1 << (at % 8)
        place.write_bytes(found)
        assert notes.load(place) is None, at


def test_a_directory_with_something_in_it_stays(tmp_path: Path) -> None:
    (tmp_path / "note.json" / "mine").mkdir(parents=True)
    notes.keep(tmp_path / "note.json", NOTED)
    assert [path.name for path in tmp_path.iterdir()] == ["note.json"]
    assert (tmp_path / "note.json" / "mine").is_dir()


# --- who reads them -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", DAMAGES)
def test_digests_of_programs_are_taken_again(tmp_path: Path, how: str) -> None:
    program, place = tmp_path / "program", tmp_path / "hostfiles.json"
    program.write_text("x")
    os.utime(program, (1, 1))
    found = FileDigests(place).of([str(program)])
    notes.keep(place, {"schema": 2, "files": {}, "trees": {}})
    damage(place, how)
    assert FileDigests(place).of([str(program)]) == found


def test_what_another_process_has_noted_of_files_is_kept(tmp_path: Path) -> None:
    here, there = FileDigests(tmp_path / "note"), FileDigests(tmp_path / "note")
    assert here.tree("one") is there.tree("other") is None
    one, other = Tree(["/one"], "stamp", "1"), Tree(["/other"], "stamp", "2")
    here.keep_tree("one", one)
    there.keep_tree("other", other)
    anew = FileDigests(tmp_path / "note")
    assert (anew.tree("one"), anew.tree("other")) == (one, other)


@pytest.mark.parametrize("how", DAMAGES)
def test_interpreters_are_looked_for_again(tmp_path: Path, how: str) -> None:
    place = tmp_path / "hostpythons.jsonl"
    notes.keep(place, [])
    damage(place, how)
    (answer,) = host_python.find_all(["pp311"], place).values()
    assert "pp311" in str(answer)


@pytest.mark.parametrize("how", DAMAGES)
def test_the_files_of_a_source_are_read_again(tmp_path: Path, how: str) -> None:
    root, record = tmp_path / "source", tmp_path / "fingerprints"
    root.mkdir()
    (root / "a").write_text("x")
    notes.keep(record, {"schema": 2, "clock": 0, "files": {}})
    damage(record, how)
    tree = scan(root, {"": ["a"]}, record=record, keeps=lambda _path, _target: True)
    assert list(tree.files) == ["a"]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_runtime_is_asked_again(tmp_path: Path, how: str) -> None:
    place = tmp_path / "platforms.json"
    probes = Probes(place)
    probes.remember_prepared("unix:///nowhere", "key")
    damage(place, how)
    assert not probes.was_prepared("unix:///nowhere", "key")
    probes.remember_prepared("unix:///nowhere", "key")
    assert probes.was_prepared("unix:///nowhere", "key")


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_report_fails_no_run(tmp_path: Path, how: str) -> None:
    journal = Journal(tmp_path / "report.jsonl", "run")
    journal.write(Warned("build", "x"))
    damage(journal.path, how)
    journal.write(Warned("build", "y"))
    assert journal.outcomes() == ()
    assert journal.published() == ()


@pytest.mark.parametrize("name", cache_contents.SEALED)
@pytest.mark.parametrize("how", DAMAGES)
def test_the_cache_s_check_names_and_removes_a_damaged_note(
    tmp_path: Path, name: str, how: str
) -> None:
    for note in cache_contents.SEALED:
        notes.keep(tmp_path / note, NOTED)
    assert list(cache_directory.verify(tmp_path)) == []
    damage(tmp_path / name, how)
    (finding,) = cache_directory.verify(tmp_path)
    assert (finding.path, finding.state) == (tmp_path / name, "removed")
    assert list(cache_directory.verify(tmp_path)) == []
