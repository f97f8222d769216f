"""Find instructions in compiled files that the oldest promised CPU lacks.

A program may have them if it first checks that the CPU has the features (run-time dispatch), as numpy, zstd
and OpenSSL do. In general, a file does not show which code such a check guards. So a file without a check is
refused, and of a file with one only those functions count that run before any check: those that a loader or
an import calls. Knows nothing of wheels.
"""

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path, PurePosixPath

from mpforge.artifacts import elf_code
from mpforge.artifacts.binary_format import Binary, Promise
from mpforge.artifacts.decoders import Use, decoder_of
from mpforge.artifacts.elf_code import Code
from mpforge.platforms.encodings import DETECTS

# Functions and files that tell a program what its CPU has: getauxval(3), proc(5), the compilers' own.
_ASKING = frozenset(
    (
        *(
            "getauxval",
            "__getauxval",
            "elf_aux_info",
            "__riscv_hwprobe",
            "_dl_x86_get_cpu_features",
        ),
        *("__cpu_indicator_init", "__cpu_model", "__cpu_features2"),
        "__parse_hwcap_and_convert_at_platform",
    )
)
_ASKING_OF_OTHERS = re.compile(
    r"(?i)cpu_?(id|info|features?|flags?|caps?|supports?|arch)|hwcap|hardware_?support|instruction_?set|"
    r"(has|have|supports?|detect)_?(sse|avx|neon|sve|simd|vsx|fma)"
)
# Words for extensions and CPUs in the name of a file that is loaded only where they are.
_NAMED_FOR = re.compile(
    r"(?i)(?:^|[^a-z0-9])(s?sse[0-9_]*|avx[0-9_a-z]*|fma[34]?|bmi2?|aes_?ni|sha_?ni|p?clmul(?:qdq)?|pmull|"
    r"neon[a-z]*|asimd[a-z]*|armv8[a-z0-9]*|sve2?|vsx[0-9]?|vxe?|rvv|nehalem|sandybridge|haswell|skylake[a-z0-9]*|icelake|zen[0-9]|znver[0-9]|x86[_-]64[_-]v[234]|"
    r"z1[3-7]|power(?:9|10))(?:[^a-z0-9]|$)"
)
_FILES = (b"/proc/cpuinfo", b"/proc/self/auxv")
_FEATURES_SHOWN = 6


@dataclass(frozen=True)
class Newer:
    """The instructions of a result's files that the promised CPU lacks.

    ``refused`` are reasons, one for each function. ``chosen`` has a line for each file that is, or whose
    instructions are, taken to be chosen at run time. ``features`` are the extensions of the refused ones.
    """

    refused: tuple[str, ...]
    chosen: tuple[str, ...]
    features: frozenset[str]


def newer_instructions(root: Path, files: Mapping[str, Binary], promise: Promise) -> Newer:
    """Examine the programs and libraries among a result's files. Raises ``ELFError`` for a damaged one."""
    decoder, cpu = decoder_of(promise.platform), promise.cpu
    if decoder is None or cpu is None:
        return Newer((), (), frozenset())
    refused: list[str] = []
    chosen: list[str] = []
    features: set[str] = set()
    for name, file in files.items():
        if not file.linked or (whole := _chosen_whole(name, promise)):
            chosen += (
                [f"{name}: its instructions were not checked ({whole})"] if file.linked else []
            )
            continue
        data = (root / name).read_bytes()
        needs = set[str]().union(*map(decoder.needs, elf_code.sections(data)))
        lacking = needs - cpu.features - {DETECTS}
        if not lacking:
            continue
        code = elf_code.read(data)
        if how := _asks(file, data, code, needs):
            chosen.append(
                f"{name}: {_listed(lacking)} are assumed to be selected at run time ({how})"
            )
            code = code.run_at_load()  # nothing can be asked before these
        uses = [
            use
            for use in decoder.uses(code, lacking)
            if not (_is_data(use, code) or _is_outline_atomic(use, code))
        ]
        refused += (f"{name}: {reason}" for reason in _by_function(uses, code))
        features |= {use.feature for use in uses}
    return Newer(tuple(refused), tuple(chosen), frozenset(features))


def _chosen_whole(name: str, promise: Promise) -> str | None:
    """Return what makes a file load only on CPUs that run it; None if it loads on any."""
    if any(fnmatchcase(name, glob) for glob in promise.newer):
        return "allow-newer-cpu of [build] names it"
    word = _NAMED_FOR.search(PurePosixPath(name).name)
    return f"{word[1]} in its name says which CPUs load it" if word else None


def _is_data(use: Use, code: Code) -> bool:
    """Return whether bytes are data, not an instruction: they are outside of all functions."""
    return code.is_described and code.function_at(use.address) is None


def _is_outline_atomic(use: Use, code: Code) -> bool:
    """Return whether libgcc or compiler-rt guards an atomic instruction of Armv8.1 (-moutline-atomics).

    Such a function loads ``__aarch64_have_lse_atomics`` to w16 and branches before it: ``cbz w16, …``.
    """
    before = int.from_bytes(code.read(use.address - 4, 4), "little")
    return use.feature == "lse" and before & 0xFF00001F == 0x34000010


def _asks(file: Binary, data: bytes, code: Code, needs: AbstractSet[str]) -> str | None:
    """Return how a file checks the CPU's features; None if it doesn't."""
    if DETECTS in needs:
        return "it reads the CPU's identification"
    if code.resolvers:
        return "it has indirect functions"
    names = sorted({one.name for one in file.undefined} | {one.name for one in code.functions})
    asking = next((one for one in names if one in _ASKING), None)
    elsewhere = next(
        (one.name for one in file.undefined if _ASKING_OF_OTHERS.search(one.name)), None
    )
    if called := asking or elsewhere:
        return f"it calls {called}"
    return next((f"it reads {one.decode()}" for one in _FILES if one in data), None)


def _by_function(uses: list[Use], code: Code) -> Iterator[str]:
    """Yield a reason for each function, with its first instruction."""
    for _, group in groupby(uses, key=lambda use: code.function_at(use.address)):
        first, *others = group
        more = f" (and {len(others)} more)" if others else ""
        yield f"{_place(first.address, code)}: {first.text} needs {first.feature}{more}"


def _place(address: int, code: Code) -> str:
    function = code.function_at(address)
    if function is not None and function.name:
        return f"{function.name}+{address - function.address:#x}"
    before = code.nearest(address)
    after = f", {address - before.address:#x} bytes after {before.name}" if before else ""
    return f"at {address:#x}, in a function without a name{after}"


def _listed(features: AbstractSet[str]) -> str:
    words = sorted(features)
    more = f" and {len(words) - _FEATURES_SHOWN} more" if len(words) > _FEATURES_SHOWN else ""
    return f"instructions of {', '.join(words[:_FEATURES_SHOWN])}{more}"
