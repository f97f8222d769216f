"""Build mpforge's recipes of native libraries for targets, and write docs/libraries.md.

``python benchmarks/recipes.py [NAME…] [--targets aarch64,x86_64] [--write]`` builds each one with all that it
needs by ``mpforge run deps-TARGET``. With ``--write`` each row is kept in recipes-results.json and the page
is made anew; ``--page`` only makes the page. MPFORGE_CACHE is the store. Exit status 1: something failed.
"""

import argparse
import itertools
import os
import sys
import tempfile
from pathlib import Path

from _packages import NOXFILE, nox
from _recipes import PAGE, RESULTS, Row, load_rows, page, rows_text, with_row

from mpforge.spec.recipes import recipes

_SPEC = """\
schema = 1
[project]
targets = ["{target}"]
[build]
kind = "commands"
commands = ["true > done"]
outputs = ["done"]
libraries = ["{name}"]
"""


def measure(name: str, target: str, directory: Path) -> Row:
    """Build one recipe for one target; a hit has no CPU seconds."""
    folder = directory / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "noxfile.py").write_text(NOXFILE, encoding="utf-8")
    (folder / "multiplatform.toml").write_text(_SPEC.format(name=name, target=target), "utf-8")
    cache = Path(os.environ.get("MPFORGE_CACHE") or directory / "cache")
    ran = nox(folder, cache, f"deps-{target}")
    step = f"library-{name}-{target}"
    ended = [e for e in ran.events if e["event"] == "StepEnded" and e["step"] == step]
    used = round(sum(e["cpu_seconds"] for e in ended), 1) if ended else None
    failed = [e for e in ran.events if e["event"] == "SessionEnded" and e["exit_code"]]
    reason = failed[0]["reason"] if failed else "" if not ran.returncode else "nox failed"
    return Row(name, recipes()[name].version, target, used, reason)


def write(rows: tuple[Row, ...]) -> None:
    """Keep the rows, and make docs/libraries.md anew from them."""
    RESULTS.write_text(rows_text(rows), encoding="utf-8")
    PAGE.write_text(page(recipes(), rows, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = Path(tempfile.gettempdir()) / "mpforge-recipes"
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument(
        "--targets", type=lambda text: text.split(","), default=["aarch64", "x86_64", "armv7l"]
    )
    parser.add_argument("--write", action="store_true", help="keep the rows, make the page")
    parser.add_argument("--page", action="store_true", help="only make the page anew")
    parser.add_argument("--directory", type=Path, default=default, help="kept between calls")
    return parser.parse_args()


def main() -> int:
    """Build what is named; a row is kept as soon as it is known."""
    given = arguments()
    if given.page:
        write(load_rows())
        return 0
    if unknown := set(given.names) - set(recipes()):
        sys.exit(f"there is no recipe {', '.join(sorted(unknown))}")
    bad = 0
    for target, name in itertools.product(given.targets, given.names or recipes()):
        row = measure(name, target, given.directory.resolve())
        bad += bool(row.reason)
        sys.stdout.write(f"{name} {target}: {row.reason or 'built'} {row.cpu_seconds or ''}\n")
        sys.stdout.flush()
        if given.write:
            write(with_row(load_rows(), row))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
