"""Execute one step in a directory of its own: the code that steps of all kinds share.

Its kind puts its inputs in place and runs its programs; then the result must be in the output directory, or
an error is raised. Knows nothing of keys and hits.
"""

import dataclasses
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mpforge.diagnostics import host_leaks, missing_files
from mpforge.errors import StepFailed
from mpforge.kinds import build_tools, visible_files
from mpforge.kinds.observed_reads import HOST
from mpforge.kinds.registry import kind_of
from mpforge.kinds.step_ingredients import Provision
from mpforge.kinds.task import WARNINGS, Task, since
from mpforge.places import sandbox
from mpforge.places.host import HostPlace
from mpforge.places.isolation import FACT
from mpforge.places.step import StepRun, base_environment
from mpforge.plan.steps import Step, Work
from mpforge.platforms import by_machine
from mpforge.toolchains import host_reads
from mpforge.toolchains.compiler_wrappers import WrapperNote, read_notes
from mpforge.toolchains.ready import COMPILER_NOTES

_LACKS = {
    "mounts": "isolates steps from its files and network, but can't hide its processes from them",
    "network": "isolates steps from its network, but not from its files and processes",
    "none": "can't isolate steps from its network, files and processes",
}
"""What an incomplete isolation lacks, by its extent."""


def execute(task: Task, provision: Provision) -> dict[str, str]:
    """Run a step, which writes to ``directory.output``; return the facts that it found.

    Raises the errors of the command's runner.
    """
    isolated, begin = _isolation_facts(task.step, provision), task.log.tell()
    _observe_host(task, provision)
    try:
        facts = kind_of(task.step.command).run(task, task.step.command, provision)
        task.observed.settle()
    except StepFailed as error:
        if (build := _as_built(task)) is not None:
            error = host_leaks.explained(error, build, _notes(task))
        raise _by_files(error, task, provision, begin) from None
    lines = [*task.warnings, *_warnings(task, begin)]
    return facts | isolated | ({WARNINGS: json.dumps(lines)} if lines else {})


def _by_files(error: StepFailed, task: Task, provision: Provision, begin: int) -> StepFailed:
    """Explain a build's error by files of the project that are missing or unusable in its source."""
    source = task.given.trees.get("source")
    if source is None or not kind_of(task.step.command).sees_less:
        return error
    lines = _log_text(task, begin).splitlines()
    built = [path for path, _ in source.walk()]
    of_sdist = provision.inputs.source.is_sdist
    project = [] if of_sdist else [path for path, _ in provision.inputs.files.walk()]
    root = task.directory.root
    return missing_files.explained(error, lines, project=project, built=built, root=root)


def _observe_host(task: Task, provision: Provision) -> None:
    """Observe host files that compilers and auditwheel read: only after a run are they known."""
    command, since = task.step.command, time.time_ns()
    if not command.place.sees_host or not kind_of(command).reads_host:
        return

    def reads_of_host() -> dict[str, str]:
        compilers = command.compilers
        if compilers is not None and not provision.toolbox.toolchain(compilers).notes_reads():
            return {f"{HOST}{host_reads.UNSEEN}": host_reads.UNSURE}
        root = task.directory.root
        reads = provision.toolbox.read_of_host(root, compilers, since, _to_host_paths(task))
        return {f"{HOST}{path}": value for path, value in reads.items()}

    task.observed.add(reads_of_host)


def _isolation_facts(step: Step, provision: Provision) -> dict[str, str]:
    """Return how well the programs of a step are isolated from this host.

    ``network`` is none, declared, or open: not cut off. ``FACT`` is set if isolation is not complete.
    """
    if step.command.work is Work.FETCH:
        return {}
    found = provision.places.of(step.place).isolation()
    network = "none" if found.cuts_network else "open"
    facts = {"network": "declared" if step.network else network}
    if found.extent == "whole":
        return facts
    remedy = f" ({found.remedy})" if found.remedy else ""
    provision.toolbox.reporter.warn_once(
        f"this host {_LACKS[found.extent]}: {found.why}{remedy}; what steps use there is not tracked"
    )
    return facts | {FACT: found.extent}


def start(
    task: Task,
    provision: Provision,
    variables: Mapping[str, str],
    path: tuple[str, ...],
    *,
    placeholders: Mapping[str, str] | None = None,
) -> StepRun:
    """Return a runner of a step's programs; PATH has ``path``, the declared tools and the base set."""
    step, directory = task.step, task.directory.prepare()
    git = provision.inputs.source.form == "checkout"
    place = provision.places.of(step.place)
    for name in step.variables.secrets:
        if name not in os.environ:  # a program may do without it, or fail much later
            provision.toolbox.reporter.warn_once(
                f"the secret {name} is not set: commands that need it will not see it"
            )
    environment = base_environment(directory, [*path, *place.folders(step, git=git)])
    environment |= {"MPFORGE_STEP_DIR": str(directory.root), **variables}
    known = {"jobs": str(os.cpu_count() or 1), **(placeholders or {})}
    plain = StepRun(
        step.title,
        directory,
        task.log,
        environment,
        step.timeout,
        known,
        visible_files.host_place(step, directory, provision.toolbox)
        if step.place.sees_host
        else HostPlace(),
        step.table,
        visitor=task.visitor,
        secrets=step.variables.secrets,
        pinned=provision.toolbox.tools.base is not None,
    )
    return dataclasses.replace(
        plain, environment=build_tools.with_variables(environment, step, plain.fill)
    )


def _as_built(task: Task) -> host_leaks.Build | None:
    """Return a step as a build whose compilers noted refused arguments; None if it has no compilers."""
    compilers = task.step.command.compilers
    if compilers is None:
        return None
    title, directory = task.step.title, task.directory
    builder = by_machine(os.uname().machine) if compilers.cross else None
    return host_leaks.Build(title, compilers.target, directory.root, directory.source, builder)


def _notes(task: Task) -> tuple[WrapperNote, ...]:
    return read_notes(task.directory.root / COMPILER_NOTES, _to_host_paths(task))


def _log_text(task: Task, begin: int) -> str:
    """Return what a step's programs wrote to the log, with the host's paths."""
    return _to_host_paths(task)(since(Path(task.log.name), begin).decode("utf-8", "replace"))


def _to_host_paths(task: Task) -> Callable[[str], str]:
    """Return the function that gives a text of a step's programs the host's paths."""
    return sandbox.on_host(task.directory.root).to_host_paths if task.step.place.sees_host else str


def _warnings(task: Task, begin: int) -> Sequence[str]:
    """Return warnings about a build that succeeded. Raises ``HostLeak`` if it lacks something."""
    build = _as_built(task)
    if build is None or not task.step.command.is_main:
        return ()
    notes = _notes(task)
    if (leak := host_leaks.missed(build, notes)) is not None:
        raise leak
    return host_leaks.warnings(build, notes, _log_text(task, begin))
