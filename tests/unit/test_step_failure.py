"""What the last lines of a program that ended badly are taken for."""

from dataclasses import replace
from pathlib import Path

import pytest

from mpforge.diagnostics.step_failure import Ended, diagnosed, not_declared
from mpforge.errors import IllegalInstruction, StepFailed, ToolNotDeclared

TRACEBACK = ['  File "setuptools/_distutils/cmd.py", line 1, in run_command'] * 70


def _ended(tmp_path: Path) -> Ended:
    return Ended(
        "the wheel", "build", tmp_path, "exit status 1", offline=True, has=lambda _name: False
    )


def test_a_program_that_a_script_lacked_is_named_above_a_long_traceback(tmp_path: Path) -> None:
    last = "CalledProcessError: Command './bundled.sh' returned non-zero exit status 127."
    error = diagnosed(_ended(tmp_path), ["./bundled.sh: 18: cmake: not found", *TRACEBACK, last])
    assert isinstance(error, ToolNotDeclared)
    assert "the step has no program cmake" in error.what


@pytest.mark.parametrize(
    ("program", "remedy"), [("bison", 'base-programs = "host"'), ("cmake", 'tools = ["cmake"]')]
)
def test_a_program_that_the_pinned_base_lacks_is_not_told_to_be_declared(
    program: str, remedy: str
) -> None:
    error = not_declared("the wheel", "build", program, "PATH = /bin", pinned=True)
    assert ("not among the pinned base programs" in error.what) == (program == "bison")
    assert remedy in str(error.hint)
    assert (f'"{program}"' in str(error.hint)) == (program == "cmake")


def test_a_program_that_was_lacked_long_before_is_not_blamed_for_another_failure(
    tmp_path: Path,
) -> None:
    last = "CalledProcessError: Command './bundled.sh' returned non-zero exit status 2."
    error = diagnosed(_ended(tmp_path), ["./bundled.sh: 18: cmake: not found", *TRACEBACK, last])
    assert not isinstance(error, ToolNotDeclared)


@pytest.mark.parametrize(
    ("how", "lines"),
    [
        ("signal 4", []),
        ("exit status 132", []),
        ("exit status 1", ["qemu: uncaught target signal 4 (Illegal instruction)", *TRACEBACK]),
    ],
)
def test_a_test_that_ended_by_an_illegal_instruction_is_told_from_one_that_failed(
    tmp_path: Path, how: str, lines: list[str]
) -> None:
    test = replace(_ended(tmp_path), table="test", how=how)
    assert isinstance(diagnosed(test, lines), IllegalInstruction)
    assert not isinstance(diagnosed(replace(test, how="signal 6"), []), IllegalInstruction)
    assert not isinstance(diagnosed(replace(test, table="build"), lines), IllegalInstruction)


@pytest.mark.parametrize(
    ("how", "lines"),
    [("signal 7", []), ("exit status 1", ["qemu: uncaught target signal 7 (Bus error)"])],
)
def test_a_test_that_ended_by_a_bus_error_is_told_of_unaligned_reads(
    tmp_path: Path, how: str, lines: list[str]
) -> None:
    test = replace(_ended(tmp_path), table="test", how=how)
    error = diagnosed(test, lines)
    assert f"a bus error ({how})" in error.what
    assert "use memcpy() there" in str(error.hint)
    assert "bus error" not in diagnosed(replace(test, table="build"), lines).what


def test_meson_dist_without_git_says_what_to_do(tmp_path: Path) -> None:
    lines = ["Dist currently only works with Git or Mercurial repos", *TRACEBACK[:20]]
    error = diagnosed(_ended(tmp_path), lines)
    assert "needs a git repository" in error.what
    assert "`git init`" in (error.hint or "")
    assert "[sdist] enable = false" in (error.hint or "")


@pytest.mark.parametrize(
    "line",
    ["======== no tests ran in 0.02s ========", "no tests ran in 0.00s", "no tests ran in 12.3s"],
)
def test_pytest_without_tests_says_where_they_are_looked_for(tmp_path: Path, line: str) -> None:
    test = replace(_ended(tmp_path), table="test", how="exit status 5")
    error = diagnosed(test, ["collected 0 items", "", line])
    assert error.what == "the wheel failed (exit status 5): pytest found no tests"
    assert "to [test] sources" in (error.hint or "")
    assert "--pyargs PACKAGE.tests" in (error.hint or "")


# What pytest 9 says, the summary first: it goes to the other output.
@pytest.mark.parametrize(
    ("lines", "why", "hint"),
    [
        (
            ["=== no tests ran in 0.01s ===", "ERROR: file or directory not found: tests", ""],
            "ERROR: file or directory not found: tests",
            "to [test] sources",
        ),
        (
            ["ERROR: not found: /x/t.py::a", "(no match)"],
            "ERROR: not found: /x/t.py::a",
            "to [test] sources",
        ),
        (
            [
                "ERROR: usage: python -m pytest [options]",
                "python -m pytest: error: unrecognized arguments: --cov",
                "  rootdir: /x",
            ],
            "python -m pytest: error: unrecognized arguments: --cov",
            "add it to [test] requires",
        ),
        (
            ["ImportError while loading conftest '/x/conftest.py'.", "E   ModuleNotFoundError: m"],
            "ImportError while loading conftest '/x/conftest.py'.",
            None,
        ),
        (
            ["ERROR: Error importing plugin \"pytest_cov\": No module named 'pytest_cov'"],
            "ERROR: Error importing plugin \"pytest_cov\": No module named 'pytest_cov'",
            "add it to [test] requires",
        ),
    ],
)
def test_pytest_that_was_called_wrongly_is_not_told_as_without_tests(
    tmp_path: Path, lines: list[str], why: str, hint: str | None
) -> None:
    test = replace(_ended(tmp_path), table="test", how="exit status 4")
    error = diagnosed(test, lines)
    assert error.what == "the wheel failed (exit status 4): pytest could not start"
    assert error.why == why
    assert hint in error.hint if error.hint and hint else error.hint is hint


@pytest.mark.parametrize(
    ("how", "lines", "said"),
    [
        ("exit status 5", ["Ran 0 tests in 0.000s", "", "NO TESTS RAN"], "unittest found no tests"),
        ("exit status 5", ["3 deselected in 0.01s"], "pytest deselected all tests"),
        ("exit status 2", ["no tests ran in 0.01s", "make: *** [t] Error 5"], "pytest found no"),
        ("exit status 3", ["INTERNALERROR> TypeError", "no tests ran in 0.01s"], "(exit status 3)"),
        ("exit status 4", ["ERROR: another program's"], "(exit status 4)"),
    ],
)
def test_what_a_test_runner_s_status_means_is_told(
    tmp_path: Path, how: str, lines: list[str], said: str
) -> None:
    error = diagnosed(replace(_ended(tmp_path), table="test", how=how), lines)
    assert said in error.what
    assert ("found no" in error.what) == ("found no" in said)


def test_tests_that_failed_are_not_taken_for_none(tmp_path: Path) -> None:
    test = replace(_ended(tmp_path), table="test")
    error = diagnosed(test, ["FAILED t.py - no tests ran in it", "=== 1 failed in 0.01s ==="])
    assert error.hint is None


def test_a_header_that_only_a_check_looked_for_is_not_why_a_build_failed(tmp_path: Path) -> None:
    lines = [
        "conftest.c:3:10: fatal error: 'altivec.h' file not found",
        "src/a.c:9:1: error: expected ';'",
        "error: command 'cc' failed with exit code 1",
    ]
    told = diagnosed(_ended(tmp_path), lines)
    assert type(told) is StepFailed
    assert told.why == "src/a.c:9:1: error: expected ';'"
