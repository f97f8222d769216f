"""Run one session from start to end: decide, run its phase (sdist, deps, build, test), publish, report.

The engine knows nothing of nox, terminals or JSON lines; it emits events and returns how the session ended.
"""

import contextlib
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path

from mpforge.artifacts.core_metadata import requires_python
from mpforge.engine.dist import Entry, digest_of
from mpforge.engine.load_plan import Compiled, seen_or_compiled
from mpforge.engine.realize import NotMade
from mpforge.engine.selection import Call
from mpforge.engine.session_run import NotRun, SessionRun, refusal_error
from mpforge.errors import (
    Damaged,
    HostCannot,
    MpforgeError,
    NoEmulator,
    NoHostPython,
    NoTargetPython,
    StepFailed,
    UnknownSession,
)
from mpforge.keys.digest import short
from mpforge.kinds import prepare_tools
from mpforge.plan.events import Checked, Emit, Published, Tested
from mpforge.plan.session_end import SessionEnded
from mpforge.plan.sessions import NOTHING_RUN, PlannedSession
from mpforge.store.files import make_way
from mpforge.store.results import ActionResult
from mpforge.store.trees import Directory, FileNode
from mpforge.workspace import Options, Workspace

Pick = Callable[[ActionResult, Directory], dict[str, FileNode | str]]
"""Function that selects the files to publish from a result and its tree."""


def run_session(
    call: Call,
    *,
    options: Options,
    emit: Emit,
    failed: Callable[[], Collection[str]] = tuple,
    seen: dict[Workspace, Compiled] | None = None,
) -> SessionEnded:
    """Run one session. ``failed`` returns the sessions that have failed in this run.

    ``seen`` is what the session before this one saw; this one keeps it for the next if it changes nothing.

    Raises ``MpforgeError`` for what fails and ``KeyboardInterrupt``; nothing half-made is left then.
    """
    seen = {} if seen is None else seen
    name, workspace = call.session.name, call.workspace
    found = seen_or_compiled(workspace, seen)
    session = found.plan.session(name)
    if session is None:
        raise UnknownSession(f"the spec has no session {name}", hint="`nox -l` lists them")
    if session.refusal is not None:
        raise refusal_error(session.refusal)
    posargs = call.posargs if session.phase == "test" else ()
    run = SessionRun(found, session, workspace, options, emit, posargs, call.selection)
    needless = session.not_run or call.selection.needless(session, found.plan, failed())
    if needless is not None:
        return run.end("not-run", f"not run: {needless}")
    found.store.listen(run.reporter.warn)
    try:
        ended = _of_phase(run)
    except NotRun as told:
        return run.end("not-run", f"not run: {told}")
    if ended.status == "done":
        from mpforge.housekeeping.cache_directory import tidy

        tidy(workspace.cache, environment=os.environ, warn=run.reporter.warn)
    elif ended.status in ("cached", "checked"):
        seen[workspace] = found
    return ended


def _of_phase(run: SessionRun) -> SessionEnded:
    session = run.session
    make_way(run.workspace.logs(session.name))
    if session.phase in ("sdist", "build"):
        for words in run.found.inputs.doubts:
            run.reporter.warn(words)
    return _PHASES[session.phase](run)


# --- the phases: each raises NotRun if there turns out to be nothing to do --------------------


def run_sdist(run: SessionRun) -> SessionEnded:
    """Make the sdist; if builds of this run use it, it is published with the first of them."""
    session = run.session
    shipped = run.shipping.already(session)
    if shipped is not None:
        return run.cached(shipped[0].key)
    users = run.selection.usable_by(session, run.found.plan)
    if users and session.name not in run.selection.named:
        _require_means(run, users)
        return run.ended(run.realize(session)[0].key)  # the build that uses it publishes it
    return run.ended(_publish(run, session, _archive).key)


def _require_means(run: SessionRun, users: list[PlannedSession]) -> None:
    """Raise ``NotRun`` if no build that uses the sdist can run here: no interpreter, or no runtime."""
    reasons: list[str] = []
    for user in users:
        try:
            for compilers in user.compilers:
                run.places.of(compilers.place).require(compilers.python)
        except HostCannot as error:
            reasons.append(error.what)
    if reasons and len(reasons) == len(users):
        raise NotRun(reasons[0])


def _publish_sdist(run: SessionRun, build: PlannedSession) -> None:
    """Publish the sdist with the first build made from it: a failed build publishes none."""
    made = run.found.plan.session("sdist")
    if made is None or made.result is None or made.name not in build.requires:
        return
    if made.name not in run.selection.names or made.name in run.selection.named:
        return
    if run.shipping.already(made) is None:
        _publish(run, made, _archive)


def run_deps(run: SessionRun) -> SessionEnded:
    """Prepare the tools that a target's builds in this run use, and build its native libraries."""
    run.pin_choice(run.session)
    shipped = run.shipping.all_from_elsewhere(run.session.target)
    if shipped:
        return run.cached(digest_of({entry.path: entry.key for entry in shipped}))
    compilers = run.selection.compilers_of(run.session, run.found.plan)
    tools = prepare_tools.usable(run.provision, compilers, run.reporter.warn)
    key = digest_of(tools.parts())
    done = tools.is_done(key) and not run.options.no_cache
    if not done:
        run.announce()
        tools.run(key)
    for step in run.session.steps:  # native libraries
        run.realizer.realize(step)
    if done and not run.realizer.ran:
        return run.cached(key)
    return run.end("done", f"ready: {short(key)}")


def run_build(run: SessionRun, session: PlannedSession) -> SessionEnded:
    """Build and publish ``session``: the running session itself, or the build that a test needs."""
    ended = _build_alone(run, session)
    _publish_sdist(run, session)
    return ended


def _build_alone(run: SessionRun, session: PlannedSession) -> SessionEnded:
    shipped = run.shipping.already(session)
    if shipped is not None:
        return run.cached(shipped[0].key)
    refuse_excluded(run, session)
    served = _served_by_lowest(run, session)
    if served is not None:
        return served

    def every_file(_result: ActionResult, tree: Directory) -> dict[str, FileNode | str]:
        return {f"{session.folder}{path}": node for path, node in tree.walk()}

    return run.ended(_publish(run, session, every_file).key)


def _served_by_lowest(run: SessionRun, session: PlannedSession) -> SessionEnded | None:
    """Reuse the wheel of the lowest Python if it also serves this one (abi3, pure); else None."""
    lowest = run.found.plan.session(session.after) if session.after else None
    if lowest is None or session.python is None or lowest.refusal is not None:
        return None
    from mpforge.artifacts.proof import serves

    try:
        run_build(run, lowest)
    except (NoHostPython, NotRun):
        return None
    for entry in run.shipping.dist.of(lowest.name):
        if run.shipping.dist.intact(entry) and serves(Path(entry.path).name, session.python):
            run.shipping.dist.serve(entry, session.name)
            run.emit(Published(session.name, f"dist/{entry.path}", entry.digest, False))
            return run.ended(entry.key)
    return None


def run_test(run: SessionRun) -> SessionEnded:
    """Test the shipped files and record the result in ``dist/``."""
    session = run.session
    step = run.found.plan.step(session.result or "")
    require_machine(run)
    entries = see_shipped(run)
    if session.level == "static":
        return _check(run, entries)
    import_only = step.tests is not None and not step.tests.commands
    run.realizer.outputs.clear()
    try:
        with _static_as_remedy():
            result, tree = run.realizer.realize(step.id)
    except StepFailed:
        for entry in entries:
            run.shipping.dist.forget_test(entry, session.name)
        raise
    run.realizer.outputs.put(step, tree)
    level = session.level or "native"
    facts = {**result.facts, "level": level, "key": result.key, "passed": result.finished}
    if not run.posargs:  # a subset of the tests does not count as a test of the shipped files
        for entry in entries:
            run.shipping.dist.record_test(entry, session.name, facts)
    names = ", ".join(entry.path for entry in entries)
    machine, cpu = result.facts["machine"], result.facts.get("cpu")
    run.emit(Tested(session.name, names, machine, cpu, import_only, level))
    reason = f"passed on {machine}" + (f" ({cpu})" if cpu else "") + f", {level}"
    if step.id in run.realizer.ran:
        ended = run.end("done", reason)
    else:
        ended = run.end("cached", f"cached: passed {result.finished[:10]}, {short(result.key)}")
    return replace(ended, import_only=import_only, level=level)


def _check(run: SessionRun, entries: tuple[Entry, ...]) -> SessionEnded:
    """Check the shipped files without running them; this is recorded, but never as a pass."""
    session = run.session
    try:
        result, _ = run.realize(session)
    except MpforgeError:
        for entry in entries:
            run.shipping.dist.forget_test(entry, session.name)
        raise
    facts = {"level": "static", "key": result.key, "checked": result.finished}
    for entry in entries:
        run.shipping.dist.record_test(entry, session.name, facts)
    why = why_static(run)
    run.emit(Checked(session.name, ", ".join(entry.path for entry in entries), why))
    return replace(run.end("checked", f"checked only, not run: {why}"), level="static")


def why_static(run: SessionRun) -> str:
    """Return why a static session runs no tests, and whether this host could."""
    machine = run.session.unused
    if machine is None:
        return NOTHING_RUN
    try:
        run.machines.check(machine, run.session.python)
    except MpforgeError as error:
        return f"{NOTHING_RUN}; this host could not run them: {error.what}"
    how = "under QEMU" if machine.emulated else "natively"
    return f"{NOTHING_RUN}; this host could run them {how}"


# --- parts of the phases ----------------------------------------------------------------------


def require_machine(run: SessionRun) -> None:
    """Refuse an unknown CPU model or an unobtainable Python before anything is built for the test."""
    tests = run.found.plan.step(run.session.result or "").tests
    if tests is not None:
        with _static_as_remedy():
            run.machines.check(tests.machine, tests.python)


@contextlib.contextmanager
def _static_as_remedy() -> Iterator[None]:
    """Add ``strategy = "static"`` to the hint for a missing emulator or Python."""
    try:
        yield
    except (NoEmulator, NoTargetPython) as error:
        remedy = 'set test.strategy = "static" there to have its files checked and nothing run'
        hint = "; or ".join(filter(None, (error.hint, remedy)))
        raise type(error)(error.what, why=error.why, hint=hint) from None


def see_shipped(run: SessionRun) -> tuple[Entry, ...]:
    """Return the files that this test session tests, building them only if they are missing."""
    (name,) = run.session.requires
    build = run.found.plan.session(name)
    if build is None:
        raise AssertionError(f"{name} is no session")
    entries = run.shipping.matching(build)
    if not entries or run.options.no_cache:
        if build.refusal is not None:
            raise refusal_error(build.refusal)
        if run.dry:
            raise NotMade(build.name)
        run_build(run, build)
        entries = run.shipping.dist.of(build.name)
    run.provision.shipped = {build.name: run.shipping.as_shipped(entries, build.folder)}
    return entries


def refuse_excluded(run: SessionRun, session: PlannedSession) -> None:
    """Raise ``NotRun`` if the sdist's metadata excludes this Python.

    For metadata that a backend computes; the plan already knows metadata written in files.
    """
    made = run.found.plan.session("sdist")
    if not session.asks_sdist or session.python is None or made is None:
        return
    from mpforge.compiler.pythons import allows

    _, tree = run.realize(made)
    node = tree.directories["tree"].get("PKG-INFO")
    text = ""
    # A damaged one is noticed and made again by the step that uses it.
    with contextlib.suppress(Damaged):
        text = run.found.store.read(node.digest).decode("utf-8", "replace") if node else ""
    wanted = requires_python(text)
    try:
        allowed = not wanted or allows(wanted, session.python)
    except ValueError:
        return  # an old setuptools writes invalid specifiers; installers will report them
    if not allowed:
        raise NotRun(f"PKG-INFO's Requires-Python is {wanted}")


def _publish(run: SessionRun, session: PlannedSession, pick: Pick) -> ActionResult:
    """Realize a session's result and publish the files that ``pick`` selects.

    Blobs that turn out damaged when they are read from the store are made again, each once.
    """
    told: set[str] = set()
    while True:
        result, tree = run.realize(session)
        try:
            observed = run.realizer.observed(session.result or "")
            run.shipping.put_in_place(session, result, pick(result, tree), observed)
        except Damaged as error:
            if error.what in told:
                raise
            told.add(error.what)
            run.reporter.warn(f"{error.what}; mpforge makes it again")
            run.realizer.disown(session.result or "")
        else:
            return result


def _archive(result: ActionResult, tree: Directory) -> dict[str, FileNode | str]:
    """Return the sdist from the output of its step."""
    name = result.facts["sdist"]
    return {name: tree.directories["archive"].files[name]}


_PHASES: dict[str, Callable[[SessionRun], SessionEnded]] = {
    "sdist": run_sdist,
    "deps": run_deps,
    "build": lambda run: run_build(run, run.session),
    "test": run_test,
}
"""The phases that have steps of their own."""
