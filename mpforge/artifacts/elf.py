"""Facts of an ELF file: its machine, and the libraries, versions and symbols that it needs and defines.

Read as a dynamic loader does (``elf_image``). The members of a static library (``ar(5)``) are files, too.
Knows nothing of policies.
"""

import functools
import io
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.construct import ConstructError

from mpforge.artifacts.binary_format import Binary, Symbol, Version
from mpforge.artifacts.elf_image import DYN, EXEC, REL, Image, Strings, Tag, damaged

MAGIC = b"\x7fELF"

_GLOBAL, _WEAK, _UNIQUE = 1, 2, 10  # symbol bindings; a version may be weak, too (VER_FLG_WEAK)
_OF_OTHERS = (_GLOBAL, _WEAK, _UNIQUE)
_VISIBLE = (0, 3)  # STV_DEFAULT, STV_PROTECTED
_PIE = 0x08000000  # DF_1_PIE: a program, even without an interpreter
_RELR_SINCE = (2, 36)  # glibc's NEWS for 2.36
# What pyelftools raises for damaged section headers: its readers trust their numbers.
READER_ERRORS = (
    *(ELFError, ConstructError, struct.error, ValueError, TypeError, AttributeError),
    *(LookupError, AssertionError, OverflowError, RecursionError, MemoryError, OSError),
)

_AR, _AR_THIN = b"!<arch>\n", b"!<thin>\n"
_AR_HEADER = 60
_BSD_NAME = b"#1/"  # the name's length follows, and the name itself begins the content


@dataclass(frozen=True)
class ElfFacts(Binary):
    """The facts of one file.

    ``machine`` is ``e_machine``'s name (``EM_AARCH64``), ``bits`` its class, ``little`` its data, ``system``
    EI_OSABI.

    ``needed`` are DT_NEEDED entries (and filters), ``soname`` DT_SONAME, ``rpaths`` the directories of
    DT_RPATH and DT_RUNPATH, which are searched for the former, ``interpreter`` the loader's path.
    ``versions`` are required of libraries. ``undefined`` are the symbols that relocations refer to and
    that are not defined here, except weak ones. ``exported`` are defined for other files, ``defines`` are
    their versions. ``relr``: its relocations are packed, which glibc supports since 2.36. ``bare``: it is
    linked, and has no section headers, which tools other than loaders need.
    """

    machine: str
    bits: int
    little: bool
    rpaths: tuple[str, ...] = ()
    versions: tuple[Version, ...] = ()
    defines: frozenset[str] = frozenset()
    interpreter: str | None = None
    relr: bool = False
    system: int = 0
    bare: bool = False

    @property
    def glibc(self) -> tuple[int, int]:
        """The lowest glibc version that has every version it requires; (0, 0) if it requires none."""
        found = [_glibc(version.name) for version in self.versions]
        return max([(0, 0), *found, *([_RELR_SINCE] if self.relr else [])])


@dataclass(frozen=True)
class CodePlace:
    """A place in an ELF file: its address, the bytes there, and the function if it has a name.

    ``symbol`` is the nearest one at or before it, ``beyond`` the distance from it; ``in_symbol``: it is
    within the symbol's function. A stripped file has symbols only for its exports.
    """

    machine: str
    address: int
    code: bytes
    symbol: str | None = None
    beyond: int = 0
    in_symbol: bool = False


def starts_with(path: Path, *magics: bytes) -> bool:
    """Return whether a path is a regular file, no symlink, that starts with one of these bytes."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(max(map(len, magics))).startswith(magics)


def is_elf(path: Path) -> bool:
    """Return whether a file starts with the ELF magic number."""
    return starts_with(path, MAGIC)


def elf_files(root: Path) -> Iterator[Path]:
    """Yield every ELF file below a directory, sorted."""
    yield from (path for path in sorted(root.rglob("*")) if is_elf(path))


def read(path: Path) -> ElfFacts:
    """Read one file. Raises ``elftools.common.exceptions.ELFError`` for a damaged one."""
    return facts_of(path.read_bytes())


def facts_of(data: bytes) -> ElfFacts:
    """Return the facts of a file from its bytes. Raises ``ELFError`` for a damaged one."""
    image = Image(data)
    plain = ElfFacts(_machine(image.machine), image.bits, image.little, system=image.system)
    if image.type == REL:
        return replace(plain, kind="object")
    if image.type not in (EXEC, DYN) or not image.segments:
        return replace(plain, kind="other")
    try:
        return _linked(image, plain)
    except ELFError:
        if image.is_debug:
            return replace(plain, kind="other")
        raise


def _linked(image: Image, plain: ElfFacts) -> ElfFacts:
    """Return the facts of a program or a library, as a loader reads them."""
    if image.is_cut_off:
        damaged("it is truncated: the file is shorter than its program headers say")
    interpreter, table = image.interpreter(), image.dynamic()
    if table is None and image.type == DYN:
        damaged("it is a shared library without a dynamic section, which no loader accepts")
    if table is None or Tag.STRTAB not in table:
        return replace(plain, kind="program", interpreter=interpreter)
    last = {tag: values[-1] for tag, values in table.items()}
    strings = image.strings(last[Tag.STRTAB], last.get(Tag.STRSZ, 0))
    wanted = [*table.get(Tag.NEEDED, ()), *table.get(Tag.FILTER, ())]
    searched = (strings[at] for tag in (Tag.RPATH, Tag.RUNPATH) for at in table.get(tag, ()))
    pie = last.get(Tag.FLAGS_1, 0) & _PIE
    by_index, defines = _versions(image, last, strings)
    undefined, exported = _symbols(image, last, strings, by_index)
    is_program = image.type == EXEC or interpreter is not None or bool(pie)
    return replace(
        plain,
        kind="program" if is_program else "library",
        needed=tuple(strings[at] for at in wanted),
        soname=strings[last[Tag.SONAME]] if Tag.SONAME in last else None,
        rpaths=tuple(place for text in searched for place in text.split(":") if place),
        versions=tuple(sorted(set(by_index.values()))),
        undefined=undefined,
        exported=exported,
        defines=defines,
        interpreter=interpreter,
        relr=Tag.RELR in last,
        bare=not image.has_sections,
    )


def _versions(
    image: Image, last: Mapping[int, int], strings: Strings
) -> tuple[dict[int, Version], frozenset[str]]:
    """Return the versions required of libraries, by index, and the names of those defined here."""
    asked = {}
    if Tag.VERNEED in last:
        for file, name, index, flags in image.needed_versions(last[Tag.VERNEED]):
            asked[index] = Version(strings[file], strings[name], bool(flags & _WEAK))
    own = image.defined_versions(last[Tag.VERDEF]) if Tag.VERDEF in last else ()
    return asked, frozenset(strings[name] for name, _ in own)


def _symbols(
    image: Image, last: Mapping[int, int], strings: Strings, versions: Mapping[int, Version]
) -> tuple[tuple[Symbol, ...], frozenset[str]]:
    """Return the symbols that a loader must find elsewhere, and those that this file exports."""
    if Tag.SYMTAB not in last:
        return (), frozenset()
    first, end = image.symbol_count(last.get(Tag.HASH), last.get(Tag.GNU_HASH))
    exported = frozenset(
        strings[one.name]
        for _, one in image.symbols(last[Tag.SYMTAB], range(first, end))
        if one.section and one.bind in _OF_OTHERS and one.visibility in _VISIBLE
    )
    tables = (
        (Tag.RELA, Tag.RELASZ, True),
        (Tag.REL, Tag.RELSZ, False),
        (Tag.JMPREL, Tag.PLTRELSZ, last.get(Tag.PLTREL) == Tag.RELA),
    )
    referred = image.referred(
        [(last[at], last.get(size, 0), addend) for at, size, addend in tables if at in last]
    )
    lacking = {
        index: one
        for index, one in image.symbols(last[Tag.SYMTAB], sorted(referred))
        if not one.section and one.bind in (_GLOBAL, _UNIQUE)
    }
    of = image.version_indexes(last[Tag.VERSYM], sorted(lacking)) if Tag.VERSYM in last else {}
    undefined = {
        Symbol(strings[one.name], versions.get(of.get(index, 0))) for index, one in lacking.items()
    }
    return tuple(sorted(undefined, key=lambda one: (one.name, str(one.version)))), exported


@functools.cache
def _machine(number: int) -> str:
    from elftools.elf.enums import ENUM_E_MACHINE

    names = (name for name, value in ENUM_E_MACHINE.items() if value == number)
    return next(names, f"machine {number}")


def is_glibc(version: str) -> bool:
    """Return whether a version is one of glibc's numbered ones."""
    return _glibc(version) != (0, 0)


def _glibc(version: str) -> tuple[int, int]:
    if version == "GLIBC_ABI_DT_RELR":
        return _RELR_SINCE
    match = re.fullmatch(r"GLIBC_(\d{1,4})\.(\d{1,4})(\.\d{1,4})?", version)
    return (int(match.group(1)), int(match.group(2))) if match else (0, 0)


def code_place(path: Path, offset: int) -> CodePlace | None:
    """Return the place at an offset of a file; None if nothing is loaded from there.

    The function's name is looked up among all symbols, which only section headers lead to. Raises
    ``ELFError``, ``OSError``.
    """
    data = path.read_bytes()
    image = Image(data)
    address = image.address_of(offset)
    if address is None:
        return None
    place = CodePlace(_machine(image.machine), address, data[offset : offset + 16])
    before = [one for one in _functions(data) if one[0] <= address]
    if not before:
        return place
    start, size, name = max(before)
    beyond = address - start
    return replace(place, symbol=name, beyond=beyond, in_symbol=beyond < size)


def _functions(data: bytes) -> list[tuple[int, int, str]]:
    """Return address, size and name of each function that has a symbol."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    try:
        return [
            (int(symbol.entry.st_value), int(symbol.entry.st_size), str(symbol.name))
            for section in ELFFile(io.BytesIO(data)).iter_sections()
            if isinstance(section, SymbolTableSection)
            for symbol in section.iter_symbols()
            if symbol.entry.st_info.type == "STT_FUNC" and symbol.entry.st_value
        ]
    except READER_ERRORS as error:
        damaged(f"its symbols can't be read ({type(error).__name__})")


# --- static libraries -------------------------------------------------------------------------


def is_static_library(path: Path) -> bool:
    """Return whether a file starts with the magic number of a static library."""
    return starts_with(path, _AR, _AR_THIN)


def members(path: Path) -> Iterator[tuple[str, ElfFacts]]:
    """Yield name and facts of each ELF member; tables of names and symbols, and other content, are skipped.

    Raises ``ELFError`` for a damaged library, and for a thin one, which only refers to files.
    """
    data = path.read_bytes()
    if data.startswith(_AR_THIN):
        damaged("it is a thin archive, which only refers to files of the build")
    at, names = len(_AR), b""
    while at + _AR_HEADER <= len(data):
        header = data[at : at + _AR_HEADER]
        size = header[48:58].strip()
        if header[58:] != b"`\n" or not size.isdigit():
            damaged(f"there is no member header at byte {at}")
        start = at + _AR_HEADER
        content = data[start : start + int(size)]
        if len(content) < int(size):
            damaged("it is truncated")
        word = header[:16].rstrip()
        if word == b"//":
            names = content
        elif word.startswith(_BSD_NAME):
            content = content[int(word[3:] or b"0") if word[3:].isdigit() else 0 :]
        if content.startswith(MAGIC):
            yield _member_name(word, names), facts_of(content)
        at = start + int(size) + int(size) % 2


def _member_name(word: bytes, names: bytes) -> str:
    """Return a member's name; long ones are in a separate table (GNU)."""
    if word[:1] == b"/" and word[1:].isdigit():
        word = names[int(word[1:]) :].partition(b"/\n")[0]
    return word.removesuffix(b"/").decode("utf-8", "backslashreplace")
