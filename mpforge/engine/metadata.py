"""What a wheel or an sdist says that it requires (core metadata, PEP 566)."""

import re
import zipfile
from collections.abc import Iterable
from email.message import Message
from email.parser import BytesHeaderParser, HeaderParser
from pathlib import Path

from mpforge.compiler.pythons import minor_of
from mpforge.platforms import well_known


def requirements_of(
    wheel: Path, *, target: str, python: str, extras: tuple[str, ...]
) -> tuple[str, ...]:
    """A wheel's ``Requires-Dist`` that apply to the target, without their markers, sorted."""
    texts = _metadata(wheel).get_all("Requires-Dist", [])
    return applicable(texts, target=target, python=python, extras=extras)


def applicable(
    texts: Iterable[str], *, target: str, python: str, extras: tuple[str, ...]
) -> tuple[str, ...]:
    """The requirements (PEP 508) that apply to the target, without their markers, sorted."""
    from packaging.markers import default_environment
    from packaging.requirements import Requirement

    version = f"3.{minor_of(python)}"
    here = {name: str(value) for name, value in default_environment().items()}
    environment: dict[str, str] = here | {
        "platform_machine": well_known()[target].machine,
        "python_version": version,
        "python_full_version": f"{version}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
    }
    found = set()
    for text in texts:
        requirement = Requirement(text)
        marker = requirement.marker
        requirement.marker = None
        wanted = [{**environment, "extra": extra} for extra in ("", *extras)]
        if marker is None or any(marker.evaluate(values) for values in wanted):
            found.add(str(requirement))
    return tuple(sorted(found))


def requires_python(metadata: str) -> str | None:
    """``Requires-Python`` of a PKG-INFO or METADATA's text."""
    found = HeaderParser().parsestr(metadata, headersonly=True).get("Requires-Python")
    return None if found is None else str(found).strip()


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        # Its own is at the top: a wheel may hold others', of what it vendors.
        own = re.compile(r"[^/]+\.dist-info/METADATA")
        name = next(name for name in archive.namelist() if own.fullmatch(name))
        return BytesHeaderParser().parsebytes(archive.read(name))
