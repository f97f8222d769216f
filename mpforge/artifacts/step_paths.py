"""Find files of a result that name the directory in which it was built, which exists on no other machine.

Text only: scripts, ``.pc`` and ``.cmake`` files, generated modules. In compiled files the compilers map the
directory away, and run paths are checked by ``proof``.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from mpforge.store.files import files_below

_SHOWN = 3
_HEAD = 8192
_SOURCES = (".c", ".cc", ".cpp", ".cxx")  # Cython's comments name the files that it read
# The entries of a step's directory that programs write or are told of; other words may mean another thing.
_ENTRIES = ("src", "env", "out", "tmp", "home", "installed", "target-env")


def warnings(root: Path, places: Iterable[str]) -> Iterator[str]:
    """Yield a warning for the text files below ``root`` that name a step's directory, one of ``places``."""
    found = {
        name: text for name in sorted(files_below(root)) if (text := _named(root / name, places))
    }
    for name in list(found)[:_SHOWN]:
        yield f"{name} names {found[name]}, a path of the build, which exists on no other machine"
    if len(found) > _SHOWN:
        yield f"{len(found) - _SHOWN} more files name paths of the build"


def _named(path: Path, places: Iterable[str]) -> str:
    """Return the first path below one of ``places`` that a text file names, or an empty text."""
    if path.is_symlink() or not path.is_file() or path.suffix in _SOURCES:
        return ""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if b"\0" in head:
            return ""
        content = head + file.read()
    above, entries = "|".join(map(re.escape, places)), "|".join(_ENTRIES)
    text = rf"(?<![\w./-])(?:{above})/(?:{entries})(?![\w.-])[\w@%+./-]*"
    match = re.search(text.encode(), content)
    return "" if match is None else match[0].decode("ascii", "replace")
