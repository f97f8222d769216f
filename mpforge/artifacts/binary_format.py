"""Types of compiled files of any format; ``elf`` implements them for Linux.

Another format needs one module that implements them, and a line in ``proof.format_of``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mpforge.platforms import Platform


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


BinaryFormat = Callable[
    [Path, Platform, str, Iterable[str], Path | None], tuple[Mapping[str, Binary], list[str]]
]
"""Reads and verifies the compiled files of an operating system.

Given a directory, a platform, a policy, the available libraries (or globs of them) and the build's temporary
directory, it returns the compiled files below the directory by name, and why they can't run on the policy's
systems.
"""
