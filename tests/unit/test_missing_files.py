"""What a build misses is told as the project's own where the project has it."""

from pathlib import Path

import pytest

from mpforge.diagnostics.missing_files import explained
from mpforge.errors import LibraryMissing, NetworkRefused, StepFailed

PROJECT = ["include/pkg/api.h", "VERSION.txt", "pkg/a.pxd", "data/x.json", "setup.py", "gen/b.c"]
BUILT = ["setup.py", "lib/libvendor.a", "lib/libgood.a"]


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("src/a.c:3:10: fatal error: 'pkg/api.h' file not found", "include/pkg/api.h"),
        ("src/a.c:3:10: fatal error: pkg/api.h: No such file or directory", "include/pkg/api.h"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'VERSION.txt'", "VERSION.txt"),
        ("E: No such file or directory: '/w/step/src/VERSION.txt'", "VERSION.txt"),
        ("pkg/x.pyx:1:0: 'pkg/a.pxd' not found", "pkg/a.pxd"),
        ("error: package directory 'data' does not exist", "data/x.json"),
        ("zig: error: no such file or directory: 'gen/b.c'", "gen/b.c"),
    ],
)
def test_a_file_that_the_sdist_left_out_is_named(line: str, path: str) -> None:
    error = LibraryMissing("the wheel failed: it needs something")
    told = explained(error, [line], project=PROJECT, built=BUILT, root=Path("/w/step"))
    assert told.what == f"the wheel failed: {path} is in the project but not in its sdist"
    assert told.why == line
    assert "MANIFEST.in" in (told.hint or "")


@pytest.mark.parametrize(
    "line",
    [
        "a.c:1:10: fatal error: 'yaml.h' file not found",  # nobody has it
        "FileNotFoundError: [Errno 2] No such file or directory: 'setup.py'",  # the sdist has it
    ],
)
def test_what_is_missing_for_another_reason_is_told_as_before(line: str) -> None:
    error = StepFailed("the wheel failed (exit status 1)")
    assert explained(error, [line], project=PROJECT, built=BUILT, root=Path("/w")) is error
    other = NetworkRefused("the wheel failed")
    line = "E: No such file or directory: 'VERSION.txt'"
    assert explained(other, [line], project=PROJECT, built=BUILT, root=Path("/w")) is other


@pytest.mark.parametrize(
    "line",
    [
        "pkg/_c.c:1:1: error: checking cache failed: file_open FileNotFound /w/src/pkg/_c.c",
        "clang: error: no such file or directory: 'pkg/_c.c'",
        "cc1: fatal error: pkg/_c.c: No such file or directory",
    ],
)
def test_a_source_file_that_nobody_has_is_to_be_generated(line: str) -> None:
    error = StepFailed("the wheel failed (exit status 1)")
    told = explained(error, [line], project=PROJECT, built=BUILT, root=Path("/w"))
    assert "failed: pkg/_c.c does not exist" in told.what
    assert (told.why, "before-build" in (told.hint or "")) == (line.replace("/w/src/", ""), True)


@pytest.mark.parametrize(
    "line",
    [
        "ld.lld: error: lib/libvendor.a(v.o) is incompatible with aarch64linux",
        "/usr/bin/ld: skipping incompatible lib/libvendor.a when searching for -lvendor",
    ],
)
def test_a_library_of_the_project_s_for_another_machine_is_named(tmp_path: Path, line: str) -> None:
    library = tmp_path / "src" / "lib" / "libvendor.a"
    library.parent.mkdir(parents=True)
    elf = b"\x7fELF\x02\x01\x01" + bytes(9) + (1).to_bytes(2, "little")
    library.write_bytes(b"!<arch>\nv.o/" + elf + (62).to_bytes(2, "little"))
    error = LibraryMissing("the wheel failed: it needs lib/libvendor.a")
    told = explained(error, [line], project=PROJECT, built=BUILT, root=tmp_path)
    assert "the project's own lib/libvendor.a is for x86_64, not for the target" in told.what
