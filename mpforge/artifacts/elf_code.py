"""Find the code of an ELF file: executable sections, functions, and those that run when it is loaded.

Functions come from symbols and from unwind tables, which stripped files have, too. Knows nothing of
instructions.
"""

import bisect
import functools
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from mpforge.artifacts.elf import READER_ERRORS
from mpforge.artifacts.elf_image import Image, Tag, damaged

_EXECUTABLE, _NOBITS = 4, "SHT_NOBITS"  # SHF_EXECINSTR
_EH_FRAME_HDR, _ARM_EXIDX = 0x6474E550, 0x70000001  # p_type
_FUNC, _IFUNC = 2, 10  # STT_FUNC, STT_GNU_IFUNC
_SYMBOL_TABLES = ("SHT_SYMTAB", "SHT_DYNSYM")
_SORTED_TABLE = (
    b"\x03\x3b"  # .eh_frame_hdr: udata4 count, datarel sdata4 table (LSB, "Exception Frames")
)
_RELATIVE = {"EM_X86_64": 8, "EM_386": 8, "EM_AARCH64": 1027, "EM_ARM": 23, "EM_PPC64": 22}
_RELATIVE |= {"EM_S390": 12, "EM_RISCV": 3, "EM_LOONGARCH": 3}  # R_…_RELATIVE of the psABIs


class Section(NamedTuple):
    """Executable bytes, and the address that they are loaded at."""

    address: int
    code: bytes


class Function(NamedTuple):
    """A function's address, its size (0 if unknown), and its name (empty if no symbol has it)."""

    address: int
    size: int
    name: str = ""


class Marker(NamedTuple):
    """An Arm mapping symbol: from its address on there is A32 (``a``), Thumb (``t``) or data (``d``)."""

    address: int
    kind: str


@dataclass(frozen=True)
class Code:
    """The code of one file.

    ``functions`` are sorted. ``at_load`` are the addresses of functions that run when the file is loaded
    or imported: nothing can be asked before them. ``thumb`` are addresses of functions in Thumb.
    """

    sections: tuple[Section, ...]
    functions: tuple[Function, ...]
    at_load: frozenset[int] = frozenset()
    resolvers: bool = False
    thumb: frozenset[int] = frozenset()
    markers: tuple[Marker, ...] = ()

    def function_at(self, address: int) -> Function | None:
        """Return the function that an address is in; one of unknown size reaches to the next."""
        index = bisect.bisect_right(self.functions, (address, 1 << 64, "")) - 1
        if index < 0:
            return None
        found = self.functions[index]
        return found if not found.size or address < found.address + found.size else None

    def nearest(self, address: int) -> Function | None:
        """Return the last function with a name that starts at or before an address."""
        before = (one for one in reversed(self.functions) if one.address <= address and one.name)
        return next(before, None)

    def run_at_load(self) -> "Code":
        """Return the code of those functions only that run when the file is loaded or imported."""
        early = (one for one in self.functions if one.address in self.at_load)
        parts = {Section(one.address, self.read(one.address, self._size(one))) for one in early}
        return replace(self, sections=tuple(sorted(parts)))

    def read(self, address: int, size: int) -> bytes:
        """Return at most ``size`` bytes of code from an address on."""
        found = (one for one in self.sections if 0 <= address - one.address < len(one.code))
        section = next(found, Section(address, b""))
        begin = address - section.address
        return section.code[begin : begin + size]

    def _size(self, function: Function) -> int:
        """Return a function's size; one of unknown size reaches to the next."""
        index = bisect.bisect_right(self.functions, (function.address, 1 << 64, ""))
        after = self.functions[index].address if index < len(self.functions) else 1 << 63
        return function.size or after - function.address

    @functools.cached_property
    def is_described(self) -> bool:
        """True if the functions of known size make up most of the code."""
        return 2 * sum(one.size for one in self.functions) > sum(
            len(section.code) for section in self.sections
        )


def sections(data: bytes) -> tuple[Section, ...]:
    """Return the executable sections, or segments of a file without section headers. Raises ``ELFError``."""
    try:
        file = _elf_file(data)
        found = [
            Section(int(one["sh_addr"]), bytes(one.data()))
            for one in file.iter_sections()
            if one["sh_flags"] & _EXECUTABLE and one["sh_type"] != _NOBITS
        ]
        found = found or [
            Section(int(one["p_vaddr"]), bytes(one.data()))
            for one in file.iter_segments("PT_LOAD")
            if one["p_flags"] & 1  # PF_X
        ]
    except READER_ERRORS as error:
        damaged(f"its sections can't be read ({type(error).__name__})")
    return tuple(sorted(found))


def read(data: bytes) -> Code:
    """Return the code with its functions. Raises ``ELFError`` for a damaged file."""
    try:
        return _read(data)
    except READER_ERRORS as error:
        damaged(f"its functions can't be read ({type(error).__name__})")


def _read(data: bytes) -> Code:
    file = _elf_file(data)
    arm = file["e_machine"] == "EM_ARM"
    named: dict[int, Function] = {}
    markers, thumb, resolvers = [], set(), False
    for name, kind, value, size in _symbols(file):
        if arm and name[:1] == "$" and name[1:2] in "atd":
            markers.append(Marker(value, name[1]))
        if kind not in (_FUNC, _IFUNC):
            continue
        resolvers |= kind == _IFUNC
        address = value & ~1 if arm else value
        if address != value:
            thumb.add(address)
        named[address] = Function(address, size, name)
    for address, size in _unwound(file, data):
        if address not in named:
            named[address] = Function(address, size)
        elif not named[address].size:
            named[address] = named[address]._replace(size=size)
    at_load = {one.address for one in named.values() if one.name.startswith("PyInit_")}
    at_load |= {address & ~1 if arm else address for address in _constructors(file, data)}
    return Code(
        sections(data),
        tuple(sorted(named.values())),
        frozenset(at_load),
        resolvers,
        frozenset(thumb),
        tuple(sorted(set(markers))),
    )


def _elf_file(data: bytes) -> Any:
    from elftools.elf.elffile import ELFFile

    return ELFFile(io.BytesIO(data))


def _symbols(file: Any) -> Iterator[tuple[str, int, int, int]]:
    """Yield name, kind, address and size of each symbol that is defined in the file."""
    wide = file.elfclass == 64
    form = ("<" if file.little_endian else ">") + ("IBBHQQ" if wide else "IIIBBH")
    for section in file.iter_sections():
        if section["sh_type"] not in _SYMBOL_TABLES:
            continue
        strings = file.get_section(section["sh_link"]).data()
        data = section.data()
        for row in struct.iter_unpack(
            form, data[: len(data) // struct.calcsize(form) * struct.calcsize(form)]
        ):
            if wide:
                name, info, _, where, address, size = row
            else:
                name, address, size, info, _, where = row
            if where and address:
                text = strings[name : strings.find(b"\0", name)].decode("utf-8", "backslashreplace")
                yield text, info & 0xF, address, size


def _unwound(file: Any, data: bytes) -> Iterator[tuple[int, int]]:
    """Yield address and size of each function in the unwind tables; size 0 if they don't tell it."""
    end = "<" if file.little_endian else ">"
    loaded = [one.header for one in file.iter_segments("PT_LOAD")]

    def offset(address: int) -> int:
        return next(
            address - int(one.p_vaddr) + int(one.p_offset)
            for one in loaded
            if one.p_vaddr <= address < one.p_vaddr + one.p_filesz
        )

    for segment in file.iter_segments():
        start, at, size = segment["p_offset"], segment["p_vaddr"], segment["p_filesz"]
        if segment["p_type"] in ("PT_GNU_EH_FRAME", _EH_FRAME_HDR):
            if data[start + 2 : start + 4] != _SORTED_TABLE:
                continue
            (count,) = struct.unpack_from(f"{end}I", data, start + 8)
            for function, entry in struct.iter_unpack(
                f"{end}ii", data[start + 12 : start + 12 + 8 * count]
            ):
                # An entry has its length, its CIE, the function's address and its size, of 4 bytes each
                # in the encoding that compilers use (pcrel sdata4).
                (length,) = struct.unpack_from(f"{end}I", data, offset(at + entry) + 12)
                yield at + function, length
        elif segment["p_type"] in ("PT_ARM_EXIDX", _ARM_EXIDX):
            for index, (word, _) in enumerate(
                struct.iter_unpack(f"{end}II", data[start : start + size])
            ):
                relative = (word & 0x7FFFFFFF) - ((word & 0x40000000) << 1)
                yield (at + 8 * index + relative) & ~1, 0


def _constructors(file: Any, data: bytes) -> set[int]:
    """Return the addresses of DT_INIT and of the functions in DT_INIT_ARRAY."""
    image = Image(data)
    table = image.dynamic() or {}
    last = {tag: values[-1] for tag, values in table.items()}
    found = {last[Tag.INIT]} if Tag.INIT in last else set()
    if Tag.INIT_ARRAY not in last:
        return found
    begin, size = last[Tag.INIT_ARRAY], last.get(Tag.INIT_ARRAYSZ, 0)
    found |= set(image.words(begin, size))  # where a linker wrote the addresses themselves
    if Tag.RELA in last:
        of_kind = _RELATIVE.get(file["e_machine"])
        found |= {
            addend
            for place, kind, addend in image.addends(last[Tag.RELA], last.get(Tag.RELASZ, 0))
            if begin <= place < begin + size and kind == of_kind
        }
    return found - {0}
