"""Turn a user's texts into typed commands: placeholders become references."""

from collections.abc import Iterable, Sequence

from mpforge.plan.texts import Argv, CommandLine, Placeholder, ShellLine, Text
from mpforge.spec.placeholders import parse


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
