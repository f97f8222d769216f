"""Build real packages for two targets and two Pythons, and print what came of it as a table.

``python benchmarks/real_packages.py [--directory DIR] [NAME...]`` fetches each package's newest sdist by
pip from the configured index, unpacks it, adds the smallest spec and runs ``nox -s test`` in it. Sessions
that an earlier call in the same directory finished are cached. Exit status 1: something did
not build that should.
"""

import argparse
import itertools
import json
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpforge import processes
from mpforge.compiler.backends import recognise
from mpforge.engine.facts import project_facts
from mpforge.engine.inputs import Inputs
from mpforge.errors import MpforgeError
from mpforge.sources import archives
from mpforge.sources.project import locate
from mpforge.store.local import Store

PACKAGES = (
    *("markupsafe", "msgpack", "greenlet", "psutil", "multidict"),
    *("cmarkgfm", "xattr", "frozenlist", "yarl", "argon2-cffi-bindings", "pyyaml"),
)
# What is known not to build yet, and the error that says so: anything else there is a defect of ours.
EXPECTED = {"argon2-cffi-bindings": "no-strategy", "pyyaml": "no-extension"}
TARGETS = ("aarch64", "x86_64")
PYTHONS = ("cp311", "cp313")
SPEC = f"""schema = 1

[project]
python = {json.dumps(PYTHONS)}
targets = {json.dumps(TARGETS)}
"""
NOXFILE = "import mpforge.sessions\n\nmpforge.sessions.register()\n"
HEAD = ("package", "version", "backend", "target-python", "result", "CPU s", "reason")


@dataclass(frozen=True)
class Row:
    """A line of the table: what one target and Python of one package came to."""

    cells: tuple[str, ...]
    good: bool


def fetch(name: str, folder: Path, log: Path) -> Path | None:
    """The newest sdist of a package, by pip; None where pip can't (``log`` has its words)."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        argv = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", name]
        with log.open("wb") as file:
            ended = processes.run(
                [*argv, "--dest", place, name], environment=os.environ, cwd=folder, log=file
            )
        found = sorted(Path(place).iterdir())
        if ended.returncode or len(found) != 1:
            return None
        return Path(shutil.move(found[0], folder / found[0].name))


def unpack(sdist: Path, folder: Path, spec: str = SPEC) -> None:
    """Make ``folder`` the unpacked sdist with a spec; results of earlier runs in it stay."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        archives.unpack(sdist, Path(place))
        shutil.copytree(archives.sole_directory(Path(place)), folder, dirs_exist_ok=True)
    (folder / "multiplatform.toml").write_text(spec, encoding="utf-8")
    (folder / "noxfile.py").write_text(NOXFILE, encoding="utf-8")


@dataclass(frozen=True)
class Ran:
    """A run of nox: exit status, CPU seconds of the process tree, mpforge's events, what it printed."""

    returncode: int
    cpu_seconds: float
    events: Sequence[dict[str, Any]]
    said: str


def nox(folder: Path, cache: Path, *sessions: str) -> Ran:
    """Run sessions in a folder; a log beside it keeps what nox printed."""
    report = folder / ".mpforge" / "report.jsonl"
    report.unlink(missing_ok=True)
    environment = {**os.environ, "MPFORGE_CACHE": str(cache), "MPFORGE_LOCKED": "0"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's mpforge is compiled once
    printed = folder.with_name(f"{folder.name}.nox.log")
    with printed.open("wb") as log:
        argv = [sys.executable, "-m", "nox", "-s", *sessions]
        ended = processes.run(argv, environment=environment, cwd=folder, log=log)
    lines = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
    events = [json.loads(line) for line in lines]
    return Ran(ended.returncode, ended.cpu_seconds, events, printed.read_text("utf-8", "replace"))


def backend_of(folder: Path, store: Store) -> str:
    """The name of a project's build backend."""
    project = locate(folder, ".", "multiplatform.toml")
    return recognise(project_facts(Inputs(project, store), wheel=True)).name


def rows(
    package: str, version: str, backend: str, events: Sequence[dict[str, Any]], said: str
) -> Iterator[Row]:
    """What the events say, a row for each target and Python; ``said`` is what nox printed."""
    ended = {e["session"]: e for e in events if e["event"] == "SessionEnded"}
    ran = {e["session"]: e for e in events if e["event"] == "Tested"}
    for target, python in ((target, python) for target in TARGETS for python in PYTHONS):
        stem = f"{target}-{python}"
        chain = ("sdist", f"deps-{target}", f"build-{stem}", f"test-{stem}")
        failed = next((ended[n] for n in chain if n in ended and ended[n]["exit_code"]), None)
        steps = [e for e in events if e["event"] == "StepEnded" and e["session"] == f"build-{stem}"]
        seconds = f"{sum(e['cpu_seconds'] for e in steps):.1f}" if steps else ""
        if failed is not None:
            result, why = f"failed: {failed['error']}", _reason(failed, said)
            if failed["error"] == EXPECTED.get(package):
                result += ", as expected"
        elif f"test-{stem}" in ran:
            result = f"imported on {_machine(ran[f'test-{stem}'])}"
            why = Path(ran[f"test-{stem}"]["wheel"]).name
            seconds = seconds or "cached"
        else:
            result, why = "not run", "see what nox printed"
        if any(_makes_libraries(e) and e["session"] == f"build-{stem}" for e in events):
            seconds += " with zig's own libraries, once"
        good = result.startswith("imported") or result.endswith("as expected")
        yield Row((package, version, backend, stem, result, seconds, why), good)


def _reason(ended: dict[str, Any], said: str) -> str:
    """A failed session's words, with the lines that mpforge printed below them."""
    _, found, rest = said.partition(f"\n{ended['reason']}\n")
    lines = (line.strip() for line in rest.splitlines()) if found else iter(())
    below = itertools.takewhile(lambda line: not line.startswith(("-> ", "session: ")), lines)
    return "; ".join([ended["reason"].partition(": ")[2], *below])


def _makes_libraries(event: dict[str, Any]) -> bool:
    return bool(event["event"] == "Working" and event["what"].startswith("making zig's"))


def _machine(tested: dict[str, Any]) -> str:
    cpu = f" ({tested['cpu']})" if tested["cpu"] else ""
    return f"{tested['machine']}{cpu}"


def measure(name: str, directory: Path) -> list[Row]:
    """Fetch, unpack, build and import one package."""
    log = directory / f"{name}.pip.log"
    sdist = fetch(name, directory, log)
    if sdist is None:
        return [Row((name, "", "", "", "not fetched", "", f"see {log}"), good=False)]
    version = sdist.name.removesuffix(".tar.gz").rpartition("-")[2]
    folder = directory / name
    try:
        unpack(sdist, folder)
        backend = backend_of(folder, Store(directory / "cache" / "store"))
    except (MpforgeError, tarfile.TarError) as error:
        return [Row((name, version, "", "", "not unpacked", "", str(error)), good=False)]
    ran = nox(folder, directory / "cache", "test")
    return list(rows(name, version, backend, ran.events, ran.said))


def line(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"


def main() -> int:
    """Measure the packages that the command line names, all of ``PACKAGES`` without any."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = Path(tempfile.gettempdir()) / "mpforge-real-packages"
    parser.add_argument("--directory", type=Path, default=default, help="kept between calls")
    parser.add_argument("names", nargs="*", default=PACKAGES, metavar="NAME")
    given = parser.parse_args()
    directory: Path = given.directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(line(HEAD) + line(["---"] * len(HEAD)))
    bad = 0
    for name in given.names:
        for row in measure(name, directory):
            sys.stdout.write(line(row.cells))
            sys.stdout.flush()
            bad += not row.good
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
