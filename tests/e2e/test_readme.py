"""The README's first command does what it says on a fresh clone."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.workspace import Cache

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.cross, pytest.mark.network]


def commands() -> list[str]:
    """The commands of the README's console blocks, without what they print."""
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def clone(destination: Path) -> None:
    """A copy of what git tracks here, or would: the tests run on uncommitted work too."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-c", "-o", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            place = destination / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place)


def run(command: str, directory: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_first_command_of_the_readme_builds_a_wheel_and_then_nothing(
    tmp_path: Path, empty_cache: Cache
) -> None:
    first = next(command for command in commands() if "python3.11 -m venv" in command)
    directory = tmp_path / "mpforge"
    clone(directory)
    environment = {**os.environ, "MPFORGE_CACHE": str(empty_cache.root), "MPFORGE_LOCKED": "0"}
    environment["PIP_NO_COMPILE"] = "1"  # most of the CPU time, for one run of each module

    run(first, directory, environment)
    wheels = [path.name for path in (directory / "dist").glob("*.whl")]
    again = run(".venv/bin/nox -s build-aarch64", directory, environment)

    assert len(wheels) == 1
    assert wheels[0].startswith("mpforge_hello-1.0-cp311-cp311-manylinux")
    assert wheels[0].endswith("_aarch64.whl")
    assert re.search(r"\* build-aarch64-cp311: skipped \(cached: [0-9a-f]{12}\)", again)
    assert re.search(r"\* build-aarch64: skipped \(cached: 1 of 1\)", again)
