"""Decode machine code far enough to tell which CPU extensions it needs.

x86 is decoded by iced-x86, which knows the CPUID features of each instruction
(https://github.com/icedland/iced); other machines by masks (``platforms.encodings``). The tables list what a
CPU may lack; any other instruction needs nothing.
"""

import bisect
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, NamedTuple, Protocol

from mpforge.artifacts.arm_code import Region, agrees, arm_regions
from mpforge.artifacts.elf_code import Code, Section
from mpforge.platforms import Platform
from mpforge.platforms.encodings import DETECTS, Encoding, InstructionSet, instruction_sets

if TYPE_CHECKING:
    from iced_x86 import Instruction

_GROUPED, _GROUP, _GROUP_BYTES = ("neon", "d32"), 3, 64
_MANY, _FEW = 1 << 18, 1 << 10
_MOST = 6  # bytes of an instruction outside of x86


class Use(NamedTuple):
    """An instruction that needs a CPU extension: its address, its text, and the extension."""

    address: int
    text: str
    feature: str


class Decoder(Protocol):
    """Decodes the code of one machine."""

    def needs(self, section: Section) -> set[str]:
        """Return the extensions that instructions may need; ``DETECTS`` if the code asks for them itself.

        Data among the code may add some.
        """

    def uses(self, code: Code, lacking: AbstractSet[str]) -> Iterator[Use]:
        """Yield the instructions that need an extension of ``lacking``, by address."""


def decoder_of(platform: Platform) -> Decoder | None:
    """Return the decoder of a platform's code; None if there is none."""
    if platform.x86:
        return _X86(platform.bits)
    found = instruction_sets(platform.machine, platform.endian)
    return _Masks(found) if found else None


# --- x86 ----------------------------------------------------------------------------------------

# CPUID features, by iced's names, of instructions that every CPU executes, or takes for another one without
# harm (hints, `rep bsf` for tzcnt), or that no program may execute.
_HARMLESS = frozenset(
    (
        *("CPUID", "TSC", "PAUSE", "MULTIBYTENOP", "CET_IBT", "CET_SS", "CLFSH", "SEP", "SYSCALL"),
        *("X64", "PREFETCHW", "PREFETCHWT1", "PREFETCHITI", "CLDEMOTE", "HLE", "HLE_OR_RTM"),
        *("MPX", "MSR", "SMM", "RDPMC", "UDBG", "OSS", "IA64", "UMOV", "MOV_TR", "CL1INVMB"),
        *("KNC", "TSE", "PCOMMIT"),
    )
)
_HARMLESS_STARTS = ("INTEL", "FPU", "CYRIX", "CENTAUR", "PADLOCK")
_HARMLESS_WORDS = ("TZCNT", "XGETBV")
_ASKING = ("CPUID", "XGETBV")


class _X86:
    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._by_code: dict[int, frozenset[str]] = {}

    def needs(self, section: Section) -> set[str]:
        from iced_x86 import Decoder as Iced

        codes = {one.code: one for one in Iced(self._bits, section.code, ip=section.address)}
        return set().union(*map(self._features, codes.values()))

    def uses(self, code: Code, lacking: AbstractSet[str]) -> Iterator[Use]:
        from iced_x86 import Decoder as Iced
        from iced_x86 import Formatter, FormatterSyntax

        text = Formatter(FormatterSyntax.GAS)
        for section in code.sections:
            codes = {one.code: one for one in Iced(self._bits, section.code, ip=section.address)}
            beyond = {
                number: min(needed)
                for number, one in codes.items()
                if (needed := self._features(one) & lacking)
            }
            for one in Iced(self._bits, section.code, ip=section.address):
                if one.code in beyond:
                    yield Use(one.ip, text.format(one), beyond[one.code])

    def _features(self, instruction: "Instruction") -> frozenset[str]:
        known = self._by_code.get(instruction.code)
        if known is None:
            known = frozenset(self._read_features(instruction))
            self._by_code[instruction.code] = known
        return known

    def _read_features(self, instruction: "Instruction") -> Iterator[str]:
        names, mnemonics = _names("CpuidFeature"), _names("Mnemonic")
        mnemonic = mnemonics[instruction.mnemonic]
        if mnemonic in _ASKING:
            yield DETECTS
        elif mnemonic not in _HARMLESS_WORDS and instruction.code:
            for number in instruction.cpuid_features():
                name = names[number]
                if name not in _HARMLESS and not name.startswith(_HARMLESS_STARTS):
                    yield name


def _is_alone(use: Use, others: list[Use]) -> bool:
    """Return whether a use in a stripped Arm file is likely to be data, or of the other instruction set.

    NEON's patterns are wide: they fit one of 16 words. But its instructions come in groups.
    """
    at = bisect.bisect_left(others, use)
    near = others[max(0, at - _GROUP) : at + _GROUP + 1]
    group = [one for one in near if abs(one.address - use.address) <= _GROUP_BYTES]
    return use.feature in _GROUPED and len(group) < _GROUP


def _names(enum: str) -> Mapping[int, str]:
    import iced_x86

    return {value: name for name, value in vars(getattr(iced_x86, enum)).items() if name.isupper()}


# --- other machines -----------------------------------------------------------------------------


class _Masks:
    def __init__(self, sets: Mapping[str, InstructionSet]) -> None:
        self._sets = sets

    def needs(self, section: Section) -> set[str]:
        sets = self._sets.items()
        return {hit.feature for name, one in sets for hit in _hits(one, section.code).values()}

    def uses(self, code: Code, lacking: AbstractSet[str]) -> Iterator[Use]:
        if len(self._sets) == 1 or code.markers:
            yield from self._uses(code, lacking, guessed=False)
        else:
            found = list(self._uses(code, lacking, guessed=True))
            yield from (use for use in found if not _is_alone(use, found))

    def _uses(self, code: Code, lacking: AbstractSet[str], *, guessed: bool) -> Iterator[Use]:
        for region in self._regions(code, lacking):
            own, at = self._sets[region.layout], region.address
            hits = self._lacking(region, lacking)
            for some in _split(own, region.code, _FEW):
                if hits.keys().isdisjoint(some):
                    at += sum(map(len, some))
                    continue
                for one in some:
                    if one in hits and (not guessed or agrees(region, at)):
                        text = f"{hits[one].name} ({own.digits(one)})"
                        yield Use(at, text, hits[one].feature)
                    at += len(one)

    def _regions(self, code: Code, lacking: AbstractSet[str]) -> Iterator[Region]:
        """Yield the regions that may have an instruction that needs an extension of ``lacking``."""
        if len(self._sets) > 1:
            yield from arm_regions(code, lambda region: bool(self._lacking(region, lacking)))
        else:
            (layout,) = self._sets
            yield from (Region(layout, *section) for section in code.sections)

    def _lacking(self, region: Region, lacking: AbstractSet[str]) -> dict[bytes, Encoding]:
        hits = _hits(self._sets[region.layout], region.code)
        return {code: hit for code, hit in hits.items() if hit.feature in lacking}


def _hits(of: InstructionSet, code: bytes) -> dict[bytes, Encoding]:
    """Return the different instructions of a code that a pattern fits."""
    different: set[bytes] = set()
    for some in _split(of, code, _MANY):
        different.update(some)
    return {one: hit for one in different if (hit := of.find(one))}


def _split(of: InstructionSet, code: bytes, size: int) -> Iterator[list[bytes]]:
    """Yield the instructions of a code in lists, each of about ``size`` bytes."""
    find, at = of.layout.split.findall, 0
    while at < len(code):
        some = find(code, at, at + size)
        if at + size < len(code):
            some = some[:-_MOST]  # the last may be cut off
        if not some:
            return
        yield some
        at += sum(map(len, some))
