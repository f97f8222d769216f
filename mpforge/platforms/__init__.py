"""Everything that mpforge knows of a platform: one row of ``platforms.csv`` each, read once.

No other room writes a machine's name: it asks a ``Platform``, or looks one up here. docs/platforms.md has the
source of each column's facts. This room knows nothing of hosts: its callers detect which platform *this*
machine is.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, TypeVar

from mpforge.platforms.libc import GLIBC, LIBCS, MUSL, Libc, policy_version

__all__ = ["GLIBC", "MUSL", "Libc", "Platform", "policy_version", "well_known"]

Endian = Literal["little", "big"]
Support = Literal["tested", "builds", "not-yet"]
_Word = TypeVar("_Word", bound=str)

_TABLE = Path(__file__).with_name("platforms.csv")
# The size in bytes of each format of long double, if it is not 16.
_SMALL_LONG_DOUBLES = {"IEEE_DOUBLE_LE": 8, "INTEL_EXTENDED_12_BYTES_LE": 12}
_X87 = "INTEL_EXTENDED_"


@dataclass(frozen=True)
class Platform:
    """One row of the table; docs/platforms.md describes every column.

    ``name`` is the well-known target name; ``machine`` what ``uname -m`` prints. ``support`` is what this
    version of mpforge does for the target; ``host``: builds run on such machines. ``native_on`` is the
    platform whose processors also run this one's programs. ``gnu_triple`` and ``zig_triple`` lack the glibc
    version; ``gnu_cpus`` are globs of the first word of other compilers' triples. ``multiarch`` is Debian's
    name in paths of libraries, and PEP 3149's in those of extension modules. ``uv_python`` is uv's word in
    the names of its Pythons; ``uv_platform``: ``uv --python-platform`` has words for it. ``max_align`` is
    ``_Alignof(max_align_t)``. ``exit_42`` is machine code of ``exit(42)``. ``qemu`` is the user-mode
    emulator's program name, ``qemu_since`` the oldest major version that works, ``baseline_cpu`` the model
    that tests run on: the oldest that the platform's wheels and distributions support, never ``max``.
    ``oldest_policy`` is the oldest that wheels exist for, ``policies`` are those to build for, from old to
    new. ``cibuildwheel`` are the words of its ``archs`` that include the platform.
    """

    name: str
    os: Literal["linux", "windows", "macos"]
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
    uv_platform: bool
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
    baseline_cpu: str | None
    oldest_policy: str
    policies: tuple[str, ...]
    github_runner: str | None
    cibuildwheel: tuple[str, ...]

    @property
    def default_policy(self) -> str:
        """Default policy to build for, e.g. ``manylinux_2_17``."""
        return self.policies[0]

    @property
    def available(self) -> bool:
        """True if this version of mpforge builds for it."""
        return self.support != "not-yet"

    @property
    def docker_architecture(self) -> str:
        """Docker's name of the architecture, e.g. ``arm64``."""
        return (self.docker_platform or "/").split("/")[1]

    @property
    def long_double_size(self) -> int:
        """``sizeof(long double)`` in bytes."""
        return _SMALL_LONG_DOUBLES.get(self.long_double, 16)

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


def _one_of(word: str, *words: _Word) -> _Word:
    return words[words.index(word)]


def _platform(row: Mapping[str, str]) -> Platform:
    return Platform(
        name=row["name"],
        os=_one_of(row["os"], "linux", "windows", "macos"),
        machine=row["machine"],
        libc=LIBCS[row["libc"]] if row["libc"] else None,
        bits=int(row["bits"]),
        endian=_one_of(row["endian"], "little", "big"),
        support=_one_of(row["support"], "tested", "builds", "not-yet"),
        host=row["host"] == "yes",
        native_on=row["native_on"] or None,
        aliases=tuple(row["aliases"].split()),
        docker_platform=row["docker_platform"] or None,
        docker_variant=row["docker_variant"] or None,
        gnu_triple=row["gnu_triple"],
        gnu_cpus=tuple(row["gnu_cpus"].split()),
        multiarch=row["multiarch"],
        zig_triple=row["zig_triple"],
        zig_flags=tuple(row["zig_flags"].split()),
        rust_triple=row["rust_triple"],
        rust_arch=row["rust_arch"],
        debian_arch=row["debian_arch"] or None,
        uv_python=row["uv_python"],
        uv_platform=row["uv_platform"] == "yes",
        cpu_family=row["cpu_family"],
        long_double=row["long_double"],
        max_align=int(row["max_align"] or 0),
        elf_machine=row["elf_machine"],
        elf_number=int(row["elf_number"] or 0),
        elf_flags=int(row["elf_flags"] or 0),
        loader=row["loader"] or None,
        exit_42=bytes.fromhex(row["exit_42"]),
        qemu=row["qemu"] or None,
        qemu_since=int(row["qemu_since"] or 0),
        baseline_cpu=row["baseline_cpu"] or None,
        oldest_policy=row["oldest_policy"],
        policies=tuple(row["policies"].split()),
        github_runner=row["github_runner"] or None,
        cibuildwheel=tuple(row["cibuildwheel"].split()),
    )


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
