"""Probe the CPU that a program really runs on, and compare the answer with a CPU model.

This file is also the probe: the target's interpreter runs it (``python cpuprobe.py``), so it needs the
standard library alone. It prints JSON: the facts of its own process, and under ``bare`` those of a
child that it starts by ``sys.executable`` with an empty environment. The CPU's identity is read with a
few bytes of machine code (MIDR_EL1 on Arm, which QEMU and Linux let programs read; cpuid on x86);
elsewhere there is none. It knows nothing of emulators or plans.
"""

import ctypes
import json
import mmap
import os
import re
import struct
import sys
from collections.abc import Mapping
from typing import Any

_AT_HWCAP = 16
_HWCAP_CPUID = 1 << 11
_PAGE = mmap.PAGESIZE

# mrs x0, midr_el1; ret
_READ_MIDR = bytes.fromhex("000038d5 c0035fd6")
# push rbx; eax, ecx = edi, esi; r8 = rdx; cpuid; r8[0..3] = eax, ebx, ecx, edx; pop rbx; ret
_CPUID = bytes.fromhex("53 89f8 89f1 4989d0 0fa2 418900 41895804 41894808 4189500c 5b c3")
# push ebx, edi; eax, ecx, edi = the arguments; cpuid; edi[0..3] = eax, ebx, ecx, edx; pop edi, ebx; ret
_CPUID_32 = bytes.fromhex(
    "53 57 8b44240c 8b4c2410 8b7c2414 0fa2 8907 895f04 894f08 89570c 5f 5b c3"
)

# Implementer and part number of MIDR_EL1 (Arm's and Fujitsu's manuals); QEMU's `max` has none.
ARM_MODELS: Mapping[str, tuple[int, int]] = {
    "cortex-a35": (0x41, 0xD04),
    "cortex-a53": (0x41, 0xD03),
    "cortex-a55": (0x41, 0xD05),
    "cortex-a57": (0x41, 0xD07),
    "cortex-a72": (0x41, 0xD08),
    "cortex-a76": (0x41, 0xD0B),
    "cortex-a710": (0x41, 0xD47),
    "neoverse-n1": (0x41, 0xD0C),
    "neoverse-n2": (0x41, 0xD49),
    "neoverse-v1": (0x41, 0xD40),
    "a64fx": (0x46, 0x001),
    "max": (0x00, 0x051),
}

# How the brand string of cpuid begins, in QEMU's models.
X86_MODELS: Mapping[str, str] = {
    "qemu64": "QEMU Virtual CPU",
    "qemu32": "QEMU Virtual CPU",
    "max": "QEMU TCG CPU",
    "Nehalem": "Intel Core i7 9xx (Nehalem",
    "Westmere": "Westmere",
    "SandyBridge": "Intel Xeon E312xx (Sandy Bridge",
    "IvyBridge": "Intel Xeon E3-12xx v2 (Ivy Bridge",
    "Haswell": "Intel Core Processor (Haswell",
    "Broadwell": "Intel Core Processor (Broadwell",
    "Skylake-Client": "Intel Core Processor (Skylake",
    "EPYC": "AMD EPYC Processor",
}


def model_matches(model: str, facts: Mapping[str, object]) -> bool:
    """Return whether the facts fit the CPU model; False if another model, or ``max``, answered.

    True if the machine reports no identity. An unknown model only must not match a known one.
    """
    midr, brand = facts.get("midr"), facts.get("brand")
    if isinstance(midr, int):
        answered = (midr >> 24 & 0xFF, midr >> 4 & 0xFFF)
        if model in ARM_MODELS:
            return answered == ARM_MODELS[model]
        return answered not in ARM_MODELS.values()
    if isinstance(brand, str):
        known = X86_MODELS.get(model) or X86_MODELS.get(_family(model))
        if known is not None:
            return brand.startswith(known)
        return not brand.startswith(tuple(X86_MODELS.values()))
    return True


def _family(model: str) -> str:
    """Return the known x86 model that this is a variant of (``Haswell-noTSX``, ``qemu64-v1``), else itself.

    Its brand string begins alike. EPYC's successors are CPUs of their own, with a brand of their own.
    """
    known = [name for name in X86_MODELS if name != "EPYC" and model.startswith(f"{name}-")]
    return known[0] if known else re.sub(r"-(v\d+|IBPB)$", "", model)


def describe(facts: Mapping[str, object]) -> str:
    """Return the CPU that answered, for messages: a known model's name, or the raw facts."""
    midr, brand = facts.get("midr"), facts.get("brand")
    if isinstance(midr, int):
        known = [model for model in ARM_MODELS if model_matches(model, facts)]
        return known[0] if known else f"MIDR {midr:#010x}"
    if isinstance(brand, str):
        known = [model for model in X86_MODELS if model_matches(model, facts)]
        return known[0] if known else brand
    return "unknown"


def probe() -> dict[str, Any]:
    """Return the facts of this process: machine, byte order, pointer size, AT_HWCAP, identity."""
    libc = ctypes.CDLL(None)
    libc.getauxval.restype = ctypes.c_ulong
    libc.getauxval.argtypes = [ctypes.c_ulong]
    hwcap = libc.getauxval(_AT_HWCAP)
    machine = os.uname().machine
    bits = struct.calcsize("P") * 8
    facts: dict[str, Any] = {
        "machine": machine,
        "endianness": sys.byteorder,
        "pointer_bits": bits,
        "hwcap": hwcap,
    }
    if machine == "aarch64" and bits == 64 and hwcap & _HWCAP_CPUID:
        facts["midr"] = _midr()
    if machine == "x86_64" and bits == 64:
        facts["brand"] = _brand(_CPUID)
    if machine == "i686" and bits == 32:
        facts["brand"] = _brand(_CPUID_32)
    return {name: value for name, value in facts.items() if value is not None}


def _code(code: bytes) -> mmap.mmap | None:
    """Return machine code in executable memory, or ``None`` if the system forbids that.

    Written first and made executable afterwards: Linux then cleans the caches, as Arm needs.
    """
    memory = mmap.mmap(-1, _PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.write(code)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    allowed = libc.mprotect(start, _PAGE, mmap.PROT_READ | mmap.PROT_EXEC) == 0
    return memory if allowed else None


def _midr() -> int | None:
    memory = _code(_READ_MIDR)
    if memory is None:
        return None
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    return int(ctypes.CFUNCTYPE(ctypes.c_uint64)(start)())


def _brand(code: bytes) -> str | None:
    """Return the brand string of cpuid's leaves 0x80000002 to 4 (Intel and AMD manuals)."""
    memory = _code(code)
    if memory is None:
        return None
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    cpuid = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p)(start)
    text = b""
    for leaf in (0x80000002, 0x80000003, 0x80000004):
        registers = (ctypes.c_uint32 * 4)()
        cpuid(leaf, 0, ctypes.cast(registers, ctypes.c_void_p))
        text += bytes(registers)
    return text.split(b"\0")[0].decode("latin-1").strip()


def probe_bare() -> dict[str, Any]:
    """Return the facts of a child of this interpreter with an empty environment (as ``env -i``)."""
    here, there = os.pipe()
    argv = [sys.executable, os.path.abspath(__file__), "--bare"]
    if hasattr(os, "posix_spawn"):
        actions = [(os.POSIX_SPAWN_DUP2, there, 1)]
        child = os.posix_spawn(sys.executable, argv, {}, file_actions=actions)
    elif not (child := os.fork()):  # PyPy has no posix_spawn
        os.dup2(there, 1)
        os.execve(sys.executable, argv, {})  # noqa: S606 - that is what the probe is for
    os.close(there)
    with os.fdopen(here, encoding="utf-8") as answer:
        text = answer.read()
    os.waitpid(child, 0)
    facts: dict[str, Any] = json.loads(text)
    return facts


def parse(text: str) -> dict[str, Any]:
    """Return the facts in the last line of the probe's output. Raises ``ValueError``."""
    facts = json.loads(text.strip().splitlines()[-1]) if text.strip() else None
    bare = facts.get("bare") if isinstance(facts, dict) else None
    if not isinstance(facts, dict) or not isinstance(bare, dict):
        raise ValueError(  # noqa: TRY004 - the text is wrong, whatever type it would make
            f"the probe did not answer: {text[-200:]!r}"
        )
    if "machine" not in facts or "machine" not in bare:
        raise ValueError(f"the probe did not answer with a machine: {text[-200:]!r}")
    return facts


def main() -> None:
    """Print this process's facts, and a bare child's."""
    facts = probe()
    if "--bare" not in sys.argv[1:]:
        facts["bare"] = probe_bare()
    sys.stdout.write(json.dumps(facts, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
