"""Requirements and version specifiers (PEP 508, PEP 440), read: what is wrong is a ``ValueError``.

``packaging`` is imported when something is read, because cached runs read none.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

_LONGEST = 10_000
"""Characters; the longest real ones are markers of some hundred."""


def requirement(text: str) -> "Requirement":
    """The requirement that a text is. Raises ``ValueError`` with the reason."""
    from packaging.requirements import Requirement

    _refuse_long(text)
    try:
        found = Requirement(text)
    except RecursionError:  # brackets in a marker
        raise ValueError("it is nested too deeply") from None
    _compared(found.specifier)
    return found


def specifier(text: str) -> "SpecifierSet":
    """The version specifier that a text is. Raises ``ValueError`` with the reason."""
    from packaging.specifiers import SpecifierSet

    _refuse_long(text)
    return _compared(SpecifierSet(text))


def _compared(found: "SpecifierSet") -> "SpecifierSet":
    """A specifier that has compared something once: a number of too many digits shows only then."""
    found.contains("1")
    return found


def _refuse_long(text: str) -> None:
    if len(text) > _LONGEST:
        raise ValueError(f"it has more than {_LONGEST:,} characters")
