"""The reason of a static test session: nothing ran, and whether it could."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest

from mpforge.engine.session import why_static
from mpforge.engine.session_run import SessionRun
from mpforge.errors import NoTargetPython
from mpforge.plan.places import Machine
from mpforge.plan.sessions import PlannedSession

HERE, EMULATED = Machine("x86_64", False, None), Machine("s390x", True, "qemu")


@dataclass
class Machines:
    """Machines of a host that lacks something, or nothing."""

    error: NoTargetPython | None = None
    asked: list[tuple[Machine, str]] = field(default_factory=list)

    def check(self, machine: Machine, python: str) -> None:
        self.asked.append((machine, python))
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize(
    ("unused", "error", "said"),
    [
        (HERE, None, "; this host could run them natively"),
        (EMULATED, None, "; this host could run them under QEMU"),
        (EMULATED, NoTargetPython("no cp311"), "; this host could not run them: no cp311"),
    ],
)
def test_it_says_whether_this_host_could_run_the_tests(
    unused: Machine, error: NoTargetPython | None, said: str
) -> None:
    session = PlannedSession("test-x", "test", "x", "cp311", (), level="static", unused=unused)
    machines = Machines(error)
    run = cast(SessionRun, SimpleNamespace(session=session, machines=machines))
    assert why_static(run) == f'test.strategy is "static"{said}'
    assert machines.asked == [(unused, "cp311")]
