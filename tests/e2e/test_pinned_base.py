"""Pinned base programs: a wheel depends on the lock alone, not on the programs of the host that builds it."""

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.workspace import Cache, Workspace

pytestmark = [pytest.mark.cross, pytest.mark.network, pytest.mark.offline]
BUILD = "build-aarch64-cp311"
# sed and awk are the base's, and the host's compilers are not there.
BEFORE = 'before-build = ["echo 1 | sed s/1/2/ | awk \'{exit $1 != 2}\'", "test ! -e /usr/bin/cc"]'
HIDE = 'for name in sed awk make; do mount --bind "$0" "/usr/bin/$name"; done; exec "$@"'
"""A shell's lines that start a program on a host with other programs, all as one that fails."""


@pytest.fixture
def pinned(unbuilt: Workspace) -> Workspace:
    """The small package with pinned base programs."""
    base = f'[build]\nbase-programs = "pinned"\n{BEFORE}\n'
    unbuilt.edit("multiplatform.toml", "[build]\n", base)
    unbuilt.variables["UV_PYTHON_DOWNLOADS"] = "never"  # an interpreter of this host will do
    return unbuilt


def test_a_wheel_is_found_and_made_alike_on_a_host_with_other_programs(
    pinned: Workspace, empty_cache: Cache, place: Path
) -> None:
    first = pinned.nox(BUILD)
    assert first.code == 0, str(first)
    noted = json.loads(pinned.read(".mpforge/keys/wheel-aarch64-cp311.json"))["note"]
    programs = [name for name in noted["ingredients"] if name.startswith(("base-", "program."))]
    assert programs == ["base-programs"]
    failing = place / "failing"
    failing.write_text("#!/bin/false\n", encoding="utf-8")
    failing.chmod(0o755)
    other = ("unshare", "--map-root-user", "--mount", "sh", "-c", HIDE, str(failing))
    pinned.under = other
    again = pinned.nox(BUILD)
    assert BUILD in again.cached, str(again)
    elsewhere = pinned.copy(place / "elsewhere", empty_cache)
    shutil.rmtree(elsewhere.dist)
    elsewhere.under = other
    made = elsewhere.nox(BUILD)
    assert made.code == 0, str(made)
    assert BUILD in made.did
    assert elsewhere.wheel().read_bytes() == pinned.wheel().read_bytes()
