"""Build the packages of corpus.toml from their sdists with the smallest spec, and say what came of each.

``python benchmarks/corpus.py [NAME…] [--targets aarch64,x86_64] [--python cp311,cp313] [--write]``
fetches each package by pip from the configured index, writes the smallest spec, runs
``nox -s test-TARGET-PYTHON`` (which imports every extension module), then once more with the
package's own check. Rows of corpus-results.json that stand already are left alone unless they are
named; with ``--write`` each new row is kept there and docs/corpus.md is made anew. MPFORGE_CACHE is
the store. Exit status 1: something that this run built failed.
"""

import argparse
import itertools
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from _corpus import (
    PACKAGES,
    PAGE,
    RESULTS,
    Package,
    Row,
    anywhere,
    load_packages,
    load_rows,
    page,
    rows_text,
    spec,
    table,
    with_row,
)
from _packages import Ran, fetch, keep_wheels, lay_out, missing_wheels, nox

# Steps that make an environment of build requirements, which packages share.
ENVIRONMENTS = ("base-", "requirements-", "environment-")
# What compilers, linkers, Python, CMake, Meson and cargo say when something is wrong.
_ERROR = re.compile(
    r"\b(error|Error|ERROR)(\[\w+\])?:|\bCMake Error|: not found$|\bundefined symbol"
)


def measure(package: Package, target: str, python: str, directory: Path) -> Row:
    """Fetch, build, import and check one package for one target and Python."""
    row = empty = Row(package.name, package.version, target, python, "not built")
    source = directory / "sources" / f"{package.name}-{package.version}"
    log = directory / "logs" / f"{package.name}.pip.log"
    if not source.exists():
        fetched = fetch(f"{package.name}=={package.version}", source.parent, log)
        if fetched != source:
            return _row(empty, code="not-fetched", reason=f"{log.name} has pip's words")
    folder = directory / "work" / f"{package.name}-{target}-{python}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    cache = Path(os.environ.get("MPFORGE_CACHE") or directory / "cache")
    session = f"test-{target}-{python}"
    wheels = directory / "wheels" / f"{target}-{python}"
    lock, kept = folder / "multiplatform.lock", directory / "multiplatform.lock"
    if kept.exists():
        shutil.copyfile(kept, lock)
    given: tuple[str, ...] = ()
    while True:
        lay_out(source, folder, spec(package, target, python, check=False, wheels=given))
        ran = nox(folder, cache, session)
        row = _told(row, ran, folder)
        missing = missing_wheels(f"{row.code}: {row.reason}", wheels, folder)
        if not missing or {*missing} <= {*given}:
            break
        given += missing
        named = ", ".join(" ".join(Path(wheel).name.split("-")[:2]) for wheel in given)
        row = _row(row, code="", reason=f"tested with {named} of this table: no index has a wheel")
    if row.result != "built":
        return row
    keep_wheels(folder, wheels)
    kept.write_text(tools_alone(lock.read_text(encoding="utf-8")), encoding="utf-8")
    if any(e["event"] == "Working" and e["what"].startswith("making zig's") for e in ran.events):
        row = _row(row, cpu_seconds=None)  # most of it was zig's own libraries, made once
    lay_out(source, folder, spec(package, target, python, check=True, wheels=given))
    checked = nox(folder, cache, session)
    if checked.returncode:
        return _row(_told(row, checked, folder), result="check failed")
    return row


def tools_alone(lock: str) -> str:
    """A lock with what all packages share: zig, the target's Python. Its tables begin with ``[[``."""
    head, *tables = re.split(r"^(?=\[\[)", lock, flags=re.MULTILINE)
    shared = ('purpose = "tool"', "[[distribution]]")
    return head + "".join(table for table in tables if any(word in table for word in shared))


def _told(empty: Row, ran: Ran, folder: Path) -> Row:
    """What mpforge's events say of a run."""
    stem = f"{empty.target}-{empty.python}"
    build = f"build-{stem}"
    ended = {e["session"]: e for e in ran.events if e["event"] == "SessionEnded"}
    steps = [e for e in ran.events if e["event"] == "StepEnded" and e["session"] == build]
    steps = [e for e in steps if not e["step"].startswith(ENVIRONMENTS)]
    chosen = [e for e in ran.events if e["event"] == "Chosen"]
    row = _row(
        empty,
        strategy=_strategy(folder) or (chosen[0]["strategy"] if chosen else empty.strategy),
        cpu_seconds=round(sum(e["cpu_seconds"] for e in steps), 1) if steps else empty.cpu_seconds,
    )
    chain = ("sdist", f"deps-{empty.target}", build, f"test-{stem}")
    failed = next((ended[n] for n in chain if n in ended and ended[n]["exit_code"]), None)
    if failed is not None:
        result = "import failed" if failed["phase"] == "test" else "not built"
        log = folder / ".mpforge" / "logs" / f"{failed['session']}.log"
        reason = anywhere("; ".join([_reason(failed, ran), *_first_error(log)]))
        return _row(row, result=result, code=failed["error"] or "", reason=reason)
    if f"test-{stem}" not in ended:
        return _row(row, code="not-run", reason="nox ran no test")
    return _row(row, result="built")


def _row(row: Row, **fields: Any) -> Row:
    return Row(**{**vars(row), **fields})


def _strategy(folder: Path) -> str:
    """The strategy that dist/'s record says, "" without one."""
    record = folder / "dist" / "mpforge.json"
    if not record.exists():
        return ""
    files = json.loads(record.read_text(encoding="utf-8"))["files"]
    return str(files[0]["strategy"]) if files else ""


def _reason(ended: Mapping[str, Any], ran: Ran) -> str:
    """A failed session's words, with the lines that mpforge printed below them."""
    _, found, rest = ran.said.partition(f"\n{ended['reason']}\n")
    lines = (line.strip() for line in rest.splitlines()) if found else iter(())
    below = itertools.takewhile(lambda line: not line.startswith(("-> ", "session: ")), lines)
    return "; ".join([ended["reason"].partition(": ")[2], *below])


def _first_error(log: Path) -> Iterator[str]:
    """The first line of a log that says that something is wrong, if there is one."""
    lines = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
    yield from itertools.islice((line.strip() for line in lines if _ERROR.search(line)), 1)


def due(given: argparse.Namespace, rows: Sequence[Row]) -> Iterator[tuple[Package, str, str]]:
    """What is to be built: the named packages; without names all that have no such row yet."""
    stands = {(*row.place, row.version) for row in rows if not given.retry or row.result == "built"}
    packages = load_packages(PACKAGES.read_text(encoding="utf-8"))
    unknown = set(given.names) - {package.name for package in packages}
    if unknown:
        sys.exit(f"{PACKAGES.name} has no {', '.join(sorted(unknown))}")
    for target, python, package in itertools.product(given.targets, given.python, packages):
        place = (package.name, target, python, package.version)
        if (
            package.name in given.names
            if given.names
            else not package.heavy and place not in stands
        ):
            yield package, target, python


def known_rows() -> tuple[Row, ...]:
    """The rows that are kept."""
    return load_rows(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else ()


def write(rows: Sequence[Row]) -> None:
    """Keep the rows, and make docs/corpus.md anew from them."""
    RESULTS.write_text(rows_text(rows), encoding="utf-8")
    packages = load_packages(PACKAGES.read_text(encoding="utf-8"))
    PAGE.write_text(page(packages, rows, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def _words(text: str) -> list[str]:
    return text.split(",")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = Path(tempfile.gettempdir()) / "mpforge-corpus"
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all that have no row")
    parser.add_argument("--targets", type=_words, default=["aarch64"])
    parser.add_argument("--python", type=_words, default=["cp311"])
    parser.add_argument("--write", action="store_true", help="keep the rows, make docs/corpus.md")
    parser.add_argument("--retry", action="store_true", help="without names: failed rows again")
    parser.add_argument("--page", action="store_true", help="only make docs/corpus.md anew")
    parser.add_argument("--directory", type=Path, default=default, help="kept between calls")
    return parser.parse_args()


def main() -> int:
    """Build what is due; a row is kept as soon as it is known, so that a run can be ended at any time."""
    given = arguments()
    if given.page:
        write(known_rows())
        return 0
    directory: Path = given.directory.resolve()
    for name in ("sources", "work", "logs"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    bad = 0
    for package, target, python in [*due(given, known_rows())]:
        row = measure(package, target, python, directory)
        bad += row.result != "built"
        sys.stdout.write(table((package,), (row,)).splitlines()[-1] + "\n")
        sys.stdout.flush()
        if given.write:
            write(with_row(known_rows(), row))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
