"""What a rebuild of a large C++ extension costs after an edit, with objects reused and from nothing.

``python benchmarks/objects.py [--directory DIR] [--target NAME] [--header]`` fetches JPype (one extension of
some 50 files of C++), builds it by ``nox -s build`` without any object, edits one file, builds it again, and
then from nothing; with ``--header`` the same for a header that all files include. CPU seconds, user and
system, of the step that makes the wheel, as a Markdown table. A first call also makes zig's C++
libraries in that step. Exit status 1: a wheel is not what building it from nothing gives.
"""

import argparse
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from _packages import fetch, lay_out, line, nox

REQUIREMENT = "JPype1==1.5.0"
SPEC = 'schema = 1\n\n[project]\npython = ["cp311"]\ntargets = ["{}"]\n'
FILE, HEADER = "native/common/jp_method.cpp", "native/common/include/jpype.h"
ANEW = {"MPFORGE_NO_CACHE": "1"}
HEAD = ("case", "CPU s", "objects reused", "compiled")


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
        name = f"mpforge_edit_{number}"
        file.write(f'\nstatic const char {name}[] __attribute__((used)) = "edit";\n')


def measure(folder: Path, cache: Path, edited: Sequence[str]) -> Iterator[tuple[str, Built]]:
    """Each case: its name, and what came of it."""
    yield "first build, no objects yet", build(folder, cache, {})
    for number, name in enumerate(edited):
        edit(folder / name, number)
        yield f"{name} edited", build(folder, cache, {})
        yield "the same from nothing", build(folder, cache, ANEW)


def main() -> int:
    """Fetch, build, edit, build, compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = Path(tempfile.gettempdir()) / "mpforge-objects"
    parser.add_argument("--directory", type=Path, default=default, help="kept between calls")
    parser.add_argument("--target", default="aarch64")
    parser.add_argument("--header", action="store_true", help="a header too")
    given = parser.parse_args()
    directory: Path = given.directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(line(HEAD) + line(["---"] * len(HEAD)))
    wheels = []
    with tempfile.TemporaryDirectory(dir=directory) as place:
        source = fetch(REQUIREMENT, Path(place), directory / "pip.log")
        if source is None:
            raise SystemExit(f"{REQUIREMENT} was not fetched: see {directory / 'pip.log'}")
        folder = Path(place) / Path(place).name  # by its name objects are known: none are there yet
        lay_out(source, folder, SPEC.format(given.target))
        for name, built in measure(folder, directory / "cache", [FILE, HEADER][: 1 + given.header]):
            cells = (name, f"{built.cpu_seconds:.1f}", str(built.reused), str(built.compiled))
            sys.stdout.write(line(cells))
            sys.stdout.flush()
            wheels.append(built.wheel)
    return int(any(wheels[n] != wheels[n + 1] for n in range(1, len(wheels), 2)))


if __name__ == "__main__":
    sys.exit(main())
