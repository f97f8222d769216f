"""``mpforge explain``: explain how a session is built, or an error code."""

import argparse
import contextlib
import dataclasses
import difflib
import sys
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mpforge.cli.options import session_of, sessions_of, write_json
from mpforge.errors import (
    Damaged,
    ExitCode,
    SpecNotFound,
    StepFailed,
    UnknownSession,
    WrongInput,
)
from mpforge.errors.reference import entries, explanation
from mpforge.plan.codec import encode

if TYPE_CHECKING:
    from mpforge.engine.load_plan import Compiled
    from mpforge.engine.preview import Changes, SessionPreview, StepPreview
    from mpforge.plan.sessions import PlannedSession
    from mpforge.workspace import Workspace

DESCRIPTION = "Show why a session is built as it is and what changed, or what an error code means."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "session",
        metavar="SESSION|CODE",
        help="a session, a group of sessions, or an error code such as host-leak",
    )
    parser.add_argument(
        "--all", action="store_true", help="list every ingredient of each step's key"
    )
    parser.add_argument(
        "--inputs",
        action="store_true",
        help="list what each step uses in addition to its source: ingredients of its key, files of this host",
    )
    parser.add_argument(
        "--trace",
        action="store_true",
        help="with --inputs: run the build once under strace, store nothing, and list the files of this host "
        "that it read and that are not in its key",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the explanation."""
    if (entry := explanation(arguments.session)) is not None:
        sys.stdout.write(f"{entry}\n")
        return ExitCode.DONE
    from mpforge.engine.preview import changes, preview

    workspace, found, session = _session(arguments)
    if arguments.trace:
        return _trace(workspace, found, session, arguments)
    sessions = sessions_of(found.plan, [arguments.session], workspace)
    told = [
        preview(found, workspace, one)
        for one in sessions
        if not one.group and one.phase in (session.phase, "sdist")
    ]
    differing = {
        step.id: change
        for item in told
        for step in item.steps
        if (change := changes(workspace, step.id, step.record)) is not None
    }
    if arguments.inputs:
        _write_inputs(found, told, arguments)
        return ExitCode.DONE
    if arguments.json:
        write_json({"sessions": [_data(item, differing) for item in told]})
        return ExitCode.DONE
    for item in told:
        sys.stdout.write("\n".join(_lines(item, differing, whole=arguments.all)) + "\n")
    return ExitCode.DONE


def _session(
    arguments: argparse.Namespace,
) -> "tuple[Workspace, Compiled, PlannedSession]":
    """Return what ``session_of`` does; the error without a spec speaks of error codes too."""
    name = arguments.session
    codes = difflib.get_close_matches(name, entries(), n=1, cutoff=0.75)
    try:
        return session_of(arguments, "session or error code")
    except UnknownSession as error:
        if not codes:
            raise
        raise UnknownSession(error.what, hint=f"did you mean {codes[0]}?") from error
    except SpecNotFound as error:
        near = f"did you mean {codes[0]}? " if codes else ""
        raise SpecNotFound(
            f"there is no error code {name}, and {error.what}",
            hint=f"{near}To explain a session, {error.hint}",
        ) from error


def _trace(
    workspace: "Workspace",
    found: "Compiled",
    session: "PlannedSession",
    arguments: argparse.Namespace,
) -> int:
    """Run a session's build under strace and write the files that it read."""
    import os

    from mpforge.cli.options import show_log_end
    from mpforge.engine import trace
    from mpforge.engine.session_run import SessionRun
    from mpforge.processes.interrupts import watch_interrupts
    from mpforge.reports.console import Console
    from mpforge.workspace import Options

    if not arguments.inputs:
        raise WrongInput("--trace needs --inputs", hint="mpforge explain --inputs --trace SESSION")
    trace.traceable(found.plan, session)
    watch_interrupts()
    console, log = Console(), trace.log_of(workspace, session.name)
    options = Options.from_environment(os.environ)
    run = dataclasses.replace(SessionRun(found, session, workspace, options, console.show), log=log)
    try:
        traced = trace.trace(run)
    except StepFailed:
        console.close()
        if log.is_file():
            show_log_end(log)
        raise
    finally:
        console.close()
    if arguments.json:
        write_json({"session": session.name, "traced": asdict(traced)})
    else:
        sys.stdout.writelines(f"{line}\n" for line in trace.lines(traced))
    return ExitCode.DONE


def _write_inputs(
    found: "Compiled", told: "list[SessionPreview]", arguments: argparse.Namespace
) -> None:
    """Write what the steps of these sessions use in addition to their source and commands."""
    from mpforge.cli.explain_inputs import inputs_of, lines

    data = []
    for item in told:
        known = []
        for step in item.steps:
            result = None
            with contextlib.suppress(Damaged):
                result = found.store.find(step.key) if step.key else None
            known.append((step, inputs_of(step.step, step, result)))
        data.append(
            {"session": item.session.name, "steps": [{"id": s.id, **asdict(i)} for s, i in known]}
        )
        if not arguments.json:
            text = [f"{item.session.name}: {item.state}{f' ({item.why})' if item.why else ''}"]
            for step, one in known:
                text.append(f"  {step.id}: {step.title}: {step.state}")
                text += [f"    {line}" for line in lines(one, whole=arguments.all)]
            sys.stdout.write("\n".join(text) + "\n")
    if arguments.json:
        write_json({"sessions": data})


def _lines(item: "SessionPreview", differing: "dict[str, Changes]", *, whole: bool) -> list[str]:
    why = f" ({item.why})" if item.why else ""
    lines = [f"{item.session.name}: {item.state}{why}"]
    refusal, choice = item.session.refusal, item.session.choice
    if refusal is not None:
        lines += [f"  {line}" for line in (refusal.why or "").splitlines()]
        lines += [f"  -> {refusal.hint}"] if refusal.hint else []
    if choice is not None:
        lines.append(f"  strategy: {choice.strategy} with {choice.toolchain}, for {choice.policy}")
        lines += [f"  backend: {choice.backend}"] if choice.backend else []
        lines += [f"  in the image {choice.image}"] if choice.image else []
        lines.append(f"  because {choice.why}")
        lines += [f"  not {strategy}: {reason}" for strategy, reason in choice.passed_over]
    for step in item.steps:
        lines += _step(step, differing.get(step.id), whole=whole)
    return lines


def _step(step: "StepPreview", change: "Changes | None", *, whole: bool) -> list[str]:
    reason = f" ({step.why})" if step.why else ""
    key = f", key {step.key[:12]}" if step.key else ""
    lines = [f"  {step.id}: {step.title}: {step.state}{reason}{key}"]
    if change is not None:
        lines.append(f"    {change.since}:")
        lines += [f"      {difference}" for difference in change.differences]
    told = step.record["ingredients"] if step.record else {}
    if whole:
        lines += [f"    {name} = {value}" for name, value in sorted(told.items())]
    elif told:
        kinds = Counter(name.partition(".")[0] for name in told)
        counts = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common() if count > 1)
        lines.append(
            f"    {len(told)} ingredients{f' ({counts})' * bool(counts)}; --all lists them"
        )
    return lines


def _data(item: "SessionPreview", differing: "dict[str, Changes]") -> dict[str, Any]:
    return {
        "session": item.session.name,
        "state": item.state,
        "why": item.why,
        "choice": encode(item.session.choice),
        "refusal": encode(item.session.refusal),
        "steps": [_step_data(step, differing.get(step.id)) for step in item.steps],
    }


def _step_data(step: "StepPreview", change: "Changes | None") -> dict[str, Any]:
    return {
        **step.to_json(),
        "ingredients": step.record["ingredients"] if step.record else None,
        "since": change.since if change is not None else None,
        "differences": encode(change.differences) if change is not None else [],
    }
