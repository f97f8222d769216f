"""What is asked of compiled files, whatever their format. ``elf`` answers for Linux.

Another format is one module with these questions, and a line in ``verification.format_of``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mpforge.platforms import Platform


@dataclass(frozen=True, order=True)
class Version:
    """A version (``GLIBC_2.17``) that is asked of a library's file; ``weak``: a loader goes on without."""

    library: str
    name: str
    weak: bool = False


@dataclass(frozen=True, order=True)
class Symbol:
    """A symbol that must be found in another file: at any, or at one version of one library."""

    name: str
    version: Version | None = None


class Binary(Protocol):
    """One compiled file: a program, a library, or an object that is still to be linked."""

    @property
    def needed(self) -> tuple[str, ...]:
        """The libraries that a loader must find for it."""

    @property
    def soname(self) -> str | None:
        """The name by which others need it, if it has one."""

    @property
    def undefined(self) -> tuple[Symbol, ...]:
        """The symbols that must be found in other files."""

    @property
    def exported(self) -> frozenset[str]:
        """The symbols that other files find here."""

    @property
    def linked(self) -> bool:
        """Whether it is a program or a library."""

    @property
    def is_module(self) -> bool:
        """Whether Python imports it, and hides its symbols from others."""


class BinaryFormat(Protocol):
    """How the compiled files of an operating system are read and judged."""

    def examine(
        self,
        root: Path,
        platform: Platform,
        policy: str,
        allowed: Iterable[str],
        passing: Path | None,
    ) -> tuple[Mapping[str, Binary], list[str]]:
        """The compiled files below ``root`` by relative name, and why they can't run on the policy's systems.

        ``allowed`` are libraries that are there, or globs of them; ``passing`` is the build's directory.
        """
