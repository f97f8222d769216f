"""Turn a user's texts into typed commands and variables: placeholders become references."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mpforge.plan.steps import Variables
from mpforge.plan.texts import Argv, CommandLine, Placeholder, ShellLine, Text
from mpforge.platforms.cpus import Cpu
from mpforge.spec.placeholders import parse

if TYPE_CHECKING:
    from mpforge.spec.model import BuildOptions, TestOptions

# Placeholders that only a build for a target has a value for: the sdist's variables can't use them.
OF_A_TARGET = {"run", "triple", "arch", "target", "policy", "build_dir", "prefix"}


def text(written: str) -> Text:
    """Return a user's text with its placeholders as references."""
    return tuple(
        part if isinstance(part, str) else Placeholder(part.name, part.argument)
        for part in parse(written)
    )


def texts_of(lines: Iterable[CommandLine]) -> list[Text]:
    """Return the texts of typed commands: shell lines, and the words of argv lists."""
    texts: list[Text] = []
    for line in lines:
        texts += [line.text] if isinstance(line, ShellLine) else line.words
    return texts


def commands(written: str | Sequence[str | Sequence[str]]) -> tuple[CommandLine, ...]:
    """Return shell lines and argv lists as typed commands."""
    lines = [written] if isinstance(written, str) else list(written)
    return tuple(
        ShellLine(text(line)) if isinstance(line, str) else Argv(tuple(text(w) for w in line))
        for line in lines
    )


def variables(options: "BuildOptions | TestOptions") -> Variables:
    """Return a step's environment from the spec."""
    values = ((name, text(str(value))) for name, value in sorted(options.environment.items()))
    return Variables(tuple(values), tuple(options.pass_environment), tuple(options.secrets))


def compiled_for(cpu: Cpu | None, given: Variables) -> Variables:
    """Return a build's variables with the options that make C, C++ and Rust compilers build for a CPU."""
    if cpu is None:
        return given
    options = dict.fromkeys(("CFLAGS", "CXXFLAGS"), cpu.option)
    if cpu.rust is not None:
        options["RUSTFLAGS"] = f"-C target-cpu={cpu.rust}"
    values = dict(given.values)
    for name, option in options.items():
        values[name] = text(f"{option} ") + values[name] if name in values else text(option)
    return replace(given, values=tuple(sorted(values.items())))


def without(given: Variables, placeholders: Collection[str]) -> Variables:
    """Return the variables that use none of the placeholders, for which a step has no value."""
    values = tuple((name, value) for name, value in given.values if not uses(value, placeholders))
    return replace(given, values=values)


def of_target(build: "BuildOptions") -> bool:
    """Return whether the spec's options for a build differ from target to target."""
    return any(uses(value, OF_A_TARGET) for _, value in variables(build).values)


def uses(value: Text, placeholders: Collection[str]) -> bool:
    """Return whether a text contains one of the placeholders."""
    return any(isinstance(part, Placeholder) and part.name in placeholders for part in value)
