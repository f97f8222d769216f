"""The tables of ``[libraries]`` as types: a native dependency, and where its source comes from."""

from typing import Literal

from pydantic import Field

from mpforge.spec.table import Table
from mpforge.spec.values import Commands, Environment, Flag, Globs, Text, Texts

LibraryKind = Literal["commands", "make", "cmake", "meson", "autotools"]


class LibrarySource(Table):
    """A library's source: url + sha256, path, or git + commit."""

    url: Globs = Field(
        default=(), description="Address of an archive, or the addresses of its mirrors."
    )
    sha256: Text | None = Field(default=None, description="Digest of the archive.")
    path: Text | None = Field(default=None, description="A directory or archive of the project.")
    git: Text | None = Field(default=None, description="Address of a repository.")
    commit: Text | None = Field(default=None, description="The whole hash of a commit.")


class Library(Table):
    """A native dependency: built once for each target, cached, and given to the builds that name it."""

    source: LibrarySource | None = Field(default=None, description="Where its source comes from.")
    wheel: Text | None = Field(
        default=None,
        description="A package whose wheel for the target has it, instead of a source.",
    )
    kind: LibraryKind | None = Field(default=None, description="What builds it.")
    recipe: Text | None = Field(
        default=None, description="A recipe that mpforge provides, instead of the other keys."
    )
    version: Text | None = Field(
        default=None, description="Its version; with a recipe, the expected one."
    )
    directory: Text | None = Field(
        default=None, description="The directory of its source in which it is built."
    )
    options: Texts = Field(
        default=(), description="Arguments of its configure step; with make, of both its calls."
    )
    commands: Commands = Field(default=(), description='For kind = "commands".')
    tools: Texts = Field(
        default=(), description="Programs beyond the base set, as in [build], for this library."
    )
    patches: Texts = Field(default=(), description="Patch files, applied in order.")
    needs: Texts = Field(default=(), description="Libraries that it needs.")
    shared: Flag = Field(default=False, description="Build a shared library; else a static one.")
    license: Text | None = Field(default=None, description="Its licence, an SPDX expression.")
    license_files: Globs = Field(
        default=(), description="Its licence's files, relative to its source; default: usual names."
    )
    environment: Environment = Field(default={}, description="Literals and placeholders, no shell.")
    exports: Environment = Field(
        default={},
        description="Variables for the builds that are given it; {prefix} is its directory.",
    )
