"""What crossing gets wrong in a project, as its user is told of it."""

import re
import zipfile
from pathlib import Path

import pytest

from mpforge.artifacts.elf import read
from tests.e2e.workspace import NOXFILE, Cache, Run, Workspace

pytestmark = [pytest.mark.cross, pytest.mark.network]

BUILD = "build-aarch64"
SPEC = """
    schema = 1

    [project]
    targets = ["aarch64"]

    [build]
    kind = "commands"
    outputs = ["out"]
"""
MAIN = '#include "own.h"\nint main(void) { return OWN; }\n'


@pytest.fixture
def plain(tools: Path, place: Path) -> Workspace:
    """A C program that shell lines are to build for aarch64; ``host/include`` beside it is the host's."""
    workspace = Workspace(place / "project", Cache.sharing(tools, place / "cache"))
    workspace.write("noxfile.py", NOXFILE)
    workspace.write("main.c", MAIN)
    workspace.write("own.h", "#define OWN 0\n")
    workspace.write("../host/include/z.h", "#define Z 1\n")
    return workspace


def build(workspace: Workspace, *lines: str, more: str = "") -> Run:
    """Build by shell lines."""
    workspace.write("multiplatform.toml", SPEC + f"    commands = {list(lines)!r}\n{more}\n")
    return workspace.nox(BUILD)


# --- headers and libraries of the host --------------------------------------------------------


def test_an_optional_extension_that_is_left_out_for_a_directory_of_the_host_fails_the_build(
    unbuilt: Workspace,
) -> None:
    include = "/usr/include/linux"  # other directories are not there for a build
    unbuilt.write("tiny/_more.c", unbuilt.read("tiny/_tiny.c").replace("_tiny", "_more"))
    unbuilt.write(
        "setup.py",
        f"""
        from setuptools import Extension, setup

        more = Extension(
            "tiny._more", ["tiny/_more.c"], optional=True, include_dirs=["{include}"]
        )
        setup(ext_modules=[Extension("tiny._tiny", ["tiny/_tiny.c"]), more])
        """,
    )
    run = unbuilt.nox(BUILD)
    assert run.code == 1, str(run)
    assert "host-leak: the wheel for aarch64-cp311 succeeded, but without" in run.output
    assert f"-I{include} (setup.py:4)" in run.output
    assert "the call: cc " in run.output
    assert "-c tiny/_more.c" in run.output
    assert unbuilt.wheels() == []


def test_a_build_that_fails_for_a_directory_of_the_host_is_told_so(plain: Workspace) -> None:
    host = (plain.root / "../host/include").resolve()
    run = build(plain, f"ln -s {host} linked", "$CC -Ilinked -c main.c -o out")
    assert run.code == 1, str(run)
    assert "host-leak: commands for aarch64 failed: it names linked of this host" in run.output


def test_a_check_that_names_the_host_is_answered_with_no_and_told(plain: Workspace) -> None:
    host = (plain.root / "../host/include").resolve()
    check = f"! $CC -I{host} -c conftest.c -o conftest.o"
    run = build(plain, "echo '#include <z.h>' > conftest.c", check, "$CC main.c -o out")
    assert run.code == 0, str(run)
    (warning,) = run.warnings
    assert warning.endswith(f"name this host's files failed: -I{host}")


def test_a_wheel_does_not_look_for_libraries_in_a_directory_of_this_machine(
    unbuilt: Workspace,
) -> None:
    unbuilt.write(
        "setup.py",
        """
        from setuptools import Extension, setup

        places = ["/usr/lib/vendor", "$ORIGIN/libs"]
        tiny = Extension("tiny._tiny", ["tiny/_tiny.c"], runtime_library_dirs=places)
        setup(ext_modules=[tiny])
        """,
    )
    run = unbuilt.nox(BUILD)
    assert run.code == 0, str(run)
    with zipfile.ZipFile(unbuilt.wheel()) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".so"))
        module = Path(archive.extract(name, unbuilt.root / "looked-at"))
    assert read(module).rpaths == ("$ORIGIN/libs",)


def test_a_question_that_this_machine_answers_for_the_target_is_told(plain: Workspace) -> None:
    plain.write("Makefile", "out: main.c\n\t$(CC) -DARCH=$(shell uname -m) -o out main.c\n")
    run = build(plain, "make CC=$CC")
    assert run.code == 0, str(run)
    (warning,) = run.warnings
    assert "Makefile:2 (uname -m) gets this machine's name" in warning


# --- flags of this machine's CPU --------------------------------------------------------------


def test_a_dropped_march_native_is_told_each_time_that_the_result_is_made_or_found(
    plain: Workspace,
) -> None:
    for _ in range(2):
        run = build(plain, "$CC -march=native -Wl,-O1 main.c -o out")
        assert run.code == 0, str(run)
        (warning,) = run.warnings
        assert "-march=native (multiplatform.toml" not in warning, "it is no file of the build"
        assert "-march=native was dropped: it selects this machine's CPU" in warning
        (plain.dist / "aarch64" / "out").unlink()
    assert "compiler: dropped -Wl,-O1" in plain.log(BUILD)


# --- programs of the target -------------------------------------------------------------------


def test_a_build_that_runs_what_it_made_for_the_target_is_told_how_to(plain: Workspace) -> None:
    run = build(plain, "$CC main.c -o generate", "./generate > out")
    assert run.code == 1, str(run)
    assert "ran-target-program" in run.output
    # Where the kernel starts it by QEMU (scripts/setup-system.sh registers that), no line names it.
    said = re.search(r"ran (\S+|a program), which is built for the target", run.output)
    assert said is not None
    assert said[1] in {"./generate", "a program"}
    assert "{run}" in run.output
    assert "$CC_FOR_BUILD" in run.output


# --- CMake and Meson --------------------------------------------------------------------------

FETCHES = """
    cmake_minimum_required(VERSION 3.20)
    project(x NONE)
    file(DOWNLOAD https://downloads.invalid/fmt-11.0.zip fmt.zip EXPECTED_HASH MD5=00)
"""
ASSERTS = """
    project('x', 'c')
    cc = meson.get_compiler('c')
    assert(cc.sizeof('struct nope') > 0, 'struct nope is not there')
"""


@pytest.mark.offline
def test_a_cmake_project_that_downloads_is_refused_with_the_address(plain: Workspace) -> None:
    plain.write("CMakeLists.txt", FETCHES)
    run = build(plain, "cmake -S . -B b -G Ninja", more='tools = ["cmake", "ninja"]')
    assert run.code == 1, str(run)
    assert "network-refused" in run.output
    assert "it tried to reach https://downloads.invalid/fmt-11.0.zip" in run.output
    assert "network = true" in run.output


def test_a_failed_check_of_meson_is_told_with_the_end_of_its_log(plain: Workspace) -> None:
    plain.write("meson.build", ASSERTS)
    plain.write("multiplatform.toml", SPEC.replace("commands", "meson"))
    run = plain.nox(BUILD)
    assert run.code == 1, str(run)
    assert "meson.build:3:0: ERROR: Assert failed: struct nope is not there" in run.output
    assert "incomplete type 'struct nope'" in plain.log(BUILD), "what the compiler said of it"
