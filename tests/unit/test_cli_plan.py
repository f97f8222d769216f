"""What `mpforge plan` says of missing pins."""

from mpforge.cli.plan import _unpinned
from mpforge.engine.preview import SessionPreview, State
from mpforge.plan.pins import EnvironmentPin, EnvironmentRequest, Lock
from mpforge.plan.sessions import PlannedSession
from mpforge.plan.wants import Want, Zig

REQUEST = EnvironmentRequest("tool", "cp311", "x86_64", ("ziglang",))
WANTS = [Want(Zig(REQUEST), ("deps-aarch64",))]
DEPS = PlannedSession("deps-aarch64", "deps", "aarch64", None, ())


def told(state: State, lock: Lock) -> list[str]:
    return list(_unpinned([SessionPreview(DEPS, state, "", fetch=None)], WANTS, lock))


def test_pins_are_missed_only_by_what_would_run_and_only_those_that_a_lock_would_have() -> None:
    assert told("would run", Lock()) == ["pins are missing for zig; run `mpforge lock`"]
    assert told("cached", Lock()) == []
    assert told("impossible", Lock()) == []
    # What else is to be fetched is known only when the backend has been asked.
    assert told("would run", Lock((EnvironmentPin(REQUEST, ()),))) == []
