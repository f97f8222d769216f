"""Print the modules that a step passes through between the plan and the store.

    python scripts/follow_step.py PROJECT SESSION

The session is run here, without the cache. A module counts if, for the session's main step, one of its
functions is called with the step, its command or its task: as an argument, or as a field of ``self``.
"""

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from mpforge.engine.load_plan import compiled
from mpforge.engine.selection import Call
from mpforge.engine.session import run_session
from mpforge.plan.index import IndexedSession
from mpforge.plan.steps import Step
from mpforge.reports.console import Console
from mpforge.workspace import Options, open_workspace


def _handed(frame: FrameType) -> Iterator[object]:
    """Yield the arguments of a call, and the fields of its ``self``."""
    code = frame.f_code
    for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        value = frame.f_locals.get(name)
        yield value
        if name == "self" and dataclasses.is_dataclass(value):
            yield from (getattr(value, field.name, None) for field in dataclasses.fields(value))


def main(project: Path, session: str) -> None:
    """Run the session and print the modules."""
    workspace = open_workspace(project / "multiplatform.toml")
    plan = compiled(workspace).plan
    planned = plan.session(session)
    step = plan.main_step(planned) if planned else None
    if planned is None or step is None:
        raise SystemExit(f"{session} has no main step")
    followed: dict[str, None] = {}

    def is_it(value: Any) -> bool:
        if isinstance(value, Step):
            return value.id == step.id
        return value == step.command or getattr(value, "step", None) == step

    def trace(frame: FrameType, event: str, _arg: object) -> None:
        module, function = frame.f_globals.get("__name__", ""), frame.f_code.co_name
        if event != "call" or function.startswith("__"):  # a constructor's object is not whole yet
            return
        if module.startswith("mpforge.") and any(map(is_it, _handed(frame))):
            followed[module] = None

    sys.setprofile(trace)
    call = Call(IndexedSession(session, "", planned.phase), workspace)
    run_session(call, options=Options(no_cache=True), emit=Console().show)
    sys.setprofile(None)
    sys.stdout.write("\n".join((*followed, f"{len(followed)} modules\n")))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2])
