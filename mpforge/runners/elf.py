"""What an ELF file says of itself: machine, needed libraries, the glibc symbols that it wants.

Read with pyelftools. Knows nothing of policies.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

MAGIC = b"\x7fELF"


@dataclass(frozen=True)
class ElfFacts:
    """``machine`` is ``e_machine``'s name (``EM_AARCH64``), ``bits`` its class, ``little`` its data.

    ``needed`` are DT_NEEDED entries, ``soname`` DT_SONAME, ``rpaths`` the directories of DT_RPATH and
    DT_RUNPATH, which are searched for the former; ``glibc`` is the highest ``GLIBC_2.N`` version
    that it asks of another object, (0, 0) if none. ``linked``: an executable or shared object, not a ``.o``.
    """

    machine: str
    bits: int
    little: bool
    needed: tuple[str, ...] = ()
    soname: str | None = None
    glibc: tuple[int, int] = (0, 0)
    linked: bool = True
    rpaths: tuple[str, ...] = ()


@dataclass(frozen=True)
class CodePlace:
    """A place in an ELF file: its address there, the bytes at it, and the function, as far as named.

    ``symbol`` is the nearest one at or before it, ``beyond`` how far it is from that; ``inside`` says that
    the symbol's function reaches so far. A stripped file has symbols of what it exports only.
    """

    machine: str
    address: int
    code: bytes
    symbol: str | None = None
    beyond: int = 0
    inside: bool = False


def is_elf(path: Path) -> bool:
    """Whether a file starts as an ELF file does."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == MAGIC


def elf_files(root: Path) -> Iterator[Path]:
    """Every ELF file below a directory, sorted."""
    yield from (path for path in sorted(root.rglob("*")) if is_elf(path))


def read(path: Path) -> ElfFacts:
    """Read one file. Raises ``elftools.common.exceptions.ELFError`` for a damaged one."""
    with path.open("rb") as file:
        return _read(file)


def code_place(path: Path, offset: int) -> CodePlace | None:
    """What is at an offset of a file; None where nothing is loaded from there.

    Raises ``elftools.common.exceptions.ELFError``, ``OSError``.
    """
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    with path.open("rb") as file:
        elf = ELFFile(file)
        addresses = [
            offset - segment.header.p_offset + segment.header.p_vaddr
            for segment in elf.iter_segments("PT_LOAD")
            if 0 <= offset - segment.header.p_offset < segment.header.p_filesz
        ]
        if not addresses:
            return None
        address, functions = int(addresses[0]), []
        for section in elf.iter_sections():
            if isinstance(section, SymbolTableSection):
                functions += [
                    (int(symbol.entry.st_value), int(symbol.entry.st_size), str(symbol.name))
                    for symbol in section.iter_symbols()
                    if symbol.entry.st_info.type == "STT_FUNC" and symbol.entry.st_value
                ]
        file.seek(offset)
        place = CodePlace(str(elf.header.e_machine), address, file.read(16))
    before = [one for one in functions if one[0] <= address]
    if not before:
        return place
    start, size, name = max(before)
    beyond = address - start
    return replace(place, symbol=name, beyond=beyond, inside=beyond < size)


def _read(file: BinaryIO) -> ElfFacts:
    from elftools.elf.dynamic import DynamicSection
    from elftools.elf.elffile import ELFFile
    from elftools.elf.gnuversions import GNUVerNeedSection

    elf = ELFFile(file)
    needed: list[str] = []
    rpaths: list[str] = []
    soname = None
    glibc = (0, 0)
    for section in elf.iter_sections():
        if isinstance(section, DynamicSection):
            tag: Any  # its attributes are set by its kind
            for tag in section.iter_tags():
                if tag.entry.d_tag == "DT_NEEDED":
                    needed.append(str(tag.needed))
                elif tag.entry.d_tag == "DT_SONAME":
                    soname = str(tag.soname)
                elif tag.entry.d_tag in ("DT_RPATH", "DT_RUNPATH"):
                    found = tag.rpath if tag.entry.d_tag == "DT_RPATH" else tag.runpath
                    rpaths += filter(None, str(found).split(":"))
        elif isinstance(section, GNUVerNeedSection):
            for _, versions in section.iter_versions():
                glibc = max([glibc, *(_glibc(version.name) for version in versions)])
    return ElfFacts(
        machine=str(elf.header.e_machine),
        bits=int(elf.elfclass),
        little=bool(elf.little_endian),
        needed=tuple(needed),
        soname=soname,
        glibc=glibc,
        linked=elf.header.e_type in ("ET_DYN", "ET_EXEC"),
        rpaths=tuple(rpaths),
    )


def _glibc(version: str) -> tuple[int, int]:
    match = re.match(r"GLIBC_(\d+)\.(\d+)", version)
    return (int(match.group(1)), int(match.group(2))) if match else (0, 0)
