"""The targets as data: packages (targets.toml), what came of them (targets-results.json), the page of both.

Starts nothing. The page is made from these files alone, so a test can tell that it is theirs.
"""

import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from _packages import line

HERE = Path(__file__).parent
PACKAGES = HERE / "targets.toml"
RESULTS = HERE / "targets-results.json"
PAGE = HERE.parent / "docs" / "targets.md"
# Where the page's tables begin and end; what stands around them is written by people.
BEGIN, END = "<!-- targets: begin -->\n", "<!-- targets: end -->\n"
HEAD = ("target", "Python", "package", "wheel's policy", "test level", "CPU", "result")


@dataclass(frozen=True)
class Row:
    """What a package came to for one target and Python; ``policies`` are those in the wheel's name."""

    package: str
    target: str
    python: str
    result: str
    policies: tuple[str, ...] = ()
    level: str = ""
    cpu: str = ""
    said: str = ""

    @property
    def place(self) -> tuple[str, str, str]:
        """What a newer row replaces."""
        return self.target, self.python, self.package


def load_rows(text: str) -> tuple[Row, ...]:
    """The rows of targets-results.json."""
    return tuple(Row(**{**row, "policies": tuple(row["policies"])}) for row in json.loads(text))


def rows_text(rows: Iterable[Row]) -> str:
    """Rows as targets-results.json, in one order."""
    ordered = sorted(rows, key=lambda row: row.place)
    return json.dumps([asdict(row) for row in ordered], indent=1, ensure_ascii=False) + "\n"


def with_row(rows: Iterable[Row], new: Row) -> tuple[Row, ...]:
    """Rows with ``new`` in the place of the older one."""
    return (*(row for row in rows if row.place != new.place), new)


def page(rows: Sequence[Row], old: str) -> str:
    """The text of docs/targets.md: ``old`` with the part between the marks made anew."""
    before, _, rest = old.partition(BEGIN)
    after = rest.partition(END)[2]
    return before + BEGIN + summary(rows) + "\n" + table(rows) + END + after


def summary(rows: Sequence[Row]) -> str:
    """How many targets have a wheel whose tests ran."""
    tested = sorted({f"{row.target} {row.python}" for row in rows if row.result == "tested"})
    return f"Tests passed for {len(tested)} pairs of a target and a Python: {', '.join(tested)}.\n"


def causes() -> dict[tuple[str, str], str]:
    """Why a package, with its version, fails on a target, as targets.toml has it."""
    packages = tomllib.loads(PACKAGES.read_text(encoding="utf-8"))["package"]
    return {
        (one["name"].replace("==", " "), target): text
        for one in packages
        for target, text in one.get("causes", {}).items()
    }


def table(rows: Sequence[Row]) -> str:
    """A line for each row, by target and Python."""
    known, text = causes(), line(HEAD) + line(["---"] * len(HEAD))
    for row in sorted(rows, key=lambda row: row.place):
        policies = " ".join(row.policies)
        result = f"{row.result}: {row.said}" if row.said else row.result
        if row.said and (cause := known.get((row.package, row.target))):
            result += f". {cause}"
        cells = (row.target, row.python, row.package, policies, row.level, row.cpu, result)
        text += line(cells)
    return text
