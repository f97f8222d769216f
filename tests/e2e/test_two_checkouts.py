"""The same sources in another directory: the same keys, and the same bytes."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.workspace import Cache, Workspace

pytestmark = [pytest.mark.cross, pytest.mark.network]


def elsewhere(built: Workspace, root: Path, cache: Cache) -> Workspace:
    """The sources of the built package in another place, written by other hands at another time."""
    there = Workspace(root, cache)
    for path in sorted(built.root.rglob("*")):
        relative = path.relative_to(built.root)
        if path.is_file() and relative.parts[0] not in {".mpforge", ".nox", "dist", "__pycache__"}:
            place = there.write(str(relative), path.read_text(encoding="utf-8"))
            place.chmod(0o600)
    return there


def published(workspace: Workspace) -> dict[str, bytes]:
    return {name: (workspace.dist / name).read_bytes() for name in workspace.published()}


@pytest.mark.emulation
def test_a_second_checkout_is_all_hits_and_its_files_are_the_same(
    built: Workspace, place: Path
) -> None:
    second = elsewhere(built, place / "a much longer name, with blanks" / "x", built.cache)
    run = second.nox("test-aarch64")
    assert run.code == 0, str(run)
    assert run.did == set(), str(run)
    assert second.steps() == []
    assert published(second) == published(built)


def test_two_stores_in_two_directories_give_the_same_bytes(
    built: Workspace, place: Path, empty_cache: Cache
) -> None:
    second = elsewhere(built, place / "a much longer name, with blanks" / "x", empty_cache)
    run = second.nox("build-aarch64")
    assert run.code == 0, str(run)
    assert {"sdist", "build-aarch64-cp311"} <= run.did
    assert published(second) == published(built)
    shutil.rmtree(second.dist)
    assert second.nox("build-aarch64").code == 0
    assert published(second) == published(built)


@pytest.mark.emulation
def test_another_machine_s_results_are_taken_over_from_an_archive(
    built: Workspace, place: Path, empty_cache: Cache
) -> None:
    archive = str(place / "build.tar.gz")
    exported = built.mpforge("cache", "export", "-o", archive, "test-aarch64")
    assert exported.code == 0, str(exported)
    assert "2 files of dist/, for test-aarch64" in exported.output
    assert "is a file of the source now" not in exported.output
    second = elsewhere(built, place / "second", empty_cache)
    run = second.mpforge("run", "--from", archive, "test-aarch64")
    assert run.code == 0, str(run)
    assert run.did == set(), str(run)
    assert "cached: passed" in run.output
    assert published(second) == published(built)
    shutil.rmtree(second.dist)  # the results are in the store as well
    assert second.nox("build-aarch64").code == 0
    assert published(second) == published(built)
