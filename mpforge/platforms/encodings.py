"""Encodings of the instructions that some CPUs lack: one row of ``encodings.csv`` for each pattern.

For machines whose instructions have few lengths, so that masks decide; x86's are decoded by a library
(``artifacts.instructions``). The patterns are those of the machines' manuals.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_TABLE = Path(__file__).with_name("encodings.csv")
DETECTS = "detects"
"""The feature of instructions by which a program checks what its CPU has."""


@dataclass(frozen=True)
class Layout:
    """How code is split into instructions, and which byte of one tells most patterns apart.

    ``split`` matches one instruction of a code. ``width`` is the size in bytes of a pattern; shorter
    instructions have zeros behind them. The byte at ``key`` is at the bit ``shift`` of a pattern.
    ``halves``: an instruction is two numbers of 16 bits, the first one high.
    """

    split: re.Pattern[bytes]
    key: int
    shift: int
    width: int = 4
    halves: bool = False


_LAYOUTS: Mapping[str, Layout] = {
    # Thumb: a first halfword from 0xe800 has a second one ("T32 instruction set encoding").
    "thumb": Layout(re.compile(rb"(?s:.[\xe8-\xff]..|..)"), 1, 24, halves=True),
    # RISC-V: both lowest bits are set unless it is a compressed one.
    "2-4": Layout(re.compile(rb"(?s:[" + re.escape(bytes(range(3, 256, 4))) + rb"]...|..)"), 0, 0),
    # z/Architecture: the two highest bits ("Instruction Formats").
    "2-4-6": Layout(
        re.compile(rb"(?s:[\x00-\x3f].|[\x40-\xbf]...|[\xc0-\xff].{5})"), 0, 40, width=6
    ),
    "4": Layout(re.compile(rb"(?s:....)"), 3, 24),
}


@dataclass(frozen=True)
class Encoding:
    """A pattern: instructions with ``value`` in the bits of ``mask`` need ``feature``, or none if empty."""

    feature: str
    mask: int
    value: int
    name: str


@dataclass(frozen=True)
class InstructionSet:
    """One of a machine's instruction sets; ``by_key``: the patterns that fit each value of the key byte."""

    layout: Layout
    endian: str
    by_key: tuple[tuple[Encoding, ...], ...]

    def find(self, code: bytes) -> Encoding | None:
        """Return the first pattern that an instruction has; None if it has none that needs a feature."""
        layout = self.layout
        if len(code) <= layout.key or not (fitting := self.by_key[code[layout.key]]):
            return None
        number = self._number(code)
        found = next((one for one in fitting if number & one.mask == one.value), None)
        return found if found is not None and found.feature else None

    def digits(self, code: bytes) -> str:
        """Return an instruction's digits as the machine's manuals print them."""
        return f"{self._number(code):08x}" if self.layout.width == 4 else code.hex(" ")

    def _number(self, code: bytes) -> int:
        if self.layout.halves:
            first, second = int.from_bytes(code[:2], "little"), int.from_bytes(code[2:], "little")
            return first << 16 | second
        if self.endian == "big":
            return int.from_bytes(code.ljust(self.layout.width, b"\0"), "big")
        return int.from_bytes(code, "little")


@functools.cache
def instruction_sets(machine: str, endian: str) -> Mapping[str, InstructionSet]:
    """Return a machine's instruction sets by the name of their layout; none for a machine without patterns.

    ``machine`` and ``endian`` are those of a ``Platform``.
    """
    rows: dict[str, list[Encoding]] = {}
    for line in _TABLE.read_text(encoding="ascii").splitlines()[1:]:
        of, layout, feature, mask, value, name = line.split(",")
        if of == machine:
            one = Encoding(feature, int(mask, 16), int(value, 16), name)
            rows.setdefault(layout, []).append(one)
    return {
        name: InstructionSet(_LAYOUTS[name], endian, tuple(_by_key(_LAYOUTS[name], encodings)))
        for name, encodings in rows.items()
    }


def _by_key(layout: Layout, encodings: list[Encoding]) -> "list[tuple[Encoding, ...]]":
    shift = layout.shift
    return [
        tuple(
            one
            for one in encodings
            if (key & one.mask >> shift & 0xFF) == (one.value >> shift & 0xFF)
        )
        for key in range(256)
    ]
