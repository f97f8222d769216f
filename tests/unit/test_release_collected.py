"""The files of several jobs become one ``dist/``, with their tests, or nothing that is wrong does."""

from pathlib import Path

import pytest

from mpforge.engine.dist import Dist, Entry
from mpforge.errors import DistConflict, WrongInput
from mpforge.release.collected import collect
from mpforge.store.files import hash_file

SDIST = ("x-1.tar.gz", "sdist")
ARM, INTEL = ("arm.whl", "build-aarch64-cp311"), ("intel.whl", "build-x86_64-cp311")


def _copied(_entry: Entry, place: Path) -> None:
    """Write the content that a job left beside its directory."""
    place.write_bytes((place.parents[2] / "content").read_bytes())


def job(top: Path, name: str, *files: tuple[str, str], text: str = "") -> Dist:
    """Return the dist/ of a job that published files of (path, session); their text is the path's."""
    dist = Dist(top / name, top / f"{name}-state")
    for path, session in files:
        content = top / "content"
        content.write_text(text or path)
        entry = Entry(
            path=path,
            digest=hash_file(content).digest,
            session=session,
            target=None,
            python="cp311",
            source="s",
            options="o",
            recipe="r",
            key="k",
            store="here",
            strategy="cross",
            host="Linux x86_64",
        )
        dist.publish([entry], _copied)
    return dist


def test_files_users_and_tests_of_all_jobs_come_together(tmp_path: Path) -> None:
    intel = job(tmp_path, "intel", SDIST, INTEL)
    arm = job(tmp_path, "arm", SDIST, ARM)
    tested = job(tmp_path, "tested", SDIST, ARM)
    (entry,) = tested.of(ARM[1])
    tested.record_test(entry, "test-aarch64-cp311", {"passed": "today"})
    tested.serve(entry, "build-aarch64-cp312")
    dist = Dist(tmp_path / "dist", tmp_path / "state")
    for order in ((intel, arm, tested), (tested, arm, intel)):
        collect(dist, [one.root for one in order])
        found = {entry.path: entry for entry in dist.entries()}
        assert set(found) == {"x-1.tar.gz", "arm.whl", "intel.whl"}
        assert all(dist.in_place(entry) for entry in found.values())
        assert found["arm.whl"].tests == {"test-aarch64-cp311": {"passed": "today"}}
        assert found["arm.whl"].users == ("build-aarch64-cp312",)


def test_two_sdists_that_differ_are_refused(tmp_path: Path) -> None:
    one, other = job(tmp_path, "one", SDIST), job(tmp_path, "other", SDIST, text="other")
    dist = Dist(tmp_path / "dist", tmp_path / "state")
    with pytest.raises(DistConflict, match=r"other/x-1\.tar\.gz differs from the file"):
        collect(dist, [one.root, other.root])
    assert (dist.root / "x-1.tar.gz").read_text() == "x-1.tar.gz"


def test_a_file_that_was_changed_on_its_way_is_refused(tmp_path: Path) -> None:
    one = job(tmp_path, "one", ARM)
    (one.root / "arm.whl").write_text("changed")
    dist = Dist(tmp_path / "dist", tmp_path / "state")
    with pytest.raises(
        DistConflict, match=r"arm\.whl is missing, or was changed since it was built"
    ):
        collect(dist, [one.root])
    assert not dist.root.exists()


def test_a_directory_without_a_record_is_refused(tmp_path: Path) -> None:
    dist = Dist(tmp_path / "dist", tmp_path / "state")
    (tmp_path / "empty").mkdir()
    with pytest.raises(WrongInput, match=r"empty has no readable mpforge\.json"):
        collect(dist, [tmp_path / "empty"])
