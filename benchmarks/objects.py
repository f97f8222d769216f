"""What a rebuild of a large C++ extension costs after one edit, with objects reused and from nothing.

``python benchmarks/objects.py [--directory DIR] [--target NAME]`` fetches JPype (one extension of some 50
files of C++), builds it by ``nox -s build`` without any object, edits one file and builds it again, then
edits a header that all include; each state is built from nothing too. CPU seconds, user and system, of the
step that makes the wheel, as a Markdown table. Exit status 1: a wheel is not what building it from
nothing gives.
"""

import argparse
import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from _packages import fetch, lay_out, line, nox

REQUIREMENT = "JPype1==1.5.0"
SPEC = 'schema = 1\n\n[project]\npython = ["cp311"]\ntargets = ["{}"]\n'
FILE, HEADER = "native/common/jp_method.cpp", "native/common/include/jpype.h"
OFF = {"MPFORGE_COMPILER_CACHE": "0"}
ANEW = {"MPFORGE_NO_CACHE": "1"}
HEAD = ("case", "CPU s", "÷ from nothing", "objects reused", "compiled")


@dataclass(frozen=True)
class Built:
    """One build: the CPU seconds of its wheel's step, objects reused and compiled, the wheel's sha256."""

    cpu_seconds: float
    reused: int
    compiled: int
    wheel: str


def build(folder: Path, cache: Path, variables: Mapping[str, str]) -> Built:
    """Build it, if what is there is not what the sources give."""
    with mock.patch.dict(os.environ, variables):
        ran = nox(folder, cache, "build")
    if ran.returncode:
        raise SystemExit(f"{folder} was not built:\n{ran.said[-3000:]}")
    cpu = sum(
        e["cpu_seconds"]
        for e in ran.events
        if e["event"] == "StepEnded" and e["step"].startswith("wheel-")
    )
    told = [e for e in ran.events if e["event"] == "Reused"]
    (wheel,) = (folder / "dist").glob("*.whl")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    counts = (told[0]["reused"], told[0]["compiled"]) if told else (0, len(list(sources(folder))))
    return Built(cpu, *counts, digest)


def sources(folder: Path) -> list[Path]:
    """The extension's files of C++."""
    return [*folder.glob("native/common/*.cpp"), *folder.glob("native/python/*.cpp")]


def edit(path: Path, number: int) -> None:
    """Change what a file compiles to."""
    with path.open("a", encoding="utf-8") as file:
        file.write(
            f"\nstatic const char mpforge_edit_{number}[] [[gnu::used]] = 'edit {number}';\n".replace(
                "'", '"'
            )
        )


def measure(folder: Path, cache: Path) -> list[tuple[str, Built, Built]]:
    """Each case: its name, with objects reused, from nothing."""
    build(folder, cache, OFF)  # fetches tools, makes zig's libraries and the build environment
    found = []
    for number, (name, place) in enumerate(
        (("first build", FILE), (f"{FILE} edited", FILE), (f"{HEADER} edited", HEADER))
    ):
        edit(folder / place, number)
        found.append((name, build(folder, cache, {}), build(folder, cache, ANEW)))
    return found


def main() -> int:
    """Fetch, build, edit, build, compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = Path(tempfile.gettempdir()) / "mpforge-objects"
    parser.add_argument("--directory", type=Path, default=default, help="kept between calls")
    parser.add_argument("--target", default="aarch64")
    given = parser.parse_args()
    directory: Path = given.directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as place:
        source = fetch(REQUIREMENT, Path(place), directory / "pip.log")
        if source is None:
            raise SystemExit(f"{REQUIREMENT} was not fetched: see {directory / 'pip.log'}")
        folder = Path(place) / "project"
        lay_out(source, folder, SPEC.format(given.target))
        found = measure(folder, directory / "cache")
    sys.stdout.write(line(HEAD) + line(["---"] * len(HEAD)))
    for name, built, anew in found:
        ratio = f"{built.cpu_seconds / anew.cpu_seconds:.2f}"
        cells = (f"{built.cpu_seconds:.1f}", ratio, str(built.reused), str(built.compiled))
        sys.stdout.write(line((name, *cells)))
        sys.stdout.write(
            line(("the same from nothing", f"{anew.cpu_seconds:.1f}", "1", "0", "all"))
        )
    return int(any(built.wheel != anew.wheel for _, built, anew in found))


if __name__ == "__main__":
    sys.exit(main())
