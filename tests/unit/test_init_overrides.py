"""Options that only some wheels have: overrides, skipped tests, and what an image's policy makes of them."""

from typing import Any

import pytest

from mpforge.migrate.factor import factored, selecting
from tests.unit.initial_specs import outcomes, spec_of, table, written

TWO = 'build = ["cp311-*", "cp313-*"]\nskip = "*-musllinux_*"\n'
OVERRIDE = "[[tool.cibuildwheel.overrides]]\n"


def overrides(options: str) -> list[dict[str, Any]]:
    found = spec_of(TWO + options).get("overrides", [])
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    ("select", "ours"),
    [
        ("cp313-*", "*-cp313"),
        ("*_aarch64", "aarch64-*"),
        ("cp313-*_{i686,aarch64}", "aarch64-cp313"),
    ],
)
def test_an_override_selects_in_our_words(select: str, ours: str) -> None:
    options = f'{OVERRIDE}select = "{select}"\nbefore-build = "make x"'
    assert overrides(options) == [{"select": ours, "build": {"before-build": ["make x"]}}]


def test_an_override_that_is_used_is_translated_with_its_select() -> None:
    override = 'select = "cp313-*"\nbefore-build = "make x"'
    found = outcomes(written(table(f"{TWO}{OVERRIDE}{override}")))
    assert "overrides.0.select translated: overrides" in found
    assert "overrides.0.before-build translated: build.before-build" in found


def test_an_override_for_other_wheels_leaves_no_table() -> None:
    assert overrides(f'{OVERRIDE}select = "*-win32"\nbefore-build = "make x"') == []


@pytest.mark.parametrize(
    ("how", "expected"), [("append", ["a", "b"]), ("prepend", ["b", "a"]), ("none", ["b"])]
)
def test_an_override_inherits_what_it_says(how: str, expected: list[str]) -> None:
    options = (
        f'test-command = "pytest"\ntest-requires = "a"\n{OVERRIDE}select = "cp313-*"\n'
        f'inherit.test-requires = "{how}"\ntest-requires = "b"'
    )
    assert overrides(options)[0]["test"]["requires"] == expected


def test_an_override_that_replaces_an_environment_leaves_none_of_it() -> None:
    options = f'environment = "A=1 B=1"\n{OVERRIDE}select = "*_aarch64"\nenvironment = "B=2"'
    spec = spec_of(TWO + options)
    assert spec["build"]["environment"] == {"B": "1", "CIBUILDWHEEL": "1"}
    assert spec["overrides"] == [
        {"select": "x86_64-*", "build": {"environment": {"A": "1"}}},
        {"select": "aarch64-*", "build": {"environment": {"B": "2"}}},
    ]


def test_an_override_that_appends_to_an_environment_adds_to_it() -> None:
    options = (
        f'environment = "A=1"\n{OVERRIDE}select = "*_aarch64"\ninherit.environment = "append"\n'
        'environment = "B=2"'
    )
    assert overrides(options) == [{"select": "aarch64-*", "build": {"environment": {"B": "2"}}}]


def test_skipped_tests_are_an_override_without_other_options_of_tests() -> None:
    options = 'test-command = "pytest"\ntest-skip = "*-*linux_aarch64 *_arm64"'
    spec = spec_of(TWO + options)
    assert {"select": "aarch64-*", "test": {"strategy": "skip"}} in spec["overrides"]
    assert {
        "select": "x86_64-*",
        "test": {"command": ["pytest"], "environment": {"CIBUILDWHEEL": "1"}},
    } in (spec["overrides"])


def test_one_image_for_all_is_one_policy() -> None:
    images = 'manylinux-x86_64-image = "manylinux_2_34"\nmanylinux-aarch64-image = "manylinux_2_34"'
    assert spec_of(TWO + images)["build"]["policy"] == "manylinux_2_34"


def test_the_policy_of_each_target_is_that_of_its_image() -> None:
    spec = spec_of('build = "cp311-*"\nmanylinux-aarch64-image = "manylinux2014"')
    assert spec["overrides"] == [
        {"select": "x86_64-*", "build": {"policy": "manylinux_2_28"}},
        {"select": "aarch64-*", "build": {"policy": "manylinux_2_17"}},
    ]


def test_common_leaves_are_written_once_and_the_rest_by_group() -> None:
    key = ("build", "environment", "A")
    wheels: dict[tuple[str, str], dict[tuple[str, ...], Any]] = {
        ("t", "p"): {key: "1"},
        ("t", "q"): {key: "1"},
        ("u", "p"): {key: "2", ("test", "x"): ["y"]},
    }
    base, rest = factored(wheels)
    assert base == {"build": {"environment": {"A": "1"}}}
    assert rest == [{"select": "u-*", "build": {"environment": {"A": "2"}}, "test": {"x": ["y"]}}]


MATRIX = {"t": ["p", "q"], "u": ["p", "q"], "v": ["p", "q"]}


@pytest.mark.parametrize(
    ("chosen", "globs"),
    [
        ("t-p t-q u-p u-q v-p v-q", ["*"]),
        ("t-p t-q", ["t-*"]),
        ("t-p u-p v-p", ["*-p"]),
        ("t-p t-q u-p v-p", ["*-p", "t-q"]),
        ("u-q", ["u-q"]),
    ],
)
def test_globs_are_short(chosen: str, globs: list[str]) -> None:
    pairs = [(word.split("-")[0], word.split("-")[1]) for word in chosen.split()]
    assert selecting(pairs, MATRIX) == globs
