"""Run a session's build once under strace, to list the files that it read and that its key lacks.

strace(1) runs in the step's place, so it sees the paths that the programs see. Files that were only looked
for, or whose size or time was read, are not seen. Nothing of such a run is stored.
"""

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mpforge.diagnostics import file_traces
from mpforge.engine.session_run import SessionRun, refusal_error
from mpforge.errors import ToolUnavailable, WrongInput
from mpforge.kinds.observed_reads import HOST
from mpforge.obtain.distro.owners import owners
from mpforge.places.root_contents import STEP
from mpforge.plan.sessions import Plan, PlannedSession
from mpforge.store.files import hash_file
from mpforge.workspace import Workspace

_KERNELS = ("/proc", "/dev", "/tmp")  # noqa: S108 - a step has its own
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_NAMED = "named."
_TRACE = "files.trace"


@dataclass(frozen=True)
class Traced:
    """The files of this host that a step opened or started.

    ``in_key`` is how many are in its key, ``compared`` how many its result records. ``unknown`` are the
    others, with the packages that they belong to, or an empty text.
    """

    step: str
    in_key: int
    compared: int
    unknown: Mapping[str, str]


def log_of(workspace: Workspace, session: str) -> Path:
    """Return the path of the log of a traced run; the log of the last run is not touched."""
    return workspace.logs(f"{session}.trace")


def traceable(plan: Plan, session: PlannedSession) -> None:
    """Refuse a session that builds nothing on this host. Raises ``WrongInput``, ``ToolUnavailable``."""
    step = plan.main_step(session)
    if session.refusal is not None:
        raise refusal_error(session.refusal)
    if session.group or step is None or session.phase not in ("build", "sdist"):
        raise WrongInput(
            f"{session.name} can't be traced: it has no build step",
            hint="name an sdist or build session",
        )
    if not step.place.sees_host:
        raise WrongInput(
            f"{session.name} can't be traced: it builds in an image",
            hint="everything that it reads there belongs to the image, whose digest is in its key",
        )
    if plan.has_pinned_base:
        raise WrongInput(
            f"{session.name} needs no trace: its base programs are pinned",
            hint="its steps don't see this host's /usr and /etc; `mpforge explain --inputs` lists the rest",
        )
    if shutil.which("strace") is None:
        raise ToolUnavailable(
            "there is no strace on PATH, which traces a build",
            hint="install strace (Debian, Ubuntu: apt-get install strace)",
        )


def trace(run: SessionRun) -> Traced:
    """Run the main step of a session, traced. Raises what running it raises."""
    from mpforge.kinds import execution

    step = run.found.plan.main_step(run.session)
    strace = shutil.which("strace")
    if step is None or strace is None:
        raise AssertionError(f"{run.session.name} can't be traced")
    log_of(run.workspace, run.session.name).unlink(missing_ok=True)
    realizer = run.realizer
    toolbox = realizer.provision.toolbox
    with realizer.entered(step.id) as task:
        notes = task.directory.root / _TRACE
        toolbox.tracer = file_traces.arguments(strace, str(notes))
        toolbox.tools.host_paths.add(Path(strace))
        execution.execute(task, realizer.provision)
        own = [str(task.directory.root), STEP, str(toolbox.store.root), *_KERNELS]
        with notes.open(encoding="utf-8", errors="replace") as lines:
            read = {path for path in file_traces.paths(lines) if not _is_below(path, own)}
        _, ingredients = realizer.provision.key(step, task.given)
        compared = {name.removeprefix(HOST) for name in task.observed.reads}
    values = {ingredient.name: ingredient.value for ingredient in ingredients}
    keyed = [name.removeprefix(_NAMED) for name in values if name.startswith(_NAMED)]
    if step.command.python is not None:
        keyed += map(str, toolbox.host_python(step.command.python).files)
    digests = set(_DIGEST.findall(" ".join(values.values())))
    files = {path for path in read if path != strace and Path(path).is_file()}
    known = {path for path in files if _is_below(path, keyed) or _digest(path) in digests}
    recorded = (files - known) & compared
    unknown = sorted(files - known - recorded)
    packages = owners(unknown)
    return Traced(
        step.id, len(known), len(recorded), {path: packages.get(path, "") for path in unknown}
    )


def lines(found: Traced) -> Iterator[str]:
    """Yield the result as lines of text, with the files that are not in the key by package."""
    yield (
        f"traced: {found.step} read {found.in_key} files of this host that are in its key, and "
        f"{found.compared} that its result records; this run is not stored"
    )
    if not found.unknown:
        yield "it read no other file of this host"
        return
    yield f"read from this host without being in its key or recorded: {len(found.unknown)} files"
    for package in sorted({*found.unknown.values()}, key=lambda name: (not name, name)):
        yield f"  {package or 'not in a package'}"
        yield from (f"    {path}" for path, name in found.unknown.items() if name == package)


def _digest(path: str) -> str:
    try:
        return hash_file(Path(path)).digest
    except OSError:
        return ""


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
