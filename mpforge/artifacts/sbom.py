"""Write a wheel's software bill of materials: a CycloneDX document for ``.dist-info/sboms`` (PEP 770).

The same libraries give the same bytes: the document has no serial number and no time.
"""

import contextlib
import json
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mpforge import __version__

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component

_OWN = "mpforge"


@dataclass(frozen=True)
class Part:
    """A library in a wheel.

    ``linkage`` is ``static`` or ``shared``, ``evidence`` says how it is known to be there. ``license`` is an
    SPDX expression, ``license_files`` are names of files in the wheel. ``url`` and ``sha256`` or
    ``commit`` are of its source, ``package`` is the name of its package on an index. ``needs`` are names of
    other parts.
    """

    name: str
    linkage: str
    evidence: str
    version: str | None = None
    license: str | None = None
    license_files: tuple[str, ...] = ()
    url: str | None = None
    sha256: str | None = None
    commit: str | None = None
    package: str | None = None
    patched: bool = False
    needs: tuple[str, ...] = ()


def document(name: str, version: str, parts: Sequence[Part], others: Iterable[bytes] = ()) -> bytes:
    """Return the bill of a wheel of a project, as JSON.

    The components of ``others``, bills of the same wheel as JSON, are added to ``parts``. Raises
    ``ValueError`` for others that are no CycloneDX documents.
    """
    logging.getLogger("py_serializable").setLevel(logging.WARNING)  # nox shows all messages
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component
    from cyclonedx.model.tool import ToolRepository
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    purl = PackageURL("pypi", name=name, version=version)
    wheel = Component(name=name, version=version, purl=purl, bom_ref=purl.to_string())
    bill = Bom()
    bill.metadata.component = wheel
    tools = [Component(name=_OWN, version=__version__)]
    found = {part.name: _component(part) for part in parts}
    own = [*found.values()]
    for text in others:
        other = _read(text)
        known = other.metadata.component
        own += [item for item in other.components if known is None or item.bom_ref != known.bom_ref]
        with _old_words():
            old = [*other.metadata.tools.tools]
        tools += [Component(name=tool.name or "", version=tool.version) for tool in old]
        tools += other.metadata.tools.components
    bill.metadata.tools = ToolRepository(components=tools)
    bill.components.update(own)
    bill.register_dependency(wheel, own)
    for part in parts:
        bill.register_dependency(found[part.name], [found[n] for n in part.needs if n in found])
    data: dict[str, Any] = json.loads(JsonV1Dot6(bill).output_as_string())
    data.pop("serialNumber", None)
    data["metadata"].pop("timestamp", None)
    return (json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _read(data: bytes) -> "Bom":
    from cyclonedx.model.bom import Bom

    read: Callable[..., Bom] = getattr(Bom, "from_json")  # noqa: B009 - a decorator makes it
    try:
        with _old_words():
            return read(json.loads(data))
    # Another tool wrote it: for wrong types and values in it the library raises whatever Python does.
    except Exception as error:
        raise ValueError(f"not a CycloneDX document: {error}") from error


@contextlib.contextmanager
def _old_words() -> Iterator[None]:
    """Accept CycloneDX 1.4's list of tools, which auditwheel writes, without the library's warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _component(part: Part) -> "Component":
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model import (
        ExternalReference,
        ExternalReferenceType,
        HashAlgorithm,
        HashType,
        Property,
        XsUri,
    )
    from cyclonedx.model.component import Component, Patch, PatchClassification, Pedigree
    from packageurl import PackageURL

    digest = [HashType(alg=HashAlgorithm.SHA_256, content=part.sha256)] if part.sha256 else []
    kind = ExternalReferenceType
    source = ExternalReference(
        type=kind.VCS if part.commit else kind.SOURCE_DISTRIBUTION,
        url=XsUri(quote(part.url or "", safe="/:+%")),
        hashes=digest,
    )
    checksum = {"checksum": f"sha256:{part.sha256}"} if part.sha256 else None
    if part.commit:
        checksum = {"vcs_url": f"git+{part.url or ''}@{part.commit}"}
    purl = (
        PackageURL("pypi", name=part.package, version=part.version)
        if part.package
        else PackageURL("generic", name=part.name, version=part.version, qualifiers=checksum)
    )
    told = [("linkage", part.linkage), ("evidence", part.evidence)]
    told += [("license-file", name) for name in part.license_files]
    patches = [Patch(type=PatchClassification.UNOFFICIAL)]
    return Component(
        name=part.name,
        version=part.version,
        purl=purl,
        bom_ref=part.name,
        licenses=[LicenseFactory().make_from_string(part.license)] if part.license else [],
        external_references=[source] if part.url else [],
        properties=[Property(name=f"{_OWN}:{name}", value=value) for name, value in told],
        pedigree=Pedigree(patches=patches) if part.patched else None,
    )
