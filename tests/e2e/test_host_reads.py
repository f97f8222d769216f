"""What gcc reads of this host, outside of a build's inputs: a change of it is a miss, by the real gcc."""

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.workspace import Workspace

pytestmark = [pytest.mark.gcc]

BUILD = f"build-{NATIVE}"
MAIN = """
    #include <stdio.h>
    #include <answer.h>
    #if __has_include(<more.h>)
    #include <more.h>
    #else
    #define MORE 0
    #endif
    int given(void);
    int main(void) { printf("%d %d %d\\n", ANSWER, given(), MORE); return 0; }
"""


def _library(folder: Path, value: int) -> None:
    """A static library that gives a value."""
    source, made = folder / "given.c", folder / "given.o"
    source.write_text(f"int given(void) {{ return {value}; }}\n")
    subprocess.run(["gcc", "-c", str(source), "-o", str(made)], check=True)
    subprocess.run(["ar", "rcs", str(folder / "libgiven.a"), str(made)], check=True)


@pytest.fixture(name="host")
def _host(quick: Workspace, place: Path) -> Path:
    """Directories of this host that a build looks for headers and libraries in, beside gcc's own."""
    host = place / "host"
    for name in ("first", "second"):
        (host / name).mkdir(parents=True)
    (host / "second/answer.h").write_text("#define ANSWER 1\n")
    _library(host / "second", 1)
    flags = " ".join(f"-I{host / name} -L{host / name}" for name in ("first", "second"))
    quick.edit(
        "multiplatform.toml", 'kind = "commands"', 'kind = "commands"\npolicy = "manylinux_2_40"'
    )
    quick.write("main.c", MAIN)
    quick.edit("multiplatform.toml", "[build]", f'[build]\nenvironment = {{ PLACES = "{flags}" }}')
    quick.write("build.sh", "mkdir out\n$CC -march=native main.c $PLACES -lgiven -o out/program\n")
    return host


def _printed(quick: Workspace) -> str:
    return subprocess.check_output([quick.dist / NATIVE / "out/program"], text=True).strip()


def test_what_gcc_read_of_the_host_or_looked_for_there_is_compared(
    quick: Workspace, host: Path
) -> None:
    assert quick.nox(BUILD).code == 0
    assert _printed(quick) == "1 1 0"
    explained = quick.mpforge("explain", "--inputs", BUILD).output
    assert f" {host}/second/answer.h\n" in explained
    assert " /proc/cpuinfo\n" in explained, "-march=native asks for the CPU"
    shutil.rmtree(quick.dist)
    assert BUILD in quick.nox(BUILD).cached
    (host / "second/answer.h").write_text("#define ANSWER 2\n")
    told = f"it read {host}/second/answer.h, which has changed"
    assert f"{BUILD}: would run ({told})" in quick.mpforge("plan", BUILD).output
    assert f"mpforge > commands for {NATIVE}: {told}" in quick.nox(BUILD).output
    assert _printed(quick) == "2 1 0"
    _library(host / "first", 3)
    told = f"it looked for {host}/first/libgiven.a, which has appeared"
    assert told in quick.nox(BUILD).output
    assert _printed(quick) == "2 3 0"
    (host / "second/more.h").write_text("#define MORE 1\n")
    assert BUILD in quick.nox(BUILD).did, "__has_include gives another answer"
    assert _printed(quick) == "2 3 1"
    (host / "second/answer.h").write_text("#define ANSWER 4\n")
    assert BUILD in quick.nox(BUILD).did
    (host / "second/answer.h").write_text("#define ANSWER 2\n")
    assert BUILD in quick.nox(BUILD).cached, "back to what it read before"
    assert _printed(quick) == "2 3 1"


def test_where_it_can_t_be_seen_what_gcc_reads_its_results_are_used_once(
    quick: Workspace, host: Path, place: Path
) -> None:
    program = place / "bin" / "gcc"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nunset LD_PRELOAD\nexec {shutil.which("gcc")} "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{quick.environment()['PATH']}"
    assert quick.nox(BUILD, env={"PATH": path}).code == 0
    (host / "second/answer.h").write_text("#define ANSWER 2\n")
    run = quick.nox(BUILD, env={"PATH": path})
    assert "it is unknown which host files it read" in run.output
    assert _printed(quick) == "2 1 0"


@pytest.mark.cross
@pytest.mark.network
def test_a_library_of_the_host_that_zig_linked_is_linked_and_grafted_again_when_it_changed(
    unbuilt: Workspace, place: Path
) -> None:
    """It needs one of a distribution's package, which the wheel names."""
    host = place / "host"
    host.mkdir()

    def library(version: int) -> None:
        (host / "given.c").write_text(f"int given(void) {{ return {version}; }}\n")
        made = host / f"libgiven.so.1.{version}"
        words = ["-Wl,-soname,libgiven.so.1", "-Wl,--no-as-needed", "-l:libbz2.so.1.0"]
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-o", made, host / "given.c", *words], check=True
        )
        for link in ("libgiven.so.1", "libgiven.so"):
            (host / link).unlink(missing_ok=True)
            (host / link).symlink_to(made.name)

    flags = f"-L{host} -Wl,-rpath,{host} -lgiven"
    unbuilt.edit("multiplatform.toml", 'targets = ["aarch64"]', f'targets = ["{NATIVE}"]')
    unbuilt.edit(
        "multiplatform.toml", "environment = {}", f'environment = {{ LDFLAGS = "{flags}" }}'
    )
    source = unbuilt.read("tiny/_tiny.c").replace("FromLong(42)", "FromLong(given())")
    unbuilt.write("tiny/_tiny.c", "int given(void);\n" + source)
    build = f"build-{NATIVE}-cp311"

    def grafted() -> list[str]:
        names = zipfile.ZipFile(unbuilt.wheel()).namelist()
        return [name for name in names if "/libgiven-" in name]

    library(1)
    assert build in unbuilt.nox(build).did
    (before,) = grafted()
    wheel = zipfile.ZipFile(unbuilt.wheel())
    (bill,) = [name for name in wheel.namelist() if name.endswith("/sboms/auditwheel.cdx.json")]
    assert "pkg:deb/debian/libbz2-1.0@" in wheel.read(bill).decode()
    library(2)
    output = unbuilt.nox(build).output
    for title in (f"the wheel for {NATIVE}-cp311", f"repair and verify {NATIVE}-cp311"):
        assert f"mpforge > {title}: it read {host}/libgiven.so" in output
    (after,) = grafted()
    assert after != before, "its name has its digest"
    assert build in unbuilt.nox(build).cached


def test_a_traced_build_names_what_it_read_and_its_key_does_not_have_and_stores_nothing(
    quick: Workspace,
) -> None:
    refused = quick.mpforge("explain", "--inputs", "--trace", BUILD, env={"PATH": "/nonexistent"})
    assert refused.code == 4
    assert "tool-unavailable: there is no strace on PATH" in refused.output
    if shutil.which("strace") is None:
        pytest.skip("this host has no strace")
    quick.edit("build.sh", "mkdir", "read -r line < /usr/share/common-licenses/MPL-2.0\nmkdir")
    traced = quick.mpforge("explain", "--inputs", "--trace", BUILD)
    assert traced.code == 0, str(traced)
    assert "  base-files\n" in traced.output
    assert "    /usr/share/common-licenses/MPL-2.0\n" in traced.output
    assert "/usr/bin/sh" not in traced.output
    assert "no result is stored" in quick.mpforge("explain", "--inputs", BUILD).output
