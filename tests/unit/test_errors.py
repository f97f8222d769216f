"""What users see of an error: stable codes, exit codes, and its text."""

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from mpforge import errors
from mpforge.errors import ExitCode, MpforgeError, Place, Problem, SpecInvalid


def _all(kind: type[MpforgeError] = MpforgeError) -> Iterator[type[MpforgeError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _all(below)


KINDS = sorted(set(_all()), key=lambda kind: kind.__name__)
HERE = Place("multiplatform.toml", 3, 7)


def test_every_kind_of_error_has_a_code_of_its_own() -> None:
    counts = Counter(kind.code for kind in KINDS)
    assert [code for code, count in counts.items() if count > 1] == []
    assert [kind.__name__ for kind in KINDS if "code" not in vars(kind)] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_code_is_kebab_case_and_the_class_says_what_it_means(kind: type[MpforgeError]) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z]+)*", kind.code)
    assert kind.__doc__
    assert kind.__module__.startswith(errors.__name__), "errors live in one room"


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [
        (errors.StepFailed, 1),
        (errors.NoExtension, 1),
        (errors.TestsFailed, 1),
        (errors.SpecInvalid, 2),
        (errors.SourceMissing, 2),
        (errors.PinMissing, 2),
        (errors.NothingSelected, 3),
        (errors.NotAvailableYet, 4),
        (errors.NoEmulator, 4),
        (errors.IndexUnreachable, 4),
        (errors.Interrupted, 130),
    ],
)
def test_exit_codes_are_those_of_the_contract(kind: type[MpforgeError], exit_code: int) -> None:
    assert kind.exit_code == exit_code


def test_a_kind_has_the_exit_code_of_the_kind_above_it() -> None:
    for base in (errors.WrongInput, errors.HostCannot, errors.StepFailed):
        assert {kind.exit_code for kind in _all(base)} == {base.exit_code}


def test_no_error_exits_as_if_all_were_well() -> None:
    assert ExitCode.DONE not in {kind.exit_code for kind in KINDS}


def test_an_error_reads_place_code_what_why_and_remedy() -> None:
    error = errors.SourceMissing(
        "there is no folder lib",
        why="looked in .\nand above",
        hint="set project.source",
        place=HERE,
    )
    assert str(error).splitlines() == [
        "multiplatform.toml:3:7: source-missing: there is no folder lib",
        "  looked in .",
        "  and above",
        "  -> set project.source",
    ]


def test_an_error_with_nothing_but_a_sentence_is_one_line() -> None:
    assert str(errors.StepFailed("make ended with status 2")) == (
        "step-failed: make ended with status 2"
    )


def test_an_invalid_spec_lists_every_problem_and_counts_no_warning() -> None:
    error = SpecInvalid(
        (
            Problem("unknown-key", "unknown key", HERE, key="project.archs", nearest="targets"),
            Problem(
                "matches-nothing", "matches nothing", Place("multiplatform.toml", 9), warning=True
            ),
        )
    )
    assert str(error).splitlines() == [
        "spec-invalid: 1 problem in multiplatform.toml",
        "  multiplatform.toml:3:7: unknown-key: unknown key (did you mean targets?)",
        "  multiplatform.toml:9:1: warning: matches-nothing: matches nothing",
    ]


def test_two_problems_are_counted_as_two() -> None:
    problem = Problem("unknown-key", "unknown key", HERE)
    assert SpecInvalid((problem, problem)).what == "2 problems in multiplatform.toml"
