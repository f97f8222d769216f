"""docs/errors.md explains every error code, and ``mpforge explain CODE`` prints what it says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpforge.cli.main import main
from mpforge.errors import MpforgeError
from mpforge.errors.reference import entries

PACKAGE = Path(__file__).parents[2] / "mpforge"


def _codes(kind: type[MpforgeError] = MpforgeError) -> Iterator[str]:
    for below in kind.__subclasses__():
        yield below.code
        yield from _codes(below)


def _problem_codes() -> Iterator[str]:
    """The codes of findings about a spec, as the source names them: the first argument of a Finding."""
    for path in (
        *PACKAGE.glob("spec/*.py"),
        *PACKAGE.glob("compiler/*.py"),
        PACKAGE / "cli/check.py",
    ):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {
                "Finding",
                "Problem",
                "finding_at",
            }:
                yield from (
                    word.value
                    for word in ast.walk(node.args[0] if node.args else node.keywords[0].value)
                    if isinstance(word, ast.Constant) and isinstance(word.value, str)
                )


def test_every_code_has_an_entry_and_no_entry_is_left_over() -> None:
    # Values of spec/translate.py's table of pydantic's errors.
    others = {"bad-value", "wrong-type"}
    assert set(_problem_codes()) >= {"unknown-key", "toml-syntax", "conflict"}
    assert set(entries()) == {*_codes(), *_problem_codes(), *others}
    page = (PACKAGE.parent / "docs" / "errors.md").read_text("utf-8")
    assert sorted(entries()) == sorted(re.findall(r"^### ([a-z][a-z0-9-]*)$", page, re.MULTILINE))


@pytest.mark.parametrize("code", entries())
def test_an_entry_has_a_cause_and_a_fix(code: str) -> None:
    cause, fix = entries()[code].split("\n\n**Fix:** ")
    assert cause
    assert fix.endswith(".")


def test_explain_prints_the_entry_of_a_code_without_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "openmp-unavailable"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "openmp-unavailable",
        "",
        "The build uses OpenMP (`-fopenmp`, `omp.h`), and there is no OpenMP runtime for the",
        "target.",
        "",
        "Fix: turn OpenMP off, add a package that brings the runtime to `[build]",
        "target-requires`, or build in an image. See compilers.md.",
    ]
