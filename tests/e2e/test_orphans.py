"""kill -9 of mpforge ends all that a build has started, not its first program alone."""

import signal
import sys

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.workspace import Gate, Workspace, wait_until_gone


@pytest.mark.gcc
def test_a_killed_mpforge_takes_the_programs_of_its_build_s_programs_with_it(
    quick: Workspace, gate: Gate
) -> None:
    quick.write("wait.py", f"{gate.python}\n")
    gate.show(quick)
    quick.write("build.sh", f"{sys.executable} wait.py\nmkdir out\ncp greeting.txt out/\n")
    with quick.started("nox", "-s", f"build-{NATIVE}") as running:
        told = gate.arrivals(1)  # the program that the shell started, and a child of that
        running.signal(signal.SIGKILL, group=False)
        running.end()
    wait_until_gone(*told)
    assert running.left() == []


@pytest.mark.gcc
def test_a_killed_mpforge_run_takes_nox_and_its_builds_with_it(
    quick: Workspace, gate: Gate
) -> None:
    quick.write("wait.py", f"{gate.python}\n")
    gate.show(quick)
    quick.write("build.sh", f"{sys.executable} wait.py\nmkdir out\ncp greeting.txt out/\n")
    with quick.started("mpforge", "run", f"build-{NATIVE}") as running:
        told = gate.arrivals(1)
        running.signal(signal.SIGKILL, group=False)
        running.end()
    wait_until_gone(*told)
    assert running.left() == []
    assert quick.cache.leftovers() == []
