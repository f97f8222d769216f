"""GitHub's expressions and matrices, as far as they are known before a job runs."""

from typing import Any

import pytest

from mpforge.migrate.ci.expressions import UNKNOWN, Unknown, condition, interpolated
from mpforge.migrate.ci.matrix import combinations

CONTEXTS: dict[str, Any] = {
    "matrix": {
        "os": "ubuntu-latest",
        "n": 3.1,
        "list": ["a", "b"],
        "on": False,
        "deep": {"x": "y"},
    },
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${{ matrix.os }}", "ubuntu-latest"),
        ("a-${{ matrix.n }}-${{ matrix.deep.x }}", "a-3.1-y"),
        ("${{ matrix['os'] == 'UBUNTU-latest' }}", True),
        ("${{ matrix.missing }}", None),
        ("x${{ matrix.missing }}", "x"),
        ("${{ matrix.on && 'yes' || 'no' }}", "no"),
        ("${{ contains(matrix.list, 'B') && 'has' }}", "has"),
        ("${{ startsWith(matrix.os, 'ubuntu') && !endsWith(matrix.os, 'arm') }}", True),
        ("${{ format('{0}/{1}', matrix.os, matrix.list[1]) }}", "ubuntu-latest/b"),
        ("${{ join(matrix.list, ' ') }}", "a b"),
        ("${{ fromJSON('{\"a\": [1]}').a[0] }}", 1),
        ("${{ (matrix.n > 3 && 'it''s') || 0x10 }}", "it's"),
        ("${{ matrix.os != 'x' && matrix.n <= 3 }}", False),
        ("no expression: $HOME", "no expression: $HOME"),
    ],
)
def test_an_expression_has_github_s_value(text: str, value: object) -> None:
    assert interpolated(text, CONTEXTS) == value


@pytest.mark.parametrize(
    "text",
    [
        "${{ secrets.TOKEN }}",
        "a ${{ needs.x.outputs.y }} b",
        "${{ secrets.A || 'x' }}",
        "${{ matrix.os == secrets.A }}",
        "${{ hashFiles('x') }}",
        "${{ matrix.os + 1 }}",
        "${{ fromJSON('{') }}",
        "${{ ( }}",
        "${{ " + "!" * 5000 + "x }}",
    ],
)
def test_what_is_known_only_when_the_job_runs_stays_unknown(text: str) -> None:
    assert isinstance(interpolated(text, CONTEXTS), Unknown)


def test_a_known_part_may_decide_a_condition() -> None:
    assert condition("matrix.on && secrets.X", CONTEXTS) is False
    assert condition("secrets.X && matrix.on", CONTEXTS) is False
    assert condition(None, CONTEXTS) is True
    assert isinstance(condition("${{ secrets.X }}", CONTEXTS), Unknown)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ({"a": [1, 2], "b": ["x"]}, [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]),
        ({"a": [1, 2], "exclude": [{"a": 2}]}, [{"a": 1}]),
        ({"a": [1, 2], "include": [{"a": 2, "c": 3}]}, [{"a": 1}, {"a": 2, "c": 3}]),
        ({"a": [1], "include": [{"a": 5, "c": 3}]}, [{"a": 1}, {"a": 5, "c": 3}]),
        ({"a": [1, 2], "include": [{"c": 3}]}, [{"a": 1, "c": 3}, {"a": 2, "c": 3}]),
        ({"include": [{"a": 1}, {"a": 2}]}, [{"a": 1}, {"a": 2}]),
        ({"a": "${{ fromJSON('[1, 2]') }}"}, [{"a": 1}, {"a": 2}]),
        ({"a": "${{ fromJSON(needs.x.outputs.y) }}"}, [{"a": UNKNOWN}]),
        (None, [{}]),
    ],
)
def test_a_matrix_has_github_s_combinations(matrix: Any, expected: list[dict[str, Any]]) -> None:
    assert combinations({"matrix": matrix}, {}) == expected


def test_members_of_a_matrix_that_another_job_makes_are_unknown() -> None:
    for matrix in (
        "${{ fromJSON(needs.m.outputs.m) }}",
        {"include": "${{ fromJSON(needs.m.outputs.m) }}"},
    ):
        (found,) = combinations({"matrix": matrix}, {})
        assert isinstance(interpolated("${{ matrix.only }}", {"matrix": found}), Unknown)
