"""Types of compiled files of any format; ``elf`` implements them for Linux.

Another format needs one module that implements them, and a line in ``proof.format_of``.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from mpforge.plan.steps import CheckFiles, RepairWheel, RunCommands
from mpforge.platforms import Platform, well_known
from mpforge.platforms.cpus import Cpu, baseline, known_cpus
from mpforge.platforms.policies import SystemPolicy, system_policy


@dataclass(frozen=True, order=True)
class Version:
    """A symbol version (``GLIBC_2.17``) required of a library; ``weak``: a loader goes on without it."""

    library: str
    name: str
    weak: bool = False


@dataclass(frozen=True, order=True)
class Symbol:
    """A symbol that another file must define, of any version or of one version of one library."""

    name: str
    version: Version | None = None


Kind = Literal["program", "library", "object", "other"]


@dataclass(frozen=True, kw_only=True)
class Binary:
    """One compiled file.

    ``kind``: a loader or kernel starts a program and loads a library, a linker reads an object; files
    of other kinds (such as separate debug information) never run. ``needed`` are the libraries that a loader
    must load with it, ``soname`` is the name under which other files need it. ``undefined`` are the symbols
    that other files must define, ``exported`` those that it defines for others.
    """

    kind: Kind = "library"
    needed: tuple[str, ...] = ()
    soname: str | None = None
    undefined: tuple[Symbol, ...] = ()
    exported: frozenset[str] = frozenset()

    @property
    def linked(self) -> bool:
        """True for a program or a library, not for a ``.o``."""
        return self.kind in ("program", "library")

    @functools.cached_property
    def is_module(self) -> bool:
        """True for an extension module: Python hides its symbols (``dlopen`` without RTLD_GLOBAL)."""
        return self.kind == "library" and any(name.startswith("PyInit_") for name in self.exported)


@dataclass(frozen=True)
class Promise:
    """The systems that a result must run on: all of a policy. The globs are those of the spec.

    ``excluded`` are libraries that the user has, ``provided`` symbols that the loading program defines.
    ``passing`` is the build's temporary directory, which exists on no other machine. ``raised`` names a newer
    CPU than the platform's oldest; ``newer`` are files that run only on CPUs that have what they need.
    """

    platform: Platform
    policy: str
    excluded: tuple[str, ...] = ()
    provided: tuple[str, ...] = ()
    passing: Path | None = None
    raised: str | None = None
    newer: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        command: RepairWheel | RunCommands | CheckFiles,
        *,
        excluded: tuple[str, ...],
        passing: Path | None = None,
    ) -> Self:
        """Return what a step promises. Its own ``exclude`` may name inputs: pass ``excluded`` libraries."""
        return cls(
            well_known()[command.target],
            command.policy,
            excluded,
            command.provided,
            passing,
            command.cpu,
            command.newer,
        )

    @property
    def cpu(self) -> Cpu | None:
        """The oldest CPU that the result must run on; None if the table has none for the platform."""
        if self.raised is not None:
            return known_cpus()[self.raised]
        return baseline(self.platform, self.policy)

    @property
    def system(self) -> SystemPolicy:
        """The policy's libraries and versions on the platform."""
        return system_policy(self.policy, self.platform)


BinaryFormat = Callable[[Path, Promise], tuple[Mapping[str, Binary], list[str]]]
"""Returns the compiled files below a directory, by name, and why they can't run on the promised systems."""
