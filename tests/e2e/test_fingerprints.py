"""Files whose digests are remembered from run to run (.mpforge/fingerprints): every edit is found."""

import os
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.workspace import Workspace

pytestmark = [pytest.mark.gcc]

BUILD = f"build-{NATIVE}"
YEAR = 365 * 24 * 3600


def record(workspace: Workspace) -> Path:
    return workspace.root / ".mpforge" / "fingerprints"


def remember(workspace: Workspace, name: str = "greeting.txt") -> None:
    """Run until a file is remembered: it must have become old enough for that."""
    end = time.monotonic() + 60
    while not (record(workspace).is_file() and name.encode() in record(workspace).read_bytes()):
        assert time.monotonic() < end, f"{name} is never remembered"
        assert workspace.mpforge("plan").code == 0


def say(workspace: Workspace, text: str) -> None:
    """Write the greeting with the size and mtime that it has."""
    place = workspace.root / "greeting.txt"
    before = place.stat()
    place.write_text(text, encoding="utf-8")
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (place.stat().st_size, place.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def built(workspace: Workspace) -> str:
    """What a run that built has published."""
    run = workspace.nox(BUILD)
    assert run.code == 0, str(run)
    assert workspace.steps() == [BUILD], str(run)
    return (workspace.dist / NATIVE / "out" / "greeting.txt").read_text(encoding="utf-8")


def hits(workspace: Workspace) -> None:
    run = workspace.nox(BUILD)
    assert BUILD in run.cached, str(run)


def test_an_edit_of_a_remembered_file_that_keeps_size_and_time_is_built(quick: Workspace) -> None:
    assert built(quick) == "hello, world\n"
    remember(quick)
    hits(quick)
    say(quick, "jello, world\n")
    assert built(quick) == "jello, world\n"
    say(quick, "hello, world\n")
    hits(quick)


@pytest.mark.parametrize("years", [-40, 40], ids=["past", "future"])
def test_files_from_another_time_are_built_as_they_are(quick: Workspace, years: int) -> None:
    then = time.time() + years * YEAR
    for path in quick.root.iterdir():
        os.utime(path, (then, then))
    assert built(quick) == "hello, world\n"
    if years < 0:
        remember(quick)
    hits(quick)
    say(quick, "jello, world\n")
    assert built(quick) == "jello, world\n"


@pytest.mark.parametrize("left", [0, 1, 100])
def test_a_truncated_record_changes_nothing_and_is_made_anew(quick: Workspace, left: int) -> None:
    built(quick)
    remember(quick)
    whole = record(quick).read_bytes()
    record(quick).write_bytes(whole[:left])
    hits(quick)
    remember(quick)
    record(quick).write_bytes(whole[:-left] if left else b"")
    say(quick, "jello, world\n")
    assert built(quick) == "jello, world\n"


def test_another_checkout_s_record_is_of_no_use_here(quick: Workspace, place: Path) -> None:
    built(quick)
    remember(quick)
    other = quick.copy(place / "other")
    say(other, "jello, world\n")
    assert record(other).read_bytes() == record(quick).read_bytes()
    assert built(other) == "jello, world\n"
    hits(quick)
