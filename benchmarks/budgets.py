"""Measure the budgets of docs/architecture.md, each as a ratio within one run, and print them as a table.

``python benchmarks/budgets.py [--rounds N] [--directory DIR] [--write] [--check] [NAME...]``: both sides of
a budget are run in turn, and their medians compared. Seconds are CPU, user and system, of whole process
trees. ``--write`` puts the figures into docs/benchmarks.md; with ``--check``, exit status 1 says that a
budget is missed.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mpforge import processes

HERE = Path(__file__).parent
DOCUMENT = HERE.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- budgets: begin -->\n", "<!-- budgets: end -->\n"
PYTHONS = ("cp311", "cp312", "cp313", "cp314")
NOXFILE = "import mpforge.sessions\n\nmpforge.sessions.register()\n"
MIB = 1 << 20

Action = Callable[[], float]
"""Something that is measured: does it, and gives its CPU seconds."""


@dataclass(frozen=True)
class Outcome:
    """A budget and what was measured: ``figure`` and ``limit`` are of one unit."""

    what: str
    ours: float
    other: float
    figure: float
    limit: float
    unit: str

    @property
    def kept(self) -> bool:
        """Whether the budget is kept."""
        return self.figure <= self.limit

    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        figure, limit = (f"{number:.2f} {self.unit}" for number in (self.figure, self.limit))
        verdict = "kept" if self.kept else f"missed by {self.figure - self.limit:.2f} {self.unit}"
        return self.what, f"{self.ours:.3f}", f"{self.other:.3f}", figure, f"≤ {limit}", verdict


HEAD = ("budget", "mpforge, CPU s", "baseline, CPU s", "figure", "limit", "")


def program(*argv: str, folder: Path, cache: Path | None = None) -> float:
    """Run a program; the CPU seconds of its whole process tree. Ends everything where it fails."""
    environment = {n: v for n, v in os.environ.items() if not n.startswith(("MPFORGE_", "NOX"))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's mpforge is compiled once
    environment |= {"MPFORGE_LOCKED": "0", "GIT_CONFIG_GLOBAL": os.devnull}
    if cache is not None:
        environment["MPFORGE_CACHE"] = str(cache)
    with tempfile.TemporaryFile() as log:
        ended = processes.run(argv, environment=environment, cwd=folder, log=log)
        if ended.returncode:
            log.seek(0)
            sys.exit(f"{' '.join(argv)} failed:\n{log.read().decode('utf-8', 'replace')}")
    return ended.cpu_seconds


def piece(name: str, *arguments: str, folder: Path, idle: bool = False) -> float:
    """Run a piece of _work.py in a process of its own."""
    word = "idle" if idle else "work"
    return program(sys.executable, str(HERE / "_work.py"), name, word, *arguments, folder=folder)


def nox(*arguments: str, folder: Path, cache: Path | None = None) -> float:
    """Run nox."""
    return program(sys.executable, "-m", "nox", *arguments, folder=folder, cache=cache)


def medians(rounds: int, actions: Mapping[str, Action]) -> dict[str, float]:
    """The median of each action's costs; they run in turn, so that noise meets all alike.

    A first round is not counted: what is read is in memory then, and what is imported is compiled.
    """
    costs: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds + 1):
        for name, action in actions.items():
            costs[name].append(action())
    return {name: statistics.median(found[1:]) for name, found in costs.items()}


# --- what is measured -------------------------------------------------------------------------


def bare_noxfile(count: int) -> str:
    """A noxfile with that many empty sessions."""
    session = (
        '@nox.session(python=False, venv_backend="none")\ndef s{}(session):\n    "Do nothing."\n'
    )
    return "import nox\n\n" + "\n".join(session.format(number) for number in range(count))


def spec(sessions: int) -> str:
    """A spec that gives about that many sessions."""
    targets = [f"t{number}" for number in range(round(sessions / (2 * len(PYTHONS) + 3)))]
    text = f"schema = 1\n\n[project]\npython = {json.dumps(PYTHONS)}\ntargets = {json.dumps(targets)}\n"
    table = '\n[targets.{0}]\nplatform = "linux/arm64"\ndist = "{0}"\n'
    return text + "".join(table.format(target) for target in targets)


def workspace(folder: Path, files: Mapping[str, str]) -> Path:
    """A new git checkout with these files."""
    shutil.rmtree(folder, ignore_errors=True)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    for command in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "first")):
        identity = ("-c", "user.name=B", "-c", "user.email=b@example.org")
        program("git", *identity, *command, folder=folder)
    return folder


def listing(directory: Path, rounds: int) -> Outcome:
    """``nox -l`` with 100 sessions, beside as many empty ones."""
    files = {
        "noxfile.py": NOXFILE,
        "multiplatform.toml": spec(100),
        "pyproject.toml": "[project]\n",
    }
    ours = workspace(directory / "listing", files)
    bare = workspace(directory / "listing-bare", {"noxfile.py": bare_noxfile(100)})
    nox("-l", folder=ours)
    found = medians(
        rounds, {"ours": lambda: nox("-l", folder=ours), "bare": lambda: nox("-l", folder=bare)}
    )
    ratio = found["ours"] / found["bare"]
    return Outcome(
        "`nox -l`, 100 sessions ÷ bare nox", found["ours"], found["bare"], ratio, 1.15, "×"
    )


def cached(directory: Path, rounds: int) -> tuple[Outcome, Outcome]:
    """Fully cached ``nox -s build`` of 4 wheels in a checkout of 2,000 files, and one of its builds alone.

    Beside them as many empty sessions.
    """
    files = {f"data/d{number // 100}/f{number}": f"{number}\n" for number in range(2000)}
    files |= {
        "noxfile.py": NOXFILE,
        "multiplatform.toml": "schema = 1\n\n[project]\n"
        'python = ["cp311", "cp313"]\ntargets = ["aarch64", "x86_64"]\n',
        "pyproject.toml": "[build-system]\nrequires = ['setuptools']\n"
        "build-backend = 'setuptools.build_meta'\n\n[project]\nname = 'counted'\nversion = '1'\n",
        "setup.py": "from setuptools import Extension, setup\n\n"
        "setup(ext_modules=[Extension('counted', ['counted.c'])], py_modules=[])\n",
        "counted.c": "#include <Python.h>\n\nstatic struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "
        '"counted"};\n\nPyMODINIT_FUNC PyInit_counted(void) { return PyModule_Create(&m); }\n',
        ".gitignore": "/.nox\n/dist\n__pycache__\n",
    }
    ours = workspace(directory / "cached", files)
    bare = workspace(directory / "cached-bare", {"noxfile.py": bare_noxfile(10)})
    cache = Path(os.environ.get("MPFORGE_CACHE") or directory / "cache")
    nox("-s", "build", folder=ours, cache=cache)
    time.sleep(3)  # a memo is made of files that have not just changed
    nox("-s", "build", folder=ours, cache=cache)
    one, three = "build-aarch64-cp311", ("s0", "s1", "s2")
    found = medians(
        rounds,
        {
            "all": lambda: nox("-s", "build", folder=ours, cache=cache),
            "ten": lambda: nox(folder=bare),
            "one": lambda: nox("-s", one, folder=ours, cache=cache),
            "three": lambda: nox("-s", *three, folder=bare),
        },
    )

    def outcome(what: str, name: str, other: str) -> Outcome:
        ratio = found[name] / found[other]
        return Outcome(f"cached {what} ÷ bare nox", found[name], found[other], ratio, 1.3, "×")

    return (
        outcome("`nox -s build`, 4 wheels, 2,000 files", "all", "ten"),
        outcome(f"`nox -s {one}` there", "one", "three"),
    )


def compiling(directory: Path, rounds: int) -> tuple[Outcome, Outcome]:
    """Compiling 1,000 sessions and 2,000, from the spec's text to the plan."""
    directory.mkdir(parents=True, exist_ok=True)
    for count in (1000, 2000):
        (directory / f"{count}.toml").write_text(spec(count), encoding="utf-8")

    def run(count: int, *, idle: bool = False) -> Action:
        arguments = ("compile_sessions", str(directory / f"{count}.toml"))
        return lambda: piece(*arguments, folder=directory, idle=idle)

    found = medians(rounds, {"idle": run(1000, idle=True), "1000": run(1000), "2000": run(2000)})
    one, two = found["1000"] - found["idle"], found["2000"] - found["idle"]
    return (
        Outcome("compile 1,000 sessions", one, 0.0, one, 0.5, "s"),
        Outcome("compile 2,000 sessions ÷ 1,000", two, one, two / one, 2.2, "×"),
    )


def hashing(directory: Path, rounds: int) -> Outcome:
    """The tree of 50,000 unchanged files, beside ``git status``."""
    folder = directory / "hashing"
    if not (folder / ".git").exists():
        numbers = range(50_000)
        text = "int number_{0}(void) {{ return {0}; }}\n" * 20
        files = {f"src/p{n // 2500}/m{n // 100}/f{n}.c": text.format(n) for n in numbers}
        workspace(folder, {**files, "pyproject.toml": "[project]\n", ".gitignore": ".mpforge\n"})

    def ours(*, idle: bool = False) -> float:
        return piece("hash_sources", str(folder), folder=folder, idle=idle)

    def status() -> float:
        return program("git", "status", folder=folder)

    status()
    ours()
    found = medians(rounds, {"idle": lambda: ours(idle=True), "ours": ours, "status": status})
    work, other = found["ours"] - found["idle"], found["status"]
    what = "hash 50,000 unchanged files ÷ `git status`"
    return Outcome(what, work, other, work / other, 6.0, "×")


def restoring(directory: Path, rounds: int) -> Outcome:
    """1 GB out of the store, verified, beside ``cp`` and a sha256 pass over the copy."""
    source, store = directory / "gigabyte", directory / "gigabyte-store"
    copy = directory / "gigabyte-copy"
    shutil.rmtree(store, ignore_errors=True)
    source.mkdir(parents=True, exist_ok=True)
    for number in range(64):
        (source / f"f{number}").write_bytes(os.urandom(16 * MIB))
    piece("put", str(store), str(source), folder=directory)
    os.sync()
    tree = _tree_of(source)

    def cleared(action: Action) -> Action:
        def run() -> float:
            shutil.rmtree(copy, ignore_errors=True)
            return action()

        return run

    def ours(*, idle: bool = False) -> float:
        arguments = ("restore", str(store), tree, str(copy))
        return piece(*arguments, folder=directory, idle=idle)

    def digest(*, idle: bool = False) -> float:
        return piece("digest", str(source), folder=directory, idle=idle)

    found = medians(
        rounds,
        {
            "idle": lambda: ours(idle=True),
            "ours": cleared(ours),
            "cp": cleared(lambda: program("cp", "-r", str(source), str(copy), folder=directory)),
            "digest idle": lambda: digest(idle=True),
            "digest": digest,
        },
    )
    for leftover in (source, store, copy):
        shutil.rmtree(leftover, ignore_errors=True)
    work = found["ours"] - found["idle"]
    other = found["cp"] + found["digest"] - found["digest idle"]
    return Outcome("restore 1 GB ÷ (`cp` + sha256)", work, other, work / other, 1.0, "×")


def _tree_of(folder: Path) -> str:
    from mpforge.store.files import files_below, hash_file
    from mpforge.store.trees import from_entries

    return from_entries({path: hash_file(folder / path) for path in files_below(folder)}).digest()


BUDGETS: Mapping[str, Callable[[Path, int], Outcome | tuple[Outcome, ...]]] = {
    "list": listing,
    "cached": cached,
    "compile": compiling,
    "hash": hashing,
    "restore": restoring,
}


# --- what is shown ----------------------------------------------------------------------------


def show(outcomes: Sequence[Outcome]) -> None:
    """Print a table."""
    table = Table(*HEAD)
    for outcome in outcomes:
        table.add_row(*outcome.cells())
    Console(width=140).print(table)


def write(outcomes: Sequence[Outcome], rounds: int) -> None:
    """Put the figures between the markers of docs/benchmarks.md."""
    rows = [HEAD, ["---"] * len(HEAD), *(outcome.cells() for outcome in outcomes)]
    lines = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    text = DOCUMENT.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        sys.exit(f"{DOCUMENT} has lost its markers {BEGIN.strip()} and {END.strip()}")
    said = f"Measured {date.today():%Y-%m-%d}, medians of {rounds}.\n\n"  # noqa: DTZ011 - a local day
    DOCUMENT.write_text(f"{before}{BEGIN}{said}{lines}{END}{after}", encoding="utf-8")


def main() -> int:
    """Measure the budgets that the command line names, all of them without any."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = Path(tempfile.gettempdir()) / "mpforge-budgets"
    parser.add_argument("--directory", type=Path, default=default, help="kept between calls")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    parser.add_argument("--check", action="store_true", help="exit 1 where a budget is missed")
    parser.add_argument("names", nargs="*", metavar="NAME", help=" ".join(BUDGETS))
    given = parser.parse_args()
    unknown = sorted({*given.names} - {*BUDGETS})
    if unknown:
        parser.error(f"no budget is called {', '.join(unknown)}; there are {', '.join(BUDGETS)}")
    outcomes: list[Outcome] = []
    for name in given.names or BUDGETS:
        found = BUDGETS[name](given.directory.resolve(), given.rounds)
        outcomes += found if isinstance(found, tuple) else (found,)
        show(outcomes[-1:])
    show(outcomes)
    if given.write:
        write(outcomes, given.rounds)
    missed = [outcome for outcome in outcomes if not outcome.kept]
    return 1 if given.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
