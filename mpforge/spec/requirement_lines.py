"""Parse entries of ``requires`` and ``constraints``, lines of a requirements file, and of ``tools``.

The format is pip's ("Requirements File Format" in its documentation). No library is used: the only
maintained one (requirements-parser) skips ``-c``, hashes and paths. Takes texts, reads no file.
"""

import contextlib
import re
from dataclasses import dataclass
from urllib.parse import unquote

from mpforge.formats.requirements import requirement, specifier

EXPECTED = (
    'a requirement (PEP 508) such as "numpy>=2", a path such as "./plugin", or a file of requirements '
    'such as "-r requirements/test.txt"'
)
_FILE = re.compile(
    r"(?:(?P<short>-[rc])|--(?P<long>requirements?|constraints?))(?:\s*=\s*|\s*)(?P<path>.*)"
)
_EDITABLE = re.compile(r"(?:-e|--editable)(?:\s*=\s*|\s+)(?P<what>.+)")
# mpforge always prefers wheels, and checks given hashes anyway.
_WITHOUT_EFFECT = re.compile(r"--(require-hashes|prefer-binary|only-binary|use-feature)\b.*")
_OF_AN_INDEX = re.compile(
    r"-i\b.*|-f\b.*|--(index-url|extra-index-url|find-links|no-index|trusted-host)\b.*"
)
_NAMED = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[(?P<extras>[^\]]*)\])?\s*@\s*(?P<path>\S.*)"
)
_HASH = re.compile(r"\s+--hash[=\s]\s*(\S+)")
_FOR_SDISTS = re.compile(r"\s+--(config-settings?|global-option)[=\s]\s*(\S+)")
_EXTRAS = re.compile(r"(?P<path>.*?)\[(?P<extras>[^\]]*)\]")
_TOOL = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._+-]*[A-Za-z0-9+])?)\s*((?:[<>=!~].*)?)")


@dataclass(frozen=True)
class FileLine:
    """``-r FILE``, or ``-c FILE`` with ``constrains``."""

    path: str
    constrains: bool


@dataclass(frozen=True)
class PathLine:
    """A wheel or a source directory, by its path; ``name`` is the package name in the line, if any."""

    path: str
    extras: tuple[str, ...] = ()
    name: str | None = None
    marker: str | None = None

    def requirement(self, name: str, place: str) -> str:
        """Return it as a PEP 508 requirement, with a package's name, and ``place`` instead of the path."""
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        return f"{name}{extras}{place}" + (f" ; {self.marker}" if self.marker else "")


Line = FileLine | PathLine | str
"""A parsed line; a ``str`` is a requirement (PEP 508), followed by its hashes as ``--hash=…``."""


def lines_of(text: str) -> list[tuple[int, int, str]]:
    """Return line, column and text of each logical line: continued lines joined, comments removed."""
    found: list[tuple[int, int, str]] = []
    joined, begin = "", 0
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        whole = re.sub(r"(^|\s+)#.*$", "", line)
        begin = begin or number
        if whole.endswith("\\"):
            joined += whole[:-1] + " "
            continue
        joined += whole
        if joined.strip():
            found.append((begin, len(joined) - len(joined.lstrip()) + 1, joined.strip()))
        joined, begin = "", 0
    if joined.strip():
        found.append((begin, 1, joined.strip()))
    return found


def parse_line(text: str) -> Line | None:
    """Parse a line; None for an option without effect. Raises ``ValueError`` with what was expected."""
    text = text.strip()
    if (match := _FILE.fullmatch(text)) is not None:
        if not match["path"]:
            raise ValueError(f"expected a file name after {text}")
        constrains = match["short"] == "-c" or (match["long"] or "").startswith("c")
        return FileLine(match["path"].strip("\"'"), constrains)
    if (match := _EDITABLE.fullmatch(text)) is not None:
        text = match["what"]
    if _WITHOUT_EFFECT.fullmatch(text):
        return None
    if _OF_AN_INDEX.fullmatch(text):
        raise ValueError(f"{text.split()[0]} is not supported here: use [index] in the spec")
    if text.startswith("-"):
        raise ValueError(f"the option {text.split()[0]} is not supported here; expected {EXPECTED}")
    return _path_line(text) or _requirement(text)


def _path_line(text: str) -> PathLine | None:
    """Return a line that is a path, else None."""
    place, _, marker = re.sub(r"\s;\s*|;\s+", "\0", text, count=1).partition("\0")
    place, name, extras = place.strip(), None, ""
    if (match := _NAMED.fullmatch(place)) is not None:
        name, extras, place = match["name"], match["extras"] or "", match["path"]
    elif (match := _EXTRAS.fullmatch(place)) is not None:
        place, extras = match["path"], match["extras"]
    if not (
        place.startswith(("./", "../", "/", "file:")) or place in (".", "..") or _is_wheel(place)
    ):
        return None
    if marker:
        _requirement(f"x ; {marker}")
    words = tuple(sorted(word.strip() for word in extras.split(",") if word.strip()))
    return PathLine(_path(place), words, name, marker or None)


def _is_wheel(place: str) -> bool:
    return place.endswith(".whl") and "://" not in place


def _path(place: str) -> str:
    """Return the path of a ``file:`` URL, even a relative one; else the text itself."""
    if not place.startswith("file:"):
        return place
    path = re.sub(r"^file:(//(localhost)?(?=/))?", "", place).partition("#")[0]
    return unquote(path) or "."


def _requirement(text: str) -> str:
    hashes = _HASH.findall(f" {text}")
    plain = _FOR_SDISTS.sub("", _HASH.sub("", f" {text}")).strip()
    if (match := re.search(r"\s(--?[a-z][a-z-]*)", plain)) is not None:
        raise ValueError(f"the option {match[1]} is not supported here")
    try:
        parsed = requirement(plain)
    except ValueError:
        raise ValueError(f'expected {EXPECTED}, got "{plain}"') from None
    for value in hashes:
        if not re.fullmatch(r"sha256:[0-9a-f]{64}|(?!sha256)\w+:[0-9a-f]+", value):
            raise ValueError(f'expected a hash such as "sha256:…", got "{value}"')
    known = sorted(value for value in hashes if value.startswith("sha256:"))
    if hashes and not known:
        raise ValueError("expected a sha256 among the hashes")
    return " ".join([str(parsed) if hashes else plain, *(f"--hash={value}" for value in known)])


def parse_tool(text: str) -> tuple[str, str]:
    """Return the name and the version specifier (PEP 440, may be empty) of a tool: ``"cmake>=3.28"``.

    Names are those of programs (``g++``, ``pkg-config``). Raises ``ValueError`` with what was expected.
    """
    match = _TOOL.fullmatch(text)
    if match is not None:
        with contextlib.suppress(ValueError):
            return match[1], str(specifier(match[2]))
    raise ValueError(
        "expected the name of a program and perhaps its versions, such as "
        f'"nasm" or "cmake>=3.28", got "{text}"'
    )
