"""Write a wheel's software bill of materials: a CycloneDX document for ``.dist-info/sboms`` (PEP 770).

The same libraries give the same bytes: the document has no serial number and no time. It is written here and
not by cyclonedx-python-lib, whose import takes 0.3 s of each build with libraries; a test validates it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from packaging.utils import canonicalize_name

from mpforge import __version__

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
    wheel = _package(name, version)
    components = [_component(part) for part in parts]
    tools: list[dict[str, Any]] = [{"type": "application", "name": _OWN, "version": __version__}]
    for text in others:
        found, makers = _read(text)
        components += found
        tools += makers
    known = {part.name for part in parts}
    needs = {part.name: sorted(known.intersection(part.needs)) for part in parts}
    refs = sorted(item["bom-ref"] for item in components)
    data = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": wheel,
                "name": name,
                "version": version,
                "purl": wheel,
            },
            "tools": {"components": tools},
        },
        "components": sorted(components, key=lambda item: (item["name"], item["bom-ref"])),
        "dependencies": [
            {"ref": wheel, "dependsOn": refs},
            *({"ref": ref, "dependsOn": needs.get(ref, [])} for ref in refs),
        ],
    }
    return (json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _read(text: bytes) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the components of a bill other than its subject, and the tools that wrote it."""
    data = json.loads(text)
    try:
        if data["bomFormat"] != "CycloneDX":
            raise ValueError("not a CycloneDX document")
        subject, tools = data["metadata"]["component"]["bom-ref"], data["metadata"]["tools"]
        if isinstance(tools, list):  # as CycloneDX 1.4 has them; auditwheel writes it
            tools = {"components": [{"type": "application", **tool} for tool in tools]}
        found = [item for item in data["components"] if item["bom-ref"] != subject and item["name"]]
        return found, tools["components"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a CycloneDX document: no {error}") from error


def _component(part: Part) -> dict[str, Any]:
    checksum = {"checksum": f"sha256:{part.sha256}"} if part.sha256 else {}
    if part.commit:
        checksum = {"vcs_url": f"git+{part.url or ''}@{part.commit}"}
    told = [("evidence", part.evidence), ("linkage", part.linkage)]
    told += [("license-file", name) for name in part.license_files]
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": part.name,
        "name": part.name,
        "purl": (
            _package(part.package, part.version)
            if part.package
            else _purl("generic", part.name, part.version, checksum)
        ),
        "properties": [{"name": f"{_OWN}:{name}", "value": value} for name, value in told],
    }
    if part.version:
        found["version"] = part.version
    if part.license:
        found["licenses"] = [_license(part.license)]
    if part.url:
        found["externalReferences"] = [_source(part, part.url)]
    if part.patched:
        found["pedigree"] = {"patches": [{"type": "unofficial"}]}
    return found


def _source(part: Part, url: str) -> dict[str, Any]:
    kind = "vcs" if part.commit else "source-distribution"
    digests = [{"alg": "SHA-256", "content": part.sha256}] if part.sha256 else []
    source: dict[str, Any] = {"type": kind, "url": quote(url, safe="/:+%")}
    return {**source, "hashes": digests} if digests else source


def _license(text: str) -> dict[str, Any]:
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return {"expression": canonicalize_license_expression(text)}
    except InvalidLicenseExpression:
        return {"license": {"name": text}}


def _package(name: str, version: str | None) -> str:
    return _purl("pypi", canonicalize_name(name), version, {})


def _purl(kind: str, name: str, version: str | None, qualifiers: Mapping[str, str]) -> str:
    """Return a package URL (github.com/package-url/purl-spec)."""
    known = f"@{quote(version, safe='')}" if version else ""
    more = "&".join(f"{key}={quote(value, safe=':/')}" for key, value in qualifiers.items())
    return f"pkg:{kind}/{quote(name, safe='')}{known}{'?' if more else ''}{more}"
