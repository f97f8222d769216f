"""The crates that a project's Cargo files require: their origin, and whether a lock pins them.

Works on trees: nothing is read from disk. Knows nothing of cargo itself.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from mpforge.formats.toml import table_of
from mpforge.store.trees import Directory, FileNode, from_entries

Read = Callable[[str], str | None]

_MANIFEST, _LOCK = "Cargo.toml", "Cargo.lock"
_CONFIGS = (".cargo/config.toml", ".cargo/config")
_VENDORED = ".cargo-checksum.json"  # beside the manifest of each crate that `cargo vendor` wrote
# cargo refuses a manifest whose targets have no file: doc.rust-lang.org/cargo, "Package Layout".
_ROOTS = {"lib.rs", "main.rs", "build.rs"}
_TARGET_FOLDERS = {"bin", "examples", "benches", "tests"}
_TABLES = ("dependencies", "build-dependencies", "dev-dependencies")
# Tables and keys of a manifest that cargo's resolver reads.
_DECIDING = {*_TABLES, "target", "features", "workspace", "patch", "replace"}
_DECIDING_OF_PACKAGE = ("name", "version", "rust-version", "edition", "resolver", "links")
EMPTY = FileNode("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0)
"""A file without content, by its sha256."""


@dataclass(frozen=True)
class Crates:
    """The crates that a project needs: ``manifests`` are the roots of its workspaces, each with a lock.

    ``vendored``: the project contains them; ``wanted``: some lock names external crates. ``unpinned`` are
    the roots of manifests that need external crates and have no lock.
    """

    manifests: tuple[str, ...]
    vendored: bool
    wanted: bool
    unpinned: tuple[str, ...]

    @property
    def to_lock(self) -> tuple[str, ...]:
        """The roots for which mpforge's lock must pin crates: no Cargo.lock does, and none are here."""
        return () if self.vendored or self.wanted else self.unpinned


def manifests(tree: Directory, read: Read) -> Directory:
    """Return the part of a source that determines its crates: Cargo's files, and names of source files.

    Vendored crates are represented by their marker file alone.
    """
    paths = [path for path, _ in _own(tree)]
    names = _named(paths, read)
    kept: dict[str, FileNode | str] = {}
    for path, node in _own(tree):
        name = PurePosixPath(path).name
        if name in (_MANIFEST, _LOCK) or path.endswith(_CONFIGS):
            kept[path] = node
        elif name == _VENDORED or name.endswith(".crate") or _is_target(path, names):
            kept[path] = EMPTY
    return from_entries(kept)


def crates(tree: Directory, read: Read) -> Crates:
    """Return the crates that the Cargo files of a source require."""
    paths = [path for path, _ in _own(tree)]
    locks = {path.removesuffix(_LOCK) for path in paths if PurePosixPath(path).name == _LOCK}
    of = {path.removesuffix(_MANIFEST) for path in paths if PurePosixPath(path).name == _MANIFEST}
    rooted = _topmost(locks & of)
    bare = [f for f in _topmost(of) if not any(f.startswith(root) for root in rooted)]
    needing = [f for f in of if _needs_others(read(f"{f}{_MANIFEST}"))]
    return Crates(
        manifests=tuple(f"{folder}{_MANIFEST}" for folder in rooted),
        vendored=any(_brings(path, tree, read) for path in paths if path.endswith(_CONFIGS)),
        wanted=any(_has_sources(read(f"{folder}{_LOCK}")) for folder in rooted),
        unpinned=tuple(
            f"{root}{_MANIFEST}" for root in bare if any(f.startswith(root) for f in needing)
        ),
    )


def requirements_digest(manifest: str, tree: Directory, read: Read) -> str:
    """Return a sha256 of all that a manifest and those below it require: the rest changes no Cargo.lock."""
    root = manifest.removesuffix(_MANIFEST)
    content = []
    for path, _ in _own(tree):
        if path.startswith(root) and PurePosixPath(path).name == _MANIFEST:
            table = table_of(read(path))
            kept = {key: value for key, value in table.items() if key in _DECIDING}
            package = table.get("package")
            if isinstance(package, dict):
                kept |= {key: package[key] for key in _DECIDING_OF_PACKAGE if key in package}
            content.append((path, kept))
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _own(tree: Directory, under: str = "") -> Iterator[tuple[str, FileNode | str]]:
    """Yield the files of a tree by path; of a vendored crate only its marker file."""
    if _VENDORED in tree.files:
        yield f"{under}{_VENDORED}", tree.files[_VENDORED]
        return
    for name, entry in tree.entries():
        if isinstance(entry, Directory):
            yield from _own(entry, f"{under}{name}/")
        else:
            yield f"{under}{name}", entry


def _topmost(folders: set[str]) -> list[str]:
    """Return the folders that lie in no other one of them; a folder ends with a slash, the top is empty."""
    return sorted(f for f in folders if not any(f != o and f.startswith(o) for o in folders))


def _named(paths: list[str], read: Read) -> set[str]:
    """Return the source files that manifests name."""
    texts = (read(path) or "" for path in paths if PurePosixPath(path).name == _MANIFEST)
    return {name for text in texts for name in re.findall(r"([\w.-]+\.rs)\b", text)}


def _is_target(path: str, named: set[str]) -> bool:
    """Return whether a file may be the source of a manifest's target."""
    *folders, name = PurePosixPath(path).parts
    if not name.endswith(".rs"):
        return False
    return name in _ROOTS or name in named or bool({*folders[-2:]} & _TARGET_FOLDERS)


def _brings(config: str, tree: Directory, read: Read) -> bool:
    """Return whether a cargo configuration names a directory of this tree as a source of crates."""
    base = PurePosixPath(config).parent.parent
    places = [
        source.get(key)
        for source in _tables_of(table_of(read(config)).get("source"))
        for key in ("directory", "local-registry")
    ]
    return any(isinstance(p, str) and _has_folder(tree, base / p) for p in places)


def _has_folder(tree: Directory, path: PurePosixPath) -> bool:
    return not path.parts or isinstance(tree.at(str(path)), Directory)


def _has_sources(lock: str | None) -> bool:
    """Return whether a Cargo.lock names packages that are not the project's own."""
    return any("source" in package for package in _tables_of(table_of(lock).get("package")))


def _needs_others(manifest: str | None) -> bool:
    """Return whether a manifest names a dependency other than a path."""
    table = table_of(manifest)
    places = [*_tables_of([table, table.get("workspace")]), *_tables_of(table.get("target"))]
    needed = _tables_of([place.get(key) for place in places for key in _TABLES])
    return any(
        not (isinstance(wanted, dict) and "path" in wanted)
        for dependencies in needed
        for wanted in dependencies.values()
    )


def _tables_of(value: Any) -> list[Mapping[str, Any]]:
    """Return the tables in a list or a table; none of any other value, which cargo will refuse."""
    values = value.values() if isinstance(value, dict) else value
    return (
        [one for one in values if isinstance(one, dict)] if isinstance(value, dict | list) else []
    )
