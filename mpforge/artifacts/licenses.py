"""Find the licence files of a native library's source, and their place in its prefix."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from mpforge.errors import OutputMissing

_USUAL = re.compile(r"(licen[cs]es?|copying|copyright|notice|patents)([._-].*)?", re.IGNORECASE)
_FOLDERS = ("LICENSES", "LICENCES", "licenses", "licences")


def folder(name: str) -> str:
    """Return the directory in a library's prefix that has its licence files."""
    return f"share/licenses/{name}"


def license_files(source: Path, globs: Sequence[str]) -> list[Path]:
    """Return a source's licence files: those that match ``globs``; without globs those of the usual names.

    These are at the top, or below a directory ``LICENSES`` (https://reuse.software). Raises ``OutputMissing``
    for a glob without a match.
    """
    if not globs:
        return sorted({*filter(_is_usual, source.iterdir()), *_below(source)})
    found: set[Path] = set()
    for glob in globs:
        matching = {path for path in source.glob(glob) if _is_file(path)}
        if not matching:
            raise OutputMissing(
                f'no file of the source matches "{glob}"',
                hint="correct `license-files` in the library's table: globs are relative to its source",
            )
        found |= matching
    return sorted(found)


def _below(source: Path) -> Iterator[Path]:
    for name in _FOLDERS:
        yield from filter(_is_file, (source / name).rglob("*"))


def _is_usual(path: Path) -> bool:
    return _USUAL.fullmatch(path.name) is not None and _is_file(path)


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
