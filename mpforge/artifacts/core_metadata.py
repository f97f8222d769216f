"""The core metadata of a wheel or an sdist (PEP 566)."""

from email.parser import HeaderParser
from pathlib import Path

from mpforge.artifacts import wheels
from mpforge.errors import WheelRejected
from mpforge.formats.requirements import requirement
from mpforge.plan.requirements import OwnPackage


def own_package(wheel: Path) -> OwnPackage:
    """Return the project's metadata from its wheel. Raises ``WheelRejected`` for invalid requirements."""
    metadata = wheels.metadata(wheel)
    requires = tuple(str(text) for text in metadata.get_all("Requires-Dist", []))
    for text in requires:
        try:
            requirement(text)
        except ValueError as error:
            raise WheelRejected(
                f"{wheel.name}: its Requires-Dist {text!r} is not a valid requirement",
                why=str(error),
            ) from None
    return OwnPackage(
        name=str(metadata.get("Name", "")),
        requires=requires,
        extras=tuple(str(name).strip() for name in metadata.get_all("Provides-Extra", [])),
        version=str(metadata.get("Version", "")).strip() or None,
    )


def requires_python(metadata: str) -> str | None:
    """Return ``Requires-Python`` from the text of a PKG-INFO or METADATA."""
    found = HeaderParser().parsestr(metadata, headersonly=True).get("Requires-Python")
    return None if found is None else str(found).strip()
