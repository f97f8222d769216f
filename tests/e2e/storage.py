"""A store read from outside, by its documented layout (docs/caching.md), to see that all is whole.

Nothing here imports mpforge, so that a store is not checked by the code that wrote it.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

File = tuple[bytes, bool]
"""A file's bytes and whether it is executable."""


@dataclass(frozen=True)
class Stored:
    """A stored result: its key, its output files and symlinks by path, its log."""

    key: str
    files: dict[str, File]
    symlinks: dict[str, str]
    log: str


@dataclass(frozen=True)
class Storage:
    """The store below ``root``."""

    root: Path

    def results(self) -> list[Stored]:
        """Every result with all that it names. Fails where anything is missing or is not what it says."""
        return [self._result(path) for path in self._things("actions")]

    def check(self) -> list[Stored]:
        """Check each file of the store; its results."""
        known = {"layout.json", "blobs", "packs", "actions", "locks", "work"}
        found = {path.name for path in self.root.iterdir()}
        strange = {name for name in found - known if not name.startswith("fingerprints")}
        assert not strange, f"what is {strange} in the store?"
        for path in self._things("blobs"):
            assert _sha256(path.read_bytes()) == path.name, f"{path} is not what its name says"
        for path in self._things("packs"):
            self._files(path.name)
        return self.results()

    def assert_no_lock_is_held(self) -> None:
        """Whoever held one is dead, so that each can be had at once."""
        for path in [*self.root.glob("locks/*"), *self.root.glob("work/*")]:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            finally:
                os.close(descriptor)

    # --- reading -------------------------------------------------------------------------------

    def _things(self, kind: str) -> Iterator[Path]:
        for path in sorted(self.root.glob(f"{kind}/*")):
            assert path.is_dir(), f"{path} is no directory"
            assert len(path.name) == 2, f"what is {path}?"
            for thing in sorted(path.iterdir()):
                assert thing.name.startswith(path.name), f"what is {thing}?"
                yield thing

    def _blob(self, digest: str) -> bytes:
        data = (self.root / "blobs" / digest[:2] / digest).read_bytes()
        assert _sha256(data) == digest, f"blob {digest} is not what its name says"
        return data

    def _result(self, path: Path) -> Stored:
        record = json.loads(path.read_bytes())
        result: dict[str, Any] = record["result"]
        canonical = json.dumps(result, sort_keys=True).encode()
        assert record["sha256"] == _sha256(canonical), f"{path} is not whole"
        assert f"{result['key']}.json" == path.name
        files, symlinks = self._files(result["tree"])
        return Stored(result["key"], files, symlinks, self._blob(result["log"]).decode())

    def _files(self, tree: str) -> tuple[dict[str, File], dict[str, str]]:
        """The files of a tree: from its pack, where there is one, else from blobs."""
        nodes, symlinks = self._nodes(tree, "")
        pack = self.root / "packs" / tree[:2] / tree
        if pack.exists():
            data, files, at = pack.read_bytes(), {}, 0
            for path, (digest, size, executable) in nodes.items():
                files[path] = data[at : at + size], executable
                at += size
                assert _sha256(files[path][0]) == digest, f"{path} of pack {tree} is damaged"
            assert at == len(data), f"pack {tree} is longer than its files"
            return files, symlinks
        return {path: (self._blob(d), x) for path, (d, _, x) in nodes.items()}, symlinks

    def _nodes(
        self, tree: str, under: str
    ) -> tuple[dict[str, tuple[str, int, bool]], dict[str, str]]:
        """The files of a tree, sorted by the names of each directory, and its symlinks."""
        data = json.loads(self._blob(tree))
        symlinks = {f"{under}{name}": target for name, target in data["symlinks"]}
        entries: dict[str, Any] = {name: rest for name, *rest in data["files"]}
        entries |= dict(data["directories"])
        nodes: dict[str, tuple[str, int, bool]] = {}
        for name in sorted(entries):
            entry = entries[name]
            if isinstance(entry, str):
                below, links = self._nodes(entry, f"{under}{name}/")
                nodes |= below
                symlinks |= links
            else:
                digest, size, executable = entry
                nodes[f"{under}{name}"] = digest, size, executable
        return nodes, symlinks


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
