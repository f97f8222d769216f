"""Split 32-bit Arm code into A32, Thumb and data.

Mapping symbols mark them ("ELF for the Arm Architecture"). A stripped file has none: there, a function's
symbol shows its instruction set, or else its words do: most of A32's begin with the condition "always". Data
is what instructions load from the code (literal pools, branch tables).
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from mpforge.artifacts.elf_code import Code, Section

_AROUND = 128  # bytes
_NEON = b"\xf2\xf3\xf4"
# bx lr with any condition; Thumb's looks otherwise.
_A32_RETURN = re.compile(
    rb"\x1e\xff\x2f[\x01\x11\x21\x31\x41\x51\x61\x71\x81\x91\xa1\xb1\xc1\xd1\xe1]"
)
_KINDS = {"a": "4", "t": "thumb"}


class Region(NamedTuple):
    """Code of one instruction set, by the name of its layout (``platforms.encodings``)."""

    layout: str
    address: int
    code: bytes


def arm_regions(code: Code, wanted: Callable[[Region], bool]) -> Iterator[Region]:
    """Yield the regions of a file's code; of a stripped file only functions that are ``wanted``."""
    for section in code.sections:
        yield from _marked(code, section) if code.markers else _stripped(code, section, wanted)


def _marked(code: Code, section: Section) -> Iterator[Region]:
    end = section.address + len(section.code)
    before = [one for one in code.markers if one.address <= section.address][-1:]
    within = [one for one in code.markers if section.address < one.address < end]
    markers = [*(one._replace(address=section.address) for one in before), *within]
    ends = [*(one.address for one in markers[1:]), end]
    for marker, stop in zip(markers, ends, strict=True):
        if marker.kind in _KINDS:
            begin = marker.address - section.address
            part = section.code[begin : stop - section.address]
            yield Region(_KINDS[marker.kind], marker.address, part)


def _stripped(code: Code, section: Section, wanted: Callable[[Region], bool]) -> Iterator[Region]:
    end = section.address + len(section.code)
    starts = [one.address for one in code.functions if section.address <= one.address < end]
    starts = sorted({section.address, *starts})
    known = {one.address for one in code.functions if one.name}
    for begin, stop in zip(starts, [*starts[1:], end], strict=True):
        part = section.code[begin - section.address : stop - section.address]
        thumb = begin in code.thumb if begin in known else not _is_a32(part, begin)
        if wanted(Region(_KINDS["t" if thumb else "a"], begin, part)):
            yield from _without_data(part, begin, thumb=thumb)


def agrees(region: Region, address: int) -> bool:
    """Return whether the code around an address looks like the region's instruction set."""
    begin = max(0, address - region.address - _AROUND)
    around = region.code[begin : begin + 2 * _AROUND]
    return _is_a32(around, region.address + begin) == (region.layout == _KINDS["a"])


def _is_a32(code: bytes, address: int) -> bool:
    """Return whether code returns as A32 does, or many aligned words are always executed (0xe…) or NEON's."""
    words = code[3 + -address % 4 :: 4]
    if any((address + one.start()) % 4 == 0 for one in _A32_RETURN.finditer(code)):
        return True
    return 5 * sum(high >> 4 == 0xE or high in _NEON for high in words) > 2 * len(words)


def _without_data(code: bytes, address: int, *, thumb: bool) -> Iterator[Region]:
    """Yield a function's instructions in runs between the data that they load."""
    data: set[int] = set()
    at = begin = 0
    layout = _KINDS["t" if thumb else "a"]
    while at + 1 < len(code):
        if at in data:
            yield Region(layout, address + begin, code[begin:at])
            at = begin = at + 2
            continue
        if thumb:
            first = int.from_bytes(code[at : at + 2], "little")
            size = 4 if first >= 0xE800 else 2
            second = int.from_bytes(code[at + 2 : at + 4], "little")
            data.update(_thumb_data(first, second, code, at, (address + at) % 4))
        else:
            size = 4
            data.update(_a32_data(int.from_bytes(code[at : at + 4], "little"), at))
        at += size
    yield Region(layout, address + begin, code[begin:])


def _thumb_data(first: int, second: int, code: bytes, at: int, odd: int) -> Iterator[int]:
    """Yield the offset of each halfword of data that a Thumb instruction reads relative to itself."""
    base = at + 4 - odd  # Align(PC, 4)
    if first >> 11 == 0b01001:  # ldr
        yield from _halves(base + (first & 0xFF) * 4, 4)
    elif first & 0xFF7F == 0xF85F:  # ldr.w
        yield from _halves(base + _signed(second & 0xFFF, first >> 7), 4)
    elif first & 0xFF3F == 0xED1F and second >> 9 & 7 == 0b101:  # vldr
        yield from _halves(base + _signed((second & 0xFF) * 4, first >> 7), 8)
    elif first == 0xE8DF and second & 0xFFE0 == 0xF000:  # tbb, tbh
        width = 2 if second & 0x10 else 1
        start = end = at + 4
        first_target = len(code)
        while end < first_target and end + width <= len(code):  # entries are ahead of their targets
            entry = int.from_bytes(code[end : end + width], "little")
            first_target = min(first_target, start + 2 * entry)
            end += width
        yield from _halves(start, end - start + (end - start) % 2)


def _a32_data(word: int, at: int) -> Iterator[int]:
    """Yield the same for an A32 instruction."""
    if word & 0x0F7F0000 == 0x051F0000:  # ldr
        yield from _halves(at + 8 + _signed(word & 0xFFF, word >> 23), 4)
    elif word & 0x0F3F0E00 == 0x0D1F0A00:  # vldr
        yield from _halves(at + 8 + _signed((word & 0xFF) * 4, word >> 23), 8)


def _signed(distance: int, upwards: int) -> int:
    return distance if upwards & 1 else -distance


def _halves(start: int, size: int) -> range:
    return range(start, start + size, 2)
