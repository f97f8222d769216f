"""``mpforge init --compare``: compare the spec with what an installed cibuildwheel would build."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from mpforge import processes
from mpforge.errors import HostCannot
from mpforge.migrate.cibuildwheel.selection import Wheel
from mpforge.migrate.cibuildwheel.versions import first_release, version_text
from mpforge.migrate.initial_spec import InitialSpec
from mpforge.migrate.run import Run
from mpforge.migrate.wheels import why_not_built
from mpforge.processes import Captured

PROGRAM = "cibuildwheel"
_UNKNOWN = (
    "the installed cibuildwheel is another version, or some options are known only in the job"
)
Caller = Callable[[Sequence[str], Mapping[str, str]], Captured]


def compared(initial: InitialSpec, folder: Path, call: Caller | None = None) -> Iterator[str]:
    """Yield lines that say where the identifiers of cibuildwheel and the spec differ.

    Raises ``HostCannot`` if cibuildwheel is not on ``PATH``.
    """
    if call is None:
        if shutil.which(PROGRAM) is None:
            raise HostCannot(
                f"{PROGRAM} is not on PATH",
                hint=f"install the version that you use: `pip install {PROGRAM}==VERSION`",
            )
        call = _called
    theirs: dict[tuple[str, str], Wheel] = {}
    refusals: dict[str, None] = {}  # a matrix makes many jobs that are refused for the same reason
    for run, machines in initial.wheels.runs:
        argv, variables = command(run, machines, folder)
        printed = call(argv, variables)
        if printed.returncode:
            reason = (printed.stderr.strip().splitlines() or ["it gives no reason"])[-1]
            uses = f" (this job uses {version_text(run.version)})" if run.version_known else ""
            refusals[
                f"{run.where or PROGRAM}: cibuildwheel refuses these options{uses}: {reason}"
            ] = None
        for identifier in printed.stdout.split():
            if (wheel := wheel_of(identifier)) is not None:
                theirs[wheel.target, wheel.python] = wheel
    yield from refusals
    ours = set(initial.wheels.leaves)
    both = len(ours & set(theirs))
    yield f"cibuildwheel --print-build-identifiers: {len(theirs)} for Linux, {both} of them in the spec"
    for pair in sorted(set(theirs) - ours):
        yield f"  only cibuildwheel: {theirs[pair].identifier}: {_reason(theirs[pair], initial)}"
    missing = sorted(ours - set(theirs))
    if refusals and missing:
        yield f"  not compared: {len(missing)} of the spec, which a refused job may build"
        return
    for target, python in missing:
        yield f"  only the spec: {target}-{python}"


def command(run: Run, machines: Sequence[str], folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return the command that prints a run's identifiers, and the variables of cibuildwheel that it sees.

    Its machines are named, because ``auto`` would be this host's.
    """
    argv = [PROGRAM, "--print-build-identifiers"]
    only = run.text("only")
    argv += ["--only", only] if only else ["--platform", "linux", "--archs", ",".join(machines)]
    if config := run.text("config-file"):
        argv += ["--config-file", config]
    variables = {name: str(setting.value) for name, setting in run.variables.items()}
    return [*argv, str(folder / (run.text("package-dir") or "."))], variables


def wheel_of(identifier: str) -> Wheel | None:
    """Return the Linux wheel that a build identifier names; None if it names no Linux wheel."""
    python, _, platform = identifier.partition("-")
    libc, _, machine = platform.partition("_")
    if libc not in ("manylinux", "musllinux") or not machine:
        return None
    return Wheel(python, libc, machine)


def _reason(wheel: Wheel, initial: InitialSpec) -> str:
    """Say why the spec lacks a wheel that the installed cibuildwheel builds."""
    if (reason := why_not_built(wheel)) is not None:
        return reason
    since = first_release(wheel.python, wheel.libc, wheel.machine)
    older = {run.version for run, _ in initial.wheels.runs if run.version_known}
    if since is not None and older and max(older) < since:
        used = ", ".join(version_text(version) for version in sorted(older))
        return f"built by default since cibuildwheel {version_text(since)}; the CI files use {used}"
    return _UNKNOWN


def _called(argv: Sequence[str], variables: Mapping[str, str]) -> Captured:
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("CIBW_")}
    return processes.capture(argv, environment={**inherited, **variables})
