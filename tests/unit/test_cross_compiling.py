"""What only crossing gets wrong, as the last lines of logs tell it; the lines are the programs' own."""

import pytest

from mpforge.diagnostics.cross_compiling import (
    failed_check,
    foreign_flag,
    meson_log,
    missing_library,
    ran_target_program,
    unknown_option,
    wants_openmp,
)

TRY_RUN = """
CMake Error: try_run() invoked in cross-compiling mode, please set the following cache variables
   HAVE_IT_EXITCODE (advanced)
For details see /w/b/TryRunResults.cmake
-- Performing Test HAVE_IT - Failed
"""
SANITY = (
    "meson.build:1:0: ERROR: Could not invoke sanity check executable: Failed running "
    "'/w/b2/meson-private/sanity_check_for_c.exe', binary or interpreter not executable."
)
QEMU = "qemu-aarch64-static: Could not open '/lib/ld-linux-aarch64.so.1': No such file or directory"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("/bin/sh: 1: ./gen: Exec format error", "./gen"),
        ("bash: ./gen: cannot execute binary file: Exec format error", "./gen"),
        ("bash: line 1: ./gen: cannot execute binary file: Exec format error", "./gen"),
        (
            "./make.sh: line 3: build/gen: cannot execute binary file: Exec format error",
            "build/gen",
        ),
        ("OSError: [Errno 8] Exec format error: './gen'", "./gen"),
        ("./gen: 2: ELF\ufffd\ufffd: not found", "./gen"),
        (QEMU, None),
        (QEMU.replace("qemu-aarch64-static", "aarch64-binfmt-P"), None),
        (SANITY, "/w/b2/meson-private/sanity_check_for_c.exe"),
    ],
)
def test_a_program_of_the_target_that_was_run_is_named(line: str, name: str | None) -> None:
    found = ran_target_program(["cc -o gen", line, "make: *** [all] Error 126"], lambda _: True)
    assert found is not None
    assert (found.line, found.name, found.question) == (line, name, False)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (TRY_RUN, "HAVE_IT_EXITCODE"),
        ("meson.build:3:7: ERROR: Can not run test applications in this cross environment.", None),
        ("configure: error: cannot run C compiled programs.", None),
    ],
)
def test_a_question_that_only_a_run_can_answer_is_told_apart(text: str, name: str | None) -> None:
    found = ran_target_program(text.splitlines(), lambda _: True)
    assert found is not None
    assert (found.name, found.question) == (name, True)


def test_a_script_without_its_first_line_is_no_program_of_the_target() -> None:
    lines = ["OSError: [Errno 8] Exec format error: './generate.sh'"]
    assert ran_target_program(lines, lambda _: False) is None
    assert ran_target_program(lines, lambda _: None) is not None


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (
            "cc: error: mpforge: openmp-unavailable: -fopenmp: there is no OpenMP runtime",
            "-fopenmp",
        ),
        ("mod.c:3:10: fatal error: 'omp.h' file not found", "omp.h"),
        ('error: unable to find dynamic system library "gomp" using strategy paths_first', "gomp"),
        ("/usr/bin/ld: cannot find -lgomp: No such file or directory", "gomp"),
        ("  Could NOT find OpenMP_C (missing: OpenMP_C_FLAGS)", "Could NOT find OpenMP"),
    ],
)
def test_a_build_that_wants_openmp_is_told_from_one_that_only_asked(line: str, name: str) -> None:
    found = wants_openmp([line, "error: command 'cc' failed with exit code 1"])
    assert found is not None
    assert found.name == name
    assert wants_openmp([line, "mod.c:9:1: error: expected ';'"]) is None


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('error: unknown clang option: "-fplan9-extensions"', "-fplan9-extensions"),
        ("error: unsupported linker arg: --of-tomorrow", "--of-tomorrow"),
        ("ld.lld: error: unknown argument '--of-tomorrow'", "--of-tomorrow"),
    ],
)
def test_an_option_that_zig_does_not_know_is_named(line: str, name: str) -> None:
    found = unknown_option([line, "error: command 'cc' failed with exit code 1"])
    assert found is not None
    assert found.name == name
    assert unknown_option([line, "mod.c:9:1: error: expected ';'"]) is None  # it was a check


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("cc: error: unsupported option '-mavx2' for target 'aarch64-linux-gnu'", "-mavx2"),
        ("error: unknown target CPU 'skylake'", "skylake"),
        ('error: target architecture aarch64 has no LLVM CPU feature named "avx2"', "avx2"),
        (
            'immintrin.h:14:2: error: "This header is only meant to be used on x86 and x64 arch',
            "x86",
        ),
    ],
)
def test_what_only_another_cpu_has_is_named(line: str, name: str) -> None:
    found = foreign_flag([line, "1 error generated."])
    assert found is not None
    assert found.name == name


def test_a_cpu_feature_that_a_check_lacked_before_another_error_is_not_the_cause() -> None:
    line = 'error: target architecture aarch64 has no LLVM CPU feature named "avx2"'
    assert foreign_flag([line, "mod.c:9:1: error: expected ';'"]) is None


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("yaml/_yaml.h:2:10: fatal error: 'yaml.h' file not found", "yaml.h"),
        ("ld.lld: error: unable to find library -lz", "z"),
        ("error: unable to find dynamic system library 'z' using strategy 'paths_first'.", "z"),
        ("No package 'libffi' found", "libffi"),
        ("Package libffi was not found in the pkg-config search path.", "libffi"),
        ('meson.build:2:0: ERROR: Dependency "openblas" not found, tried pkgconfig', "openblas"),
        (
            "meson.build:2:0: ERROR: Dependency lookup for openblas with method 'pkg-config' failed",
            "openblas",
        ),
        ("  Could NOT find ZLIB (missing: ZLIB_LIBRARY ZLIB_INCLUDE_DIR)", "ZLIB"),
        (
            "Error: Please make sure the libxml2 and libxslt development packages are installed.",
            "libxml2",
        ),
        ("Error: pg_config executable not found.", "pg_config"),
        ("  Could not find directory of OpenSSL installation, and this `-sys` crate", "OpenSSL"),
        ("  The system library `libpq` required by crate `pq-sys` was not found.", "libpq"),
        ("The headers or library files could not be found for jpeg,", "jpeg"),
        ("ld.lld: error: env/lib/libnpymath.a(x.o) is incompatible with x", "env/lib/libnpymath.a"),
    ],
)
def test_a_header_or_library_that_the_target_lacks_is_named(line: str, name: str) -> None:
    found = missing_library(["begin", line, "error: command failed", "fatal error: 'b.h' file no"])
    assert found is not None
    assert (found.line, found.name) == (line.strip(), name)


def test_the_complaint_of_a_configuration_is_found_with_its_words() -> None:
    cmake = ["CMake Error at CMakeLists.txt:4 (message):", "  no such thing", "", "-- Configuring"]
    assert failed_check(cmake) == "CMake Error at CMakeLists.txt:4 (message):\nno such thing"
    meson = [
        "meson.build:4:0: ERROR: Assert failed: no nope",
        "",
        "A full log can be found at /w/l",
    ]
    assert failed_check(meson) == meson[0]
    assert meson_log(meson) == "/w/l"
    assert failed_check(["error: subprocess failed"]) is None
