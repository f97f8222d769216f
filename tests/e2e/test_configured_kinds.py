"""CMake, Meson and autotools: builds that configure, run what they just built, and install."""

import shutil
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.e2e.workspace import NOXFILE, Cache, Workspace

pytestmark = [pytest.mark.cross, pytest.mark.network, pytest.mark.emulation]

ROOT = Path(__file__).parents[2]
SPEC = """
    schema = 1

    [project]
    targets = ["aarch64"]

    [build]
    kind = "{kind}"

    [test]
    command = ["{{run}} {{dest_dir}}/bin/hello"]
"""
# A generator for the target, run by the emulator, and one for the machine that builds.
MESON = """
    project('hello', 'c')

    target_gen = executable('target_gen', 'gen.c')
    build_gen = executable('build_gen', 'gen.c', native: true)
    headers = []
    foreach name, gen : {'target': target_gen, 'build': build_gen}
      headers += custom_target(
        name, output: name + '.h', command: [gen, name.to_upper(), '@OUTPUT@'])
    endforeach
    executable('hello', 'hello.c', headers, install: true)
"""
GENERATOR = """
    #include <stdio.h>

    int main(int argc, char **argv)
    {
        FILE *out = fopen(argv[2], "w");
    #ifdef __aarch64__
        fprintf(out, "#define %s_MACHINE \\"aarch64\\"\\n", argv[1]);
    #else
        fprintf(out, "#define %s_MACHINE \\"another\\"\\n", argv[1]);
    #endif
        return fclose(out);
    }
"""
HELLO = """
    #include <stdio.h>
    #include "build.h"
    #include "target.h"

    int main(void)
    {
        puts("target: " TARGET_MACHINE ", build: " BUILD_MACHINE);
        return 0;
    }
"""
CONFIGURE_AC = """
    AC_INIT([hello], [1.0])
    AM_INIT_AUTOMAKE([foreign])
    AC_PROG_CC
    AC_CANONICAL_HOST
    AC_CONFIG_FILES([Makefile])
    AC_OUTPUT
"""
# What a configure script does first: it reads the site file.
COMMANDS = """
    kind = "commands"
    commands = ['''
    host_alias=aarch64-linux-gnu
    cross_compiling=maybe; . "$CONFIG_SITE"; maybe=$cross_compiling
    cross_compiling=no; . "$CONFIG_SITE"
    echo "maybe: $maybe, no: $cross_compiling" > told
    ''']
    outputs = ["told"]
"""
MAKEFILE_AM = """
    bin_PROGRAMS = hello
    hello_SOURCES = hello.c
"""


@pytest.fixture
def workspace(tools: Path, tmp_path: Path) -> Workspace:
    """An empty checkout with a noxfile."""
    place = Workspace(tmp_path / "checkout", Cache.sharing(tools, tmp_path / "cache"))
    place.write("noxfile.py", NOXFILE)
    return place


def machine(path: Path) -> str:
    with path.open("rb") as file:
        return str(ELFFile(file).header.e_machine)


def test_a_cmake_project_that_runs_its_own_generator_is_crossed_by_the_emulator(
    tools: Path, tmp_path: Path
) -> None:
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "examples" / "hello-cmake", root)
    place = Workspace(root, Cache.sharing(tools, tmp_path / "cache"))
    run = place.nox("test-aarch64")
    assert run.code == 0, str(run)
    assert machine(place.dist / "aarch64" / "bin" / "hello") == "EM_AARCH64"
    assert "9 * 9 = 81, said a program for aarch64" in place.log("test-aarch64")
    again = place.nox("test-aarch64")
    assert again.did == set(), str(again)


def test_a_meson_project_has_compilers_and_generators_of_both_machines(
    workspace: Workspace,
) -> None:
    workspace.write("multiplatform.toml", SPEC.format(kind="meson"))
    workspace.write("meson.build", MESON)
    workspace.write("gen.c", GENERATOR)
    workspace.write("hello.c", HELLO)
    run = workspace.nox("test-aarch64")
    assert run.code == 0, str(run)
    assert machine(workspace.dist / "aarch64" / "bin" / "hello") == "EM_AARCH64"
    assert "target: aarch64, build: another" in workspace.log("test-aarch64")


def test_a_configure_script_that_is_told_of_the_target_alone_knows_that_it_crosses(
    workspace: Workspace,
) -> None:
    """Autoconf says "maybe" then, and runs what it compiled, which an emulator of the kernel's may run."""
    spec = SPEC.format(kind="commands").replace('kind = "commands"', COMMANDS.strip())
    workspace.write("multiplatform.toml", spec)
    run = workspace.nox("build-aarch64")
    assert run.code == 0, str(run)
    assert (workspace.dist / "aarch64" / "told").read_text() == "maybe: yes, no: no\n"


@pytest.mark.autotools
def test_a_configure_script_is_told_the_target_and_what_make_installs_is_shipped(
    workspace: Workspace,
) -> None:
    workspace.write("multiplatform.toml", SPEC.format(kind="autotools"))
    workspace.write("configure.ac", CONFIGURE_AC)
    workspace.write("Makefile.am", MAKEFILE_AM)
    workspace.write("hello.c", '#include <stdio.h>\nint main(void) { return puts("hi") < 0; }\n')
    subprocess.run(["autoreconf", "--install"], cwd=workspace.root, check=True, capture_output=True)
    run = workspace.nox("test-aarch64")
    assert run.code == 0, str(run)
    assert machine(workspace.dist / "aarch64" / "bin" / "hello") == "EM_AARCH64"
    log = workspace.log("build-aarch64")
    assert "checking host system type... aarch64-unknown-linux-gnu" in log
    # Also where the kernel starts an emulator for what configure has compiled.
    assert "$ ./configure --build=" in log
