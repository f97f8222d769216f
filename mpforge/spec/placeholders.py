"""Parse placeholders in commands and values, apart from the shell's syntax.

Only ``{word}`` not preceded by ``$`` or ``#`` is one, so ``${VAR}`` and ``{a,b}`` are the shell's;
``#{word}`` is literal ``{word}``; ``{prefix:LIB}`` names a library. An unknown word stays literal.
This module knows no value of any placeholder.
"""

import re
from dataclasses import dataclass

from mpforge.spec.suggest import close_to

KNOWN = frozenset(
    {
        "project",
        "package",
        "wheel",
        "dest_dir",
        "prefix",
        "triple",
        "arch",
        "jobs",
        "python",
        "policy",
        "version",
        "target",
        "posargs",
        "run",
        "build_dir",
    }
)

_WORD = re.compile(
    r"(?P<mark>[$#]?)\{(?P<word>[A-Za-z_][A-Za-z0-9_]*)(?::(?P<arg>[a-z][a-z0-9_]*))?\}"
)
_CLOSE = 0.75


@dataclass(frozen=True)
class Placeholder:
    """``{name}``, or ``{prefix:argument}`` where ``argument`` is a library's name."""

    name: str
    argument: str | None = None

    def __str__(self) -> str:
        return "{" + self.name + (f":{self.argument}" if self.argument else "") + "}"


def parse(text: str) -> tuple[str | Placeholder, ...]:
    """Split ``text`` into literals and placeholders, in order; no empty or adjacent literals."""
    parts: list[str | Placeholder] = []
    literal, end = "", 0
    for match in _WORD.finditer(text):
        literal += text[end : match.start()]
        end = match.end()
        if match["mark"] == "#":
            literal += match.group()[1:]
        elif match["mark"] == "$" or not _is_known(match["word"], match["arg"]):
            literal += match.group()
        else:
            parts += [literal] if literal else []
            parts.append(Placeholder(match["word"], match["arg"]))
            literal = ""
    literal += text[end:]
    return tuple([*parts, literal] if literal else parts)


def misspelt(text: str) -> tuple[tuple[str, str], ...]:
    """Return each ``{word}`` that is close to a placeholder, with that placeholder."""
    found = []
    for match in _WORD.finditer(text):
        word, argument = match["word"], match["arg"]
        if match["mark"] or _is_known(word, argument):
            continue
        if (near := close_to(word, KNOWN, _CLOSE)) is not None:
            kept = argument if near == "prefix" else None
            found.append((match.group(), str(Placeholder(near, kept))))
    return tuple(found)


def _is_known(word: str, argument: str | None) -> bool:
    return word in KNOWN and (argument is None or word == "prefix")
