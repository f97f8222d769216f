"""What a wheel or an sdist says of itself (core metadata, PEP 566)."""

from email.parser import HeaderParser
from pathlib import Path

from mpforge.artifacts import wheels
from mpforge.errors import WheelRejected
from mpforge.formats.requirements import requirement
from mpforge.plan.requirements import OwnPackage


def own_package(wheel: Path) -> OwnPackage:
    """The project as its wheel has it. Raises ``WheelRejected`` for requirements that are none."""
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
    """``Requires-Python`` of a PKG-INFO or METADATA's text."""
    found = HeaderParser().parsestr(metadata, headersonly=True).get("Requires-Python")
    return None if found is None else str(found).strip()
