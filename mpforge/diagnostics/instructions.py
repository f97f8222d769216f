"""Name an illegal instruction by its first bytes: one of a CPU extension, or a deliberate trap.

A few patterns from the manuals, not a disassembler: other instructions have no name.
"""

from dataclasses import dataclass

from mpforge.platforms import well_known
from mpforge.platforms.encodings import instruction_sets

# Intel's manual, volume 2, "Instruction format": prefixes of an opcode.
_PREFIXES = b"\x66\xf2\xf3\x2e\x36\x3e\x26\x64\x65\x67\xf0"
_REX = bytes(range(0x40, 0x50))
_UD2, _UD1 = b"\x0f\x0b", b"\x0f\xb9"
_X86 = (
    ((b"\xc4", b"\xc5"), "VEX encoded: AVX, AVX2, FMA or BMI (x86-64-v3)"),
    ((b"\x62",), "EVEX encoded: AVX-512 (x86-64-v4)"),
    ((b"\x0f\x38", b"\x0f\x3a"), "SSSE3, SSE4 or later (x86-64-v2)"),
    ((b"\x0f\xb8",), "popcnt (x86-64-v2)"),
)


@dataclass(frozen=True)
class Instruction:
    """An instruction: its bytes as manuals print them, its name if known, and whether it is a trap.

    A trap is undefined on every CPU: compilers put it where execution must not arrive (``__builtin_trap``).
    """

    digits: str
    name: str | None = None
    trap: bool = False

    def __str__(self) -> str:
        return self.digits if self.name is None else f"{self.digits}, {self.name}"


def describe(machine: str, code: bytes) -> Instruction | None:
    """Return the instruction at the start of some bytes; None for an unsupported machine (``EM_…``).

    32-bit Arm is unsupported: its two instruction sets can't be told apart by a few bytes.
    """
    if machine == "EM_X86_64" and code:
        return _x86(code)
    platform = next((one for one in well_known().values() if one.elf_machine == machine), None)
    sets = {} if platform is None else instruction_sets(platform.machine, platform.endian)
    if len(sets) != 1:
        return None
    (known,) = sets.values()
    match = known.layout.split.match(code)
    if match is None:
        return None
    first = match[0]
    if machine == "EM_AARCH64" and first[2:] == b"\0\0":
        return Instruction(known.digits(first), "udf, a trap", trap=True)
    found = known.find(first)
    return Instruction(
        known.digits(first), f"{found.name} needs {found.feature}" if found else None
    )


def _x86(code: bytes) -> Instruction:
    digits = code[:8].hex(" ")
    rest = code.lstrip(_PREFIXES)
    rest = rest[1:] if rest[:1] in _REX else rest
    if rest.startswith((_UD2, _UD1)):
        return Instruction(digits, "ud2, a trap", trap=True)
    names = [name for starts, name in _X86 if rest.startswith(starts)]
    return Instruction(digits, names[0] if names else None)
