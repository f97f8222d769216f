"""Resolve a step's references to trees: the project's files, another step's output.

On a hit nothing is copied: files are hashed where they are. Before a step runs they are stored, and the key
is computed from the stored files, so inputs can't change under a build.
"""

import functools
import hashlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mpforge.artifacts import archives
from mpforge.formats.toml import content_of
from mpforge.kinds.narrowed_trees import pruned
from mpforge.sources import git, project
from mpforge.sources.project import Project
from mpforge.store.protocols import BlobStore
from mpforge.store.trees import Directory


class Inputs:
    """The project's files as trees; each is read once in a session.

    ``record`` is the path of the digests of unchanged files, remembered from run to run.
    """

    def __init__(self, source: Project, store: BlobStore, record: Path | None = None) -> None:
        self.source = source
        self.store = store
        self._record = record
        self._settled = False

    @functools.cached_property
    def files(self) -> Directory:
        """The project's files as they are now, hashed in place (a packed sdist: unpacked)."""
        if self.source.form == "packed-sdist":
            return self._unpacked()
        return self._listed.tree

    @functools.cached_property
    def _listed(self) -> project.Files:
        return project.files(self.source, record=self._record)

    @functools.cached_property
    def doubts(self) -> tuple[str, ...]:
        """Warnings for the user about the source: links not followed, files that LFS has not fetched."""
        if self.source.form == "packed-sdist":
            return ()
        return (*self._listed.left_out, *project.not_fetched(self.source, self._listed))

    @functools.cached_property
    def vcs(self) -> git.VcsState | None:
        """Git's state of the source, None outside a checkout."""
        if self.source.listing is None:
            return None
        source, linked = self.source, self._listed.targets
        return git.state(source.root, source.own, self.source.listing, linked=linked)

    def stored(self) -> Directory:
        """Store the project's files and git's state; from now on both properties return these."""
        if self._settled:
            return self.files
        self._settled = True
        self.__dict__.pop("vcs", None)
        if self.source.form != "packed-sdist":
            self.__dict__["files"] = self._stored_now()
        return self.files

    def _stored_now(self, tries: int = 3) -> Directory:
        """List and store the files; once more if one of them vanishes meanwhile."""
        self.source = project.looked_at_again(self.source)
        now = project.files(self.source, record=self._record)
        self.__dict__["_listed"] = now
        paths = [path for path, _ in now.tree.walk()]
        try:
            return self.store.put_directory(self.source.root, paths, elsewhere=now.elsewhere)
        except FileNotFoundError:
            if tries == 1:
                raise
            return self._stored_now(tries - 1)

    def forget(self) -> None:
        """Read everything again: the stored copy is damaged."""
        self._settled = False
        for name in ("files", "_listed", "vcs"):
            self.__dict__.pop(name, None)

    def identity(self, exclude: Sequence[str]) -> str:
        """Return a digest of this source: files without ``exclude``, git's HEAD, tags and changes."""
        tree = pruned(self.files, exclude)
        state = self.vcs
        known = None if state is None else [state.head, git.digest_of(state.tags), state.dirty]
        return hashlib.sha256(json.dumps([tree.digest(), known]).encode()).hexdigest()

    def vcs_parts(self) -> dict[str, str]:
        """Return git's state as ingredients of the sdist step's key."""
        if self.vcs is None:
            return {"git": "none"}
        return self.vcs.parts()

    def read(self, path: str) -> str | None:
        """Return the text of one file of the source, decoded as UTF-8; None if it does not exist."""
        content = self.read_bytes(path)
        return None if content is None else content.decode("utf-8", "replace")

    def read_bytes(self, path: str) -> bytes | None:
        """Return the bytes of one file of the source, None if it does not exist."""
        if self.source.form != "packed-sdist":
            full = self.source.root / path
            return content_of(full, path) if full.is_file() else None
        node = self.files.get(path)
        return None if node is None else self.store.read(node.digest)

    def _unpacked(self) -> Directory:
        with tempfile.TemporaryDirectory(prefix="mpforge-sdist-") as folder:
            archives.unpack(self.source.root, Path(folder))
            return self.store.put_directory(archives.sole_directory(Path(folder)))
