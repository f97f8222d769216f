"""Report an illegal instruction in a test: the instruction, its object and function, and the remedy.

QEMU's message names no place. So the command that failed is run once more, in the same directory, with QEMU's
trace and Python's faulthandler: a test that passes sees neither. Natively there is no trace, only Python's
stack.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from elftools.common.exceptions import ELFError

from mpforge.artifacts import elf, wheels
from mpforge.diagnostics import instructions, log_patterns, qemu_traces
from mpforge.errors import IllegalInstruction, StepFailed, TestsFailed
from mpforge.kinds.task import since
from mpforge.places.step import StepRun
from mpforge.platforms import by_machine

_FRAMES = 3
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<function>.+)$')
_STACK = re.compile(r"^Fatal Python error: (?:Illegal instruction|Floating[- ]point exception)$")
_UNFOUND = "its location could not be found"
_LESS = (
    "Compile for the oldest CPU (no -march=native, no newer -march), or let the code choose at run time "
    "(ifunc, __builtin_cpu_supports, getauxval)"
)
_SIGFPE = (
    "look for an integer division by zero. QEMU ends programs in the same way for instructions that its "
    "CPU model lacks (z13's vectors on a z900), but its trace shows none"
)
_TRAP = (
    "find the bug that leads there (__builtin_trap, __builtin_unreachable, a failed check of "
    "-fsanitize-trap): compilers put a trap where a program must never arrive, and it fails on "
    "every CPU"
)


@dataclass(frozen=True)
class Surroundings:
    """The environment of a test: CPU (None: this host's own), machine, and paths of files.

    ``sysroot`` is None if an image has the rest of the files. ``site`` is where ``wheel`` is installed; both
    are None if no wheel is tested.
    """

    cpu: str | None
    machine: str
    sysroot: Path
    directory: Path
    wheel: Path | None
    site: Path | None


@dataclass(frozen=True)
class Culprit:
    """An object and the place in it: ``name`` includes its origin, ``ours``: it is under test."""

    name: str
    ours: bool
    place: elf.CodePlace | None

    @property
    def instruction(self) -> instructions.Instruction | None:
        """The instruction at that place, if it can be read."""
        place = self.place
        return None if place is None else instructions.describe(place.machine, place.code)


@dataclass(frozen=True)
class Found:
    """Result of the second run: the place, Python's stack, and in ``lost`` why no place was found."""

    culprit: Culprit | None = None
    stack: tuple[str, ...] = ()
    lost: str = ""


def suspected(error: StepFailed, *, emulated: bool) -> TestsFailed | None:
    """Return the error of a test that may have met an illegal instruction; None if it met none.

    For SIGFPE under QEMU only a trace shows the cause, so its error is that of any failed test.
    """
    if isinstance(error, IllegalInstruction):
        return error
    by_sigfpe = log_patterns.FLOATING_POINT.search(f"{error.what}\n{error.why}")
    if not (emulated and by_sigfpe):
        return None
    return TestsFailed(error.what, why=error.why, hint=error.hint or _SIGFPE)


def located(
    error: TestsFailed, step: StepRun, again: Callable[[StepRun], None], known: Surroundings
) -> TestsFailed:
    """Return the error with the place, as far as it can be found: ``again`` runs the failed command.

    One that is only suspected is returned as it is if no illegal instruction is found.
    """
    folder = step.directory.root / "traces"
    folder.mkdir(exist_ok=True)
    given = {**step.environment, **qemu_traces.variables(str(folder)), "PYTHONFAULTHANDLER": "1"}
    step.lend(folder)
    begin = step.log.tell()
    step.note("--- run once more, traced, to find the illegal instruction")
    ended = True
    try:
        again(replace(step, environment=given))
    except StepFailed as second:
        ended = isinstance(second, IllegalInstruction)
    step.bring_back(folder)
    for trace in folder.iterdir():
        trace.write_text(
            step.place.to_host_paths(trace.read_text("utf-8", "replace")), encoding="utf-8"
        )
    culprits = sorted(_culprits(folder, known), key=lambda culprit: not culprit.ours)
    if not culprits and not isinstance(error, IllegalInstruction):
        return error
    said = since(Path(step.log.name), begin).decode("utf-8", "replace")
    found = Found(
        culprits[0] if culprits else None,
        tuple(python_stack(step.place.to_host_paths(said), known))[:_FRAMES],
        "" if ended else "the second run, which should have located it, ended differently",
    )
    return report(error, step.title, known, found)


def report(error: TestsFailed, title: str, known: Surroundings, found: Found) -> IllegalInstruction:
    """Return the error with its text."""
    culprit = found.culprit
    rows = [*_rows(culprit)] if culprit else [found.lost or _UNFOUND, *filter(None, [error.why])]
    if found.stack:
        rows += ["Python was at", *(f"  {frame}" for frame in found.stack)]
    instruction = None if culprit is None else culprit.instruction
    where = "" if culprit is None else f" in {culprit.name}"
    if instruction is not None and instruction.trap:
        what, hint = f"it reached a trap{where}", _TRAP
    else:
        cpu = f"a {known.cpu}" if known.cpu else "this host's CPU"
        what, hint = f"an instruction{where} that {cpu} does not have", _remedy(known, culprit)
    return IllegalInstruction(f"{title} failed: {what}", why="\n".join(rows), hint=hint)


def _remedy(known: Surroundings, culprit: Culprit | None) -> str:
    if culprit is not None and not culprit.ours:
        return (
            "try another version of that package, or name a newer model in [test] cpus: the "
            "instruction does not come from the tested wheel"
        )
    if known.cpu is None:
        return _LESS
    platform = by_machine(known.machine)
    if platform is None or known.cpu != platform.baseline_cpu:
        return f"{_LESS}. Or leave {known.cpu} out of [test] cpus, and document which CPUs the wheel needs"
    return (
        f"{_LESS}. Or name a newer model than {known.cpu} in [test] cpus and document that the "
        f"wheel needs it: every machine that may install this wheel has at least a {known.cpu}"
    )


def _rows(culprit: Culprit) -> Iterator[str]:
    place = culprit.place
    if place is None:
        return
    if place.symbol is not None and place.in_symbol:
        function = f"in {place.symbol}+{place.beyond:#x}"
    else:
        function = "in a function without a name: symbols are stripped"
        if place.symbol is not None:
            function += f", the nearest before it is {place.symbol}, {place.beyond:#x} bytes away"
    yield f"at {place.address:#x}, {function}"
    if culprit.instruction is not None:
        yield f"the instruction: {culprit.instruction}"


def _culprits(folder: Path, known: Surroundings) -> Iterator[Culprit]:
    """Yield the places in QEMU's traces, each once."""
    seen = set()
    for trace in sorted(folder.iterdir()):
        with trace.open(encoding="utf-8", errors="replace") as lines:
            fault = qemu_traces.last_fault(lines)
        if fault is not None and (fault.path, fault.offset) not in seen:
            seen.add((fault.path, fault.offset))
            yield _culprit(fault, known)


def _culprit(fault: qemu_traces.Fault, known: Surroundings) -> Culprit:
    if fault.path is None:
        name = "the program itself, or code made at run time"  # traces lack these
        return Culprit(name, True, None)
    path = known.directory / fault.path
    if not known.sysroot.exists() and not path.is_relative_to(known.directory.parent):
        return Culprit(f"{path.name} (of the image)", False, None)
    of_root = known.sysroot / fault.path.lstrip("/")
    if of_root.exists() and not path.is_relative_to(known.sysroot):
        path = of_root  # as QEMU's -L does
    try:
        place = elf.code_place(path, fault.offset)
    except (ELFError, OSError):  # damaged, or gone: only its name is shown
        place = None
    if known.site is not None and path.is_relative_to(known.site):
        name = str(path.relative_to(known.site))
        if known.wheel is not None and name in wheels.names(known.wheel):
            return Culprit(f"the wheel's {name}", True, place)
        return Culprit(f"{name} (of a package that the tests need)", False, place)
    if path.is_relative_to(known.sysroot):
        name = f"{path.name} (of the target's Python or C library)"
        return Culprit(name, False, place)
    ours = known.wheel is None and path.is_relative_to(known.directory.parent)
    return Culprit(path.name, ours, place)


def python_stack(text: str, known: Surroundings) -> Iterator[str]:
    """Yield the innermost frames of Python's stack, as faulthandler wrote it for the last process.

    Frames of the target's own library are left out; paths are relative to the tests or to site-packages.
    """
    lines = text.splitlines()
    fatal = [number for number, line in enumerate(lines) if _STACK.match(line)]
    told, frames = lines[fatal[-1] :] if fatal else [], 0
    for line in told:
        match = _FRAME.match(line)
        if match is None and frames:
            return
        if match is not None:
            frames += 1
            file = _shown(match["file"], known)
            if file is not None:
                yield f"{file}:{match['line']}, in {match['function']}"


def _shown(file: str, known: Surroundings) -> str | None:
    """Return a stack's file as it is shown; None for the target's own library."""
    path = Path(os.path.realpath(file))  # an emulated environment's library is a link
    native = known.sysroot == Path("/")
    in_root = known.sysroot / file.lstrip("/")  # of a place whose root it is
    ours = path.is_relative_to(known.directory.parent)
    of_target = path.is_relative_to(known.sysroot) or (not ours and in_root.exists())
    if file.startswith("<frozen ") or (not native and of_target):
        return None
    for folder in (known.directory, known.site, known.directory.parent):
        if folder is not None and path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return file
