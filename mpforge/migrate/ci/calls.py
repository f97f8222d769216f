"""Find the calls of cibuildwheel in shell scripts, with their arguments, version and variables."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mpforge.migrate.ci.expressions import HOLE
from mpforge.migrate.cibuildwheel.versions import Version, parse_version

_CALL = re.compile(
    r"(?:^|[\s;&|({`])(?P<variables>(?:CIBW_\w+=(?:\"[^\"]*\"|'[^']*'|\S*)[ \t]+)*)"
    r"(?:(?:python[\d.]*|py|\S*/python[\d.]*|\$\{?\w+\}?|uv\s+run)\s+(?:-\S+\s+)*-m\s+|pipx\s+run\s+(?:--spec\s+\S+\s+)?|uvx\s+(?:--from\s+\S+\s+)?)?"
    r"cibuildwheel(?:\[\w+\])?(?:(?:==|@)[\w.]+)?(?P<arguments>(?:[ \t]+[^\n;&|)}]*)?)(?=[\n;&|)}`]|$)"
)
_INSTALLS = re.compile(r"\b(?:install|add|sync|--spec|--from)\b[^\n;&|]*\bcibuildwheel\b")
_VERSION = re.compile(r"\bcibuildwheel(?:\[\w+\])?\s*(?:==|~=|@)\s*v?(\d+(?:\.\d+)*)")
_TO_ENVIRONMENT = re.compile(
    r"^[ \t]*(?:echo|printf)\s+(?P<quote>[\"']?)(?P<name>CIBW_\w+)=(?P<text>[^\n]*?)(?:\\n)?(?P=quote)"
    r"\s*>>\s*\"?\$\{?GITHUB_ENV\}?\"?",
    re.MULTILINE,
)
_WHOLE = re.compile(
    r"(?:echo|printf)\s+(?P<quote>\"?)\$\{?(?P<name>\w+)\}?(?P=quote)\s*>>\s*\"?\$\{?GITHUB_ENV\}?"
)
_DEFINED = re.compile(
    r"^(?P<name>\w+)(?:=(?P<text>[^\n]*)|<<(?P<end>\w+)\n(?P<lines>.*?)\n(?P=end)[ \t]*)$",
    re.MULTILINE | re.DOTALL,
)
_EXPORT = re.compile(
    r"^[ \t]*(?:export\s+)?(?P<name>CIBW_\w+)=(?P<text>\"[^\"]*\"|'[^']*'|[^\s;&|]*)[ \t]*$",
    re.MULTILINE,
)
_ASSIGNMENT = re.compile(r"(CIBW_\w+)=(\"[^\"]*\"|'[^']*'|\S*)")
_FLAGS = ("--print-build-identifiers", "--allow-empty", "--debug-traceback", "--clean-cache")
_OPTIONS = ("--platform", "--archs", "--only", "--config-file", "--output-dir", "--enable")


@dataclass(frozen=True)
class Call:
    """One call: its arguments by name (``package-dir``, ``archs`` …), and variables set for it alone.

    A variable is None if its text is not known.
    """

    line: int
    arguments: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str | None] = field(default_factory=dict)


def calls(script: str) -> Iterator[Call]:
    """Yield the calls in a script, in its order; their lines count from 0."""
    joined = re.sub(r"\\\r?\n", lambda match: " " * len(match.group()), script)
    for match in _CALL.finditer(joined):
        start = script.rfind("\n", 0, match.start("arguments")) + 1
        before = joined[start : match.start("arguments")]
        if _INSTALLS.search(before) or "#" in before.split("cibuildwheel")[0]:
            continue
        line = script.count("\n", 0, match.start("arguments"))
        variables = {m[1]: _literal(m[2]) for m in _ASSIGNMENT.finditer(match["variables"])}
        yield Call(line, _arguments(match["arguments"]), variables)


def _literal(word: str) -> str | None:
    """Return the text that a shell makes of a word; None if it expands something, or has a hole."""
    unquoted = re.sub(r"'[^'\x00]*'", "", word) if '"' not in word else word
    if re.search(r"[$`\x00]", unquoted):
        return None
    return "".join(_split(word)[:1])


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _arguments(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    words = iter(word for word in _split(text) if not re.match(r"\d?>", word))
    for word in words:
        name, equals, value = word.partition("=")
        if name in _FLAGS:
            found[name[2:]] = "yes"
        elif name in _OPTIONS:
            found[name[2:]] = value if equals else next(words, "")
        elif not word.startswith("-"):
            found.setdefault("package-dir", word)
    return found


def version_in(script: str) -> Version | None:
    """Return the version that a script installs, of ``pip install cibuildwheel==3.1.4`` and the like."""
    match = _VERSION.search(script)
    return parse_version(match[1]) if match else None


def assigned(script: str) -> Iterator[tuple[str, str | None, int]]:
    """Yield variables that a script writes to GITHUB_ENV: name, text or None, and the line from 0."""
    choice = re.search(r"\b(?:if|case|for|while)\b", script) is not None
    for match in _TO_ENVIRONMENT.finditer(script):
        text = match["text"]
        known = not choice and not re.search(r"[$`\x00]", text if match["quote"] != "'" else "")
        yield match["name"], text if known else None, script.count("\n", 0, match.start("name"))


def exported(script: str) -> Iterator[tuple[str, str | None, int]]:
    """Yield the variables that a script sets by ``NAME=text`` or ``export``: as ``assigned``."""
    choice = re.search(r"\b(?:if|case|for|while)\b", script) is not None
    for match in _EXPORT.finditer(script):
        text = None if choice else _literal(match["text"])
        yield match["name"], text, script.count("\n", 0, match.start("name"))


def written_whole(script: str) -> str | None:
    """Return the name of the variable whose text a script adds to GITHUB_ENV as it is."""
    match = _WHOLE.search(script)
    return match["name"] if match else None


def defined(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield the variables of a text in GITHUB_ENV's format; None for a text with unknown parts."""
    for match in _DEFINED.finditer(text):
        value = match["text"] if match["end"] is None else match["lines"]
        if match["name"].startswith("CIBW_"):
            yield match["name"], None if HOLE in value else value
