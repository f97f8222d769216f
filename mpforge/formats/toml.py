"""Read any TOML file: the spec, the lock, pyproject.toml, Cargo's files, uv's and rustup's.

Refuses what ``tomli`` accepts but later code can't handle: nesting that ends a recursive walk, whole
numbers beyond 64 bits (TOML's own limit), NUL, and files so long that reading takes minutes.
"""

import ast
import json
import pathlib
import re
from collections.abc import Iterator
from typing import Any

from mpforge.errors import Place, TomlInvalid

Path = tuple[str | int, ...]
"""The keys, and indexes of lists, that lead to a value."""

MAX_BYTES = 16_000_000
MAX_DEPTH = 100

_INTEGERS = range(-(2**63), 2**63)
_WHERE = re.compile(r"\s*\(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")
_INLINE = "Duplicate inline table key "
_TWICE = re.compile(r"Cannot (?:declare|redefine namespace) (?P<key>\(.*\))(?: twice)?")
_KEY = re.compile(r"[ \t]*(?:[\w.\"'-]+[ \t]*=|\[)")
_OPENS = re.compile(r"^[ \t]*[\w.\"'-]+[ \t]*=[ \t]*(?P<value>[\[{])", re.MULTILINE)
_TRIES = 50  # a key of a list's inline table looks like one at the top
# Python refuses longer ones (sys.set_int_max_str_digits) without saying where they are.
_MANY_DIGITS = re.compile(r"[0-9_]{640,}")


def read_toml(content: str | bytes, file: str) -> dict[str, Any]:
    """Parse ``content`` into a document; ``file`` is its name in errors.

    Raises ``TomlInvalid`` with its place.
    """
    if len(content) > MAX_BYTES:
        raise TomlInvalid(f"it is larger than {MAX_BYTES:,} bytes", place=Place(file))
    text = decoded(content, file) if isinstance(content, bytes) else content
    if text.startswith("\ufeff"):
        raise TomlInvalid(
            "it begins with a byte order mark",
            hint="save it as UTF-8 without one",
            place=Place(file),
        )
    import tomli  # late: most runs read the index instead

    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise _not_toml(str(error), text, file) from None
    except RecursionError:
        raise TomlInvalid("it is nested too deeply", place=Place(file)) from None
    except ValueError:
        digits = _MANY_DIGITS.search(text)
        place = _at(text, digits.start(), file) if digits else Place(file)
        raise TomlInvalid("a number has too many digits", place=place) from None
    _refuse_excess(document, text, file)
    return document


def content_of(path: pathlib.Path, file: str) -> bytes:
    """Return a TOML file's bytes, up to just over the limit. Raises ``TomlInvalid`` if it is not a file."""
    if not path.is_file():
        raise TomlInvalid("it is not a regular file", place=Place(file))
    with path.open("rb") as stream:
        return stream.read(MAX_BYTES + 1)


def table_of(content: str | bytes | None) -> dict[str, Any]:
    """Return the document; empty for invalid TOML, which the file's own reader will report."""
    try:
        return read_toml(content or "", "")
    except TomlInvalid:
        return {}


def decoded(content: bytes, file: str) -> str:
    """Return the text of a file that must be UTF-8. Raises ``TomlInvalid`` with its place."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        what = f"it is not UTF-8: byte {content[error.start]:#04x}"
        raise TomlInvalid(what, place=_at(before, len(before), file)) from None


def as_toml(value: object) -> str:
    """Return a boolean, a number, a string or a list of those as TOML, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_toml, value))}]"
    # A TOML basic string is a JSON string, except for DEL.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def as_key(word: str) -> str:
    """Return a key as TOML: quoted unless it is a bare key."""
    return word if re.fullmatch(r"[A-Za-z0-9_-]+", word) else as_toml(word)


def _not_toml(said: str, text: str, file: str) -> TomlInvalid:
    """Return the error for tomli's message, which contains the place unless it is the document's end."""
    match = _WHERE.search(said)
    if match is None:
        return TomlInvalid(said, place=Place(file))
    if match["line"]:
        place = Place(file, int(match["line"]), int(match["column"]))
    else:
        place = _at(text, len(text.rstrip("\r\n")), file)
    begin = _unclosed(said[: match.start()], text, place)
    if begin is not None:
        sign = text.split("\n")[begin.line - 1][begin.column - 1]
        return TomlInvalid(f"this `{sign}` is not closed", place=begin)
    return TomlInvalid(_as_people_write(said[: match.start()], text, place), place=place)


def _unclosed(said: str, text: str, place: Place) -> Place | None:
    """Return the begin of a list or inline table into which the next key or the end of the file falls."""
    lines = text.split("\n")
    start = sum(len(line) + 1 for line in lines[: place.line - 1])
    offset = start + place.column - 1
    is_key = _KEY.match(text, start) and not text[start:offset].strip(" \t[")
    falls_in = is_key or not text[offset:].strip()
    if not said.startswith("Unclosed") and not (said == "Invalid value" and falls_in):
        return None
    for begin in list(_OPENS.finditer(text, 0, offset))[: -_TRIES - 1 : -1]:
        if _is_toml(text[: begin.start()]):
            is_closed = begin.start() < start and _is_toml(text[:start])
            return None if is_closed else _at(text, begin.start("value"), place.file)
    return None


def _is_toml(text: str) -> bool:
    import tomli

    try:
        tomli.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _as_people_write(said: str, text: str, place: Place) -> str:
    """Return tomli's message about a duplicate, with the key or table as written in the file."""
    if said == "Cannot overwrite a value":
        key = text.split("\n")[place.line - 1].partition("=")[0].strip()
        return f"{key} is defined twice" if key else said
    if said.startswith(_INLINE):
        key = ast.literal_eval(said.removeprefix(_INLINE))
        return f"{key} is defined twice"
    match = _TWICE.fullmatch(said)
    if match is None:
        return said
    keys = ".".join(map(as_key, ast.literal_eval(match["key"])))
    return f"[{keys}] is defined twice"


def _at(text: str, position: int, file: str) -> Place:
    line_start = text.rfind("\n", 0, position) + 1
    return Place(file, text.count("\n", 0, position) + 1, position - line_start + 1)


def _refuse_excess(document: dict[str, Any], text: str, file: str) -> None:
    """Raise ``TomlInvalid`` for values that later programs can't take."""
    for path, value in _walk(document):
        if len(path) > MAX_DEPTH:
            what = f"it is nested deeper than {MAX_DEPTH} tables"
        elif isinstance(value, int) and value not in _INTEGERS:
            what = "an integer has more than 64 bits"
        elif "\0" in (value if isinstance(value, str) else "".join(map(str, path[-1:]))):
            what = "a string has a NUL character"
        else:
            continue
        from mpforge.formats.toml_places import key_places, nearest_place

        line, column = nearest_place(key_places(text), path)
        raise TomlInvalid(what, place=Place(file, line, column))


def _walk(document: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Yield every value with its path, outer ones first; stop at the first that is too deep."""
    pending: list[tuple[Path, Any]] = [((), document)]
    while pending:
        path, value = pending.pop()
        yield path, value
        if isinstance(value, dict):
            pending += [((*path, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            pending += [((*path, number), inner) for number, inner in enumerate(value)]
