"""``mpforge plan``: show the steps and downloads of a run, why, and what is cached; runs nothing."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mpforge.cli.options import sessions_of, tell_doubts, workspace_of, write_json
from mpforge.compiler.patch_markers import doubts
from mpforge.engine.load_plan import compiled
from mpforge.engine.preview import SessionPreview, StepPreview, preview
from mpforge.engine.project_facts import project_facts
from mpforge.errors import ExitCode, first_of, render
from mpforge.lock import lock_file
from mpforge.plan.codec import encode
from mpforge.plan.pins import Lock
from mpforge.plan.wants import Want, unpinned
from mpforge.reports.console import size

DESCRIPTION = "Show what would run, how and why, and what is cached. Runs nothing."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "session", nargs="*", help="sessions; includes those that they require (default: all)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the plan; return the exit code of running the named sessions, as far as it is known."""
    workspace = workspace_of(arguments)
    found = compiled(workspace)
    tell_doubts(workspace)
    own = project_facts(found.inputs, wheel=False).own
    for words in (*found.inputs.doubts, *doubts(found.plan, own)):
        sys.stderr.write(f"mpforge > warning: {words}\n")
    sessions = sessions_of(found.plan, arguments.session, workspace)
    shown = [preview(found, workspace, session) for session in sessions]
    names, lock = {session.name for session in sessions}, lock_file.read(workspace.lock)
    wants = [want for want in found.plan.wants if want.is_of(names)]
    if arguments.json:
        data = [_data(item) for item in shown]
        needs = [{**encode(want), "pinned": want.is_pinned(lock)} for want in wants]
        write_json({"host": found.plan.host, "sessions": data, "wants": needs})
        return _refused(shown) if arguments.session else ExitCode.DONE
    sys.stdout.write(f"on {found.plan.host}\n")
    for item in shown:
        sys.stdout.write("\n".join(_lines(item)) + "\n")
    sys.stdout.write("".join(f"{line}\n" for line in _unpinned(shown, wants, lock)))
    return _refused(shown) if arguments.session else ExitCode.DONE


def _refused(shown: Sequence[SessionPreview]) -> int:
    """Print which named sessions, or sessions that they require, can't run; return the exit code."""
    told: dict[str, list[str]] = {}
    codes: list[int] = []
    for item in shown:
        if item.error is not None:
            told.setdefault(render(item.error), []).append(item.session.name)
            codes.append(item.error.exit_code)
    sys.stderr.write("".join(f"{', '.join(names)}: {text}\n" for text, names in told.items()))
    return first_of(codes) if codes else ExitCode.DONE


def _lines(item: SessionPreview) -> list[str]:
    lines = [f"{item.session.name}: {item.state}{_why(item)}"]
    choice, refusal = item.session.choice, item.session.refusal
    if refusal is not None:
        lines += [f"    {line}" for line in (refusal.why or "").splitlines()]
        lines += [f"    -> {refusal.hint}"] if refusal.hint else []
    if choice is not None:
        lines.append(
            f"    {choice.strategy} with {choice.toolchain}, {choice.policy}: {choice.why}"
        )
    if item.session.level is not None:
        static = f": checked only, not run: {item.static}" if item.static else ""
        lines.append(f"    {item.session.level}{static}")
    if item.session.phase == "deps" and item.state != "cached":
        lines.append(f"    to fetch: {_size(item)}")
    for step in item.steps:
        said = item.state == step.state == "not known"
        key = f" {step.key[:12]}" if step.key else ""
        state = "" if said else f": {step.state}{key}{_why(step)}"
        lines.append(f"    {step.id}: {step.title}{state}")
    return lines


def _why(item: SessionPreview | StepPreview) -> str:
    """Return the reason in brackets; missing pins are listed once, at the end."""
    return f" ({item.why})" if item.why and not item.unpinned else ""


def _unpinned(shown: Sequence[SessionPreview], wants: Iterable[Want], lock: Lock) -> Iterator[str]:
    """Yield advice about missing pins, named by the plan's wants, else by the step that lacks them."""
    found = [item.unpinned for item in shown]
    found += [step.unpinned for item in shown for step in item.steps]
    missing = dict.fromkeys(text for text in found if text)
    names = {item.session.name for item in shown if item.state in ("would run", "not known")}
    what = unpinned([want for want in wants if want.is_of(names)], lock)
    if missing or what:
        yield f"pins are missing{' for ' * bool(what)}{what}; run `mpforge lock`"
        if not what:
            yield from (f"    {text}" for text in missing)


def _size(item: SessionPreview) -> str:
    if item.fetch is None:
        return "not known"
    return f"{', '.join(item.items)} ({size(item.fetch)})" if item.items else "nothing"


def _data(item: SessionPreview) -> dict[str, Any]:
    session = encode(item.session)
    steps = [step.to_json() for step in item.steps]
    fetch = {"bytes": item.fetch, "items": list(item.items)}
    more = {"state": item.state, "why": item.why, "static": item.static}
    return {**session, **more, "steps": steps, "fetch": fetch}
