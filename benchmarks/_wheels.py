"""Two wheels of one package compared: file lists, the bytes of what is not compiled, exported symbols.

A difference that follows from how mpforge builds is stated by one of ``RULES``; any other is told.
"""

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile

MAGIC = b"\x7fELF"
RULES: Mapping[str, str] = {
    "tags": "`WHEEL` names the manylinux tag and `RECORD` follows the files; gcc's wheel is `linux_x86_64`.",
    "grafted": "libraries that a policy does not have are copied into `NAME.libs/` and listed in "
    "`sboms/auditwheel.cdx.json`.",
    "C++ library": "weak symbols of C++ (templates, inline functions: each compiler emits others), and "
    "of its standard library, which lie in `std::__1` (libc++) or `std::__cxx11` (libstdc++).",
    "constructors": "gcc also emits the constructor for whole objects (`C1`) of abstract classes; clang "
    "leaves it out, because nothing can call it; the one for their subclasses (`C2`) is in both.",
    "linker": "symbols that a linker defines itself: `_init`, `_fini`, `_edata`, `_end`, `__bss_start`.",
}
_WHOLE = re.compile(r"([CD])1E")
_LINKER = re.compile(
    r"_init|_fini|_edata|_end|__bss_start|_etext|DW\.ref\..*|__gmon_start__|_DYNAMIC|_GLOBAL_OFFSET_TABLE_"
)


@dataclass(frozen=True)
class Comparison:
    """Of mpforge's wheel: how many files, compiled files, exported symbols; which rules it needed.

    ``differences`` are those that no rule states, in words.
    """

    files: int
    compiled: int
    symbols: int
    stated: tuple[str, ...]
    differences: tuple[str, ...]


def compare(ours: Path, theirs: Path) -> Comparison:
    """Compare mpforge's wheel with another one of the same sdist. Raises ``zipfile.BadZipFile``."""
    mine, other = _content(ours), _content(theirs)
    stated, told = {"tags"}, []
    for name in sorted(mine.keys() ^ other.keys()):
        if name in mine and _is_grafted(name):
            stated.add("grafted")
        else:
            told.append(f"only in {'mpforge' if name in mine else 'uv'}'s: {name}")
    symbols = 0
    for name in sorted(mine.keys() & other.keys()):
        if posixpath.basename(name) in ("RECORD", "WHEEL") and ".dist-info/" in name:
            continue
        if mine[name][:4] == MAGIC and other[name][:4] == MAGIC:
            left, right = exported(mine[name]), exported(other[name])
            symbols += len(left)
            told += _symbols_told(name, left, right, stated)
        elif mine[name] != other[name]:
            told.append(f"other bytes: {name}")
    compiled = sum(data[:4] == MAGIC for data in mine.values())
    return Comparison(len(mine), compiled, symbols, tuple(sorted(stated)), tuple(told))


def _content(wheel: Path) -> dict[str, bytes]:
    """The files of a wheel by name; empty directories do not count."""
    with zipfile.ZipFile(wheel) as archive:
        return {n: archive.read(n) for n in archive.namelist() if not n.endswith("/")}


def _is_grafted(name: str) -> bool:
    top = name.partition("/")[0]
    return top.endswith(".libs") or name.endswith("/sboms/auditwheel.cdx.json")


def exported(data: bytes) -> dict[str, bool]:
    """The symbols that a shared object defines for others, by name: whether each is weak."""
    elf = ELFFile(io.BytesIO(data))
    segments = (s for s in elf.iter_segments("PT_DYNAMIC") if isinstance(s, DynamicSegment))
    return {
        symbol.name: symbol.entry.st_info.bind != "STB_GLOBAL"
        for segment in segments
        for symbol in segment.iter_symbols()
        if symbol.name
        and symbol.entry.st_shndx != "SHN_UNDEF"
        and symbol.entry.st_info.bind != "STB_LOCAL"
        and symbol.entry.st_other.visibility in ("STV_DEFAULT", "STV_PROTECTED")
    }


def _symbols_told(
    file: str, ours: Mapping[str, bool], theirs: Mapping[str, bool], stated: set[str]
) -> Iterator[str]:
    for whose, more, fewer in (("mpforge", ours, theirs), ("uv", theirs, ours)):
        left = []
        for name in sorted(more.keys() - fewer.keys()):
            if _LINKER.fullmatch(name):
                stated.add("linker")
            elif name.startswith("_Z") and (more[name] or "St" in name):
                stated.add("C++ library")
            elif _WHOLE.search(name) and _WHOLE.sub(r"\g<1>2E", name) in fewer:
                stated.add("constructors")
            else:
                left.append(name)
        if left:
            some = ", ".join(left[:4]) + (f" and {len(left) - 4} more" if len(left) > 4 else "")
            yield f"exported by {whose}'s {file} alone: {some}"
