"""The translated options of one wheel, and how each option was translated."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mpforge.migrate.files import ProjectFiles

Outcome = Literal["translated", "refused", "not needed"]


@dataclass
class Translation:
    """Translated options: ``build`` and ``test`` by our keys, and each option's outcomes with their texts.

    ``files`` are the package's.
    """

    files: ProjectFiles
    build: dict[str, Any] = field(default_factory=dict)
    test: dict[str, Any] = field(default_factory=dict)
    outcomes: list[tuple[str, Outcome, str]] = field(default_factory=list)

    def table(self, section: str) -> dict[str, Any]:
        """Return the options of ``build`` or ``test``."""
        return self.build if section == "build" else self.test

    def done(self, option: str, key: str) -> None:
        """Record that an option, or a part of it, is now one of our keys."""
        self.outcomes.append((option, "translated", key))

    def refuse(self, option: str, reason: str) -> None:
        """Record that an option, or a part of it, is not in the spec."""
        self.outcomes.append((option, "refused", reason))

    def drop(self, option: str, reason: str) -> None:
        """Record that mpforge does not need an option, or a part of it."""
        self.outcomes.append((option, "not needed", reason))

    def extend(self, option: str, section: str, key: str, entries: Sequence[str]) -> None:
        """Add entries to a list of ours."""
        if entries:
            table = self.table(section)
            table[key] = list(dict.fromkeys([*table.get(key, ()), *entries]))
            self.done(option, f"{section}.{key}")
