"""Pydantic models for the tables of ``[libraries]``."""

from typing import Literal

from pydantic import Field

from mpforge.spec.table import Table
from mpforge.spec.values import Commands, Environment, Flag, Globs, Text, Texts

LibraryKind = Literal["commands", "make", "cmake", "meson", "autotools"]


class LibrarySource(Table):
    """A library's source: url + sha256, path, or git + commit."""

    url: Globs = Field(default=(), description="Address of an archive, or a list of mirrors.")
    sha256: Text | None = Field(default=None, description="Digest of the archive.")
    path: Text | None = Field(
        default=None, description="A directory or archive, relative to the project."
    )
    git: Text | None = Field(default=None, description="Address of a repository.")
    commit: Text | None = Field(default=None, description="The full hash of a commit.")


class Library(Table):
    """A native dependency, built once for each target, for the builds that list it."""

    source: LibrarySource | None = Field(default=None, description="Where its source comes from.")
    wheel: Text | None = Field(
        default=None,
        description="Instead of a source: the requirement of a package whose wheels contain the library.",
    )
    kind: LibraryKind | None = Field(default=None, description="The build system.")
    recipe: Text | None = Field(
        default=None, description="One of mpforge's recipes, which brings source and kind."
    )
    version: Text | None = Field(
        default=None, description="Its version; with a recipe, the expected one."
    )
    directory: Text | None = Field(
        default=None, description="The directory of the source to build in."
    )
    options: Texts = Field(
        default=(), description="Arguments of the configure step; with make, of both calls of make."
    )
    commands: Commands = Field(default=(), description='For kind = "commands".')
    tools: Texts = Field(
        default=(), description="Programs beyond the base set for this library, as in [build]."
    )
    patches: Texts = Field(default=(), description="Patch files, applied in order.")
    needs: Texts = Field(default=(), description="Libraries that it needs.")
    shared: Flag = Field(default=False, description="true: a shared library; false: a static one.")
    license: Text | None = Field(default=None, description="Its licence, an SPDX expression.")
    license_files: Globs = Field(
        default=(), description="Globs of its licence files; default: the usual names."
    )
    environment: Environment = Field(
        default={}, description="Variables for its build, as in [build]."
    )
    exports: Environment = Field(
        default={},
        description="Variables for the builds that use it; {prefix} is its directory.",
    )
