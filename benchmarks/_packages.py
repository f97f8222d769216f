"""Real packages as programs of benchmarks/ use them: fetch a source distribution, lay it out, run nox in it.

Knows nothing of what is measured or told of them.
"""

import json
import os
import re
import shutil
import sys
import tempfile
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mpforge import processes

NOXFILE = "import mpforge.sessions\n\nmpforge.sessions.register()\n"
_COUNTED = Path(__file__).with_name("_counted.py")
_NO_WHEEL = re.compile(r"requirement-not-built: (\S+) \S+ has no wheel")


def fetch(requirement: str, folder: Path, log: Path) -> Path | None:
    """The unpacked sdist of a requirement, in ``folder``; None where pip can't (``log`` has its words).

    pip calls the backend's metadata hook for an sdist, which for some needs a compiler, cargo and
    a network. So pip runs for an interpreter that has no backend: the hook fails at once, or not at
    all, and ``--no-clean`` leaves what was unpacked before.
    """
    name = requirement.partition("==")[0]
    with tempfile.TemporaryDirectory(dir=folder) as name_of_place:
        place = Path(name_of_place)
        (place / "unpacked").mkdir()
        venv.create(place / "bare", with_pip=False)
        pip = [sys.executable, "-m", "pip", "--python", str(place / "bare" / "bin" / "python")]
        options = ["--no-deps", "--no-clean", "--no-build-isolation", "--no-binary", name]
        with log.open("wb") as file:
            processes.run(
                [*pip, "download", *options, "--dest", str(place), requirement],
                environment={**os.environ, "TMPDIR": str(place / "unpacked")},
                cwd=place,
                log=file,
            )
        infos = [*(place / "unpacked").glob("pip-download-*/*/PKG-INFO")]
        if len(infos) != 1:
            return None
        version = version_of(infos[0].parent)
        return Path(shutil.move(infos[0].parent, folder / f"{name}-{version}"))


def version_of(source: Path) -> str:
    """The version that an unpacked sdist's metadata says."""
    lines = (source / "PKG-INFO").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("Version: ")).partition(": ")[2]


def lay_out(source: Path, folder: Path, spec: str) -> None:
    """Make ``folder`` the unpacked sdist with a spec; results of earlier runs in it stay."""
    shutil.copytree(source, folder, symlinks=True, dirs_exist_ok=True)
    (folder / "multiplatform.toml").write_text(spec, encoding="utf-8")
    (folder / "noxfile.py").write_text(NOXFILE, encoding="utf-8")


def keep_wheels(folder: Path, wheels: Path) -> None:
    """Put the wheels in a package's dist/ where other packages' tests may want them."""
    wheels.mkdir(parents=True, exist_ok=True)
    for wheel in (folder / "dist").glob("*.whl"):
        shutil.copyfile(wheel, wheels / wheel.name)


def missing_wheels(reason: str, wheels: Path, folder: Path) -> tuple[str, ...]:
    """The kept wheels, as paths from ``folder``, of the requirement that a failure says has no wheel."""
    found = _NO_WHEEL.match(reason)
    files = wheels.glob(f"{found[1].replace('-', '_')}-*.whl") if found else ()
    return tuple(os.path.relpath(file, folder) for file in sorted(files))


@dataclass(frozen=True)
class Ran:
    """A run of nox: exit status, CPU seconds of the process tree, mpforge's events, what it printed."""

    returncode: int
    cpu_seconds: float
    events: Sequence[dict[str, Any]]
    said: str


def nox(folder: Path, cache: Path, *sessions: str, **variables: str) -> Ran:
    """Run sessions in a folder, with these variables; a log beside it keeps what nox printed."""
    return _ran(["-m", "nox", "-s", *sessions], folder, cache, variables)


def nox_and_containers(folder: Path, cache: Path, *sessions: str) -> Ran:
    """Run sessions in a folder; the CPU seconds of their containers are counted too."""
    told = folder.with_name(f"{folder.name}.containers")
    ran = _ran([str(_COUNTED), str(told), "-s", *sessions], folder, cache, {})
    used = float(told.read_text("utf-8"))
    return replace(ran, cpu_seconds=ran.cpu_seconds + used)


def _ran(arguments: Sequence[str], folder: Path, cache: Path, variables: Mapping[str, str]) -> Ran:
    report = folder / ".mpforge" / "report.jsonl"
    report.unlink(missing_ok=True)
    ours = {"MPFORGE_CACHE": str(cache), "MPFORGE_LOCKED": "0"}
    environment = {**os.environ, **ours, **variables}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's mpforge is compiled once
    printed = folder.with_name(f"{folder.name}.nox.log")
    with printed.open("wb") as log:
        argv = [sys.executable, *arguments]
        ended = processes.run(argv, environment=environment, cwd=folder, log=log)
    lines = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
    events = [json.loads(line) for line in lines]
    return Ran(ended.returncode, ended.cpu_seconds, events, printed.read_text("utf-8", "replace"))


def line(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"
