"""CPUs by the names that compilers have for them, and the extensions of each: one row of ``cpus.csv``.

Names are GCC's words for ``-march`` and ``-mcpu``. A platform's ``cpu`` is the oldest one that its wheels
must run on; ``[build] cpu`` names a newer one. docs/platforms.md has the sources.
"""

import difflib
import functools
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from mpforge.platforms import Platform, policy_version
from mpforge.platforms.policies import is_musl

_TABLE = Path(__file__).with_name("cpus.csv")


@dataclass(frozen=True)
class Cpu:
    """A CPU: ``features`` are all of its extensions, by the names that ``artifacts.instructions`` uses.

    ``machines`` are those that it is (``Platform.machine``). ``option`` makes GCC and clang compile for it,
    ``rust`` is rustc's ``target-cpu``, ``qemu`` the oldest of QEMU's models that has all that it has; None
    where there is none.
    """

    name: str
    machines: tuple[str, ...]
    features: frozenset[str]
    option: str
    rust: str | None
    qemu: str | None
    images: str | None


@functools.cache
def known_cpus() -> Mapping[str, Cpu]:
    """Return every CPU by name, in the table's order. A row's features include those of the row above it."""
    found: dict[str, Cpu] = {}
    for line in _TABLE.read_text(encoding="ascii").splitlines()[1:]:
        name, machines, above, features, option, rust, qemu, images = line.split(",")
        inherited = found[above].features if above else frozenset[str]()
        found[name] = Cpu(
            name,
            tuple(machines.split()),
            inherited | frozenset(features.split()),
            option,
            rust or None,
            qemu or None,
            images or None,
        )
    return found


def cpus_of(platform: Platform) -> tuple[Cpu, ...]:
    """Return the CPUs that a platform's programs may be compiled for, in the table's order."""
    return tuple(cpu for cpu in known_cpus().values() if platform.machine in cpu.machines)


def baseline(platform: Platform, policy: str) -> Cpu | None:
    """Return the oldest CPU that wheels of a policy must run on; None if the table has none."""
    if platform.cpu is None:
        return None
    newer = [one for one in cpus_of(platform) if _compiled_for(one, policy)]
    return newer[-1] if newer else known_cpus()[platform.cpu]


def _compiled_for(cpu: Cpu, policy: str) -> bool:
    same = cpu.images is not None and is_musl(cpu.images) == is_musl(policy)
    return same and policy_version(str(cpu.images)) <= policy_version(policy)


# What /proc/cpuinfo calls an extension, where it is another word than that of cpus.csv (Linux,
# arch/x86/include/asm/cpufeatures.h, Documentation/arch/arm64/elf_hwcaps.rst).
_OF_LINUX = {
    "pni": "SSE3",
    "cx16": "CMPXCHG16B",
    "abm": "LZCNT",
    "sha_ni": "SHA",
    "crc32": "crc",
    "atomics": "lse",
    "asimdrdm": "rdm",
    "lrcpc": "rcpc",
    "asimddp": "dotprod",
    "fphp": "fp16",
}
_UNTOLD = frozenset(("pan",))  # Linux keeps these to itself


def features_of(cpuinfo: str) -> frozenset[str]:
    """Return the extensions of a processor of x86 or aarch64, by the text of ``/proc/cpuinfo``."""
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.MULTILINE)
    words = found[1].split() if found else []
    return frozenset(
        name for word in words for name in (word, word.upper(), _OF_LINUX.get(word, word))
    )


def lacking_features(cpu: Cpu, features: AbstractSet[str]) -> frozenset[str]:
    """Return the extensions of a CPU that a processor with some ``features_of`` lacks."""
    return cpu.features - features - _UNTOLD


def near_names(word: str, platform: Platform) -> tuple[str, ...]:
    """Return names of the platform's CPUs that are like a word, the most similar first."""
    names = {cpu.name.lower(): cpu.name for cpu in cpus_of(platform)}
    near = difflib.get_close_matches(word.lower().replace("_", "-"), names, n=3, cutoff=0.6)
    return tuple(names[one] for one in near)
