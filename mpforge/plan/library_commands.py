"""Commands of a plan that obtain a source from outside, and those for native libraries.

They have the properties of every command (``steps``).
"""

from dataclasses import dataclass, field

from mpforge.plan.codec import OneOf
from mpforge.plan.command_parts import BY_NAME, NARROWS, Libraries, OutputOf, Work
from mpforge.plan.pins import EnvironmentRequest
from mpforge.plan.places import ON_HOST, PlannedPlace
from mpforge.plan.texts import CommandLine, Text
from mpforge.plan.toolchains import Compilers


@dataclass(frozen=True)
class Identity(OneOf):
    """The identity of a native library, for the record in a wheel that contains it.

    ``license`` is an SPDX expression. ``url`` is where its source can be had, ``sha256`` the digest of that
    archive, ``commit`` the hash of a commit of that repository. ``patched`` says that patches were applied
    to it. ``needs`` are names of other libraries.
    """

    version: str | None = None
    license: str | None = None
    url: str | None = None
    sha256: str | None = None
    commit: str | None = None
    patched: bool = False
    shared: bool = False
    needs: tuple[str, ...] = ()


Identities = tuple[tuple[str, Identity], ...]
"""The identities of native libraries by name, in the order of their needs."""


class _Fetch(OneOf):
    """Obtain a library's source on this host, before anything is compiled."""

    work = Work.FETCH
    is_main = False
    place = ON_HOST
    compilers = python = rust = None
    exclude = ()


@dataclass(frozen=True)
class FetchSource(_Fetch):
    """Fetch and unpack a library's source: an archive with this sha256, from the first address that has it.

    Which addresses these are changes no result.
    """

    urls: tuple[str, ...] = field(metadata={NARROWS: True})
    sha256: str


@dataclass(frozen=True)
class FetchSdist(_Fetch):
    """Fetch and unpack a package's sdist from the index.

    ``asked_for`` is a Python that it is for (``cp311``); it, name and version change no result.
    """

    name: str = field(metadata={NARROWS: True})
    version: str = field(metadata={NARROWS: True})
    sha256: str
    asked_for: str = field(metadata={NARROWS: True})


@dataclass(frozen=True)
class FetchCommit(_Fetch):
    """Fetch a library's source: the files of this commit and its submodules, from a git repository.

    Its address changes no result.
    """

    url: str = field(metadata={NARROWS: True})
    commit: str


@dataclass(frozen=True)
class CopyFiles(_Fetch):
    """Copy files next to the spec for a library: a ``source`` (directory or archive), or ``patches``.

    Paths are relative to the project. Their content is in the key, not their names.
    """

    source: str | None = field(default=None, metadata={NARROWS: True})
    patches: tuple[str, ...] = field(default=(), metadata={NARROWS: True})


@dataclass(frozen=True)
class TakeLibrary(OneOf):
    """Take a native library from installed ``packages`` of the target, as a tree that may be put anywhere."""

    name: str
    packages: OutputOf
    target: str
    policy: str

    work = Work.REPAIR
    is_main = False
    place = ON_HOST
    compilers = python = rust = None
    exclude = ()


@dataclass(frozen=True)
class MissingWheels:
    """The means to build packages that have no wheel for the target, from their sdists.

    The compilers know nothing of a package's own backend. ``libraries`` are native ones that all these builds
    are given, with their ``identities``, the variables that they export, and ``tools``: packages of programs
    that the builds call.
    """

    compilers: Compilers
    libraries: Libraries = ()
    identities: Identities = ()
    exports: tuple[tuple[str, Text], ...] = ()
    tools: tuple[EnvironmentRequest, ...] = ()


@dataclass(frozen=True)
class BuildLibrary(OneOf):
    """Build a native library, and install it as a tree that may be put anywhere.

    ``patches`` are applied to its source first; its commands run in ``directory`` of it. ``shared``: it is a
    shared library, else a static one.
    ``license_files``: globs of its source's files that are kept as its licence; none: the usual names.
    """

    name: str
    source: OutputOf
    commands: tuple[CommandLine, ...]
    compilers: Compilers
    target: str
    policy: str
    patches: OutputOf | None = None
    shared: bool = False
    directory: str = ""
    license_files: tuple[str, ...] = ()
    libraries: Libraries = field(default=(), metadata={BY_NAME: "library"})

    work = Work.BUILD
    is_main = False
    python = rust = None
    exclude = ()

    @property
    def table(self) -> str:
        """The table of the spec with its settings."""
        return f"libraries.{self.name}"

    @property
    def place(self) -> PlannedPlace:
        """The place where its compilers are called."""
        return self.compilers.place
