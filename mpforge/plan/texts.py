"""Commands and variables of a plan as texts, with references to what is known only when a step runs."""

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Placeholder:
    """``{name}`` or ``{name:argument}`` of docs/contract.md, "Spec"; it stays symbolic in keys."""

    name: str
    argument: str | None = None
    kind: Literal["placeholder"] = "placeholder"

    def __str__(self) -> str:
        return "{" + self.name + (f":{self.argument}" if self.argument else "") + "}"


Text = tuple[str | Placeholder, ...]


@dataclass(frozen=True)
class ShellLine:
    """A line for ``sh -e -c``."""

    text: Text
    kind: Literal["shell"] = "shell"

    def __str__(self) -> str:
        return symbolic(self.text)


@dataclass(frozen=True)
class Argv:
    """A program and its arguments, as they are."""

    words: tuple[Text, ...]
    kind: Literal["argv"] = "argv"

    def __str__(self) -> str:
        return " ".join(symbolic(word) for word in self.words)


CommandLine = ShellLine | Argv


# What reads as a placeholder but is none: written `#{word}` in the spec; `${word}` is the shell's.
_LITERAL_WORD = re.compile(r"(?<!\$)(?=\{[A-Za-z_][A-Za-z0-9_]*(?::[a-z][a-z0-9_]*)?\})")


def symbolic(text: Text) -> str:
    """A text as it may be written in a spec, for keys and for people: two texts never look alike."""
    return "".join(
        _LITERAL_WORD.sub("#", part) if isinstance(part, str) else str(part) for part in text
    )
