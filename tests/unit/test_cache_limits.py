"""How large and old a cache may be, as users write it."""

import pytest

from mpforge.errors import ExitCode, WrongInput
from mpforge.housekeeping.collection import Limits, limits_of, parse_age, parse_size

DAY = 24 * 3600


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("0B", 0),
        ("12B", 12),
        ("5kB", 5000),
        ("5KB", 5000),
        ("500MB", 500_000_000),
        ("20GB", 20_000_000_000),
        ("1.5TB", 1_500_000_000_000),
        ("500 MiB", 524_288_000),
        ("0.5KiB", 512),
        (" 1GiB ", 2**30),
        ("2TiB", 2**41),
    ],
)
def test_a_size_is_a_number_and_a_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "20", "GB", "-1GB", "1e3GB", "20G", "20gb", "20 gigs", "1,5GB", "٣GB", "1GB 2MB"]
)
def test_anything_else_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="500MB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("0", 0),
        ("30d", 30 * DAY),
        ("12h", DAY // 2),
        ("1d12h", DAY * 3 // 2),
        ("90m", 5400),
        ("45s", 45),
        (" 2d ", 2 * DAY),
    ],
)
def test_an_age_is_days_hours_minutes_seconds(text: str, age: float) -> None:
    assert parse_age(text) == age


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1h1d", "2w", "1.5d", "30 d", "٣d"])
def test_anything_else_is_no_age(text: str) -> None:
    with pytest.raises(ValueError, match="30d"):
        parse_age(text)


def test_options_go_before_variables_and_those_before_the_defaults() -> None:
    variables = {"MPFORGE_CACHE_SIZE": "1GB", "MPFORGE_CACHE_AGE": "1d"}
    assert limits_of({}) == Limits(20 * 10**9, 30 * DAY)
    assert limits_of({"MPFORGE_CACHE_SIZE": "", "MPFORGE_CACHE_AGE": ""}) == limits_of({})
    assert limits_of(variables) == Limits(10**9, DAY)
    assert limits_of(variables, size="0") == Limits(0, DAY)
    assert limits_of(variables, age="2d") == Limits(10**9, 2 * DAY)


@pytest.mark.parametrize(
    ("variables", "options", "named"),
    [
        ({"MPFORGE_CACHE_SIZE": "20"}, {}, "MPFORGE_CACHE_SIZE: '20'"),
        ({"MPFORGE_CACHE_AGE": "month"}, {}, "MPFORGE_CACHE_AGE: 'month'"),
        ({"MPFORGE_CACHE_SIZE": "20"}, {"size": "x"}, "--size: 'x'"),
        ({}, {"age": ""}, "--age: ''"),
    ],
)
def test_a_wrong_one_is_named_with_what_was_expected(
    variables: dict[str, str], options: dict[str, str], named: str
) -> None:
    with pytest.raises(WrongInput, match=named) as caught:
        limits_of(variables, **options)
    assert caught.value.exit_code == ExitCode.WRONG_INPUT
    assert caught.value.hint
