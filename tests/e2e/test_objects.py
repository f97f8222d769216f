"""Objects of unchanged files survive a rebuild, and nothing else of what a build gives changes."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.e2e.conftest import COMMANDS, NOXFILE
from tests.e2e.workspace import Cache, Gate, Run, Workspace

pytestmark = pytest.mark.cross

BUILD = """
    set -e
    mkdir out
    for file in one.c two.c; do $CC $CFLAGS -O2 -Wall -Ifirst -Isecond -c $file -o ${file%.c}.o; done
    $CXX -O2 -g -Ifirst -Isecond -c "$PWD/three.cpp" -o three.o
    cp *.o out/
"""
ONE = '#include "shared.h"\nint one(void) { int unused; return SHARED; }\n'
TWO = '#include "alone.h"\nconst char *two(void) { return __FILE__ ALONE; }\n'
THREE = (
    '#include "shared.h"\n#include <vector>\nint three() { return std::vector<int>(SHARED)[0]; }\n'
)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two files of C and one of C++, with a header of their own and a shared one; built once."""
    place = tmp_path_factory.mktemp("objects")
    workspace = Workspace(place / "quick", Cache(place / "cache"))
    workspace.write("noxfile.py", NOXFILE)
    workspace.write("multiplatform.toml", COMMANDS)
    workspace.write("build.sh", BUILD)
    files = {"one.c": ONE, "two.c": TWO, "three.cpp": THREE}
    headers = {"second/shared.h": "#define SHARED 1\n", "second/alone.h": '#define ALONE "1"\n'}
    for path, text in {**files, **headers}.items():
        workspace.write(path, text)
    workspace.write("first/other.h", "")
    built = workspace.nox("build")
    assert built.code == 0, str(built)
    assert told(workspace) == ["objects: 0 reused, 3 compiled: one.c, two.c, src/three.cpp"]
    shutil.copytree(workspace.cache.root / "store", place / "store")
    return workspace


@pytest.fixture
def project(compiled: Workspace, place: Path) -> Workspace:
    """A copy of what was built; its cache is as it was then."""
    store, kept = compiled.cache.root / "store", compiled.root.parent / "store"
    shutil.rmtree(store)
    shutil.copytree(kept, store)
    return compiled.copy(place / "quick")


def told(workspace: Workspace) -> list[str]:
    """What the log of the last build says of objects."""
    (session,) = (path.stem for path in (workspace.root / ".mpforge" / "logs").glob("build-*.log"))
    lines = workspace.log(session).splitlines()
    return [line for line in lines if line.startswith("objects: ")]


def rebuilt(workspace: Workspace, **env: str) -> Run:
    run = workspace.nox("build", env=env)
    assert run.code == 0, str(run)
    return run


def outputs(workspace: Workspace) -> dict[str, bytes]:
    return {name: (workspace.dist / name).read_bytes() for name in workspace.published()}


def assert_as_from_nothing(workspace: Workspace, place: Path) -> None:
    """What is published is what the same sources give in another directory with an empty cache."""
    other = workspace.copy(place / "from nothing" / "x", Cache(place / "other-cache"))
    ended = other.nox("build", env={"MPFORGE_NO_CACHE": "1"})
    assert ended.code == 0, str(ended)
    assert told(other) == []
    assert outputs(other) == outputs(workspace)


def test_after_a_file_was_edited_it_alone_is_compiled(project: Workspace, place: Path) -> None:
    project.edit("one.c", "return SHARED", "return 2 * SHARED")
    run = rebuilt(project)
    assert "mpforge > 2 objects reused, 1 compiled" in run.output
    assert told(project) == ["objects: 2 reused, 1 compiled: one.c"]
    assert "unused variable" in project.log(next(iter(run.did - {"build"})))
    assert_as_from_nothing(project, place)
    # What the compiler said of a file that is reused is said again.
    project.edit("two.c", "ALONE;", 'ALONE "x";')
    run = rebuilt(project)
    assert told(project) == ["objects: 2 reused, 1 compiled: two.c"]
    assert "unused variable" in project.log(next(iter(run.did - {"build"})))


def test_after_a_header_was_edited_what_includes_it_is_compiled(
    project: Workspace, place: Path
) -> None:
    project.write("second/shared.h", "#define SHARED 2\n")
    rebuilt(project)
    assert told(project) == ["objects: 1 reused, 2 compiled: one.c, src/three.cpp"]
    assert_as_from_nothing(project, place)


def test_a_new_header_that_is_found_first_is_seen(project: Workspace, place: Path) -> None:
    project.write("first/alone.h", '#define ALONE "first"\n')
    rebuilt(project)
    assert told(project) == ["objects: 2 reused, 1 compiled: two.c"]
    assert b"first" in outputs(project)["x86_64/out/two.o"]
    assert_as_from_nothing(project, place)


def test_a_build_directory_of_a_random_name_hinders_nothing(project: Workspace) -> None:
    script = """
        set -e
        here=$PWD
        mkdir -p out "$TMPDIR/tmprandom_1/build"
        cd "$TMPDIR/tmprandom_1/build"
        echo '#define SHARED 5' > shared.h
        $CC -O2 -I"$PWD" -I"$here/second" -c "$here/one.c" -o one.o
        $CC -O2 -I"$here/second" -DHERE="\\"$PWD\\"" -c "$here/two.c" -o two.o
        cp *.o "$here/out/"
    """
    project.write("build.sh", script)
    rebuilt(project)
    project.write("build.sh", script.replace("random_1", "other_22"))
    rebuilt(project)
    # What a macro says may be in the object.
    assert told(project) == ["objects: 1 reused, 1 compiled: src/two.c"]


def test_a_flag_of_the_compiler_compiles_anew_what_it_is_given_to(project: Workspace) -> None:
    project.edit("multiplatform.toml", "[build]", '[build]\nenvironment = { CFLAGS = "-DX" }')
    rebuilt(project)
    assert told(project)[0].startswith("objects: 0 reused, 3 compiled")


def test_a_flag_that_may_do_more_than_change_the_object_is_left_to_the_compiler(
    project: Workspace,
) -> None:
    project.edit("build.sh", "$CXX -O2", "$CXX -fstack-usage -O2")
    project.edit("build.sh", "cp *.o", "cp *.o *.su")
    rebuilt(project)
    assert told(project)[0] == "objects: 2 reused, 0 compiled"
    assert told(project)[1].startswith("objects: 1 not kept: -fstack-usage")
    project.edit("one.c", "return SHARED", "return 2 * SHARED")
    rebuilt(project)
    assert "x86_64/out/three.su" in project.published()


def test_another_compiler_reuses_nothing(project: Workspace, place: Path) -> None:
    real = next(p for p in os.environ["PATH"].split(os.pathsep) if (Path(p) / "g++").exists())
    other = place / "bin" / "g++"
    other.parent.mkdir()
    other.write_text(f'#!/bin/sh\nexec {real}/g++ "$@"\n')
    other.chmod(0o755)
    rebuilt(project, PATH=f"{other.parent}{os.pathsep}{project.environment()['PATH']}")
    assert told(project)[0].startswith("objects: 0 reused, 3 compiled")


def test_the_switch_and_no_cache_compile_from_nothing(project: Workspace) -> None:
    project.edit("one.c", "return SHARED", "return 2 * SHARED")
    rebuilt(project, MPFORGE_COMPILER_CACHE="0")
    assert told(project) == []
    project.edit("one.c", "return 2", "return 3")
    rebuilt(project, MPFORGE_NO_CACHE="1")
    assert told(project) == []
    project.edit("one.c", "return 3", "return 4")
    rebuilt(project)
    assert told(project) == ["objects: 2 reused, 1 compiled: one.c"]


def test_a_damaged_object_is_told_and_compiled_again(project: Workspace, place: Path) -> None:
    for path in project.cache.holding(b"mpforge object 1"):
        data = bytearray(path.read_bytes())
        data[-40] ^= 1
        path.chmod(0o644)
        path.write_bytes(bytes(data))
    project.edit("one.c", "return SHARED", "return 2 * SHARED")
    run = rebuilt(project)
    assert [line for line in run.warnings if "an object is compiled again" in line], str(run)
    assert told(project)[0].startswith("objects: 0 reused, 3 compiled")
    assert_as_from_nothing(project, place)
    project.edit("one.c", "return 2", "return 3")
    assert rebuilt(project).warnings == []
    assert told(project) == ["objects: 2 reused, 1 compiled: one.c"]


def test_what_a_failed_build_has_compiled_is_not_compiled_again(
    project: Workspace, place: Path
) -> None:
    project.edit("one.c", "return SHARED", "return 2 * SHARED")
    project.edit("three.cpp", "int three()", "in three()")
    failed = project.nox("build")
    assert failed.code == 1
    assert told(project) == ["objects: 1 reused, 1 compiled: one.c"]
    project.edit("three.cpp", "in three()", "long three()")
    rebuilt(project)
    assert told(project) == ["objects: 2 reused, 1 compiled: src/three.cpp"]
    assert_as_from_nothing(project, place)


def test_a_build_that_was_killed_leaves_no_object(project: Workspace, gate: Gate) -> None:
    project.edit("one.c", "return SHARED", "return 2 * SHARED")
    script = project.read("build.sh")
    project.write("wait.py", gate.python)
    project.write("build.sh", f"{script}\npython3 wait.py\n")
    project.edit("multiplatform.toml", "[build]", '[build]\ntools = ["python3"]')
    with project.started("nox", "-s", "build") as running:
        gate.arrivals(1)
        running.signal(signal.SIGKILL, group=True)
        running.end()
    project.write("build.sh", script)
    project.edit("multiplatform.toml", 'tools = ["python3"]', "")
    rebuilt(project)
    assert told(project) == ["objects: 2 reused, 1 compiled: one.c"]


def test_two_builds_at_once_each_have_their_own_objects(project: Workspace, place: Path) -> None:
    other = project.copy(place / "other" / "quick")
    project.edit("one.c", "return SHARED", "return 2 * SHARED")
    other.edit("two.c", "ALONE;", 'ALONE "x";')
    with (
        project.started("nox", "-s", "build") as first,
        other.started("nox", "-s", "build") as second,
    ):
        assert (first.end().code, second.end().code) == (0, 0)
    assert told(project) == ["objects: 2 reused, 1 compiled: one.c"]
    assert told(other) == ["objects: 2 reused, 1 compiled: two.c"]


def test_a_build_that_sees_a_secret_neither_takes_nor_leaves_objects(project: Workspace) -> None:
    project.edit("multiplatform.toml", "[build]", '[build]\nsecrets = ["TOKEN"]')
    rebuilt(project, TOKEN="x")
    assert told(project) == []
    project.edit("multiplatform.toml", 'secrets = ["TOKEN"]', "")
    project.edit("one.c", "return SHARED", "return 2 * SHARED")
    rebuilt(project)
    assert told(project) == ["objects: 2 reused, 1 compiled: one.c"]


def test_verifying_compiles_everything_twice(project: Workspace) -> None:
    (session,) = {name for name in project.record().values() for name in [name["session"]]}
    assert project.mpforge("verify", session).code == 0
    logs = (project.root / ".mpforge" / "logs").glob(f"{session}.*.log")
    texts = [path.read_text() for path in logs]
    assert len(texts) == 2
    assert not any("objects: " in text for text in texts)


@pytest.mark.network
def test_zig_compiles_the_edited_file_of_a_wheel_alone(
    unbuilt: Workspace, empty_cache: Cache
) -> None:
    unbuilt.cache = empty_cache  # in another's, a build of this name might put its objects between
    unbuilt.edit("setup.py", '["tiny/_tiny.c"]', '["tiny/_tiny.c", "tiny/more.c"]')
    unbuilt.write("tiny/more.c", "int more(void) { return 1; }\n")
    assert unbuilt.nox("build-aarch64").code == 0
    unbuilt.edit("tiny/more.c", "return 1", "return 2")
    run = unbuilt.nox("build-aarch64")
    assert run.code == 0, str(run)
    assert "objects: 1 reused, 1 compiled: tiny/more.c" in unbuilt.log("build-aarch64-cp311")
    reused = outputs(unbuilt)
    assert unbuilt.nox("build-aarch64", env={"MPFORGE_NO_CACHE": "1"}).code == 0
    assert "objects: " not in unbuilt.log("build-aarch64-cp311")
    assert outputs(unbuilt) == reused
