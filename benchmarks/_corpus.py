"""The corpus as data: packages (corpus.toml), what came of them (corpus-results.json), the page of both.

Starts nothing. The page is made from the two files alone, so a test can tell that it is theirs.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from mpforge.migrate.draft import Draft, to_toml

HERE = Path(__file__).parent
PACKAGES = HERE / "corpus.toml"
RESULTS = HERE / "corpus-results.json"
PAGE = HERE.parent / "docs" / "corpus.md"
# The targets whose rows the first lines of the page count; the others are compared with these.
FIRST = ("aarch64", "x86_64")
# Where the page's table begins and ends; what stands around it is written by people.
BEGIN, END = "<!-- corpus: begin -->\n", "<!-- corpus: end -->\n"
HEAD = ("package", "backend: language", "for", "strategy", "CPU s", "result", "reason")

# The directory of a step, wherever the store is.
_STEP = re.compile(r"[^\s'\"=:(]*/store/work/[^/\s]+/\d+(?=/)")

Result = Literal["built", "check failed", "import failed", "not built"]
Fault = Literal["library", "project", "ours", ""]
WHOSE: Mapping[Fault, str] = {
    "library": "needs a library of the target",
    "project": "the project's own",
    "ours": "ours",
    "": "cause not found yet",
}


@dataclass(frozen=True)
class Package:
    """An entry of corpus.toml; its comment there says what each key means."""

    name: str
    version: str
    backend: str
    languages: tuple[str, ...]
    check: str
    needs: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    heavy: bool = False
    beyond: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)
    spec_why: str = ""
    cause: str = ""
    fault: Fault = ""

    @property
    def compiled(self) -> bool:
        """Whether its wheel holds compiled code."""
        return self.languages != ("Python",)


@dataclass(frozen=True)
class Row:
    """What a package came to for one target and Python; ``cpu_seconds`` are those of its build session."""

    package: str
    version: str
    target: str
    python: str
    result: Result
    strategy: str = ""
    cpu_seconds: float | None = None
    code: str = ""
    reason: str = ""

    @property
    def place(self) -> tuple[str, str, str]:
        """What a newer row replaces."""
        return self.package, self.target, self.python


def load_packages(text: str) -> tuple[Package, ...]:
    """The entries of corpus.toml; a key that is not known is a ``TypeError``."""
    entries = tomllib.loads(text)["package"]
    return tuple(
        Package(**{_word(key): _value(value) for key, value in e.items()}) for e in entries
    )


def _word(key: str) -> str:
    return key.replace("-", "_")


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def spec(
    package: Package, target: str, python: str, *, check: bool, wheels: Sequence[str] = ()
) -> str:
    """The smallest spec, with what corpus.toml says that the package needs, and its check if asked for.

    ``wheels`` are paths of test requirements that the index has no wheel of.
    """
    document: dict[str, Any] = {"schema": 1, "project": {"python": [python], "targets": [target]}}
    for key, value in package.spec.items():
        document[key] = {**document.get(key, {}), **value}
    if package.libraries:
        document["build"] = {"libraries": [*package.libraries], **document.get("build", {})}
    test = dict(document.get("test", {}))
    if wheels:
        test["requires"] = [*test.get("requires", ()), *wheels]
    if check:
        test["command"] = [["python", "-c", package.check]]
    return to_toml(Draft({**document, "test": test} if test else document))


def load_rows(text: str) -> tuple[Row, ...]:
    """The rows of corpus-results.json."""
    return tuple(Row(**row) for row in json.loads(text))


def rows_text(rows: Iterable[Row]) -> str:
    """Rows as corpus-results.json, in one order."""
    ordered = sorted(rows, key=lambda row: row.place)
    return json.dumps([asdict(row) for row in ordered], indent=1, ensure_ascii=False) + "\n"


def anywhere(words: str) -> str:
    """Words of a failure without the directory of a machine: a step's is STEP."""
    return _STEP.sub("STEP", words)


def with_row(rows: Iterable[Row], new: Row) -> tuple[Row, ...]:
    """Rows with ``new`` in the place of the older one.

    A build that was found in the store cost nothing: an older row with this result says what it had cost.
    """
    kept = []
    for row in rows:
        if row.place != new.place:
            kept.append(row)
        elif new.cpu_seconds is None and (row.version, row.result) == (new.version, new.result):
            new = Row(**{**asdict(new), "cpu_seconds": row.cpu_seconds})
    return (*kept, new)


def page(packages: Sequence[Package], rows: Sequence[Row], old: str) -> str:
    """The text of docs/corpus.md: ``old`` with the part between the marks made anew."""
    before, _, rest = old.partition(BEGIN)
    after = rest.partition(END)[2]
    return before + BEGIN + summary(packages, rows) + "\n" + table(packages, rows) + END + after


def summary(packages: Sequence[Package], rows: Sequence[Row]) -> str:
    """How many of the compiled packages build: those that need no library of the target first."""
    others = sorted({row.target for row in rows} - set(FIRST))
    beside = [_beside(packages, rows, target) for target in others]
    rows = [row for row in rows if row.target in FIRST]
    tried = {row.package for row in rows}
    good = {name for name in tried if all(r.result == "built" for r in rows if r.package == name)}
    here = [package for package in packages if package.compiled and package.name in tried]
    own = [package for package in here if not package.needs]
    text = [
        _share("need no foreign library", own, good),
        _share("need a foreign library", [p for p in here if p.needs], good),
    ]
    left = [package.name for package in packages if package.name not in tried]
    if left:
        text.append(f"- Not tried yet: {', '.join(left)}.\n")
    return "".join([*text, *beside])


def _beside(packages: Sequence[Package], rows: Sequence[Row], target: str) -> str:
    """How many of the packages that build for aarch64 without foreign libraries build for another target."""
    own = {package.name for package in packages if package.compiled and not package.needs}
    built = {
        place: {r.package for r in rows if r.target == place and r.result == "built"}
        for place in ("aarch64", target)
    }
    wanted = built["aarch64"] & own
    good = wanted & built[target]
    share = 100 * len(good) / max(1, len(wanted))
    tried = wanted & {r.package for r in rows if r.target == target}
    return (
        f"- {target}: **{len(good)} of {len(wanted)}** that build for aarch64 without a foreign library "
        f"({share:.0f} %); {len(wanted) - len(tried)} were not tried.\n"
    )


def _share(what: str, packages: Sequence[Package], good: Iterable[str]) -> str:
    built = [package for package in packages if package.name in good]
    percent = f" ({100 * len(built) / len(packages):.0f} %)" if packages else ""
    adding = sum("build" in package.spec for package in built)
    more = f", {adding} of these with an addition to `[build]`" if adding else ""
    return f"- Of those that {what}: **{len(built)} of {len(packages)}** built{percent}{more}.\n"


def table(packages: Sequence[Package], rows: Sequence[Row]) -> str:
    """A line for each row, in the order of corpus.toml."""
    text = _line(HEAD) + _line(["---"] * len(HEAD))
    for package in packages:
        for row in sorted((r for r in rows if r.package == package.name), key=lambda r: r.place):
            text += _line(_cells(package, row))
    return text


def _cells(package: Package, row: Row) -> tuple[str, ...]:
    seconds = "" if row.cpu_seconds is None else f"{row.cpu_seconds:.1f}"
    what = f"{package.backend}: {', '.join(package.languages)}"
    place = f"{row.target} {row.python}"
    name = f"{row.package} {row.version}"
    return name, what, place, row.strategy, seconds, row.result, _reason(package, row)


def _reason(package: Package, row: Row) -> str:
    """The cause that was found of a failure, after what mpforge said; else what the spec had to add."""
    if row.result == "built":
        own = f"`libraries = {json.dumps([*package.libraries])}`" if package.libraries else ""
        more = f"with {package.spec_why}" if package.spec_why else ""
        return "; ".join(filter(None, (own, more, row.reason)))
    code = f"`{row.code}`: " if row.code else ""
    return f"{code}{package.cause or row.reason} ({WHOSE[package.fault]})"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"
