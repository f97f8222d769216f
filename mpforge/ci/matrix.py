"""Turn a plan's sessions into the jobs of a CI matrix, with separate build and test jobs.

Jobs are planned for x86-64 Linux, where CI's machines are cheapest; a test runs on a machine of its
target if the service has one, else under emulation. Knows nothing of files or output.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from mpforge.errors import NothingSelected
from mpforge.plan.session_end import Level
from mpforge.plan.sessions import Plan, PlannedSession
from mpforge.platforms import Platform, hosts, well_known

_PREPARATION_MINUTES = 15
"""Minutes added to a job's timeout for the work before its steps: tools, environments, an empty store."""


def ci_host() -> Platform:
    """Return the platform of the machines that jobs are planned for: the first of the hosts."""
    return well_known()[hosts()[0]]


@dataclass(frozen=True)
class Job:
    """One job: its sessions in order, its machine, its strategy and its ``level`` (0 runs before 1).

    ``timeout`` is in minutes. ``python`` is None if the job has several. ``test_levels`` are those
    of a test job's sessions on its machine, each once.
    """

    name: str
    sessions: tuple[str, ...]
    phase: Literal["build", "test"]
    target: str
    python: str | None
    runs_on: str
    strategy: str
    level: int
    timeout: int
    test_levels: tuple[Level, ...] = ()


def github_runners() -> dict[str, str]:
    """Return GitHub's hosted machines by platform."""
    return {name: one.github_runner for name, one in well_known().items() if one.github_runner}


def jobs(
    plan: Plan, platforms: dict[str, str], *, by: str, runners: Mapping[str, str] | None = None
) -> tuple[Job, ...]:
    """Return the jobs of every session that can run, one for each target or for each session.

    ``platforms`` are the targets' platform names, ``runners`` the service's machines by platform (GitHub's).
    Sessions that can't run get no job.
    """
    machines = github_runners() if runners is None else runners
    single = [s for s in plan.sessions if not s.group and s.phase in ("build", "test")]
    able = [s for s in single if s.refusal is None and s.not_run is None]
    groups: dict[tuple[str, ...], list[PlannedSession]] = {}
    for session in able:
        key = (session.phase, session.target or "", *([session.name] if by == "session" else []))
        groups.setdefault(key, []).append(session)
    return tuple(_job(plan, platforms, group, machines) for group in groups.values())


def nothing_to_do(plan: Plan) -> NothingSelected:
    """Return the error of a plan without jobs: why none of its sessions can run."""
    reasons = (s.refusal.what if s.refusal else s.not_run for s in plan.sessions if not s.group)
    why = "\n".join(dict.fromkeys(reason for reason in reasons if reason))
    return NothingSelected(
        "the spec has no session that an x86-64 Linux machine can run",
        why=why or None,
        hint="`mpforge plan`",
    )


def _job(
    plan: Plan,
    platforms: dict[str, str],
    group: list[PlannedSession],
    runners: Mapping[str, str],
) -> Job:
    first = group[0]
    target = first.target or ""
    phase: Literal["build", "test"] = "test" if first.phase == "test" else "build"
    runner, strategy = _place(platforms[target], group, runners)
    pythons = {session.python for session in group}
    name = first.name if len(group) == 1 else f"{phase}-{target}"
    return Job(
        name=name,
        sessions=tuple(session.name for session in group),
        phase=phase,
        target=target,
        python=first.python if len(pythons) == 1 else None,
        runs_on=runner,
        strategy=strategy,
        level=0 if phase == "build" else 1,
        timeout=_minutes(plan, group),
        test_levels=_levels(group, strategy),
    )


def _place(
    platform: str, group: Iterable[PlannedSession], runners: Mapping[str, str]
) -> tuple[str, str]:
    """Return the machine of a job and its strategy there."""
    usual, own = runners.get(ci_host().name, ""), runners.get(platform)
    strategies = [session.choice.strategy for session in group if session.choice is not None]
    levels = {session.level for session in group}
    if strategies:
        return usual, strategies[0]
    if "emulated" in levels:
        return (own, "native") if own is not None else (usual, "emulate")
    return usual, "native" if "native" in levels else "static"


def _levels(group: Iterable[PlannedSession], strategy: str) -> tuple[Level, ...]:
    """Return the levels of a job's tests: those of the plan, unless the job has a machine of the target."""
    found = dict.fromkeys(session.level for session in group if session.level is not None)
    if strategy == "native":
        found = dict.fromkeys("static" if level == "static" else "native" for level in found)
    return tuple(found)


def _minutes(plan: Plan, group: Iterable[PlannedSession]) -> int:
    seconds = sum(plan.step(s.result or "").timeout for s in group)
    return -(-seconds // 60) + _PREPARATION_MINUTES
