"""An account of every option and variable that was read: where it is written, and how it was translated."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mpforge.migrate.cibuildwheel.options import Setting
from mpforge.migrate.cibuildwheel.translation import Outcome

OUTCOMES: tuple[Outcome, ...] = ("translated", "refused", "not needed")


@dataclass(frozen=True)
class Entry:
    """A setting, how it was translated, and the keys or the reason."""

    setting: Setting
    outcome: Outcome
    text: str


@dataclass
class Account:
    """Outcomes by setting; a setting may have several, one for each of its parts."""

    found: dict[Setting, dict[tuple[Outcome, str], None]] = field(default_factory=dict)

    def expect(self, settings: Iterable[Setting]) -> None:
        """Add settings whose outcome is not known yet."""
        for setting in settings:
            self.found.setdefault(setting, {})

    def add(self, settings: Iterable[Setting], outcome: Outcome, text: str) -> None:
        """Record an outcome of settings."""
        for setting in settings:
            self.found.setdefault(setting, {})[outcome, text] = None

    def translated(self, settings: Iterable[Setting], key: str) -> None:
        """Record that settings are now one of our keys."""
        self.add(settings, "translated", key)

    def without_outcome(self) -> list[Setting]:
        """Return the settings of which nothing is recorded."""
        return [setting for setting, outcomes in self.found.items() if not outcomes]

    def entries(self) -> Iterator[Entry]:
        """Yield every outcome, in the order of the files and of the kinds of outcome."""
        for setting, outcomes in self.found.items():
            for outcome in OUTCOMES:
                texts = [text for kind, text in outcomes if kind == outcome]
                if outcome == "translated" and texts:
                    yield Entry(setting, outcome, ", ".join(dict.fromkeys(texts)))
                elif outcome != "translated":
                    yield from (Entry(setting, outcome, text) for text in texts)
