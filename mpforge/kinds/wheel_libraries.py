"""Record in a wheel which native libraries are in it: an SBOM (PEP 770), and their licence files.

The licence files are in ``.dist-info/licenses/libraries``. METADATA does not list them as ``License-File``
(PEP 639): it describes the project, and is the same in its sdist and in all its wheels.
"""

import contextlib
import dataclasses
import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from pathlib import Path, PurePosixPath

from mpforge.artifacts import elf, licenses, sbom, wheels
from mpforge.artifacts.sbom import Part
from mpforge.kinds import library_inputs
from mpforge.plan.steps import Identity, RepairWheel
from mpforge.store.protocols import BlobStore
from mpforge.store.trees import Directory, FileNode

_AUDITWHEEL, _OURS = "auditwheel.cdx.json", "mpforge.cdx.json"
_GIVEN = "the build was given it; which of its code was linked is not known"
_COPIED = "its file was copied into the wheel"
METADATA = "METADATA"
"""The file next to licence files with the metadata of the package that a library was taken from."""
_HASH = re.compile(r"-[0-9a-f]{8}(?=\.|$)")
"""The part of a file's name by which auditwheel makes it unique."""
_VERSION = re.compile(r"(?m)^Version:[ \t]*(\S+)[ \t]*$")


@dataclass(frozen=True)
class GivenLibrary:
    """A native library that a wheel's build was given.

    ``licenses`` are its licence files by name; ``package`` is the name of the package that it was taken from.
    ``archives`` says that it has code for static links.
    """

    identity: Identity
    version: str | None = None
    licenses: Mapping[str, bytes] = field(default_factory=dict)
    archives: bool = True
    package: str | None = None


def given_libraries(
    command: RepairWheel, given: Mapping[str, Directory], store: BlobStore
) -> dict[str, GivenLibrary]:
    """Return the libraries of a wheel's build by name. Raises ``Damaged``."""
    trees = library_inputs.trees(given)
    return {
        name: _given(name, identity, trees[name], store) for name, identity in command.identities
    }


def _given(name: str, identity: Identity, tree: Directory, store: BlobStore) -> GivenLibrary:
    texts = {path: store.read(node.digest) for path, node in _licenses(name, tree)}
    package = BytesHeaderParser().parsebytes(texts.pop(METADATA, b""))
    license_ = identity.license or package.get("License-Expression")
    return GivenLibrary(
        dataclasses.replace(identity, license=license_),
        identity.version or package.get("Version") or _described(tree, store),
        texts,
        any(path.endswith(".a") for path, _ in tree.walk()),
        package.get("Name"),
    )


def _licenses(name: str, tree: Directory) -> Iterator[tuple[str, FileNode]]:
    found = tree.at(licenses.folder(name))
    for path, node in found.walk() if isinstance(found, Directory) else ():
        if isinstance(node, FileNode):
            yield path, node


def _described(tree: Directory, store: BlobStore) -> str | None:
    """Return the version that a library's pkg-config files say, if they agree."""
    texts = (store.text(tree, path) or "" for path, _ in tree.walk() if path.endswith(".pc"))
    found = {match[1] for text in texts for match in _VERSION.finditer(text)}
    return found.pop() if len(found) == 1 else None


def record(
    wheel: str,
    before: Path,
    after: Path,
    libraries: Mapping[str, GivenLibrary],
    copied: Iterable[str],
) -> dict[str, bytes | None]:
    """Return the files to add to a wheel by name, and those to remove (None): none without libraries.

    ``before`` and ``after`` are its unpacked content before and after the repair; ``copied`` are the paths of
    the libraries that the repair copied into it.
    """
    compiled = _compiled(before)
    if not libraries or not compiled:
        return {}
    (folder,) = (path.name for path in after.glob("*.dist-info"))
    bill = after / folder / "sboms" / _AUDITWHEEL
    others = {bill: bill.read_bytes()} if bill.is_file() else {}
    grafted = {_plain(name): name for name in sorted(_compiled(after) - compiled)}
    origins = {PurePosixPath(path).name: path for path in copied}
    owners = {plain: _owner(origins.get(plain, ""), libraries) for plain in grafted}
    files: dict[str, bytes | None] = {}
    parts = []
    for name, library in libraries.items():
        copies = name in owners.values()
        if not copies and not library.archives:
            continue  # a shared library that nothing in the wheel needs
        texts = {
            f"{folder}/licenses/libraries/{name}/{path}": data
            for path, data in library.licenses.items()
        }
        files |= texts
        parts.append(_part(name, library, copies=copies, license_files=tuple(texts)))
    told = b"".join(others.values()).decode("utf-8", "replace")
    for plain, owner in owners.items():
        digest = hashlib.sha256(origins.get(plain, "").encode(errors="ignore")).hexdigest()
        if owner is None and digest not in told:  # auditwheel names its components so
            parts.append(Part(plain, "shared", f"{_COPIED}; its origin is not known"))
    named = wheels.wheel_name(wheel)
    with contextlib.suppress(ValueError):  # then auditwheel's stays as it is
        data = sbom.document(named.name, named.version, parts, others.values())
        gone = {path.relative_to(after).as_posix(): None for path in others}
        return {**files, **gone, f"{folder}/sboms/{_OURS}": data}
    return {**files, f"{folder}/sboms/{_OURS}": sbom.document(named.name, named.version, parts)}


def _compiled(content: Path) -> set[str]:
    return {path.relative_to(content).as_posix() for path in elf.elf_files(content)}


def _plain(name: str) -> str:
    return _HASH.sub("", PurePosixPath(name).name, count=1)


def _owner(path: str, libraries: Mapping[str, GivenLibrary]) -> str | None:
    """Return the library that a copied file is of, by its path in the step's directory."""
    parts = PurePosixPath(path).parts
    for above, name in itertools.pairwise(parts):
        if above == library_inputs.FOLDER and name in libraries:
            return name
    return None


def _part(
    name: str, library: GivenLibrary, *, copies: bool, license_files: tuple[str, ...]
) -> Part:
    known = library.identity
    return Part(
        name=name,
        linkage="shared" if copies else "static",
        evidence=_COPIED if copies else _GIVEN,
        version=library.version,
        license=known.license,
        license_files=license_files,
        url=known.url,
        sha256=known.sha256,
        commit=known.commit,
        package=library.package,
        patched=known.patched,
        needs=known.needs,
    )
