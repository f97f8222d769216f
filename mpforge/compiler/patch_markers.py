"""Warn of requirements whose markers name a patch version of Python.

A lock serves every patch version, so such a requirement is installed for all of them if any needs it.
"""

from mpforge.plan.requirements import OwnPackage, depends_on_patch, hashes_of
from mpforge.plan.sessions import Plan


def doubts(plan: Plan, own: OwnPackage | None) -> tuple[str, ...]:
    """Return a line for each requirement that only some patch versions of its Python need."""
    found: dict[str, None] = {}
    for step in plan.steps:
        command = step.installs
        if command is None:
            continue
        request = command.request
        texts = list(request.requirements)
        if command.of_wheel and own is not None:
            texts += own.requires
        for text in texts:
            plain, _ = hashes_of(text)
            if depends_on_patch(
                plain, target=request.target, python=request.python, extras=command.extras
            ):
                python = f"3.{request.python.removeprefix('cp3')}"
                words = f"only some patch versions of {python} require it; it is installed for all of them"
                found[f"{plain}: {words}"] = None
    return tuple(found)
