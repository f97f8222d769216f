"""``mpforge explain --inputs``: list what steps use in addition to their source and commands.

A step's key has its parts. The files of this host that compilers open are known only after a run: its result
records them, and they are compared before it is used again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mpforge.keys.digest import short
from mpforge.keys.walk import ABSENT
from mpforge.kinds.observed_reads import HOST, SOURCE
from mpforge.toolchains.host_reads import UNSEEN

if TYPE_CHECKING:
    from mpforge.engine.preview import StepPreview
    from mpforge.plan.steps import Step
    from mpforge.store.results import ActionResult

_VARIABLES = ("environment", "pass-environment", "secrets")


@dataclass(frozen=True)
class StepInputs:
    """The inputs of a step in addition to its source and commands.

    ``parts`` are in its key: values by kind and name. ``host`` and ``source`` are the files that it read and
    that are not in its key: sha256, or a word in parentheses, by path; None without a stored result.
    ``observed`` says that reads of this host are recorded for such a step; ``runs`` that it runs programs on
    this host at all; ``isolation`` how well they were isolated.
    """

    parts: Mapping[str, Mapping[str, str]]
    host: Mapping[str, str] | None = None
    source: Mapping[str, str] | None = None
    observed: bool = False
    runs: bool = True
    isolation: str | None = None


def inputs_of(step: "Step", shown: "StepPreview", result: "ActionResult | None") -> StepInputs:
    """Return the inputs of a step by the ingredients of its key and by its stored result."""
    from mpforge.kinds.registry import kind_of
    from mpforge.places.isolation import FACT
    from mpforge.plan.steps import Work

    parts: dict[str, dict[str, str]] = {}
    listed = shown.record["ingredients"] if shown.record else {}
    for name, value in sorted(listed.items()):
        kind, dot, rest = name.partition(".")
        if dot and kind not in _VARIABLES:
            parts.setdefault(kind, {})[rest] = value
    runs = step.place.sees_host and step.command.work is not Work.FETCH
    observed = runs and kind_of(step.command).reads_host
    if result is None:
        return StepInputs(parts, observed=observed, runs=runs)
    host, source = (
        {
            name.removeprefix(origin): value
            for name, value in sorted(result.observed.items())
            if name.startswith(origin)
        }
        for origin in (HOST, SOURCE)
    )
    return StepInputs(parts, host, source, observed, runs, result.facts.get(FACT, "whole"))


def lines(found: StepInputs, *, whole: bool) -> Iterator[str]:
    """Yield the inputs for people; ``whole``: the names of all parts, and the paths that did not exist."""
    if found.parts:
        counts = ", ".join(f"{kind} {len(names)}" for kind, names in found.parts.items())
        yield f"in its key: {counts}"
    if whole:
        for kind, names in found.parts.items():
            yield from (f"  {kind}.{name} = {value}" for name, value in names.items())
    if found.host is None:
        yield "no result is stored, so its reads are not known: run the session first"
        return
    yield from _of_host(found, found.host, whole=whole)
    if found.source:
        yield "read from the source, and not in its key:"
        yield from (f"  {short(value)} {path}" for path, value in found.source.items())
    if found.isolation not in (None, "whole"):
        yield f"it ran with less isolation ({found.isolation}): it may have read any file of this host"


def _of_host(found: StepInputs, host: Mapping[str, str], *, whole: bool) -> Iterator[str]:
    if not found.runs:
        return
    if not found.observed:
        yield "other files of this host that it reads are not recorded"
        return
    if UNSEEN in host:
        yield "its compilers can't report what they read, so its result is never reused"
        return
    read = {path: value for path, value in host.items() if value != ABSENT}
    absent = [path for path in host if path not in read]
    looked = f"; looked for, but absent: {len(absent)}" if absent else ""
    yield f"read from this host, and not in its key: {len(read)} files{looked}"
    yield from (f"  {_in_short(value)} {path}" for path, value in read.items())
    if whole:
        yield from (f"  {ABSENT} {path}" for path in absent)


def _in_short(value: str) -> str:
    return value if value.startswith("(") else short(value)
