"""``mpforge init --compare``: what an installed cibuildwheel would build, beside the spec."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from mpforge import processes
from mpforge.errors import HostCannot
from mpforge.migrate.initial_spec import InitialSpec
from mpforge.migrate.run import Run
from mpforge.processes import Captured

PROGRAM = "cibuildwheel"
_UNKNOWN = "another version of cibuildwheel, or options that are known only in the job"
Pair = tuple[str, str]


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
    theirs: dict[Pair, str] = {}
    for run, machines in initial.wheels.runs:
        argv, variables = command(run, machines, folder)
        printed = call(argv, variables)
        if printed.returncode:
            reason = (printed.stderr.strip().splitlines() or ["it gives no reason"])[-1]
            yield f"{run.where or PROGRAM}: cibuildwheel refuses these options: {reason}"
        for identifier in printed.stdout.split():
            if (pair := pair_of(identifier)) is not None:
                theirs[pair] = identifier
    ours = set(initial.wheels.leaves)
    known = {(w.target, w.python): reason for w, reason in initial.wheels.left_out.items()}
    both = len(ours & set(theirs))
    yield f"cibuildwheel --print-build-identifiers: {len(theirs)} for Linux, {both} of them in the spec"
    for pair in sorted(set(theirs) - ours):
        yield f"  only cibuildwheel: {theirs[pair]}: {known.get(pair, _UNKNOWN)}"
    for target, python in sorted(ours - set(theirs)):
        yield f"  only the spec: {target}-{python}"


def command(run: Run, machines: Sequence[str], folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return the command that prints a run's identifiers, and the variables of cibuildwheel that it sees.

    Its machines are named, because ``auto`` would be this host's.
    """
    argv = [PROGRAM, "--print-build-identifiers", "--platform", "linux"]
    only = run.text("only")
    argv += ["--only", only] if only else ["--archs", ",".join(machines)]
    if config := run.text("config-file"):
        argv += ["--config-file", config]
    variables = {name: str(setting.value) for name, setting in run.variables.items()}
    return [*argv, str(folder / (run.text("package-dir") or "."))], variables


def pair_of(identifier: str) -> Pair | None:
    """Return the target and Python of a build identifier; None for what is none for Linux."""
    python, _, platform = identifier.partition("-")
    libc, _, machine = platform.partition("_")
    if libc not in ("manylinux", "musllinux") or not machine:
        return None
    return (machine if libc == "manylinux" else f"{machine}_musl", python)


def _called(argv: Sequence[str], variables: Mapping[str, str]) -> Captured:
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("CIBW_")}
    return processes.capture(argv, environment={**inherited, **variables})
