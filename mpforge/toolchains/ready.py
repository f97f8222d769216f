"""A toolchain in a session, and the compilers of it that a step can call."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mpforge.plan.pins import EnvironmentRequest

if TYPE_CHECKING:
    from mpforge.obtain.rust.cargo_environment import Setup

Language = Literal["c", "c++"]

COMPILER_NOTES = "compiler-notes.txt"
"""The file of a step's directory where the compiler wrappers say what they dropped or changed."""


@dataclass(frozen=True)
class ReadyCompilers:
    """Compilers that can be called: variables for a build, those that build hooks see beside them.

    ``path`` are directories for PATH; ``view`` is the target view, where there is one.
    """

    variables: Mapping[str, str]
    hooks: Mapping[str, str]
    path: tuple[str, ...] = ()
    view: Path | None = None

    def joined(self, more: "Setup") -> "ReadyCompilers":
        """These and what else a build is told."""
        return ReadyCompilers(
            {**self.variables, **more.variables},
            {**self.hooks, **more.hooks},
            (*self.path, more.path),
            self.view,
        )


class ProvidedToolchain:
    """A toolchain in a session, for one target: here one that needs nothing of this host.

    So are an image's own compilers: the image's digest says what they are, and its environment where.
    """

    def parts(self) -> dict[str, str]:
        """The ingredients of a key that it is; fetches nothing."""
        return {}

    def to_fetch(self) -> EnvironmentRequest | None:
        """The request for its package, if that must be fetched still; None: nothing must."""
        return None

    def is_prepared(self) -> bool:
        """Whether ``prepare`` has nothing to do."""
        return True

    def prepare(self) -> None:
        """Fetch and make what any build with it needs."""

    def ready(
        self,
        languages: tuple[Language, ...],  # noqa: ARG002 - for those that make libraries
        directory: Path,  # noqa: ARG002
        flags: tuple[str, ...],  # noqa: ARG002
    ) -> ReadyCompilers:
        """Compilers that a step in ``directory`` can call, once.

        What they need for ``languages`` is made beforehand; ``flags`` are the texts of CFLAGS and the like,
        on which it may depend.
        """
        return ReadyCompilers({}, {})

    def notes_reads(self) -> bool:
        """Whether what it reads of the host is noted, as far as it reads any of it."""
        return True


def digest(*words: str) -> str:
    """The sha256 of lines, as hex."""
    return hashlib.sha256("\n".join(words).encode()).hexdigest()
