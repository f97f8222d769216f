"""What an ELF file says of itself: machine, needed libraries, the glibc symbols that it wants.

Read with pyelftools. Knows nothing of policies.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
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
