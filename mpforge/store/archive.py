"""Results of a store in one file: written by key, and verified as a whole before any of it is stored.

The file is a tar archive, compressed with gzip, whose bytes depend on its content only:

- ``export.json``: schema, mpforge's version, the keys of all results, and what the caller adds (``about``)
- ``results/KEY.json``: a result, as in the store
- ``trees/DIGEST``: a tree's directories, one a line (``trees.to_manifest``)
- ``blobs/DIGEST``: a file or a log

Digests prove that content is whole. That a key stands for a result is taken on trust, as in the store itself.
"""

import gzip
import hashlib
import json
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, Any, TypeVar

from mpforge.errors import UPDATE, ArchiveInvalid, FileTrouble, written_by_newer
from mpforge.formats.tar import tarfile
from mpforge.store.directory_backend import Batch, Shelf, layout_problem
from mpforge.store.files import remove_tree, replacing
from mpforge.store.protocols import SessionStore
from mpforge.store.results import ActionResult, from_bytes, to_bytes
from mpforge.store.trees import Directory, FileNode, from_manifest, to_manifest

T = TypeVar("T")

SCHEMA = 1
_HEAD = "export.json"
_MEMBER = re.compile(
    r"results/(?P<key>[0-9a-f]{64})\.json|(?P<kind>trees|blobs)/(?P<digest>[0-9a-f]{64})"
)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 18
_LARGEST_TEXT = 1 << 28
"""Bytes of the largest text (not a file's content) that is read into memory."""
_LEVEL = 4  # of gzip: wheels are compressed already


# --- writing --------------------------------------------------------------------------------------


def write(
    place: Path,
    store: SessionStore,
    results: Iterable[ActionResult],
    *,
    files: Mapping[str, Path],
    about: Mapping[str, Any],
    mpforge: str,
) -> int:
    """Write results with all that they name, and other ``files`` by digest; return the archive's size.

    The archive appears complete or not at all. Raises ``Damaged``, ``FileTrouble`` if it can't be written.
    """
    known = {result.key: result for result in results}
    head = {"schema": SCHEMA, "mpforge": mpforge, "results": sorted(known), **about}
    try:
        with replacing(place) as raw:
            with (
                gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as packed,
                tarfile.open(fileobj=packed, mode="w|") as tar,
            ):
                _add(tar, _HEAD, json.dumps(head, sort_keys=True).encode())
                _Writer(tar, store).write(known.values(), files)
                for key, result in sorted(known.items()):
                    _add(tar, f"results/{key}.json", to_bytes(result))
            return raw.tell()
    except OSError as error:
        raise FileTrouble(
            f"{place} can't be written: {error.strerror}", hint="name another place: --output FILE"
        ) from None


class _Writer:
    """Adds trees and blobs to an archive, each once."""

    def __init__(self, tar: Any, store: SessionStore) -> None:
        self._tar = tar
        self._store = store
        self._added: set[str] = set()

    def write(self, results: Iterable[ActionResult], files: Mapping[str, Path]) -> None:
        """Add the trees and logs of results, then other files by digest."""
        for result in sorted(results, key=lambda result: result.key):
            if self._is_new(result.tree):
                self._add_tree(self._store.tree(result.tree))
            if self._is_new(result.log):
                _add(self._tar, f"blobs/{result.log}", self._store.read(result.log))
        for digest, path in sorted(files.items()):
            if self._is_new(digest):
                _add(self._tar, f"blobs/{digest}", path)

    def _is_new(self, digest: str) -> bool:
        new = digest not in self._added
        self._added.add(digest)
        return new

    def _add_tree(self, tree: Directory) -> None:
        """Add a tree and its files, which a pack may hold."""
        _add(self._tar, f"trees/{tree.digest()}", to_manifest(tree))
        nodes = {path: node for path, node in tree.walk() if isinstance(node, FileNode)}
        new = {path: node for path, node in nodes.items() if node.digest not in self._added}
        if not new:
            return
        folder = self._store.work_directory()
        try:
            self._store.restore(tree, folder / "tree")  # verifies
            for path, node in new.items():
                if self._is_new(node.digest):
                    _add(self._tar, f"blobs/{node.digest}", folder / "tree" / path)
        finally:
            remove_tree(folder)


def _add(tar: Any, name: str, content: bytes | Path) -> None:
    member = tarfile.TarInfo(name)
    if isinstance(content, bytes):
        member.size = len(content)
        tar.addfile(member, BytesIO(content))
        return
    with content.open("rb") as file:
        member.size = os.fstat(file.fileno()).st_size
        tar.addfile(member, file)


# --- reading --------------------------------------------------------------------------------------


def read(place: Path, root: Path, understand: Callable[[Mapping[str, Any]], T]) -> T:
    """Verify an archive and add all of it to the store at ``root``, or nothing.

    Return what ``understand`` makes of its head, for which a ``KeyError``, ``TypeError`` or ``ValueError``
    is a damaged archive. Raises ``ArchiveInvalid``, ``OSError``, and ``FileTrouble``
    for a store of another version.
    """
    problem = layout_problem(root)
    if problem is not None:
        raise FileTrouble(f"the store can't take the archive: {problem.why}", hint=problem.remedy)
    try:
        with place.open("rb") as raw, Shelf(root).adding() as batch:
            return understand(_Reader(place, batch).read(raw))
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _invalid(
            place, f"it is damaged, incomplete, or not an archive of mpforge: {error}"
        ) from None


_DAMAGE = (
    *(tarfile.TarError, zlib.error, EOFError, OSError),
    *(ValueError, LookupError, TypeError, AttributeError, RecursionError),
)


def _invalid(place: Path, why: str) -> ArchiveInvalid:
    return ArchiveInvalid(
        f"{place.name} can't be imported; the store is unchanged",
        why=why,
        hint="export it again (`mpforge cache export`), or copy it again",
    )


@dataclass
class _Reader:
    """Reads an archive into a batch; the batch is committed only if this ends without an error."""

    place: Path
    batch: Batch
    blobs: dict[str, int] = field(default_factory=dict)
    trees: dict[str, Directory] = field(default_factory=dict)
    results: dict[str, ActionResult] = field(default_factory=dict)

    def read(self, raw: IO[bytes]) -> Mapping[str, Any]:
        """Read and verify all members, add trees and results, in this order, and return the head."""
        with gzip.GzipFile(fileobj=raw) as packed:
            with tarfile.open(fileobj=packed, mode="r|") as tar:
                members = ((member, tar.extractfile(member)) for member in _regular(tar))
                head = self._head(*next(members, (None, None)))
                for member, file in members:
                    self._take(member.name, member.size, file)
            while packed.read(_CHUNK):  # the checksum is at the end
                pass
        if set(self.results) != set(head["results"]):
            raise ValueError("results are missing")
        self._check_references(head)
        for tree in self.trees.values():
            for directory in tree.directories_below():
                self.batch.add_bytes("blobs", directory.digest(), directory.canonical())
        for key, result in self.results.items():
            self.batch.add_bytes("actions", key, to_bytes(result))
        return head

    def _head(self, member: Any, file: Any) -> dict[str, Any]:
        if member is None or member.name != _HEAD:
            raise ValueError(f"it does not begin with {_HEAD}")
        head = json.loads(_text(member.size, file))
        schema = head["schema"]
        if type(schema) is int and schema > SCHEMA:
            raise ArchiveInvalid(
                written_by_newer(self.place.name, schema, SCHEMA), hint=f"{UPDATE} here"
            )
        if schema != SCHEMA or not isinstance(head["results"], list):
            raise ValueError(f"its {_HEAD} is not mpforge's")
        return dict(head)

    def _take(self, name: str, size: int, file: Any) -> None:
        found = _MEMBER.fullmatch(name)
        if found is None:
            raise ValueError(f"{name!r} is not a valid name in an archive")
        if key := found["key"]:
            self.results[key] = from_bytes(_text(size, file), key)
        elif found["kind"] == "trees":
            tree = from_manifest(_text(size, file), found["digest"])
            if tree.digest() != found["digest"]:
                raise ValueError("a directory is not in the canonical form")
            _require_plain(tree)
            self.trees[found["digest"]] = tree
        else:
            self._take_blob(found["digest"], file)

    def _take_blob(self, digest: str, file: Any) -> None:
        sha, total = hashlib.sha256(), 0
        with self.batch.writing() as (copy, put):
            while part := file.read(_CHUNK):
                sha.update(part)
                total += len(part)
                rest = memoryview(part)
                while rest:
                    rest = rest[copy.write(rest) or 0 :]
            if sha.hexdigest() != digest:
                raise ValueError(f"blob {digest[:12]} has other content")
            put("blobs", digest)
        self.blobs[digest] = total

    def _check_references(self, head: Mapping[str, Any]) -> None:
        """Raise ``ValueError`` unless the archive has exactly what its results and its head name."""
        trees = {result.tree for result in self.results.values()}
        needed = {result.log for result in self.results.values()}
        needed |= {file["digest"] for file in head.get("files", ()) if file.get("symlink") is None}
        for tree in self.trees.values():
            for path, node in tree.walk():
                if isinstance(node, FileNode):
                    needed.add(node.digest)
                    if self.blobs.get(node.digest, node.size) != node.size:
                        raise ValueError(f"{path} has another size")
        for what, wanted, present in (
            ("tree", trees, set(self.trees)),
            ("blob", needed, set(self.blobs)),
        ):
            for name in sorted(wanted - present):
                raise ValueError(f"{what} {name[:12]} is missing")
            for name in sorted(present - wanted):
                raise ValueError(f"no result needs {what} {name[:12]}")


def _regular(tar: Any) -> Iterator[Any]:
    for member in tar:
        if not member.isreg():
            raise ValueError(f"{member.name!r} is not a regular file")
        yield member


def _text(size: int, file: Any) -> bytes:
    if size > _LARGEST_TEXT:
        raise ValueError("a description of it is too large")
    data: bytes = file.read()
    return data


def _require_plain(tree: Directory) -> None:
    """Raise ``ValueError`` for a name that leaves its directory, or a file that is not as in the store."""
    for directory in tree.directories_below():
        names: list[Any] = [*directory.files, *directory.directories, *directory.symlinks]
        if len(set(names)) != len(names):
            raise ValueError("a directory has a name twice")
        for name in names:
            if not isinstance(name, str) or name in ("", ".", "..") or {"/", "\0"} & set(name):
                raise ValueError(f"a directory has the name {name!r}")
        for node in directory.files.values():
            if not _DIGEST.fullmatch(node.digest) or type(node.size) is not int:
                raise ValueError("a directory has a malformed file")
        targets: list[Any] = [*directory.symlinks.values()]
        for target in targets:
            if not isinstance(target, str) or "\0" in target:
                raise ValueError("a directory has a malformed link")
