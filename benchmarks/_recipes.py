"""The recipes as a page: what each is, and the targets that it was built for (recipes-results.json).

Starts nothing, so a test can tell that docs/libraries.md is made from the two.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mpforge.spec.recipes import Recipe

HERE = Path(__file__).parent
RESULTS = HERE / "recipes-results.json"
PAGE = HERE.parent / "docs" / "libraries.md"
BEGIN, END = "<!-- recipes: begin -->\n", "<!-- recipes: end -->\n"


@dataclass(frozen=True)
class Row:
    """What building a recipe for a target came to; ``reason`` is why it failed."""

    name: str
    version: str
    target: str
    cpu_seconds: float | None = None
    reason: str = ""


def load_rows() -> tuple[Row, ...]:
    """The rows that are kept."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "[]"
    return tuple(Row(**row) for row in json.loads(text))


def rows_text(rows: Iterable[Row]) -> str:
    """Rows as recipes-results.json, in one order."""
    ordered = sorted(rows, key=lambda row: (row.name, row.target))
    return json.dumps([asdict(row) for row in ordered], indent=1, ensure_ascii=False) + "\n"


def with_row(rows: Iterable[Row], new: Row) -> tuple[Row, ...]:
    """Rows with ``new`` in the place of the older one, whose CPU seconds a hit keeps."""
    kept = []
    for row in rows:
        if (row.name, row.target) != (new.name, new.target):
            kept.append(row)
        elif new.cpu_seconds is None and row.version == new.version:
            new = replace(new, cpu_seconds=row.cpu_seconds)
    return (*kept, new)


def page(recipes: Mapping[str, Recipe], rows: Sequence[Row], old: str) -> str:
    """The text of docs/libraries.md: ``old`` with the part between the marks made anew."""
    before, _, rest = old.partition(BEGIN)
    after = rest.partition(END)[2]
    lines = [
        "| recipe | what | needs | licence | provides | built for (CPU s) |\n",
        "|---" * 6 + "|\n",
    ]
    for recipe in recipes.values():
        made = [_built(r) for r in rows if (r.name, r.version) == (recipe.name, recipe.version)]
        kind = ", shared" if recipe.library.shared else ""
        cells = (
            f"`{recipe.name}` {recipe.version}{kind}",
            recipe.what,
            ", ".join(recipe.library.needs),
            recipe.licence,
            ", ".join(f"`{name}`" for name in recipe.provides),
            ", ".join(sorted(made)),
        )
        lines.append(f"| {' | '.join(cells)} |\n")
    return before + BEGIN + "".join(lines) + END + after


def _built(row: Row) -> str:
    if row.reason:
        return f"{row.target}: failed"
    return row.target if row.cpu_seconds is None else f"{row.target} ({row.cpu_seconds:.0f})"
