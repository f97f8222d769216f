"""Compare mpforge's wheels with those of ``uv build`` and this machine's gcc, package by package.

``python benchmarks/reference.py [NAME…] [--target x86_64] [--python cp311] [--write]`` takes packages of
corpus.toml (without names: every compiled one that corpus-results.json has as built, but heavy ones), builds
each from the same sdist by both, with the same pinned build requirements, and compares file lists, the bytes
of all files that are not compiled, and the symbols that compiled ones export. With ``--write`` the table of
docs/reference.md is made anew. MPFORGE_CACHE is the store. Exit status 1: a difference that no rule states.
"""

import argparse
import json
import os
import shutil
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from _corpus import PACKAGES, RESULTS, Package, load_packages, load_rows, spec
from _packages import fetch, lay_out, line, nox
from _wheels import RULES, Comparison, compare

from mpforge import processes

PAGE = Path(__file__).parents[1] / "docs" / "reference.md"
BEGIN, END = "<!-- reference: begin -->\n", "<!-- reference: end -->\n"
HEAD = ("package", "files", "compiled", "exported symbols", "stated differences", "result")


def by_mpforge(source: Path, folder: Path, package: Package, target: str, python: str) -> Path:
    """The wheel of ``nox -s build-TARGET-PYTHON``. Raises ``LookupError`` with a failure's words."""
    lay_out(source, folder, spec(package, target, python, check=False))
    cache = Path(os.environ.get("MPFORGE_CACHE") or folder.parents[1] / "cache")
    ran = nox(folder, cache, f"build-{target}-{python}")
    wheels = [*(folder / "dist").glob("*.whl")]
    if ran.returncode or len(wheels) != 1:
        raise LookupError(f"mpforge made no wheel; {folder.name}.nox.log ends: {ran.said[-400:]}")
    return wheels[0]


def by_uv(source: Path, folder: Path, package: Package, python: str, lock: Path) -> Path:
    """The wheel of ``uv build`` with gcc and the lock's build requirements. Raises ``LookupError``.

    One that an earlier call made with the same requirements is taken as it is.
    """
    constraints = folder.with_name(f"{folder.name}.constraints.txt")
    pins = "".join(f"{pin}\n" for pin in pinned(lock, python))
    wheels = [*(folder / "reference-dist").glob("*.whl")]
    if len(wheels) == 1 and constraints.read_text(encoding="utf-8") == pins:
        return wheels[0]
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder, symlinks=True)
    constraints.write_text(pins, encoding="utf-8")
    version = f"{python[2]}.{python[3:]}"
    argv = [sys.executable, "-m", "uv", "build", "--wheel", "--python", version, str(folder)]
    argv += ["--build-constraint", str(constraints), "--out-dir", str(folder / "reference-dist")]
    given = {
        key: str(value)
        for key, value in package.spec.get("build", {}).get("environment", {}).items()
    }
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "CI")} | given
    log = folder.with_name(f"{folder.name}.uv.log")
    with log.open("wb") as file:
        ended = processes.run(argv, environment=environment, cwd=folder, log=file)
    wheels = [*(folder / "reference-dist").glob("*.whl")]
    if ended.returncode or len(wheels) != 1:
        words = log.read_text("utf-8", "replace")[-400:]
        raise LookupError(f"uv build made no wheel; {log.name} ends: {words}")
    return wheels[0]


def pinned(lock: Path, python: str) -> Iterator[str]:
    """The build requirements that mpforge's lock pins for a Python, as ``name==version``."""
    found = {
        (package["name"], package["version"])
        for pin in tomllib.loads(lock.read_text(encoding="utf-8"))["environments"]
        if pin["purpose"] == "build" and pin["python"] == python
        for package in pin["packages"]
    }
    yield from (f"{name}=={version}" for name, version in sorted(found))


def measure(package: Package, target: str, python: str, directory: Path) -> Comparison | str:
    """Both wheels of a package compared; a text says why there is no comparison."""
    name = f"{package.name}-{package.version}"
    source = directory / "sources" / name
    if not source.exists():
        log = directory / f"{package.name}.pip.log"
        if fetch(f"{package.name}=={package.version}", source.parent, log) != source:
            return f"not fetched; {log.name} has pip's words"
    ours, theirs = (
        directory / "mpforge" / f"{name}-{target}-{python}",
        directory / "uv" / f"{name}-{python}",
    )
    shutil.rmtree(ours, ignore_errors=True)
    try:
        made = by_mpforge(source, ours, package, target, python)
        lock = ours / "multiplatform.lock"
        return compare(made, by_uv(source, theirs, package, python, lock))
    except LookupError as error:
        return " ".join(str(error).split())


def chosen(names: Sequence[str]) -> list[Package]:
    """The named packages, or all compiled ones that are known to build and are not heavy."""
    packages = load_packages(PACKAGES.read_text(encoding="utf-8"))
    if names:
        return [package for package in packages if package.name in names]
    rows = load_rows(RESULTS.read_text(encoding="utf-8"))
    built = {row.package for row in rows if row.result == "built"}
    return [p for p in packages if p.compiled and not p.heavy and p.name in built]


def cells(package: Package, found: Comparison | str) -> tuple[str, ...]:
    """A line of the table."""
    name = f"{package.name} {package.version}"
    if isinstance(found, str):
        return name, "", "", "", "", f"not compared: {found}"
    result = "; ".join(found.differences) or "equal"
    return (
        name,
        str(found.files),
        str(found.compiled),
        str(found.symbols),
        ", ".join(found.stated),
        result,
    )


def write(rows: Sequence[tuple[str, ...]], heading: str) -> None:
    """Put the table and the rules between the marks of docs/reference.md."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    text = f"{heading}\n\n" + line(HEAD) + line(["---"] * len(HEAD)) + "".join(map(line, rows))
    text += "\nStated differences:\n\n" + "".join(f"- **{n}**: {why}\n" for n, why in RULES.items())
    PAGE.write_text(before + BEGIN + text + END + after, encoding="utf-8")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = Path(tempfile.gettempdir()) / "mpforge-reference"
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--target", default=sysconfig.get_platform().removeprefix("linux-"))
    parser.add_argument("--python", default="cp311")
    parser.add_argument("--write", action="store_true", help="make docs/reference.md's table anew")
    parser.add_argument("--anew", action="store_true", help="forget the rows of earlier calls")
    parser.add_argument("--directory", type=Path, default=default, help="kept between calls")
    return parser.parse_args()


def main() -> int:
    """Compare, print a line for each package as it is known, and a sum."""
    given = arguments()
    directory: Path = given.directory.resolve()
    for name in ("sources", "mpforge", "uv"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    kept = directory / f"rows-{given.target}-{given.python}.json"
    rows = json.loads(kept.read_text("utf-8")) if kept.exists() and not given.anew else {}
    for package in chosen(given.names):
        if package.name in rows:
            continue
        rows[package.name] = cells(package, measure(package, given.target, given.python, directory))
        sys.stdout.write(line(rows[package.name]))
        sys.stdout.flush()
        kept.write_text(json.dumps(rows), "utf-8")
    equal = sum(row[-1] == "equal" for row in rows.values())
    compared = sum(not row[-1].startswith("not compared") for row in rows.values())
    heading = (
        f"{given.target}, {given.python}: {equal} of {compared} wheels are equal to those of "
        "`uv build` with gcc, apart from the differences stated below."
    )
    sys.stdout.write(heading + "\n")
    if given.write:
        write([tuple(row) for row in rows.values()], heading)
    return 0 if equal == compared else 1


if __name__ == "__main__":
    sys.exit(main())
