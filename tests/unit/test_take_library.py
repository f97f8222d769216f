"""Libraries that are taken from a wheel of the target."""

from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpforge.errors import OutputMissing, WheelRejected
from mpforge.kinds.take_library import TakingLibrary
from mpforge.kinds.task import Given, Task
from mpforge.kinds.wheel_libraries import given_libraries
from mpforge.places.step import StepDirectory
from mpforge.plan.steps import Identity, OutputOf, RepairWheel, Step, TakeLibrary
from tests.memory_store import MemoryStore
from tests.unit.elfmaker import AARCH64, X86_64, Elf

PC = "prefix=/project\nlibdir=${prefix}/lib\nVersion: 1\nLibs: -L${libdir} -lblas -Wl,-rpath,${libdir}\n"
INFO = "blas64-0.3.dist-info"


def take(tmp_path: Path, files: dict[str, str | bytes]) -> tuple[MemoryStore, Path]:
    """Take the library from installed packages with these files; return the store and the result."""
    packages, store = tmp_path / "packages", MemoryStore(tmp_path / "scratch")
    for name, content in files.items():
        path = packages / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    command = TakeLibrary("blas", OutputOf("wheel"), "aarch64", "manylinux_2_28")
    step = Step("library-blas", "blas for aarch64", command)
    given = Given({"packages": store.put_directory(packages)})
    directory = StepDirectory(tmp_path / "step")
    provision = cast("Any", SimpleNamespace(store=store))
    TakingLibrary().run(Task(step, given, directory, BytesIO()), command, provision)
    return store, directory.output


def test_a_library_is_headers_libraries_and_descriptions_of_the_package(tmp_path: Path) -> None:
    library = Elf(machine=AARCH64).data
    store, output = take(
        tmp_path,
        {
            "blas64/__init__.py": "import ctypes",
            "blas64/lib/__init__.py": "",
            "blas64/include/cblas.h": "int dot(void);",
            "blas64/lib/libblas.so": library,
            "blas64/lib/pkgconfig/blas.pc": PC,
            "blas64/lib/cmake/blas/BlasConfig.cmake": "",
            f"{INFO}/METADATA": "Name: blas64\nVersion: 0.3\nLicense-Expression: BSD-3-Clause\n\n",
            f"{INFO}/licenses/LICENSE.txt": "free",
            f"{INFO}/RECORD": "",
        },
    )
    assert sorted(p.relative_to(output).as_posix() for p in output.rglob("*") if p.is_file()) == [
        "include/cblas.h",
        "lib/cmake/blas/BlasConfig.cmake",
        "lib/libblas.so",
        "lib/pkgconfig/blas.pc",
        "share/licenses/blas/METADATA",
        "share/licenses/blas/licenses/LICENSE.txt",
    ]
    text = (output / "lib/pkgconfig/blas.pc").read_text()
    assert "prefix=${pcfiledir}/../.." in text
    assert "rpath" not in text

    # The wheel that it is linked into says so.
    reference = (("blas", OutputOf("library")),)
    identity = Identity(shared=True)
    command = RepairWheel(
        OutputOf("wheel"),
        "aarch64",
        "cp311",
        "manylinux_2_28",
        libraries=reference,
        identities=(("blas", identity),),
    )
    found = given_libraries(command, {"library.blas": store.put_directory(output)}, store)["blas"]
    assert (found.package, found.version) == ("blas64", "0.3")
    assert found.identity.license == "BSD-3-Clause"
    assert found.licenses == {"licenses/LICENSE.txt": b"free"}


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"pkg/__init__.py": "", "pkg/data/libx.txt": ""}, "no library"),
        ({"a/include/a.h": "", "b/lib/libb.a": b"!<arch>\n"}, "several prefixes: a, b"),
    ],
)
def test_a_wheel_without_one_prefix_is_refused(
    tmp_path: Path, files: dict[str, str | bytes], told: str
) -> None:
    with pytest.raises(OutputMissing, match=told):
        take(tmp_path, files)


def test_a_library_for_another_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WheelRejected, match=r"lib/libx\.so"):
        take(tmp_path, {"x/lib/libx.so": Elf(machine=X86_64).data})
