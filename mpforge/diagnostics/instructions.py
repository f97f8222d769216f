"""Name an illegal instruction by its first bytes: one of a CPU extension, or a deliberate trap.

A few patterns from the manuals, not a disassembler: other instructions have no name.
"""

from dataclasses import dataclass

# Arm Architecture Reference Manual, "A64 instruction set encoding": mask, value, name.
_ARM = (
    (0x3F20_0C00, 0x3820_0000, "an LSE atomic (Armv8.1)"),
    (0x3FA0_7C00, 0x08A0_7C00, "an LSE compare and swap (Armv8.1)"),
    (0xBFA0_7C00, 0x0820_7C00, "an LSE compare and swap (Armv8.1)"),
    (0x9F20_FC00, 0x0E00_9400, "a dot product (Armv8.2)"),
    (0x1E00_0000, 0x0400_0000, "SVE (Armv8.2 and later)"),
)
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
    """Return the instruction at the start of some bytes; None for an unsupported machine."""
    if machine == "EM_AARCH64" and len(code) >= 4:
        return _arm(int.from_bytes(code[:4], "little"))
    if machine == "EM_X86_64" and code:
        return _x86(code)
    return None


def _arm(word: int) -> Instruction:
    digits = f"{word:08x}"
    if word >> 16 == 0:
        return Instruction(digits, "udf, a trap", trap=True)
    names = [name for mask, value, name in _ARM if word & mask == value]
    return Instruction(digits, names[0] if names else None)


def _x86(code: bytes) -> Instruction:
    digits = code[:8].hex(" ")
    rest = code.lstrip(_PREFIXES)
    rest = rest[1:] if rest[:1] in _REX else rest
    if rest.startswith((_UD2, _UD1)):
        return Instruction(digits, "ud2, a trap", trap=True)
    names = [name for starts, name in _X86 if rest.startswith(starts)]
    return Instruction(digits, names[0] if names else None)
