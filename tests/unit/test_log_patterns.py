"""What the last lines of a failed step's log say is missing; the lines are the programs' own."""

import pytest

from mpforge.diagnostics.log_patterns import (
    ILLEGAL_INSTRUCTION,
    Symptom,
    last,
    missing_program,
    unreachable,
)

TRACEBACK = """
  File "subprocess.py", line 1953, in _execute_child
    raise child_exception_type(errno_num, err_msg, err_filename)
FileNotFoundError: [Errno 2] No such file or directory: 'cmake'
During handling of the above exception, another exception occurred:
RuntimeError: CMake must be installed to build these extensions
"""
NO_GENERATOR = (
    "CMake Error: CMake was unable to find a build program corresponding to "
    '"Ninja".  CMAKE_MAKE_PROGRAM is not set.'
)
NO_HOST = (
    "HTTPSConnectionPool(host='example.org', port=443): [Errno -3] Temporary failure in "
    "name resolution"
)
MISSING = {"cmake", "swig", "nasm", "ninja", "gfortran", "pkg-config", "aclocal-1.16"}


def named(text: str) -> str | None:
    found = missing_program(text.splitlines(), MISSING.__contains__)
    return None if found is None else found.name


@pytest.mark.parametrize(
    "text",
    [
        "/bin/sh: 1: cmake: not found",
        "sh: 3: cmake: not found",
        "sh: cmake: not found",
        "./configure: 210: cmake: not found",
        "bash: line 1: cmake: command not found",
        "bash: cmake: command not found",
        "./build.sh: line 12: cmake: command not found",
        "/bin/sh: line 1: cmake: command not found",
        "make[2]: cmake: Command not found",
        "make: cmake: No such file or directory\nmake: *** [Makefile:2: all] Error 127",
        "env: \u2018cmake\u2019: No such file or directory",
        "/usr/bin/env: 'cmake': No such file or directory",
        "xargs: cmake: No such file or directory",
        "timeout: failed to run command \u2018cmake\u2019: No such file or directory",
        "error: command 'cmake' failed: No such file or directory",
        "distutils.errors.DistutilsExecError: command 'cmake' failed: No such file or directory",
        "unable to execute 'cmake': No such file or directory",
        'Can\'t exec "cmake": No such file or directory at /usr/share/perl5/x.pm line 274.',
        "Error: spawn cmake ENOENT",
        "scikit_build_core.errors.CMakeNotFoundError: Could not find CMake with version >=3.15",
        TRACEBACK,
    ],
)
def test_a_program_that_was_called_in_vain_is_named(text: str) -> None:
    assert named(text) == "cmake"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("meson.build:3:0: ERROR: Program 'nasm' not found or not executable", "nasm"),
        ("meson.build:3:0: ERROR: Program(s) ['nasm'] not found or not executable", "nasm"),
        ("ERROR: Could not detect Ninja v1.8.2 or newer", "ninja"),
        ("  Could NOT find SWIG (missing: SWIG_EXECUTABLE SWIG_DIR)", "swig"),
        ("  Could NOT find PkgConfig (missing: PKG_CONFIG_EXECUTABLE)", "pkg-config"),
        (NO_GENERATOR, "ninja"),
        ("  Could not find ASSEMBLER using the following names: nasm, yasm", "nasm"),
        ("/src/missing: line 81: aclocal-1.16: command not found", "aclocal-1.16"),
    ],
)
def test_build_systems_have_their_own_words_for_it(text: str, name: str) -> None:
    assert named(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "make: cmake: No such file or directory\nmake: *** No rule to make target 'cmake'.  Stop.",
        "FileNotFoundError: [Errno 2] No such file or directory: 'cmake'",
        "cat: cmake: No such file or directory",
        "-- Could NOT find SWIG (missing: SWIG_EXECUTABLE SWIG_DIR)",
        "checking for cmake... not found",
        "cc: error: cmake: No such file or directory",
    ],
)
def test_a_missing_file_or_a_mere_question_is_no_missing_program(text: str) -> None:
    assert named(text) is None


def test_a_program_that_is_on_path_is_not_named() -> None:
    assert named("sh: 1: sed: not found") is None
    assert named("sh: 1: cmake: not found\nsh: 1: sed: not found") == "cmake"


def test_the_last_one_is_named_with_its_line() -> None:
    found = missing_program(
        ["sh: 1: swig: not found", "  sh: 2: nasm: not found", "done"], MISSING.__contains__
    )
    assert found is not None
    assert (found.name, found.line) == ("nasm", "sh: 2: nasm: not found")


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("curl: (6) Could not resolve host: example.org", "example.org"),
        ("wget: unable to resolve host address \u2018example.org\u2019", "example.org"),
        (
            "fatal: unable to access 'https://example.org/a/b.git/': Could not resolve host: x.org",
            "https://example.org/a/b.git/",
        ),
        (NO_HOST, "example.org"),
        ("Error: getaddrinfo EAI_AGAIN example.org", "example.org"),
        ("<urlopen error [Errno -3] Temporary failure in name resolution>", None),
        ("OSError: [Errno 101] Network is unreachable", None),
        ("socket.gaierror: [Errno -2] Name or service not known", None),
        ("dial tcp 192.0.2.1:443: connect: network is unreachable", None),
    ],
)
def test_a_line_that_tells_of_the_network_is_found_with_its_address(
    line: str, address: str | None
) -> None:
    found = unreachable(["begin", line, "make: *** [all] Error 6"])
    assert found is not None
    assert (found.line, found.name) == (line, address)


def test_a_refused_connection_is_no_missing_network() -> None:
    assert unreachable(["ConnectionRefusedError: [Errno 111] Connection refused"]) is None


def test_an_address_that_cmake_tells_before_is_found() -> None:
    found = unreachable(
        [
            "          error: downloading 'https://example.org/fmt/11.0.zip' failed",
            "          status_code: 6",
            '          status_string: "Could not resolve hostname"',
            "          log:",
            "  Could not resolve: example.org:443",
            "  CMakeLists.txt:5 (FetchContent_MakeAvailable)",
        ]
    )
    assert found is not None
    assert found.name == "https://example.org/fmt/11.0.zip"


@pytest.mark.parametrize(
    "line",
    [
        "qemu: uncaught target signal 4 (Illegal instruction) - core dumped",
        "Fatal Python error: Illegal instruction",
        "subprocess.CalledProcessError: Command '[…]' died with <Signals.SIGILL: 4>.",
        "Illegal instruction (core dumped)",
        "Illegal instruction",
        "run.sh: line 3:  2893 Illegal instruction     python -m pytest",
    ],
)
def test_a_program_that_ended_by_an_illegal_instruction_is_told_by_many(line: str) -> None:
    found = last(["before", line, "after"], ILLEGAL_INSTRUCTION)
    assert found == Symptom(line)


def test_words_about_illegal_instructions_are_none() -> None:
    lines = [
        "test_illegal_instruction ... ok",
        "SIGILL is handled",
        "signal 4",
        "no Illegal instruction here",
    ]
    assert last(lines, ILLEGAL_INSTRUCTION) is None
