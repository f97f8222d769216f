"""The compilers of a target, made as for a step: fixtures and what tests ask of their results."""

import contextlib
from pathlib import Path

import pytest

from mpforge import processes
from mpforge.platforms import well_known
from mpforge.processes import Captured
from mpforge.store.tool_store import ToolStore, ToolTree
from mpforge.toolchains import compiler_wrappers, target_view
from mpforge.toolchains.target_view import Surroundings, View
from mpforge.toolchains.zig import Runtime, Zig, prime, private_cache

AARCH64 = well_known()["aarch64"]


POLICY = "manylinux_2_17"
PATH = "/usr/bin:/bin"


@pytest.fixture(scope="session")
def zig(request: pytest.FixtureRequest) -> tuple[Zig, ToolTree]:
    """zig of the development environment and its cache, made once for all runs."""
    ziglang = pytest.importorskip("ziglang", reason="the package ziglang is not installed")
    from importlib.metadata import version

    found = Zig(Path(ziglang.__file__).parent / "zig", version("ziglang"), version("ziglang"))
    store = ToolStore(request.config.cache.mkdir("mpforge-tools"))
    triple = compiler_wrappers.zig_target(AARCH64, POLICY)
    runtime = Runtime(found.digest, triple, compiler_wrappers.flags(AARCH64))
    return found, prime(found, runtime, "c++", store, lambda _: contextlib.nullcontext())


class Step:
    """A directory in which compilers are called with the variables of a step."""

    def __init__(self, directory: Path, view: Path, zig: tuple[Zig, ToolTree]) -> None:
        directory.mkdir(parents=True)
        self.directory = directory
        self.log = directory / "notes"
        there = Surroundings(
            zig=zig[0].path,
            zig_cache=private_cache([zig[1]], directory / "global"),
            scratch=directory / "scratch",
            step=directory,
            log=self.log,
        )
        shown = View(AARCH64, POLICY, cross=True)
        self.environment = {"PATH": PATH} | target_view.compiler_environment(view, shown, there)

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def call(self, variable: str, *arguments: str) -> Captured:
        argv = [self.environment[variable], *arguments]
        return processes.capture(argv, environment=self.environment, cwd=self.directory)

    def must(self, variable: str, *arguments: str) -> None:
        answer = self.call(variable, *arguments)
        assert answer.returncode == 0, answer.stderr


@pytest.fixture
def step(tmp_path: Path, zig: tuple[Zig, ToolTree]) -> Step:
    target_view.make_view(tmp_path / "tree", View(AARCH64, POLICY, cross=True))
    return Step(tmp_path / "step", tmp_path / "tree", zig)


C = """
#include <math.h>
#include <stdio.h>
const char *where(void) { return __FILE__; }
double f(double x) { printf("%s", where()); return pow(x, 2.5); }
"""


def machine_and_glibc(path: Path) -> tuple[str, tuple[int, ...]]:
    """The ELF header's machine, and the highest version of glibc that a symbol needs."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.gnuversions import GNUVerNeedSection

    with path.open("rb") as file:
        elf = ELFFile(file)
        names = [
            auxiliary.name
            for section in elf.iter_sections()
            if isinstance(section, GNUVerNeedSection)
            for _, auxiliaries in section.iter_versions()
            for auxiliary in auxiliaries
        ]
        found = [name.removeprefix("GLIBC_") for name in names if name.startswith("GLIBC_")]
        versions = [tuple(int(part) for part in name.split(".")) for name in found]
        return elf["e_machine"], max(versions, default=(0,))
