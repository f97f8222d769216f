"""Commands and variables of a plan as texts, with references that are resolved when a step runs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mpforge.plan.codec import OneOf


@dataclass(frozen=True)
class Placeholder(OneOf):
    """``{name}`` or ``{name:argument}`` of docs/contract.md, "Spec"; it stays symbolic in keys."""

    name: str
    argument: str | None = None

    def __str__(self) -> str:
        return "{" + self.name + (f":{self.argument}" if self.argument else "") + "}"


Text = tuple[str | Placeholder, ...]


@dataclass(frozen=True)
class ShellLine(OneOf, kind="shell"):
    """A line for ``sh -e -c``."""

    text: Text

    def __str__(self) -> str:
        return symbolic(self.text)


@dataclass(frozen=True)
class Argv(OneOf):
    """A program and its arguments, used literally."""

    words: tuple[Text, ...]

    def __str__(self) -> str:
        return " ".join(symbolic(word) for word in self.words)


CommandLine = ShellLine | Argv


# Literal text that looks like a placeholder: written `#{word}` in the spec; `${word}` is the shell's.
_LITERAL_WORD = re.compile(r"(?<!\$)(?=\{[A-Za-z_][A-Za-z0-9_]*(?::[a-z][a-z0-9_]*)?\})")


def symbolic(text: Text) -> str:
    """Return a text in the spec's notation, for keys and for people: different texts never look alike."""
    return "".join(
        _LITERAL_WORD.sub("#", part) if isinstance(part, str) else str(part) for part in text
    )


def written(value: object) -> Iterator[str]:
    """Yield the texts in a command's field, with placeholders as the spec writes them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, ShellLine | Argv):
        yield str(value)
    elif isinstance(value, tuple) and any(isinstance(part, Placeholder) for part in value):
        yield symbolic(value)
    elif isinstance(value, tuple):
        for part in value:
            yield from written(part)
