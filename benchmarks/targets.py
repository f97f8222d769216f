"""Build and test the packages of targets.toml for targets and Pythons, and say what came of each.

``python benchmarks/targets.py --targets s390x,riscv64 --python cp311,cp313 [NAME…] [--write]`` runs
``nox -s test-TARGET-PYTHON`` for each package, in its unpacked sdist or example. With ``--write`` each
row is kept in targets-results.json as soon as it is known, and docs/targets.md is made anew; ``--page`` makes
the page alone. MPFORGE_CACHE is the store. Exit status 1: a package failed.
"""

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from _packages import Ran, fetch, lay_out, missing_wheels, nox
from _targets import PACKAGES, PAGE, RESULTS, Row, load_rows, page, rows_text, table, with_row

from mpforge.migrate.draft import Draft, to_toml

# The policy of a wheel's platform tag, and the machine after it.
_TAG = re.compile(r"((?:many|musl)linux(?:\d+|_\d+_\d+))_.+")
EXAMPLES = Path(__file__).parents[1] / "examples"


def measure(
    package: Mapping[str, Any], target: str, python: str, *, directory: Path, wheels: Path
) -> Row:
    """Build and test one package for one target and Python; ``wheels`` is as the corpus keeps it."""
    name = str(package["name"])
    empty = Row(name.replace("==", " "), target, python, "failed")
    source = _source(name, directory)
    if source is None:
        return _row(empty, said="pip could not fetch it")
    folder = directory / "work" / f"{source.name}-{target}-{python}"
    shutil.rmtree(folder, ignore_errors=True)
    document = {"schema": 1, "project": {"python": [python], "targets": [target]}}
    tables = {key: package[key] for key in ("build", "test") if key in package}
    cache = Path(os.environ.get("MPFORGE_CACHE") or directory / "cache")
    given: tuple[str, ...] = ()
    while True:
        test = {**package["test"], "requires": [*package["test"].get("requires", ()), *given]}
        lay_out(source, folder, to_toml(Draft({**document, **tables, "test": test})))
        row = _told(empty, nox(folder, cache, f"test-{target}-{python}"), folder)
        missing = missing_wheels(row.said, wheels / f"{target}-{python}", folder)
        if not missing or {*missing} <= {*given}:
            return row
        given += missing


def _source(name: str, directory: Path) -> Path | None:
    """The example or the unpacked sdist of a package."""
    if "==" not in name:
        return EXAMPLES / name
    source = directory / "sources" / name.replace("==", "-")
    if not source.exists():
        return fetch(name, source.parent, directory / "logs" / f"{source.name}.pip.log")
    return source


def _told(empty: Row, ran: Ran, folder: Path) -> Row:
    """What the record of dist/ says, and mpforge's events of a failure."""
    record = folder / "dist" / "mpforge.json"
    files = json.loads(record.read_text("utf-8"))["files"] if record.exists() else []
    if files:
        policies = tuple(_TAG.sub(r"\1", tag) for tag in files[0]["tags"])
        tests = [*files[0]["tests"].values()] or [{"level": "", "cpu": ""}]
        empty = _row(
            empty, policies=policies, level=tests[0]["level"] or "", cpu=tests[0]["cpu"] or ""
        )
    if ran.returncode == 0:
        return _row(empty, result="tested" if empty.level in ("native", "emulated") else "built")
    ended = [e for e in ran.events if e["event"] == "SessionEnded" and e["exit_code"]]
    return _row(empty, said=str(ended[0]["reason"]) if ended else "nox failed")


def _row(row: Row, **fields: Any) -> Row:
    return Row(**{**vars(row), **fields})


def known_rows() -> tuple[Row, ...]:
    """The rows that are kept."""
    return load_rows(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else ()


def write(rows: tuple[Row, ...]) -> None:
    """Keep the rows, and make docs/targets.md anew from them."""
    RESULTS.write_text(rows_text(rows), encoding="utf-8")
    PAGE.write_text(page(rows, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = Path(tempfile.gettempdir()) / "mpforge-targets"
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all packages")
    parser.add_argument("--targets", type=lambda text: text.split(","), default=["s390x"])
    parser.add_argument("--python", type=lambda text: text.split(","), default=["cp311"])
    parser.add_argument("--write", action="store_true", help="keep the rows, make docs/targets.md")
    parser.add_argument("--page", action="store_true", help="only make docs/targets.md anew")
    parser.add_argument("--directory", type=Path, default=default, help="kept between calls")
    parser.add_argument(
        "--wheels",
        type=Path,
        default=Path("wheels"),
        help="TARGET-PYTHON/*.whl, as corpus.py keeps them: for test requirements without a wheel",
    )
    return parser.parse_args()


def main() -> int:
    """Build what is asked for; each row is kept as soon as it is known, so a run can be ended early."""
    given = arguments()
    if given.page:
        write(known_rows())
        return 0
    directory: Path = given.directory.resolve()
    for name in ("sources", "work", "logs"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    packages = tomllib.loads(PACKAGES.read_text(encoding="utf-8"))["package"]
    wanted = [p for p in packages if not given.names or p["name"].split("==")[0] in given.names]
    bad = 0
    for target in given.targets:
        for python in given.python:
            for package in wanted:
                row = measure(
                    package, target, python, directory=directory, wheels=given.wheels.resolve()
                )
                bad += row.result == "failed"
                sys.stdout.write(table((row,)).splitlines()[-1] + "\n")
                sys.stdout.flush()
                if given.write:
                    write(with_row(known_rows(), row))
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
