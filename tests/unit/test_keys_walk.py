"""What enters a step's key, and what does not."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from mpforge.keys.digest import digest
from mpforge.keys.walk import Resolved, ingredients, references
from mpforge.plan.pins import EnvironmentRequest
from mpforge.plan.places import Machine
from mpforge.plan.steps import (
    BuildWheel,
    OutputOf,
    ProjectFiles,
    RunTests,
    ShippedFiles,
    Step,
    Variables,
)
from mpforge.plan.texts import Placeholder, ShellLine
from mpforge.plan.toolchains import Compilers, HostZig

ZIG = EnvironmentRequest("tool", "cp311", "x86_64", ("ziglang",))
COMPILERS = Compilers(HostZig(ZIG, cross=True), "aarch64", "manylinux_2_17", "cp311")
COMMAND = BuildWheel(
    source=ProjectFiles(),
    exclude=("docs/**",),
    tests=("tests",),
    environment=OutputOf("environment"),
    python="cp311",
    compilers=COMPILERS,
    config_settings=(("a", ("1",)),),
)
STEP = Step(
    "wheel",
    "the wheel",
    COMMAND,
    Variables(values=(("LEVEL", ("one",)),), passed=("PASSED", "UNSET"), secrets=("TOKEN",)),
)
RESOLVED = Resolved(
    trees={"source": "1" * 64, "environment": "2" * 64},
    parts={"zig.version": "0.13"},
    host={"PASSED": "host", "UNSET": None},
)


def _key(step: Step = STEP, resolved: Resolved = RESOLVED) -> str:
    return digest(ingredients(step, resolved))


def _named(step: Step = STEP, resolved: Resolved = RESOLVED) -> Mapping[str, str]:
    return {ingredient.name: ingredient.value for ingredient in ingredients(step, resolved)}


@pytest.mark.parametrize(
    "command",
    [
        replace(COMMAND, python="cp313"),
        replace(COMMAND, compilers=replace(COMPILERS, target="x86_64")),
        replace(COMMAND, compilers=replace(COMPILERS, policy="manylinux_2_28")),
        replace(COMMAND, compilers=replace(COMPILERS, toolchain=HostZig(ZIG, cross=False))),
        replace(COMMAND, before=(ShellLine(("true",)),)),
        replace(COMMAND, before=(ShellLine((Placeholder("jobs"),)),)),
        replace(COMMAND, config_settings=(("a", ("1", "2")),)),
        replace(COMMAND, frontend="uv"),
    ],
)
def test_a_change_of_what_a_step_does_changes_its_key(command: BuildWheel) -> None:
    assert _key(replace(STEP, command=command)) != _key()


@pytest.mark.parametrize(
    "resolved",
    [
        replace(RESOLVED, trees={**RESOLVED.trees, "source": "3" * 64}),
        replace(RESOLVED, trees={**RESOLVED.trees, "environment": "3" * 64}),
        replace(RESOLVED, parts={"zig.version": "0.14"}),
        replace(RESOLVED, parts={}),
        replace(RESOLVED, host={**RESOLVED.host, "PASSED": "other"}),
        replace(RESOLVED, host={**RESOLVED.host, "PASSED": None}),
        replace(RESOLVED, host={**RESOLVED.host, "UNSET": ""}),
        replace(RESOLVED, host={**RESOLVED.host, "UNSET": "(absent)"}),
    ],
)
def test_a_change_of_what_a_step_is_given_changes_its_key(resolved: Resolved) -> None:
    assert _key(resolved=resolved) != _key()


@pytest.mark.parametrize(
    "variables",
    [
        replace(STEP.variables, values=()),
        replace(STEP.variables, values=(("LEVEL", ("two",)),)),
        replace(STEP.variables, passed=("PASSED",)),
        replace(STEP.variables, secrets=()),
    ],
)
def test_a_change_of_a_step_s_variables_changes_its_key(variables: Variables) -> None:
    assert _key(replace(STEP, variables=variables)) != _key()


def test_what_only_narrows_the_source_counts_by_what_is_left_of_it() -> None:
    narrower = replace(COMMAND, exclude=("docs/**", "*.md"), tests=("tests", "conftest.py"))
    assert _key(replace(STEP, command=narrower)) == _key()


def test_names_titles_and_timeouts_are_no_part_of_a_key() -> None:
    renamed = replace(COMMAND, environment=OutputOf("environment of another session"))
    other = replace(STEP, id="x", title="y", timeout=1, cache=False, command=renamed)
    assert _key(other) == _key()


def test_a_literal_that_looks_like_a_placeholder_is_not_taken_for_one() -> None:
    literal = replace(STEP, variables=Variables(values=(("N", ("{jobs}",)),)))
    symbol = replace(STEP, variables=Variables(values=(("N", (Placeholder("jobs"),)),)))
    assert _key(literal) != _key(symbol)


def test_a_variable_that_is_passed_and_has_a_literal_too_counts_by_both() -> None:
    both = replace(STEP, variables=Variables(values=(("A", ("1",)),), passed=("A", "A")))
    keys = {_key(both, replace(RESOLVED, host={"A": value})) for value in (None, "1", "2")}
    assert len(keys) == 3


def test_a_secret_is_named_in_a_key_and_its_value_is_nowhere() -> None:
    told = _named(resolved=replace(RESOLVED, host={**RESOLVED.host, "TOKEN": "hunter2"}))
    assert "hunter2" not in str(told)
    assert any("TOKEN" in name for name in told)


def test_an_input_that_was_not_resolved_has_no_key() -> None:
    with pytest.raises(KeyError):
        _key(resolved=replace(RESOLVED, trees={}))


def test_a_step_says_which_of_its_inputs_must_be_resolved() -> None:
    assert references(STEP) == {"source": ProjectFiles(), "environment": OutputOf("environment")}
    test = RunTests(
        ShippedFiles("build"),
        ProjectFiles(),
        (),
        (),
        Machine("aarch64", True, "max"),
        "cp311",
        None,
    )
    assert references(replace(STEP, command=test)) == {
        "shipped": ShippedFiles("build"),
        "source": ProjectFiles(),
    }


def test_the_cpu_model_and_the_absence_of_an_emulator_are_in_a_test_s_key() -> None:
    resolved = Resolved(trees={"shipped": "1" * 64, "source": "2" * 64})
    keys = {
        _key(
            Step(
                "t",
                "t",
                RunTests(ShippedFiles("build"), ProjectFiles(), (), (), machine, "cp311", None),
            ),
            resolved,
        )
        for machine in (
            Machine("aarch64", True, "cortex-a53"),
            Machine("aarch64", True, "max"),
            Machine("aarch64", False, None),
        )
    }
    assert len(keys) == 3
