"""The tool store: immutable trees, each made once for all of a user's projects and used in place.

A tool is known by the digest of what it was made from (a pinned archive, or named ingredients). It is
made in a temporary directory beside its place and renamed, under a lock, so that it is there whole
or not at all. This module knows nothing of what a tool is.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock


@dataclass(frozen=True)
class ToolTree:
    """A tool in the store: ``path`` is its directory, ``digest`` the identity that enters keys."""

    name: str
    version: str
    digest: str
    path: Path


class ToolStore:
    """Tools under ``root`` (``$MPFORGE_CACHE/tools``); several processes may share it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, name: str, digest: str) -> ToolTree | None:
        """The tool, if it is here."""
        home = self._home(name, digest)
        try:
            record = json.loads((home / "tool.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if record.get("digest") != digest:
            return None
        return ToolTree(name, str(record["version"]), digest, home / "tree")

    def obtain(
        self, *, name: str, version: str, digest: str, make: Callable[[Path], None]
    ) -> ToolTree:
        """The tool, made by ``make(directory)`` unless it is here.

        ``make`` fills an empty directory; that directory's final path differs, so a tool holds no
        absolute path of itself. An error of ``make`` leaves nothing behind.
        """
        found = self.find(name, digest)
        if found is not None:
            return found
        home = self._home(name, digest)
        self.root.mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / f".{home.name}.lock"):
            found = self.find(name, digest)
            if found is not None:
                return found
            shutil.rmtree(home, ignore_errors=True)
            work = Path(tempfile.mkdtemp(prefix=".making-", dir=self.root))
            try:
                tree = work / "tree"
                tree.mkdir()
                make(tree)
                record = {"schema": 1, "name": name, "version": version, "digest": digest}
                (work / "tool.json").write_text(json.dumps(record), encoding="utf-8")
                work.chmod(0o755)
                os.rename(work, home)
            finally:
                shutil.rmtree(work, ignore_errors=True)
        return ToolTree(name, version, digest, home / "tree")

    def _home(self, name: str, digest: str) -> Path:
        return self.root / f"{name}-{digest[:16]}"
