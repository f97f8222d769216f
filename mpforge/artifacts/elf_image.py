"""An ELF file's tables as the dynamic loader finds them: by its program headers.

Section headers are for linkers and debuggers. A loader never reads them, so their content or absence
proves nothing (gABI, "Program Loading and Dynamic Linking"; ``elf(5)``). Does not interpret
the tables.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple, NoReturn

from elftools.common.exceptions import ELFError

REL, EXEC, DYN = 1, 2, 3
"""``e_type``: a file for the linker, a program at a fixed address, a library or a program at any."""

_LOAD, _DYNAMIC, _INTERP = 1, 2, 3  # p_type
_DYNAMIC_SECTION, _NOBITS, _DYNSYM = 6, 8, 11  # sh_type
_PAGE = 4096
_MOST_TAGS = 4096
_MOST_RECORDS = 1 << 16  # of versions: an index of one has 15 bits
_MOST_SYMBOLS = 1 << 24


class Tag:
    """``d_tag`` values that are read here (gABI; the GNU extensions are in glibc's ``elf.h``)."""

    NULL, NEEDED, PLTRELSZ, HASH, STRTAB, SYMTAB, RELA, RELASZ = 0, 1, 2, 4, 5, 6, 7, 8
    INIT, INIT_ARRAY, INIT_ARRAYSZ = 12, 25, 27
    STRSZ, SONAME, RPATH, REL, RELSZ, PLTREL, JMPREL = 10, 14, 15, 17, 18, 20, 23
    RUNPATH, RELR = 29, 36
    GNU_HASH, VERSYM, VERDEF, VERNEED = 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFE
    FLAGS_1, FILTER = 0x6FFFFFFB, 0x7FFFFFFF


class Segment(NamedTuple):
    """A program header: ``size`` bytes at ``offset`` of the file, loaded at ``address``.

    ``zeros`` is the number of bytes after them that a loader clears.
    """

    kind: int
    offset: int
    address: int
    size: int
    zeros: int = 0


class Entry(NamedTuple):
    """An entry of the symbol table; ``name`` is an offset in the string table."""

    name: int
    bind: int
    visibility: int
    section: int


def damaged(why: str) -> NoReturn:
    """Raise ``ELFError``, as every reader of a damaged ELF file does."""
    raise ELFError(why)


class Image:
    """The header and the tables of one file. Raises ``ELFError`` for a damaged one, in every method."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = data
        head = bytes(data[:16])
        if len(head) < 16 or head[:4] != b"\x7fELF":
            damaged("it has no ELF header")
        if head[4] not in (1, 2) or head[5] not in (1, 2):
            damaged(f"its header has class {head[4]} and byte order {head[5]}")
        self.bits = 64 if head[4] == 2 else 32
        self.little = head[5] == 1
        self.system = head[7]
        self._end = "<" if self.little else ">"
        wide = self.bits == 64
        self._word = "Q" if wide else "I"
        header = self._unpack("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH", 16)
        self.type, self.machine = header[0], header[1]
        self._sections_at, self._section_count = header[5], header[11]
        self.has_sections = bool(header[5] and header[11])
        self.segments = tuple(self._segments(header[4], header[8], header[9]))
        self._loaded = [segment for segment in self.segments if segment.kind == _LOAD]
        # Whole pages are mapped: patchelf leaves tables behind a segment's end, on its last page.
        self._mapped = [*self._loaded, *map(_in_pages, self._loaded)]

    # --- bytes -------------------------------------------------------------------------------

    def _unpack(self, form: str, offset: int) -> tuple[int, ...]:
        """Return the numbers at an offset of the file."""
        try:
            return struct.unpack_from(self._end + form, self._data, offset)
        except (struct.error, OverflowError):
            damaged(f"it is truncated at {len(self._data)} bytes")

    def _segments(self, offset: int, size: int, count: int) -> Iterator[Segment]:
        wide = self.bits == 64
        if count and size != (56 if wide else 32):
            damaged(f"its program headers have {size} bytes each")
        for index in range(count):
            at = offset + index * size
            if wide:
                kind, _, start, address, _, length, whole, _ = self._unpack("IIQQQQQQ", at)
            else:
                kind, start, address, _, length, whole, _, _ = self._unpack("IIIIIIII", at)
            yield Segment(kind, start, address, length, whole - length)

    @property
    def is_cut_off(self) -> bool:
        """True if the file is shorter than its program headers say."""
        return any(one.offset + one.size > len(self._data) for one in self._loaded)

    def _at(self, address: int, size: int = 1) -> tuple[int, int]:
        """Return the file offset of the data loaded at an address, and how many bytes there are."""
        found = [(0, 0)]
        for one in self._mapped:
            offset = address - one.address
            if offset >= 0 and offset + size <= one.size:
                start = one.offset + offset
                found.append((min(one.size - offset, len(self._data) - start), start))
        left, start = max(found)
        if left >= size:
            return start, left
        damaged(f"a table of {size} bytes should be at {address:#x}, where nothing is loaded")

    def _rows(self, form: str, address: int, count: int) -> Iterator[tuple[int, ...]]:
        """Yield ``count`` equal records of a table."""
        if not count:
            return iter(())
        record = struct.Struct(self._end + form)
        start, _ = self._at(address, record.size * count)
        return record.iter_unpack(self._data[start : start + record.size * count])

    # --- tables ------------------------------------------------------------------------------

    def interpreter(self) -> str | None:
        """Return the path of the program that loads this one (``PT_INTERP``)."""
        for one in self.segments:
            if one.kind == _INTERP:
                text = bytes(self._data[one.offset : one.offset + min(one.size, 4096)])
                return _text(text.partition(b"\0")[0])
        return None

    def dynamic(self) -> dict[int, list[int]] | None:
        """Return the values of the dynamic table by tag, in its order; None without a table."""
        place = next((one for one in self.segments if one.kind == _DYNAMIC), None)
        if place is None:
            return None
        record = struct.Struct(self._end + 2 * self._word)
        start, left = self._at(place.address, record.size)
        found: dict[int, list[int]] = {}
        for index in range(min(left // record.size, _MOST_TAGS)):
            tag, value = record.unpack_from(self._data, start + index * record.size)
            if tag == Tag.NULL:
                return found
            found.setdefault(tag, []).append(value)
        damaged("its dynamic section is not terminated")

    def strings(self, address: int, size: int) -> "Strings":
        """Return the string table."""
        start, _ = self._at(address, size)
        return Strings(self._data[start : start + size])

    def symbol_count(self, hash_: int | None, gnu_hash: int | None) -> tuple[int, int]:
        """Return the index of the first exported symbol, and the number of symbols up to the last one.

        Counted as a loader does: by the GNU hash table, else by the System V one.
        """
        if gnu_hash is not None:
            return self._gnu_hash(gnu_hash)
        if hash_ is not None:
            wide = self.bits == 64 and self.machine in _WIDE_HASH
            ((_, count),) = self._rows("QQ" if wide else "II", hash_, 1)
            return 1, min(count, _MOST_SYMBOLS)
        return 0, 0

    def _gnu_hash(self, address: int) -> tuple[int, int]:
        """Return ``symbol_count`` by a GNU hash table (https://flapenguin.me/elf-dt-gnu-hash)."""
        ((buckets, first, filters, _),) = self._rows("IIII", address, 1)
        at = address + 16 + filters * self.bits // 8
        last = max((row[0] for row in self._rows("I", at, buckets)), default=0)
        if last < first:
            return first, first  # no symbol is exported
        if last - first > _MOST_SYMBOLS:
            damaged(f"its hash table lists {last} symbols")
        start, left = self._at(at + 4 * (buckets + last - first), 4)
        for index in range(min(left // 4, _MOST_SYMBOLS)):
            (value,) = self._unpack("I", start + 4 * index)
            if value & 1:  # the end of a chain
                return first, last + index + 1
        damaged("its hash table is not terminated")

    def symbols(self, address: int, indexes: Sequence[int] | range) -> Iterator[tuple[int, Entry]]:
        """Yield entries of the symbol table by their sorted indexes."""
        if not indexes:
            return
        wide = self.bits == 64
        record = struct.Struct(self._end + ("IBBHQQ" if wide else "IIIBBH"))
        first, last = indexes[0], indexes[-1]
        at = address + first * record.size
        start, _ = self._at(at, (last + 1 - first) * record.size)
        for index in indexes:
            row = record.unpack_from(self._data, start + (index - first) * record.size)
            name, info, other, section = row[:4] if wide else (row[0], *row[3:])
            yield index, Entry(name, info >> 4, other & 3, section)

    def referred(self, tables: Sequence[tuple[int, int, bool]]) -> set[int]:
        """Return indexes of the symbols that relocations refer to; ``tables``: address, size, with addend."""
        shift = 32 if self.bits == 64 else 8
        found: set[int] = set()
        for address, size, addend in tables:
            form = (3 if addend else 2) * self._word
            count = size // struct.calcsize("<" + form)
            found.update(row[1] >> shift for row in self._rows(form, address, count))
        found.discard(0)
        return found

    def words(self, address: int, size: int) -> list[int]:
        """Return the addresses in a table."""
        return [word for (word,) in self._rows(self._word, address, size * 8 // self.bits)]

    def addends(self, address: int, size: int) -> Iterator[tuple[int, int, int]]:
        """Yield place, kind and addend of each relocation of a table with addends."""
        kinds = 0xFFFFFFFF if self.bits == 64 else 0xFF
        count = size // struct.calcsize("<" + 3 * self._word)
        for place, info, addend in self._rows(3 * self._word, address, count):
            yield place, info & kinds, addend

    def version_indexes(self, address: int, indexes: Sequence[int] | range) -> dict[int, int]:
        """Return the version index of each symbol, without the hidden bit."""
        if not indexes:
            return {}
        rows = list(self._rows("H", address, max(indexes) + 1))
        return {index: rows[index][0] & 0x7FFF for index in indexes}

    def needed_versions(self, address: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield library and version (string offsets), index and flags of each required version.

        Walks from record to record as a loader does, but does not trust them to lead forward or to end.
        """
        left = _MOST_RECORDS
        while True:
            ((_, _, file, aux, next_),) = self._rows("HHIII", address, 1)
            at = address + aux
            while True:
                ((_, flags, other, name, following),) = self._rows("IHHII", at, 1)
                yield file, name, other & 0x7FFF, flags
                left -= 1
                if left < 0:
                    damaged("its table of needed versions is not terminated")
                if not following:
                    break
                at += following
            if not next_:
                return
            address += next_

    def defined_versions(self, address: int) -> Iterator[tuple[int, int]]:
        """Yield name (a string offset) and index of each version that it defines."""
        for _ in range(_MOST_RECORDS):
            ((_, _, index, _, _, aux, next_),) = self._rows("HHHHIII", address, 1)
            ((name, _),) = self._rows("II", address + aux, 1)
            yield name, index & 0x7FFF
            if not next_:
                return
            address += next_
        damaged("its version table is not terminated")

    # --- for tools other than loaders ---------------------------------------------------------

    @property
    def is_debug(self) -> bool:
        """True for the output of `objcopy --only-keep-debug`: no section has content to load.

        Its program headers remain, but point to nothing or to other data.
        """
        size, kinds = (64 if self.bits == 64 else 40), set()
        for index in range(self._section_count):
            at = self._sections_at + index * size
            if at + size > len(self._data):
                break
            kinds.add(self._unpack("II", at)[1])
        return _NOBITS in kinds and not kinds & {_DYNAMIC_SECTION, _DYNSYM}

    def address_of(self, offset: int) -> int | None:
        """Return the address at which a byte of the file is loaded; None if it isn't."""
        for one in self._loaded:
            if 0 <= offset - one.offset < one.size:
                return offset - one.offset + one.address
        return None


def _in_pages(one: Segment) -> Segment:
    """Return the part of the file that is mapped for a segment, with the smallest page size."""
    before = one.address % _PAGE
    after = -(one.address + one.size) % _PAGE if one.zeros == 0 else 0
    return one._replace(
        offset=one.offset - before, address=one.address - before, size=before + one.size + after
    )


_WIDE_HASH = (22, 0x9026)  # s390x and Alpha: DT_HASH has 64-bit words (glibc's elf.h, Elf_Symndx)


class Strings:
    """A string table."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = bytes(data)

    def __getitem__(self, offset: int) -> str:
        end = self._data.find(b"\0", offset)
        if offset >= len(self._data) or end < 0:
            damaged(
                f"a name should be at offset {offset} of its string table, which ends before it"
            )
        return _text(self._data[offset:end])


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
