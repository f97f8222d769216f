"""What mpforge costs, in CPU seconds, on markupsafe: native, cross and cached, beside a bare nox.

``python benchmarks/markupsafe_cpu.py [--rounds N] [--directory DIR]`` measures all cases in turn, in one run,
and prints medians of user + system time of the whole process tree as a Markdown table. Every build
starts with an empty store, its tools (zig, its C library, host Python) and its lock in place.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from _packages import fetch, lay_out, line, nox

from mpforge.platforms import by_machine

PYTHON = "cp{}{}".format(*sys.version_info[:2])
# What a run needs and no build makes: everything of the cache but the store of results.
TOOLS = ("tools", "zig", "distribution", "hostpythons.jsonl")
EMPTY = """\
import nox


@nox.session(python=False, venv_backend="none")
def empty(session: nox.Session) -> None:
    "Do nothing."
"""
HEAD = ("case", "CPU s", "÷ native", "÷ bare nox", "of which the wheel's step")


@dataclass(frozen=True)
class Case:
    """Something to measure: a session in a folder; ``cached``: what an earlier run of it left stays."""

    name: str
    folder: Path
    session: str
    cached: bool = False


@dataclass(frozen=True)
class Cost:
    """CPU seconds of a run's whole process tree, and of its step that makes the wheel."""

    total: float
    wheel: float | None


def spec(target: str, build: str = "") -> str:
    """A spec for one target and the Python that runs this."""
    return f'schema = 1\n\n[project]\npython = ["{PYTHON}"]\ntargets = ["{target}"]\n{build}'


def cases(source: Path, directory: Path) -> list[Case]:
    """Lay out a workspace for each case."""
    host = by_machine(os.uname().machine)
    native = host.name if host else "x86_64"
    foreign = "x86_64" if native == "aarch64" else "aarch64"
    gcc = '\n[build]\ntoolchain = "gcc"\npolicy = "manylinux_2_36"\n'
    lay_out(source, directory / "native", spec(native))
    lay_out(source, directory / "gcc", spec(native, gcc))
    lay_out(source, directory / "cross", spec(foreign))
    (directory / "bare").mkdir(exist_ok=True)
    (directory / "bare" / "noxfile.py").write_text(EMPTY, encoding="utf-8")
    cross = f"build-{foreign}-{PYTHON}"
    return [
        Case("bare nox, one empty session", directory / "bare", "empty"),
        Case(f"native build ({native}, zig)", directory / "native", f"build-{native}-{PYTHON}"),
        Case(f"native build ({native}, gcc)", directory / "gcc", f"build-{native}-{PYTHON}"),
        Case(f"cross build ({foreign}, zig)", directory / "cross", cross),
        Case("second run of the cross build", directory / "cross", cross, cached=True),
    ]


def measure(case: Case, tools: Path, cache: Path) -> Cost:
    """Run a case once. One that is not ``cached`` finds nothing but tools and its lock."""
    if not case.cached:
        for leftover in (cache, case.folder / ".mpforge", case.folder / "dist"):
            shutil.rmtree(leftover, ignore_errors=True)
        cache.mkdir()
        for name in TOOLS:
            if (tools / name).exists():
                (cache / name).symlink_to(tools / name)
    ran = nox(case.folder, cache, case.session)
    if ran.returncode:
        sys.exit(f"{case.name} failed:\n{ran.said}")
    steps = [event for event in ran.events if event["event"] == "StepEnded"]
    wheel = [e["cpu_seconds"] for e in steps if e["step"].startswith("wheel-")]
    return Cost(ran.cpu_seconds, sum(wheel) if wheel else None)


def table(costs: Mapping[str, Sequence[Cost]]) -> str:
    """Medians and ratios; the first case is bare nox, the second the native build."""
    totals = {name: statistics.median(c.total for c in found) for name, found in costs.items()}
    bare, native, *_ = totals.values()
    text = line(HEAD) + line(["---"] * len(HEAD))
    for name, found in costs.items():
        total = totals[name]
        wheel = [c.wheel for c in found if c.wheel is not None]
        step = f"{statistics.median(wheel):.2f}" if wheel else ""
        text += line((name, f"{total:.2f}", f"{total / native:.2f}", f"{total / bare:.2f}", step))
    return text


def main() -> int:
    """Obtain the tools, then measure every case in turn, as many rounds as asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = Path(tempfile.gettempdir()) / "mpforge-markupsafe-cpu"
    parser.add_argument("--directory", type=Path, default=default, help="kept between calls")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    directory: Path = given.directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    source = fetch("markupsafe", directory, directory / "pip.log")
    if source is None:
        sys.exit(f"markupsafe can't be fetched: see {directory / 'pip.log'}")
    every = cases(source, directory)
    for case in every:
        nox(case.folder, directory / "tools", case.session)
    costs: dict[str, list[Cost]] = {case.name: [] for case in every}
    for _ in range(given.rounds):
        for case in every:
            costs[case.name].append(measure(case, directory / "tools", directory / "store"))
    sys.stdout.write(f"{source.name}, {PYTHON}, medians of {given.rounds}\n\n{table(costs)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
