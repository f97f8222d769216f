"""Types of compiled files of any format; ``elf`` implements them for Linux.

Another format needs one module that implements them, and a line in ``proof.format_of``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mpforge.platforms import Platform
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


class Binary(Protocol):
    """One compiled file: a program, a library, or an object file."""

    @property
    def needed(self) -> tuple[str, ...]:
        """The libraries that a loader must load with it."""

    @property
    def soname(self) -> str | None:
        """The name under which other files need it, if it has one."""

    @property
    def undefined(self) -> tuple[Symbol, ...]:
        """The symbols that other files must define."""

    @property
    def exported(self) -> frozenset[str]:
        """The symbols that it defines for other files."""

    @property
    def linked(self) -> bool:
        """True for a program or a library."""

    @property
    def is_module(self) -> bool:
        """True for an extension module, whose symbols Python hides from other files."""


@dataclass(frozen=True)
class Promise:
    """The systems that a result must run on: all of a policy. The globs are those of the spec.

    ``excluded`` are libraries that the user has, ``provided`` symbols that the loading program defines.
    ``passing`` is the build's temporary directory, which exists on no other machine.
    """

    platform: Platform
    policy: str
    excluded: tuple[str, ...] = ()
    provided: tuple[str, ...] = ()
    passing: Path | None = None

    @property
    def system(self) -> SystemPolicy:
        """The policy's libraries and versions on the platform."""
        return system_policy(self.policy, self.platform)


BinaryFormat = Callable[[Path, Promise], tuple[Mapping[str, Binary], list[str]]]
"""Returns the compiled files below a directory, by name, and why they can't run on the promised systems."""
