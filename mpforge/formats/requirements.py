"""Parse requirements and version specifiers (PEP 508, PEP 440); errors are ``ValueError``.

``packaging`` is imported on use, because cached runs parse nothing.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

_LONGEST = 10_000
"""In characters; the longest real ones are markers of some hundred."""


def requirement(text: str) -> "Requirement":
    """Parse a requirement. Raises ``ValueError`` with the reason."""
    from packaging.requirements import Requirement

    _refuse_long(text)
    try:
        found = Requirement(text)
    except RecursionError:  # nested brackets in a marker
        raise ValueError("it is nested too deeply") from None
    _compared(found.specifier)
    return found


def specifier(text: str) -> "SpecifierSet":
    """Parse a version specifier. Raises ``ValueError`` with the reason."""
    from packaging.specifiers import SpecifierSet

    _refuse_long(text)
    return _compared(SpecifierSet(text))


def _compared(found: "SpecifierSet") -> "SpecifierSet":
    """Return the specifier after a trial comparison, which raises for a number of too many digits."""
    found.contains("1")
    return found


def _refuse_long(text: str) -> None:
    if len(text) > _LONGEST:
        raise ValueError(f"it has more than {_LONGEST:,} characters")
