"""``mpforge doctor``: show this host's abilities for each target; fetches nothing."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from mpforge.cli.options import write_json
from mpforge.doctor.container_runtime import ContainersFact, RunFact
from mpforge.doctor.diagnosis import Diagnosis, diagnose
from mpforge.doctor.host_capabilities import TargetAbility
from mpforge.errors import ExitCode
from mpforge.reports.console import size

_EXTENTS = {
    "whole": "steps are isolated: they see only their tools and this host's base programs",
    "mounts": "steps are isolated, but see this host's processes",
    "network": "steps are isolated from the network, but see this host's files and processes",
}


@dataclass(frozen=True)
class Section:
    """A heading and rows of equal length; the last cell of a row may be long."""

    title: str
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


DESCRIPTION = "Show what this host can do for each target. Fetches nothing."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the diagnosis."""
    found = diagnose(arguments.spec.with_suffix(".lock"), os.environ)
    if arguments.json:
        write_json(asdict(found))
    elif sys.stdout.isatty():
        _show_tables(found)
    else:
        sys.stdout.write(plain(tuple(sections(found))))
    return ExitCode.DONE


def sections(found: Diagnosis) -> Iterator[Section]:
    """Yield the diagnosis as sections of text."""
    distribution = f", {found.distribution}" if found.distribution else ""
    yield Section(f"mpforge {found.version} on {found.system}{distribution}", ())
    able = [target for target in found.targets if target.available]
    later = [target for target in found.targets if not target.available]
    yield Section(
        "Targets",
        tuple(
            (target.name, f"{what}: {how}", _with(why, remedy))
            for target in able
            for what, how, why, remedy in _abilities(target)
        ),
    )
    yield Section(
        "Targets that this version can't build yet, and what would run their programs here",
        tuple(_later(later)),
    )
    if found.containers.engine is not None:
        yield Section("What the container runtime runs", tuple(_runs(found.containers.runs)))
    yield Section(
        "CPython interpreters of this host, with headers",
        tuple(
            (p.python, p.version or "-", p.executable or _with(p.why or "", p.remedy))
            for p in found.host_pythons
        ),
        ("A build that needs a missing one tries `uv python install`, then Debian's packages.",)
        if any(p.version is None for p in found.host_pythons)
        else (),
    )
    yield Section(
        "Pythons to test with",
        tuple(
            (p.target, p.python, p.provider or "no", _with(p.origin, p.remedy))
            for p in found.target_pythons
        ),
        ("They are fetched when first needed; mpforge did not check that their sources answer.",)
        if any(p.provider not in (None, "path", "host") for p in found.target_pythons)
        else (),
    )
    yield Section("Host", tuple(_host(found)))


def _abilities(target: TargetAbility) -> Iterator[tuple[str, str, str, str | None]]:
    build, images, test = target.build, target.images, target.test
    yield "build", build.how, build.why, build.remedy
    yield "build in an image", ", ".join(images.strategies) or "no", images.why, images.remedy
    yield "test", test.how, test.why, test.remedy


def _runs(runs: Sequence[RunFact]) -> Iterator[tuple[str, ...]]:
    for run in runs:
        how = f"QEMU {run.qemu}" if run.how == "emulated" and run.qemu else run.how
        yield run.name, how, _with(run.why or "", run.remedy)


def _later(targets: Sequence[TargetAbility]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each way to run programs, with the targets that share it."""
    groups: dict[tuple[str, str], list[str]] = {}
    for target in targets:
        groups.setdefault((target.test.how, target.test.why), []).append(target.name)
    for (how, why), names in groups.items():
        yield " ".join(names), how, why


def _host(found: Diagnosis) -> Iterator[tuple[str, ...]]:
    for program in found.programs:
        yield program.name, _with(program.version or program.path or "not here", program.remedy)
    zig = found.zig
    pinned = f"{zig.pinned} pinned by the lock" if zig.pinned else "not pinned by a lock here"
    cached = f"in the store: {', '.join(zig.cached)}" if zig.cached else "none in the store"
    yield "zig", _with(f"{pinned}; {cached}", zig.problem)
    store = found.store
    state = _size(store.size) if store.exists else "not made yet"
    free = f", {_size(store.free)} free" if store.free is not None else ""
    writable = "" if store.writable else ", not writable: set MPFORGE_CACHE to a writable directory"
    yield "store", f"{store.path}: {state}{free}{writable}"
    isolation = found.isolation
    allowed = {True: "allowed", False: "not allowed", None: "there are none"}[isolation.namespaces]
    apart = _EXTENTS.get(isolation.extent, "")
    yield "namespaces", ": ".join(filter(None, (allowed, apart, isolation.why)))
    if isolation.network == "none":
        yield "network", "steps have no network unless they declare it"
    else:
        yield (
            "network",
            _with("open: network isolation is unavailable on this host", isolation.remedy),
        )
    yield "containers", _runtime(found.containers)
    if isolation.extent in ("mounts", "whole"):
        yield "images", "also run without a container runtime ([build] runtime)"
    else:
        yield "images", _with("run only by a container runtime", isolation.remedy)


def _runtime(found: ContainersFact) -> str:
    runtime = found.engine
    if runtime is None:
        return _with(f"none: {found.why}", found.remedy)
    words = [f"{runtime.name} {runtime.version} at {runtime.endpoint}"]
    words += ["rootless"] if runtime.rootless else []
    words += [] if runtime.here else ["on another machine or in a virtual machine"]
    words += (
        [] if runtime.bridged else ["no bridge network: a container with a network uses the host's"]
    )
    return _with("; ".join([*words, *([found.why] if found.why else [])]), found.remedy)


def _with(text: str, remedy: str | None) -> str:
    words = " ".join(text.split())
    return f"{words} -> {remedy}" if remedy else words


def _size(amount: int) -> str:
    return size(amount) if amount else "empty"


def plain(shown: Sequence[Section]) -> str:
    """Format sections as text in columns."""
    lines: list[str] = []
    for section in shown:
        if not section.rows and len(lines) > 0:
            continue
        lines += ([""] if lines else []) + [section.title]
        *widths, _ = [max(map(len, column)) for column in zip(*section.rows, strict=True)] or [0]
        for row in section.rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            lines.append("  " + "  ".join([*cells, row[-1]]).rstrip())
        lines += [f"  {note}" for note in section.notes]
    return "\n".join(lines) + "\n"


def _show_tables(found: Diagnosis) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for section in sections(found):
        if not section.rows:
            console.print(Text(section.title, style="bold"))
            continue
        table = Table(title=section.title, title_justify="left", show_header=False)
        for _ in section.rows[0]:
            table.add_column(overflow="fold")
        for row in section.rows:
            table.add_row(*map(Text, row))
        console.print(table)
        for note in section.notes:
            console.print(Text(note))
