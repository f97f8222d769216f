"""What a platform is called by docker, wheel tags, GNU, zig, Rust, Debian and QEMU.

One table, ``platforms.csv`` (columns are the field's own vocabularies); everything here is read from
it. This room knows nothing of hosts: which platform *this* machine is, is found by its callers.
"""

import csv
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Literal

Endian = Literal["little", "big"]


@dataclass(frozen=True)
class Platform:
    """One row of the table.

    ``name`` is the well-known target name; ``machine`` what ``uname -m`` prints; ``gnu_triple`` and
    ``zig_triple`` lack the glibc version; ``floor`` is the lowest glibc policy ``(2, 17)`` or the
    lowest musl one ``(1, 1)``; ``qemu`` the user-mode emulator's program name, ``None`` without one.
    """

    name: str
    aliases: tuple[str, ...]
    docker_platform: str | None
    machine: str
    gnu_triple: str
    zig_triple: str
    rust_triple: str
    debian_arch: str | None
    qemu: str | None
    endian: Endian
    bits: int
    libc: Literal["glibc", "musl", "none"]
    policies: tuple[str, ...]
    github_runner: str | None

    @property
    def multiarch(self) -> str:
        """Debian's name in paths of libraries, and PEP 3149's in those of extension modules."""
        return self.gnu_triple.replace("i686-", "i386-", 1)

    @property
    def os(self) -> str:
        """``linux``, ``windows`` or ``macos``."""
        head = self.name.split("_", 1)[0]
        return head if head in {"windows", "macos"} else "linux"

    @property
    def default_policy(self) -> str:
        """The oldest policy that PyPA keeps an image for, e.g. ``manylinux_2_17``."""
        return self.policies[0]


# The ELF header's e_machine, class and data (gABI, and the processor supplements).
ELF_MACHINES: Mapping[str, str] = {
    "x86_64": "EM_X86_64",
    "aarch64": "EM_AARCH64",
    "armv7l": "EM_ARM",
    "i686": "EM_386",
    "s390x": "EM_S390",
    "ppc64le": "EM_PPC64",
    "riscv64": "EM_RISCV",
    "loongarch64": "EM_LOONGARCH",
}

# The loader's path (PT_INTERP) by the ABIs' supplements and glibc's sysdeps (shlib-versions).
ELF_INTERPRETERS: Mapping[str, str] = {
    "x86_64": "/lib64/ld-linux-x86-64.so.2",
    "aarch64": "/lib/ld-linux-aarch64.so.1",
    "armv7l": "/lib/ld-linux-armhf.so.3",
    "i686": "/lib/ld-linux.so.2",
    "s390x": "/lib/ld64.so.1",
    "ppc64le": "/lib64/ld64.so.2",
    "riscv64": "/lib/ld-linux-riscv64-lp64d.so.1",
    "loongarch64": "/lib64/ld-linux-loongarch-lp64d.so.1",
}

# The oldest CPU model that each machine's wheels and distributions support, in QEMU's words.
BASELINE_CPU: Mapping[str, str] = {
    "aarch64": "cortex-a53",
    "armv7l": "cortex-a7",
    "x86_64": "qemu64",
    "i686": "qemu32",
    "ppc64le": "power8",
    "riscv64": "rv64",
    "s390x": "qemu",
}

# GitHub's name for a machine of each platform; the table's column is prose where there is none.
_GITHUB = re.compile(r"^(ubuntu|windows|macos)-[0-9a-z.-]+")

# musl targets of docs/configuration.md that the table has no row for are derived from the glibc row.
_MUSL_ABI = {
    "x86_64": "x86_64-linux-musl",
    "i686": "i686-linux-musl",
    "ppc64le": "powerpc64le-linux-musl",
    "riscv64": "riscv64-linux-musl",
    "loongarch64": "loongarch64-linux-musl",
}

# Rows of the table that docs/configuration.md does not list among the well-known names.
_NOT_WELL_KNOWN = {"armv6l", "windows_i686"}


def _policies(row: Mapping[str, str]) -> tuple[str, ...]:
    tag = row["wheel_tag_arch"]
    match = re.match(r"((?:many|musl)linux_\d+_\d+)_", tag)
    named = [] if match is None else [match.group(1)]
    images = [
        "manylinux_2_17" if word == "manylinux2014" else word
        for word in row["pypa_images"].split()
        if re.fullmatch(r"(?:many|musl)linux(?:2014|_\d+_\d+)", word)
    ]
    if "_musl" in row["target"]:
        return tuple(dict.fromkeys(p for p in [*named, *images] if p.startswith("musl")))
    return tuple(dict.fromkeys(p for p in [*named, *images] if p.startswith("many")))


def _optional(word: str) -> str | None:
    return None if word in {"", "-", "none"} or word.startswith("none ") else word


def _platform(row: Mapping[str, str]) -> Platform:
    name = row["target"]
    qemu = _optional(row["qemu_user"])
    runner = _GITHUB.match(row["github_runner"])
    libc: Literal["glibc", "musl", "none"] = "glibc"
    if name.endswith("_musl"):
        libc = "musl"
    elif name.startswith(("windows", "macos")):
        libc = "none"
    return Platform(
        name=name,
        aliases=tuple(row["aliases"].split()),
        docker_platform=_optional(row["docker_platform"]),
        machine=row["uname_m"].split()[0],
        gnu_triple=row["gnu_triple"].split()[0],
        zig_triple=re.sub(r"\.\d[\d.]*$", "", row["zig_triple"].split()[0]),
        rust_triple=row["rust_triple"].split()[0],
        debian_arch=_optional(row["debian_arch"].split()[0]),
        qemu=qemu.split()[0] if qemu and qemu.startswith("qemu-") else None,
        endian="big" if row["endian"] == "BIG" else "little",
        bits=int(row["bits"]),
        libc=libc,
        policies=_policies(row),
        github_runner=runner.group(0) if runner else None,
    )


def _musl_of(glibc: Platform, triple: str) -> Platform:
    return Platform(
        name=f"{glibc.name}_musl",
        aliases=(),
        docker_platform=glibc.docker_platform,
        machine=glibc.machine,
        gnu_triple=triple,
        zig_triple=triple.replace("i686", "x86"),
        rust_triple=glibc.rust_triple.replace("-gnu", "-musl"),
        debian_arch=glibc.debian_arch,
        qemu=glibc.qemu,
        endian=glibc.endian,
        bits=glibc.bits,
        libc="musl",
        policies=("musllinux_1_2",),
        github_runner=glibc.github_runner,
    )


@functools.cache
def well_known() -> Mapping[str, Platform]:
    """Every well-known target by name, in the table's order (docs/configuration.md)."""
    text = resources.files(__name__).joinpath("platforms.csv").read_text(encoding="utf-8")
    rows = [_platform(row) for row in csv.DictReader(text.splitlines())]
    table = {row.name: row for row in rows if row.name not in _NOT_WELL_KNOWN}
    for name, triple in _MUSL_ABI.items():
        table.setdefault(f"{name}_musl", _musl_of(table[name], triple))
    return table


@functools.cache
def foreign_names() -> Mapping[str, str]:
    """Names used elsewhere (``arm64``, ``linux/arm/v7``, ``win_amd64``) → our target name."""
    names: dict[str, str] = {}
    for platform in well_known().values():
        words = [*platform.aliases, platform.machine, platform.gnu_triple, platform.rust_triple]
        if platform.docker_platform and platform.libc != "musl":
            words.append(platform.docker_platform)
        for word in words:
            names.setdefault(word, platform.name)
    return {word: name for word, name in names.items() if word not in well_known()}


def by_machine(machine: str) -> Platform | None:
    """The glibc Linux platform whose ``uname -m`` is ``machine``, e.g. ``arm64`` → aarch64."""
    for platform in well_known().values():
        glibc = platform.os == "linux" and platform.libc == "glibc"
        if glibc and machine in (platform.machine, *platform.aliases):
            return platform
    return None


def policy_version(policy: str) -> tuple[int, int]:
    """``manylinux_2_28`` → (2, 28); ``manylinux2014`` → (2, 17) (PEP 600)."""
    legacy = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
    if policy in legacy:
        return legacy[policy]
    match = re.fullmatch(r"(?:many|musl)linux_(\d+)_(\d+)", policy)
    if match is None:
        raise ValueError(f"not a platform policy: {policy!r}")
    return int(match.group(1)), int(match.group(2))
