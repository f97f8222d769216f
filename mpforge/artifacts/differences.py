"""Compare two files that should be equal, part by part, and name the likely causes of differences.

Archives and ELF files are taken apart (``anatomy``), texts are compared by lines. Pure reading: nothing
is run, unpacked or written. Knows nothing of how the files were made, except ``Circumstances``.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mpforge.artifacts.file_parts import Anatomy, Facts, Part, anatomy
from mpforge.store.files import files_below

_SHOWN = 72
_SECTION_CAUSES = {".note.gnu.build-id": "the linker computes it from the file's other bytes"}
# The places where two files differ although all their parts are equal, by the kind of parts.
_UNEXPLAINED = {
    "": "compression",
    "entry": "bytes between the entries",
    "section": "bytes outside the sections",
}
_WORD = re.compile(rb"[\w./+-]+")
_DATE = re.compile(
    rb"\d{4}-\d\d-\d\d|\d\d?:\d\d:\d\d"
    rb"|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d(?: \d{4})?"
)
_SECONDS = re.compile(rb"(?<!\d)(\d{10})(?:\d{3}|\d{6}|\d{9})?(?!\d)")
_UNIQUE = re.compile(rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|tmp[a-z0-9_]{8}")

# The causes of differing facts of an archive's members.
_CAUSES = {
    "mtime": "the time of the build: it ignores SOURCE_DATE_EPOCH, which mpforge sets for every step",
    "mode": "the umask, or a file mode that the build sets",
    "owner": "the user who ran the build: write archives with owner 0",
}
_ORDER = "the same content in another order (a set, or an unsorted directory listing): sort it"
_STRING = re.compile(rb"[\x20-\x7e]{4,}")


@dataclass(frozen=True)
class Circumstances:
    """Facts about the two builds: the directory of each, and the seconds since 1970 of both."""

    places: tuple[str, str] = ("", "")
    began: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True)
class FileDifference:
    """One difference: its path, its kind, both values, and the likely cause.

    ``path`` leads from a file into archives: ``("x.whl", "pkg/a.so")``. ``what`` is a word or two: ``only in
    the first``, ``line 3``, ``section .rodata``, ``mtime``, ``order``.
    """

    path: tuple[str, ...]
    what: str
    first: str = ""
    second: str = ""
    hint: str | None = None


Names = tuple[str, ...]
"""A file's path, and the paths in the archives that it leads into."""


def compare_folders(first: Path, second: Path, known: Circumstances) -> tuple[FileDifference, ...]:
    """Return the differences between two directories: files, links, modes and contents."""
    return tuple(_Comparison(known).folders(first, second))


@dataclass(frozen=True)
class _Comparison:
    """A comparison of what two builds made, in circumstances that suggest the causes."""

    known: Circumstances

    # --- folders -------------------------------------------------------------------------------

    def folders(self, first: Path, second: Path) -> Iterator[FileDifference]:
        here, there = set(files_below(first)), set(files_below(second))
        gone, new = sorted(here - there), sorted(there - here)
        if len(gone) == len(new) == 1 and Path(gone[0]).suffix == Path(new[0]).suffix:
            hint = self.cause(gone[0], new[0])
            yield FileDifference((gone[0],), "name", gone[0], new[0], hint)
            yield from self.files(gone[0], first / gone[0], second / new[0])
        else:
            yield from (FileDifference((path,), "only in the first") for path in gone)
            yield from (FileDifference((path,), "only in the second") for path in new)
        for path in sorted(here & there):
            yield from self.files(path, first / path, second / path)

    def cause(self, first: str, second: str) -> str | None:
        """Return the likely cause of a difference between two texts."""
        return _likely_cause(first.encode(), second.encode(), self.known)

    def files(self, path: str, first: Path, second: Path) -> Iterator[FileDifference]:
        if first.is_symlink() or second.is_symlink():
            one, two = (os.readlink(p) if p.is_symlink() else "a file" for p in (first, second))
            if one != two:
                yield FileDifference((path,), "link", one, two, self.cause(one, two))
            return
        places = (first, second)
        mode, other = ("executable" if p.stat().st_mode & 0o100 else "plain" for p in places)
        if mode != other:
            yield FileDifference((path,), "mode", mode, other, _CAUSES["mode"])
        yield from self.contents((path,), first.read_bytes(), second.read_bytes())

    # --- files ---------------------------------------------------------------------------------

    def contents(self, path: Names, first: bytes, second: bytes) -> Iterator[FileDifference]:
        """Yield the differences between two contents, taken apart as far as possible; at least one."""
        if first == second:
            return
        one, two = anatomy(first), anatomy(second)
        if one is not None and two is not None and one.kind == two.kind:
            found = [*self.anatomies(path, one, two)]
            what = _UNEXPLAINED[one.kind]
            yield from found or [FileDifference(path, what, *_bytes_at(first, second))]
            return
        lines = _lines(first), _lines(second)
        if lines[0] is not None and lines[1] is not None:
            yield self.texts(path, lines[0], lines[1])
        else:
            yield self.binaries(path, "bytes", first, second)

    def anatomies(self, path: Names, first: Anatomy, second: Anatomy) -> Iterator[FileDifference]:
        yield from self.facts(path, first.facts, second.facts)
        if not first.kind:
            yield from self.contents(path, first.parts[0].content, second.parts[0].content)
            return
        here, there = _by_name(first), _by_name(second)
        both = [name for name in here if name in there]
        for which, names in (("first", here), ("second", there)):
            for name in names:
                if name not in both:
                    yield _member(path, first.kind, name, f"only in the {which}")
        again = [name for name in there if name in here]
        if both != again:
            one, two = next(pair for pair in zip(both, again, strict=True) if pair[0] != pair[1])
            yield FileDifference(path, "order", one, two, _ORDER)
        compare = self.sections if first.kind == "section" else self.entries
        for name in both:
            yield from compare(path, here[name], there[name])

    def sections(self, path: Names, first: Part, second: Part) -> Iterator[FileDifference]:
        what = f"section {first.name}"
        for differing in self.facts(path, first.facts, second.facts):
            yield replace(differing, what=f"{what}: {differing.what}", hint=None)
        if first.content != second.content:
            found = self.binaries(path, what, first.content, second.content)
            yield replace(found, hint=_SECTION_CAUSES.get(first.name, found.hint))

    def entries(self, path: Names, first: Part, second: Part) -> Iterator[FileDifference]:
        path = (*path, first.name)
        yield from self.facts(path, first.facts, second.facts)
        if first.content == second.content and first.packed != second.packed:
            sizes = f"compressed to {first.packed} bytes", f"to {second.packed}"
            hint = "a different compression level or zlib"
            yield FileDifference(path, "compression", *sizes, hint)
        yield from self.contents(path, first.content, second.content)

    def facts(self, path: Names, first: Facts, second: Facts) -> Iterator[FileDifference]:
        for name in sorted({*first, *second}):
            one, two = first.get(name, ""), second.get(name, "")
            if one != two:
                hint = _CAUSES.get(name) or self.cause(one, two)
                yield FileDifference(path, name, one, two, hint)

    # --- texts and bytes -----------------------------------------------------------------------

    def texts(self, path: Names, first: list[str], second: list[str]) -> FileDifference:
        """Return the first line that differs; the hint considers all that do."""
        number = _alike(first, second)
        one, two = (
            lines[number] if number < len(lines) else "the end" for lines in (first, second)
        )
        if sorted(first) == sorted(second):
            hint: str | None = _ORDER
        elif path[-1].endswith(".dist-info/RECORD"):
            hint = "it contains the digests of the other files"
        else:
            hint = self.cause("\n".join(first), "\n".join(second))
        return FileDifference(path, f"line {number + 1}", *_around(one, two), hint)

    def binaries(self, path: Names, what: str, first: bytes, second: bytes) -> FileDifference:
        """Return the first text within each that the other lacks, else the first byte that differs."""
        hint = _likely_cause(first, second, self.known)
        one, two = _STRING.findall(first), _STRING.findall(second)
        here, there = set(one), set(two)
        alone = (
            next((t for t in one if t not in there), b""),
            next((t for t in two if t not in here), b""),
        )
        if all(alone):
            return FileDifference(path, what, *_around(alone[0].decode(), alone[1].decode()), hint)
        return FileDifference(path, what, *_bytes_at(first, second), hint)


def _by_name(whole: Anatomy) -> dict[str, Part]:
    """Return the parts by name; further parts of the same name are numbered."""
    seen: Counter[str] = Counter()
    found = {}
    for part in whole.parts:
        seen[part.name] += 1
        number = f" ({seen[part.name]})" if seen[part.name] > 1 else ""
        found[part.name + number] = part
    return found


def _member(path: tuple[str, ...], kind: str, name: str, what: str) -> FileDifference:
    if kind == "section":
        return FileDifference(path, f"section {name} {what}")
    return FileDifference((*path, name), what)


def _lines(data: bytes) -> list[str] | None:
    """Return the lines of a text; None for binary data."""
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        return None


def _around(first: str, second: str) -> tuple[str, str]:
    """Return two texts, cut to the part around their first difference."""
    start = max(0, _alike(first, second) - _SHOWN // 3)
    return _cut(first, start), _cut(second, start)


def _alike(first: Sequence[object], second: Sequence[object]) -> int:
    """Return the length of the common prefix."""
    length = min(len(first), len(second))
    return next((n for n in range(length) if first[n] != second[n]), length)


def _cut(text: str, start: int) -> str:
    end = start + _SHOWN
    before, after = "…" if start else "", "…" if end < len(text) else ""
    return f"{before}{text[start:end]}{after}".replace("\r", "\\r")


def _bytes_at(first: bytes, second: bytes) -> tuple[str, str]:
    place = _alike(first, second)

    def shown(data: bytes) -> str:
        return f"at {place:#x}: {data[place : place + 8].hex(' ') or 'the end'} ({len(data)} bytes)"

    return shown(first), shown(second)


# --- causes -----------------------------------------------------------------------------------


def _likely_cause(first: bytes, second: bytes, known: Circumstances) -> str | None:
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
        return _ORDER
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
