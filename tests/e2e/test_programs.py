"""Programs that steps call: in the key, declared, or missing with the remedy."""

import os
from pathlib import Path

import pytest

from tests.e2e.plain_project import (
    BUILD,
    HERE,
    program,
    seeing,
    spec,
    write_plain,
)
from tests.e2e.workspace import Workspace

pytestmark = [pytest.mark.gcc]


@pytest.mark.parametrize(("name", "declared"), [("frobnicate", True), ("yes", False)])
def test_a_program_with_other_content_is_another_key_whatever_its_times_say(
    plain: Workspace, place: Path, name: str, declared: bool
) -> None:
    folder = place / "programs"
    path = program(folder, name, "echo one")
    write_plain(plain, f"{name} > seen.txt")
    plain.edit("multiplatform.toml", '"out.txt"', '"seen.txt"')
    if declared:
        spec(plain, f'tools = ["{name}"]')
    assert plain.nox(BUILD, env=seeing(folder)).code == 0
    built = plain.dist / HERE / "seen.txt"
    assert built.read_text() == "one\n"
    assert BUILD in plain.nox(BUILD, env=seeing(folder)).cached
    before = path.stat()
    program(folder, name, "echo two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    run = plain.nox(BUILD, env=seeing(folder))
    assert run.code == 0, str(run)
    assert BUILD in run.did
    assert built.read_text() == "two\n"


def test_a_program_that_no_step_may_call_is_no_part_of_a_key(plain: Workspace, place: Path) -> None:
    folder = place / "programs"
    program(folder, "frobnicate", "echo one")
    assert plain.nox(BUILD, env=seeing(folder)).code == 0
    program(folder, "frobnicate", "echo two")
    assert BUILD in plain.nox(BUILD, env=seeing(folder)).cached


def test_a_file_that_the_spec_names_is_part_of_a_key(plain: Workspace, place: Path) -> None:
    data = place / "given" / "data"
    data.parent.mkdir()
    data.write_text("one")
    write_plain(plain, "cat $DATA/data > seen.txt")
    plain.edit("multiplatform.toml", '"out.txt"', '"seen.txt"')
    spec(plain, f'environment = {{ DATA = "{data.parent}" }}')
    assert plain.nox(BUILD).code == 0
    assert BUILD in plain.nox(BUILD).cached
    data.write_text("two")
    run = plain.nox(BUILD)
    assert BUILD in run.did, str(run)
    assert (plain.dist / HERE / "seen.txt").read_text() == "two"


def test_explain_names_the_program_that_changed(plain: Workspace, place: Path) -> None:
    folder = place / "programs"
    program(folder, "yes", "echo one")
    assert plain.nox(BUILD, env=seeing(folder)).code == 0
    program(folder, "yes", "echo two")
    told = plain.mpforge("explain", BUILD, env=seeing(folder))
    assert "program.yes changed" in told.output


def test_a_declared_tool_of_another_version_can_t_be_used_here(
    plain: Workspace, place: Path
) -> None:
    folder = place / "programs"
    program(folder, "frobnicate", "echo frobnicate v1.2.3 of 2020")
    write_plain(plain, "frobnicate")
    spec(plain, 'tools = ["frobnicate>=1.2"]')
    assert plain.nox(BUILD, env=seeing(folder)).code == 0
    plain.edit("multiplatform.toml", ">=1.2", ">=2")
    run = plain.mpforge("run", BUILD, env=seeing(folder))
    assert run.code == 4, str(run)
    assert "tool-unavailable: frobnicate>=2 was declared, but this host has frobnicate 1.2.3" in (
        run.output
    )


def test_a_declared_tool_that_is_not_here_is_named(plain: Workspace) -> None:
    spec(plain, 'tools = ["frobnicate"]')
    run = plain.mpforge("run", BUILD)
    assert run.code == 4, str(run)
    assert "tool-unavailable: there is no frobnicate on this host's PATH" in run.output
    assert "install frobnicate here" in run.output


@pytest.mark.network
def test_cmake_and_ninja_from_pinned_wheels_build_a_program(plain: Workspace) -> None:
    plain.write(
        "CMakeLists.txt",
        """
        cmake_minimum_required(VERSION 3.28)
        project(hello C)
        add_executable(hello hello.c)
        """,
    )
    plain.write("hello.c", '#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n')
    write_plain(plain, "cmake -G Ninja -B build && cmake --build build && build/hello")
    spec(plain, 'tools = ["cmake>=3.28", "ninja"]')
    run = plain.nox(BUILD)
    assert run.code == 0, str(run)
    assert "hello\n" in plain.log(BUILD)
    lock = plain.read("multiplatform.lock")
    assert 'name = "cmake"' in lock
    assert 'name = "ninja"' in lock
    assert BUILD in plain.nox(BUILD, env={"MPFORGE_LOCKED": "1"}).cached


@pytest.mark.parametrize(
    ("command", "how"),
    [
        ('"frobnicate --all"', "sh"),
        ('["frobnicate", "--all"]', "exec"),
        ("\"bash -c 'frobnicate; exit 3'\"", "bash"),
        ('"make -f rules.mk"', "make"),
        ('"env frobnicate"', "env"),
        ('"python3 -c \'import subprocess; subprocess.run([\\"frobnicate\\"])\'"', "Python"),
    ],
)
def test_a_program_that_a_step_calls_in_vain_is_named_with_the_remedy(
    plain: Workspace, place: Path, command: str, how: str
) -> None:
    folder = place / "programs"
    program(folder, "frobnicate", "echo made > out.txt")
    plain.write("rules.mk", "all:\n\tfrobnicate --all\n")
    plain.edit("multiplatform.toml", '"./make.sh"', command)
    spec(plain, 'tools = ["python3"]')
    run = plain.nox(BUILD, env=seeing(folder))
    assert run.code == 1, str(run)
    assert run.reason(BUILD).startswith("tool-not-declared: "), how
    assert 'tools = ["frobnicate"]' in run.output
    plain.edit("multiplatform.toml", 'tools = ["python3"]', 'tools = ["python3", "frobnicate"]')
    if how == "sh":
        run = plain.nox(BUILD, env=seeing(folder))
        assert run.code == 0, str(run)


@pytest.mark.cross
@pytest.mark.network
def test_a_program_that_setup_py_misses_is_named(unbuilt: Workspace) -> None:
    script = unbuilt.read("setup.py")
    call = 'import sys\nif "bdist_wheel" in sys.argv:\n    spawn(["swig", "x.i"])\n'
    head = "from distutils.spawn import spawn\n"
    unbuilt.write("setup.py", f"from setuptools import Extension, setup\n{head}{call}{script}")
    run = unbuilt.nox("build-aarch64-cp311")
    assert run.code == 1, str(run)
    reason = run.reason("build-aarch64-cp311")
    assert "tool-not-declared: the wheel for aarch64-cp311: the step has no program swig" in reason
    assert 'tools = ["swig"]' in run.output
