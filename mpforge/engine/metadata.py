"""What a wheel or an sdist says of itself (core metadata, PEP 566)."""

import re
import zipfile
from email.message import Message
from email.parser import BytesHeaderParser, HeaderParser
from pathlib import Path

from mpforge.errors import WheelRejected
from mpforge.formats.requirements import requirement
from mpforge.plan.requirements import OwnPackage


def own_package(wheel: Path) -> OwnPackage:
    """The project as its wheel has it. Raises ``WheelRejected`` for requirements that are none."""
    metadata = _metadata(wheel)
    requires = tuple(str(text) for text in metadata.get_all("Requires-Dist", []))
    for text in requires:
        try:
            requirement(text)
        except ValueError as error:
            raise WheelRejected(
                f"{wheel.name}: its Requires-Dist {text!r} is no requirement", why=str(error)
            ) from None
    return OwnPackage(
        name=str(metadata.get("Name", "")),
        requires=requires,
        extras=tuple(str(name).strip() for name in metadata.get_all("Provides-Extra", [])),
        version=str(metadata.get("Version", "")).strip() or None,
    )


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
