"""Everything that mpforge knows of a platform: one row of ``platforms.csv`` each, read once.

No other package writes a machine's name: it asks a ``Platform``, or looks one up here. docs/platforms.md has
the source of each column's facts. This package knows nothing of hosts: its callers detect which platform
*this* machine is.
"""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, get_args

Os = Literal["linux", "windows", "macos"]
Endian = Literal["little", "big"]
Support = Literal["tested", "builds", "not-yet"]

_TABLE = Path(__file__).with_name("platforms.csv")
# The size in bytes of each format of long double, if it is not 16.
_SMALL_LONG_DOUBLES = {"IEEE_DOUBLE_LE": 8, "INTEL_EXTENDED_12_BYTES_LE": 12}
_BASE_POLICY = "manylinux_2_28"
_KNOWS_MUSL = 11  # the minor version of CPython
_X87 = "INTEL_EXTENDED_"


@dataclass(frozen=True)
class Libc:
    """A C library that wheels are built for.

    ``policy`` is the prefix of its policies' names. ``version_name`` is the ``os.confstr`` name of the
    running version; musl has none. ``versioned``: its symbols have versions, and zig can link against an
    older one than its own.
    """

    name: str
    policy: str
    version_name: str | None
    versioned: bool


GLIBC = Libc("glibc", "manylinux", "CS_GNU_LIBC_VERSION", versioned=True)
MUSL = Libc("musl", "musllinux", None, versioned=False)
LIBCS: Mapping[str, Libc] = {libc.name: libc for libc in (GLIBC, MUSL)}


_SMALL = 32


@dataclass(frozen=True)
class Platform:
    """One row of the table; docs/platforms.md describes every column.

    ``name`` is the well-known target name; ``machine`` what ``uname -m`` prints. ``support`` is what this
    version of mpforge does for the target; ``host``: builds run on such machines. ``native_on`` is the
    platform whose processors also run this one's programs. ``gnu_triple`` and ``zig_triple`` lack the glibc
    version; ``gnu_cpus`` are globs of the first word of other compilers' triples. ``multiarch`` is Debian's
    name in paths of libraries, and PEP 3149's in those of extension modules. ``uv_python`` is uv's word in
    the names of its Pythons. ``max_align`` is
    ``_Alignof(max_align_t)``. ``exit_42`` is machine code of ``exit(42)``. ``qemu`` is the user-mode
    emulator's program name, ``qemu_since`` the oldest major version that works. ``cpu`` is the oldest CPU
    that the platform's wheels must run on, a row of ``cpus.csv``; ``zig_flags`` compile for it, and
    ``baseline_cpu`` is the emulator's model that is nearest to it, which tests run on, never ``max``.
    ``oldest_policy`` is the oldest that wheels exist for, ``zig_policy`` the oldest that zig links for,
    ``oldest_image`` the oldest that PyPA keeps an image for, ``policies`` are those to build for, from old
    to new. ``cibuildwheel`` are the words of its ``archs`` that include the platform.
    """

    name: str
    os: Os
    machine: str
    libc: Libc | None
    bits: int
    endian: Endian
    support: Support
    host: bool
    native_on: str | None
    aliases: tuple[str, ...]
    docker_platform: str | None
    docker_variant: str | None
    gnu_triple: str
    gnu_cpus: tuple[str, ...]
    multiarch: str
    zig_triple: str
    zig_flags: tuple[str, ...]
    rust_triple: str
    rust_arch: str
    debian_arch: str | None
    uv_python: str
    cpu_family: str
    long_double: str
    max_align: int
    elf_machine: str
    elf_number: int
    elf_flags: int
    loader: str | None
    exit_42: bytes
    qemu: str | None
    qemu_since: int
    cpu: str | None
    baseline_cpu: str | None
    oldest_policy: str
    zig_policy: str
    oldest_image: str
    policies: tuple[str, ...]
    github_runner: str | None
    cibuildwheel: tuple[str, ...]

    @property
    def default_policy(self) -> str:
        """Default policy to build for, e.g. ``manylinux_2_17``."""
        return self.policies[0]

    def image_policy(self, policy: str) -> str | None:
        """Return the policy of PyPA's image for builds of a policy; None if the platform has none."""
        if not self.oldest_image:
            return None
        return max(policy, self.oldest_image, key=policy_version)

    @property
    def base_policy(self) -> str:
        """Policy of environments without a higher one: with glibc that of PyPA's images, Debian 10."""
        if self.libc is not GLIBC:
            return self.default_policy
        return max(_BASE_POLICY, self.oldest_policy, key=policy_version)

    @property
    def available(self) -> bool:
        """True if this version of mpforge builds for it."""
        return self.support != "not-yet"

    @property
    def docker_architecture(self) -> str:
        """Docker's name of the architecture, e.g. ``arm64``."""
        return (self.docker_platform or "/").split("/")[1]

    def extension_platform(self, minor: int) -> str:
        """Return the platform in the names of CPython 3.``minor``'s extension modules (PEP 3149).

        Before 3.11 CPython did not tell musl from glibc (bpo-43112).
        """
        return self.multiarch.replace("-musl", "-gnu") if minor < _KNOWS_MUSL else self.multiarch

    @property
    def long_double_size(self) -> int:
        """``sizeof(long double)`` in bytes."""
        return _SMALL_LONG_DOUBLES.get(self.long_double, 16)

    @property
    def is_small(self) -> bool:
        """True for a 32-bit machine: where a 64-bit kernel runs its programs, uname(2) names another one."""
        return self.bits == _SMALL

    @property
    def x86(self) -> bool:
        """True for x86 of 32 or 64 bits."""
        return self.long_double.startswith(_X87)

    def is_triple(self, triple: str) -> bool:
        """Return whether a compiler's triple is this one, whatever its vendor: ``x86_64-redhat-linux``."""
        words = triple.strip().split("-")
        if words[-1] == "linux":
            words.append("gnu")
        same = any(fnmatchcase(words[0], glob) for glob in self.gnu_cpus)
        return same and "linux" in words[1:-1] and words[-1] == self.gnu_triple.split("-")[-1]


def _one_of(words: object) -> Callable[[str], str]:
    """Return a reader of cells that are one of a ``Literal``'s words."""
    known = get_args(words)
    return lambda cell: known[known.index(cell)]


# How a cell is read, by the type of its field.
_READERS: Mapping[object, Callable[[str], object]] = {
    str: str,
    str | None: lambda cell: cell or None,
    int: lambda cell: int(cell or 0),
    bool: lambda cell: cell == "yes",
    bytes: bytes.fromhex,
    tuple[str, ...]: lambda cell: tuple(cell.split()),
    Libc | None: lambda cell: LIBCS[cell] if cell else None,
    Os: _one_of(Os),
    Endian: _one_of(Endian),
    Support: _one_of(Support),
}


def _platform(row: Mapping[str, str]) -> Platform:
    cells: dict[str, Any] = {f.name: _READERS[f.type](row[f.name]) for f in fields(Platform)}
    return Platform(**cells)


@functools.cache
def well_known() -> Mapping[str, Platform]:
    """Return every well-known target by name, in the table's order (docs/configuration.md)."""
    header, *rows = (line.split(",") for line in _TABLE.read_text(encoding="ascii").splitlines())
    found = (_platform(dict(zip(header, row, strict=True))) for row in rows)
    return {platform.name: platform for platform in found}


@functools.cache
def glibc_platforms() -> tuple[Platform, ...]:
    """Return the Linux platforms with glibc, one for each machine, in the table's order."""
    return tuple(platform for platform in well_known().values() if platform.libc is GLIBC)


@functools.cache
def available() -> tuple[str, ...]:
    """Return the names of the targets that this version builds for."""
    return tuple(platform.name for platform in well_known().values() if platform.available)


@functools.cache
def hosts() -> tuple[str, ...]:
    """Return the names of the platforms that builds and tests run on."""
    return tuple(platform.name for platform in well_known().values() if platform.host)


@functools.cache
def foreign_names() -> Mapping[str, str]:
    """Map names used elsewhere (``arm64``, ``linux/arm/v7``, ``win_amd64``) to our target names."""
    names: dict[str, str] = {}
    for platform in well_known().values():
        words = [*platform.aliases, platform.machine, platform.gnu_triple, platform.rust_triple]
        if platform.docker_platform and platform.libc is not MUSL:
            words.append(platform.docker_platform)
        for word in words:
            names.setdefault(word, platform.name)
    return {word: name for word, name in names.items() if word not in well_known()}


def by_machine(machine: str) -> Platform | None:
    """Return the glibc Linux platform whose ``uname -m`` is ``machine``, e.g. ``arm64`` → aarch64."""
    return next((p for p in glibc_platforms() if machine in (p.machine, *p.aliases)), None)


def by_elf_number(number: int) -> Platform | None:
    """Return the glibc Linux platform whose ELF files have this ``e_machine``."""
    return next((p for p in glibc_platforms() if p.elf_number == number), None)


# --- names of policies (PEP 600, PEP 656) -----------------------------------------------------

# PEP 600's names for tools that know no other: older installers, indexes, and PyPA's images.
LEGACY: Mapping[str, str] = {
    "manylinux1": "manylinux_2_5",
    "manylinux2010": "manylinux_2_12",
    "manylinux2014": "manylinux_2_17",
}
_LEGACY_OF = {policy: word for word, policy in LEGACY.items()}


def legacy_name(policy: str) -> str | None:
    """Return an older name of a policy: ``manylinux_2_17`` → ``manylinux2014``; None if it never had one."""
    return _LEGACY_OF.get(policy)


def policy_version(policy: str) -> tuple[int, int]:
    """Parse ``manylinux_2_28`` to (2, 28), ``manylinux2014`` to (2, 17). Raises ``ValueError`` for others."""
    match = re.fullmatch(r"(?:many|musl)linux_(\d+)_(\d+)", LEGACY.get(policy, policy))
    if match is None:
        raise ValueError(f"not a platform policy: {policy!r}")
    return int(match.group(1)), int(match.group(2))
