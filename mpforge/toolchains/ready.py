"""A toolchain in a session, and its compilers that a step can call."""

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
"""The file in a step's directory where compiler wrappers record what they dropped or changed."""


@dataclass(frozen=True)
class ReadyCompilers:
    """Compilers that can be called: variables for a build, and more for build hooks.

    ``path`` are directories for PATH; ``view`` is the target view, where there is one.
    """

    variables: Mapping[str, str]
    hooks: Mapping[str, str]
    path: tuple[str, ...] = ()
    view: Path | None = None

    def joined(self, more: "Setup") -> "ReadyCompilers":
        """Return these with the variables and the PATH of ``more``."""
        return ReadyCompilers(
            {**self.variables, **more.variables},
            {**self.hooks, **more.hooks},
            (*self.path, more.path),
            self.view,
        )


class ProvidedToolchain:
    """A toolchain in a session, for one target; this base class needs nothing from this host.

    It serves for an image's own compilers: the image's digest identifies them, its environment names them.
    """

    def parts(self) -> dict[str, str]:
        """Return its ingredients of a step's key, by name. Fetches nothing."""
        return {}

    def to_fetch(self) -> EnvironmentRequest | None:
        """Return the request for its package if it must still be fetched, else None."""
        return None

    def is_prepared(self) -> bool:
        """Return whether ``prepare`` has nothing to do."""
        return True

    def prepare(self) -> None:
        """Fetch and create everything that all builds with it need."""

    def ready(
        self,
        languages: tuple[Language, ...],
        directory: Path,
        flags: tuple[str, ...],
    ) -> ReadyCompilers:
        """Return compilers for one run of a step in ``directory``.

        Their libraries for ``languages`` are made first; ``flags`` are the values of CFLAGS and the like,
        on which these libraries may depend.
        """
        return ReadyCompilers({}, {})

    def notes_reads(self) -> bool:
        """Return False if it reads host files that can't be recorded."""
        return True


def digest(*words: str) -> str:
    """Return the sha256 of lines, as hex."""
    return hashlib.sha256("\n".join(words).encode()).hexdigest()
