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
        """These, with the variables and the PATH of ``more``."""
        return ReadyCompilers(
            {**self.variables, **more.variables},
            {**self.hooks, **more.hooks},
            (*self.path, more.path),
            self.view,
        )


class ProvidedToolchain:
    """A toolchain in a session, for one target; this one needs nothing of this host.

    It serves for an image's own compilers: the image's digest identifies them, its environment names them.
    """

    def parts(self) -> dict[str, str]:
        """Its ingredients of a step's key, by name. Fetches nothing."""
        return {}

    def to_fetch(self) -> EnvironmentRequest | None:
        """The request for its package if it must still be fetched, else None."""
        return None

    def is_prepared(self) -> bool:
        """True if ``prepare`` has nothing to do."""
        return True

    def prepare(self) -> None:
        """Fetch and make everything that all builds with it need."""

    def ready(
        self,
        languages: tuple[Language, ...],  # noqa: ARG002 - for those that make libraries
        directory: Path,  # noqa: ARG002
        flags: tuple[str, ...],  # noqa: ARG002
    ) -> ReadyCompilers:
        """Compilers for one run of a step in ``directory``.

        Their libraries for ``languages`` are made first; ``flags`` are the values of CFLAGS and the like,
        on which these libraries may depend.
        """
        return ReadyCompilers({}, {})

    def notes_reads(self) -> bool:
        """True unless it reads files of this host that cannot be recorded."""
        return True


def digest(*words: str) -> str:
    """The sha256 of lines, as hex."""
    return hashlib.sha256("\n".join(words).encode()).hexdigest()
