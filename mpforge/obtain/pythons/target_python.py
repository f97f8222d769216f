"""A target's own Python for running tests, and what a provider of such Pythons does.

Each provider is a module of its own; ``providers`` has their order. Such a Python is started by
``places.interpreter_launcher``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mpforge.plan.pins import DistroPin, DistroRequest
from mpforge.platforms import Platform
from mpforge.store.tool_store import ToolStore


@dataclass(frozen=True)
class TargetPython:
    """A Python to run tests with.

    ``python`` is the word (``cp311``), ``version`` the full version, ``sysroot`` the root of the
    target's libraries, ``executable`` the interpreter, ``digest`` its identity in keys,
    ``provider`` the name of its provider, else ``host`` or ``image``.
    """

    python: str
    version: str
    sysroot: Path
    executable: Path
    digest: str
    provider: str


@dataclass(frozen=True)
class Wanted:
    """A wanted Python: its word and its platform.

    ``release`` is the (id, codename) of the distribution whose packages can be fetched, None without apt.
    """

    platform: Platform
    python: str
    release: tuple[str, str] | None

    def __str__(self) -> str:
        return f"{self.python} for {self.platform.name}"


class CrossCompilers(Protocol):
    """Compilers for a target."""

    def parts(self) -> Mapping[str, str]:
        """Return what identifies them, for a key."""

    def environment(self, directory: Path) -> Mapping[str, str]:
        """Return the variables of programs that compile in ``directory``, with PATH and ``CC``."""


@dataclass(frozen=True)
class Supplies:
    """What a provider works with.

    ``pins`` answer its ``requests``; ``state`` is apt's directory; ``host_python`` is a host CPython of the
    same minor version, which compiles the standard library once (without it each start is slower);
    ``emulator`` the program that runs the target's, ``compilers`` compile for it.
    """

    pins: Sequence[DistroPin]
    store: ToolStore
    state: Path
    host_python: str | None
    emulator: Path | None = None
    compilers: CrossCompilers | None = None


class Provider(Protocol):
    """A source of target Pythons. Only ``provide`` fetches anything."""

    @property
    def name(self) -> str:
        """Return its name in messages, keys and ``MPFORGE_TARGET_PYTHONS``."""

    def lack(self, wanted: Wanted) -> str | None:
        """Return why it can't have the Python; None if it can. The network is not asked."""

    def origin(self, wanted: Wanted) -> str:
        """Return where the Python comes from, for people."""

    def requests(self, wanted: Wanted) -> tuple[DistroRequest, ...]:
        """Return the requests for packages that ``provide`` needs pinned."""

    def parts(self, wanted: Wanted, pins: Sequence[DistroPin]) -> Mapping[str, str]:
        """Return the Python's parts for a key."""

    def provide(self, wanted: Wanted, supplies: Supplies) -> TargetPython:
        """Return the Python, made once in the tool store.

        Raises ``NoTargetPython``, ``PinMissing``, ``IndexUnreachable``, and the errors of ``apt.fetch``.
        """


def path_variable(platform: Platform, python: str) -> str:
    """Return the name of the variable with a target Python's path: MPFORGE_TARGET_PYTHON_AARCH64_CP311."""
    return f"MPFORGE_TARGET_PYTHON_{platform.name}_{python}".upper()
