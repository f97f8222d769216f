"""Likely causes of a difference between two builds, from the bytes that differ.

Knows nothing of file formats.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

_WORD = re.compile(rb"[\w./+-]+")
_DATE = re.compile(
    rb"\d{4}-\d\d-\d\d|\d\d?:\d\d:\d\d"
    rb"|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d(?: \d{4})?"
)
_SECONDS = re.compile(rb"(?<!\d)(\d{10})(?:\d{3}|\d{6}|\d{9})?(?!\d)")
_UNIQUE = re.compile(rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|tmp[a-z0-9_]{8}")

# The causes of differing facts of an archive's members.
CAUSES = {
    "mtime": "the time of the build: it ignores SOURCE_DATE_EPOCH, which mpforge sets for every step",
    "mode": "the umask, or a file mode that the build sets",
    "owner": "the user who ran the build: write archives with owner 0",
}
ORDER = "the same content in another order (a set, or an unsorted directory listing): sort it"


@dataclass(frozen=True)
class Circumstances:
    """Facts about the two builds: the directory of each, and the seconds since 1970 of both."""

    places: tuple[str, str] = ("", "")
    began: float = 0.0
    ended: float = 0.0


def likely_cause(first: bytes, second: bytes, known: Circumstances) -> str | None:
    """Return the likely cause of a difference, or None if nothing points to one."""
    found = (os.fsencode(place) for place in known.places)
    if any(place and place in data for place, data in zip(found, (first, second), strict=True)):
        return (
            "it contains the build directory (os.getcwd(), __file__, an absolute path): use a "
            "relative path"
        )
    if _differ(first, second, lambda data: _times(data, known)):
        return (
            "a date or time: use SOURCE_DATE_EPOCH, which mpforge sets for every step, instead of "
            "the clock"
        )
    if _differ(first, second, _UNIQUE.findall):
        return "a UUID or the name of a temporary file, which changes with every build"
    words = _WORD.findall(first), _WORD.findall(second)
    if words[0] != words[1] and sorted(words[0]) == sorted(words[1]):
        return ORDER
    return None


def _differ(first: bytes, second: bytes, find: Callable[[bytes], list[bytes]]) -> bool:
    """Return whether ``find`` finds something in both, but not the same."""
    one, two = set(find(first)), set(find(second))
    return bool(one and two and one != two)


def _times(data: bytes, known: Circumstances) -> list[bytes]:
    """Return the dates, times of day, and seconds (or fractions) between begin and end, as written."""
    stamps = (match for match in _SECONDS.finditer(data))
    now = [m.group() for m in stamps if known.began - 1 <= int(m.group(1)) <= known.ended + 1]
    return [*_DATE.findall(data), *now]
