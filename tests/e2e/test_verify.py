"""The same sources give the same bytes, and `mpforge verify` finds what does not."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from mpforge.artifacts.differences import Circumstances, compare_folders
from tests.e2e.conftest import NATIVE
from tests.e2e.workspace import Cache, Run, Workspace

pytestmark = [pytest.mark.cross, pytest.mark.network]

QUICK = f"build-{NATIVE}"
BUILD, TEST, SDIST = "build-aarch64-cp311", "test-aarch64-cp311", "sdist"


def contents(root: Path) -> dict[str, str]:
    """The digests of a directory's files."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def build_anew(workspace: Workspace, *, umask: int, seed: str) -> dict[str, str]:
    """Build with that umask and that hash seed of mpforge's own; what is in ``dist/``."""
    former = os.umask(umask)
    try:
        run = workspace.nox("build", env={"PYTHONHASHSEED": seed})
    finally:
        os.umask(former)
    assert run.code == 0, str(run)
    found = contents(workspace.dist)
    del found["mpforge.json"]
    return found


# --- the same bytes -------------------------------------------------------------------------------


def test_two_checkouts_with_stores_of_their_own_give_the_same_wheels_and_sdists(
    unbuilt: Workspace, tools: Path, place: Path
) -> None:
    unbuilt.edit("multiplatform.toml", '["aarch64"]', '["aarch64", "x86_64"]')
    source = unbuilt.read("tiny/_tiny.c").replace("FromLong(42)", "FromLong(__FILE__[0])")
    unbuilt.write("tiny/_tiny.c", "#undef NDEBUG\n#include <assert.h>\n" + source)
    unbuilt.edit(
        "tiny/_tiny.c",
        "    return PyModule_Create",
        "    assert(1 + module.m_size == 0);\n    return PyModule_Create",
    )
    here = unbuilt.copy(place / "p", Cache.sharing(tools, place / "cache" / "1"))
    there = Workspace(
        place / "a/much/longer/way/to/go", Cache.sharing(tools, place / "cache" / "two")
    )
    for path in sorted(here.root.rglob("*"), reverse=True):  # made in another order
        if path.is_file() and path.suffix != ".pyc":
            there.write(str(path.relative_to(here.root)), path.read_text(encoding="utf-8"))
    one = build_anew(here, umask=0o022, seed="1")
    two = build_anew(there, umask=0o077, seed="77")
    assert one == two
    assert {name.rsplit("_", 1)[-1] for name in one} == {"aarch64.whl", "64.whl", "tiny-1.0.tar.gz"}


def test_a_pure_wheel_is_the_same_bytes_whatever_the_umask(
    unbuilt: Workspace, tools: Path, place: Path
) -> None:
    unbuilt.write("setup.py", "from setuptools import setup\n\nsetup()\n")
    unbuilt.edit("multiplatform.toml", "environment = {}", "pure = true")
    there = unbuilt.copy(place / "another-checkout", Cache.sharing(tools, place / "cache" / "2"))
    unbuilt.cache = Cache.sharing(tools, place / "cache" / "1")
    one = build_anew(unbuilt, umask=0o022, seed="1")
    assert "tiny-1.0-py3-none-any.whl" in one
    assert build_anew(there, umask=0o077, seed="77") == one


# --- mpforge verify -------------------------------------------------------------------------------


def test_verify_says_that_two_builds_are_equal_and_changes_nothing(
    workspace: Workspace, empty_cache: Cache
) -> None:
    workspace.cache.copy_store(empty_cache)  # the shared one is written to by other tests
    workspace.cache = empty_cache
    before, stored = contents(workspace.dist), workspace.cache.stored()
    told = workspace.json("verify", "build-aarch64", "--json")
    (verdict,) = told["sessions"]
    wheel = workspace.wheel().name
    assert (told["schema"], verdict["session"], verdict["equal"]) == (1, BUILD, True)
    assert verdict["first"] == verdict["second"] == {wheel: f"sha256:{before[wheel]}"}
    assert contents(workspace.dist) == before
    assert workspace.cache.stored() == stored
    assert workspace.cache.leftovers() == []
    assert workspace.nox(BUILD).cached >= {SDIST, BUILD}


def test_verify_shows_the_digest_of_what_it_built_twice(quick: Workspace) -> None:
    assert quick.nox(QUICK).code == 0
    run = quick.mpforge("verify", QUICK)
    assert run.code == 0, str(run)
    digest = contents(quick.dist / NATIVE)["greeting.txt"]
    assert f"greeting.txt sha256:{digest}" in run.output
    assert f"{QUICK}: built twice, identical results" in run.output


BAKING = """
    import os
    import time
    from setuptools import Extension, setup

    with open("tiny/when.py", "w") as file:
        file.write(f"NAME = 'tiny'\\nMADE = {time.time()}\\n")
    with open("tiny/noise.bin", "wb") as file:
        file.write(bytes(8) + os.urandom(8))
    macros = [("WHERE", '"%s"' % os.getcwd())]
    setup(
        package_data={"tiny": ["*.bin"]},
        ext_modules=[Extension("tiny._tiny", ["tiny/_tiny.c"], define_macros=macros)],
    )
"""


def blocks(run: Run) -> dict[str, list[str]]:
    """What a report says of each thing that differs: the indented lines below it."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in run.output.splitlines():
        if line.startswith("      "):
            lines.append(line.strip())
        elif line.startswith("    "):
            lines = found.setdefault(line.strip(), [])
    return found


def test_a_time_and_random_bytes_that_are_baked_in_are_found_and_the_path_is_the_same(
    unbuilt: Workspace,
) -> None:
    unbuilt.write("setup.py", BAKING)
    unbuilt.edit("tiny/_tiny.c", "PyLong_FromLong(42)", "PyUnicode_FromString(WHERE)")
    run = unbuilt.mpforge("verify", BUILD)
    assert run.code == 1, str(run)
    assert f"{BUILD}: built twice, different results" in run.output
    found = blocks(run)
    library = "tiny/_tiny.cpython-311-aarch64-linux-gnu.so"
    time, noise = found["tiny/when.py: line 2"], found["tiny/noise.bin: bytes"]
    assert not any(name.startswith(library) for name in found), "each build runs in /build"
    assert time[0].startswith("first:  MADE = ")
    assert "SOURCE_DATE_EPOCH" in time[-1]
    assert noise[0].startswith("first:  at 0x8: ")
    assert "the first step that differs: sdist" in run.output
    assert unbuilt.published() == set()
    kept = unbuilt.root / ".mpforge" / "verify" / BUILD
    (one,), (two,) = (list((kept / which).iterdir()) for which in ("first", "second"))
    assert one.name == two.name
    assert one.read_bytes() != two.read_bytes()


def test_a_time_in_whole_seconds_is_found_however_quick_the_build_is(quick: Workspace) -> None:
    quick.write("build.sh", "mkdir out\ndate +%H:%M:%S > out/made.txt\n")
    run = quick.mpforge("verify", QUICK)
    assert run.code == 1, str(run)
    (lines,) = blocks(run).values()
    assert "a date or time" in lines[-1]


def test_what_verify_finds_is_there_for_programs_too(quick: Workspace) -> None:
    quick.write("build.sh", "mkdir out\nhead -c 9 /dev/urandom > out/noise\n")
    run = quick.mpforge("verify", QUICK, "--json")
    assert run.code == 1, str(run)
    (verdict,) = json.loads(run.output[run.output.index("{\n") :])["sessions"]
    places = {(*difference["path"], difference["what"]) for difference in verdict["differences"]}
    assert places == {("out/noise", "bytes")}
    assert verdict["equal"] is False
    assert verdict["first"] != verdict["second"]


@pytest.mark.gcc
def test_a_build_that_fails_while_it_is_verified_fails_as_any_other(quick: Workspace) -> None:
    quick.write("build.sh", "echo no such thing\nexit 3\n")
    run = quick.mpforge("verify", QUICK)
    assert run.code == 1
    assert "step-failed" in run.output
    assert "no such thing" in run.output
    assert "Traceback" not in run.output
    assert quick.cache.leftovers() == []


# --- real ELF files -------------------------------------------------------------------------------


@pytest.mark.gcc
def test_the_sections_of_two_libraries_that_differ_are_named(place: Path) -> None:
    folders = place / "0", place / "1"
    for number, word in enumerate(("first", "other")):
        folder = folders[number]
        folder.mkdir()
        source = f'const char *word(void) {{ return "the {word} word"; }}\n'
        extra = "" if number else '__attribute__((section(".own"))) int own = 1;\n'
        (folder / "x.c").write_text(source + extra)
        argv = ["gcc", "-shared", "-fPIC", "-g", "-Wl,--build-id=sha1", "-o", "x.so", "x.c"]
        subprocess.run(argv, cwd=folder, check=True)
        (folder / "x.c").unlink()
    known = Circumstances((str(place / "0"), str(place / "1")))
    found = {one.what: one for one in compare_folders(*folders, known)}
    text, note, debug = (
        found["section .rodata"],
        found["section .note.gnu.build-id"],
        found["section .debug_line_str"],
    )
    assert (text.first, text.second) == ("the first word", "the other word")
    assert note.hint is not None
    assert "linker" in note.hint
    assert debug.hint is not None
    assert "the build directory" in debug.hint
    assert "section .own only in the first" in found
    assert "section .comment" not in found
    assert compare_folders(folders[0], folders[0], known) == ()
