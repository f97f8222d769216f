"""Plans as JSON data, and back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpforge.plan.codec import decode, encode
from mpforge.plan.pins import EnvironmentRequest, ImageRequest
from mpforge.plan.places import InImage, Machine
from mpforge.plan.steps import (
    InstallPackages,
    OutputOf,
    ProjectFiles,
    RunCommands,
    RunTests,
    ShippedFiles,
    Step,
    Tree,
    Variables,
)
from mpforge.plan.texts import Argv, CommandLine, Placeholder, ShellLine, symbolic
from mpforge.plan.toolchains import (
    Compilers,
    CrossImage,
    HostGcc,
    HostZig,
    ImageCompiler,
    Toolchain,
    ZigInImage,
)
from mpforge.spec.placeholders import KNOWN, parse

WORDS = st.text(max_size=8)
PLACEHOLDERS = st.builds(Placeholder, st.sampled_from(sorted(KNOWN)), st.none() | WORDS)
TEXTS = st.lists(WORDS | PLACEHOLDERS, max_size=3).map(tuple)
LINES: st.SearchStrategy[CommandLine] = st.builds(ShellLine, TEXTS) | st.builds(
    Argv, st.lists(TEXTS, max_size=3).map(tuple)
)
TREES: st.SearchStrategy[Tree] = (
    st.builds(ProjectFiles, st.booleans())
    | st.builds(OutputOf, WORDS)
    | st.builds(ShippedFiles, WORDS)
)
ZIG = EnvironmentRequest("tool", "cp311", "x86_64", ("ziglang",))
IN_IMAGE = InImage(ImageRequest("an/image", "x86_64"))
TOOLCHAINS: list[Toolchain] = [
    HostZig(ZIG, cross=True),
    ZigInImage(ZIG, IN_IMAGE),
    HostGcc(),
    ImageCompiler(IN_IMAGE),
    CrossImage(IN_IMAGE),
]
COMPILERS = st.builds(Compilers, st.sampled_from(TOOLCHAINS), WORDS, WORDS, st.none() | WORDS)
COMMANDS = (
    st.builds(
        RunCommands,
        TREES,
        st.lists(WORDS, max_size=2).map(tuple),
        st.lists(LINES, max_size=2).map(tuple),
        st.just(("out",)),
        COMPILERS,
        WORDS,
        WORDS,
    )
    | st.builds(
        RunTests,
        st.builds(ShippedFiles, WORDS),
        st.builds(ProjectFiles),
        st.just(("tests",)),
        st.lists(LINES, max_size=2).map(tuple),
        st.builds(Machine, WORDS, st.booleans(), st.none() | WORDS),
        st.none() | WORDS,
        st.none() | st.builds(OutputOf, WORDS),
    )
    | st.builds(
        InstallPackages,
        st.just(EnvironmentRequest("test", "cp311", "aarch64", ("pytest",))),
        st.none() | st.builds(OutputOf, WORDS) | st.builds(ShippedFiles, WORDS),
    )
)
VARIABLES = st.builds(Variables, st.lists(st.tuples(WORDS, TEXTS), max_size=2).map(tuple))
STEPS = st.builds(Step, WORDS, WORDS, COMMANDS, VARIABLES, st.integers(0, 9), st.booleans())


@given(STEPS)
def test_a_step_survives_the_way_through_json(step: Step) -> None:
    assert decode(Step, json.loads(json.dumps(encode(step)))) == step


def test_a_step_of_another_shape_is_refused_not_half_understood() -> None:
    data = encode(
        Step("a", "b", InstallPackages(EnvironmentRequest("test", "cp311", "x86_64", ())))
    )
    others: list[object] = [
        {**data, "more": 1},
        {key: value for key, value in data.items() if key != "title"},
        {**data, "timeout": "2h"},
        {**data, "command": {**data["command"], "kind": "invent-packages"}},
        {**data, "command": {**data["command"], "extras": "one"}},
        {**data, "variables": {"values": [["A"]], "passed": [], "secrets": []}},
        [],
        None,
    ]
    for broken in others:
        with pytest.raises((ValueError, TypeError), match=r"."):
            decode(Step, broken)


@given(st.lists(st.sampled_from(["{jobs}", "{", "}", "#", "$", "{other}", "a", "{jobs"])))
def test_a_text_s_symbolic_form_reads_back_as_the_same_text(pieces: list[str]) -> None:
    text = tuple(
        part if isinstance(part, str) else Placeholder(part.name, part.argument)
        for part in parse("".join(pieces))
    )
    again = tuple(
        part if isinstance(part, str) else Placeholder(part.name, part.argument)
        for part in parse(symbolic(text))
    )
    assert again == text


def test_a_command_is_shown_with_its_placeholders_as_written() -> None:
    shell = ShellLine(("make -j", Placeholder("jobs"), " ${CC} ", Placeholder("prefix", "zlib")))
    assert str(shell) == "make -j{jobs} ${CC} {prefix:zlib}"
    assert str(Argv((("cp",), (Placeholder("wheel"), "x")))) == "cp {wheel}x"
