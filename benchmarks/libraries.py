"""Measure what native libraries cost a build that only has to use them: all of them are in the store.

``python benchmarks/libraries.py [--rounds N] [--directory DIR]``: the same C extension is built for aarch64
with ``libraries = ["libxslt"]`` (three libraries) and without, in turn, each time from a new source. Seconds
are CPU, user and system, of the whole ``mpforge run``. The store is MPFORGE_CACHE's.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SPEC = """\
schema = 1
[project]
python = ["cp311"]
targets = ["aarch64"]
[build]
{libraries}
"""
PROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "uses-{name}"
version = "1.0"
"""
SETUP = (
    'from setuptools import Extension, setup\nsetup(ext_modules=[Extension("uses", ["uses.c"])])\n'
)
SOURCE = """\
#include <Python.h>
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "uses", "round {round} of {process}", -1, 0}};
PyMODINIT_FUNC PyInit_uses(void) {{ return PyModule_Create(&module); }}
"""


def make(folder: Path, name: str, libraries: str) -> Path:
    """Write a project; return its directory."""
    place = folder / name
    place.mkdir()
    (place / "multiplatform.toml").write_text(SPEC.format(libraries=libraries))
    (place / "pyproject.toml").write_text(PROJECT.format(name=name))
    (place / "setup.py").write_text(SETUP)
    return place


def build(place: Path, number: int) -> float:
    """Build a project from a new source; return the CPU seconds."""
    text = SOURCE.format(round=number, process=os.getpid())
    (place / "uses.c").write_text(text)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    argv = [sys.executable, "-m", "mpforge", "run", "build-aarch64-cp311"]
    subprocess.run(argv, cwd=place, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure, and print each round's figures and the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--directory", type=Path, help="for the projects; default: a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as folder:
        with_them = make(Path(folder), "libraries", 'libraries = ["libxslt"]')
        without = make(Path(folder), "nothing", "")
        for place in (with_them, without):
            build(place, 0)  # makes the libraries and all tools
        pairs = []
        for number in range(1, arguments.rounds + 1):
            pairs.append((build(with_them, number), build(without, number)))
            print("with {:.2f}, without {:.2f} CPU s".format(*pairs[-1]), flush=True)
    ours, other = map(statistics.median, zip(*pairs, strict=True))
    difference = statistics.median(a - b for a, b in pairs)
    print(
        f"medians: with {ours:.2f}, without {other:.2f}; of the differences: {difference:.2f} CPU s"
    )


if __name__ == "__main__":
    main()
