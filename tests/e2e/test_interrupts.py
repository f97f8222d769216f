"""Ctrl-C and SIGTERM in the middle of a build: it ends at once, and leaves nothing."""

import signal

import pytest

from tests.e2e.test_single_flight import BUILD, gated, says
from tests.e2e.workspace import Cache, Gate, Run, Running, Workspace, wait_until_gone

__all__ = ["gated"]

SETUP = """
    from setuptools import Extension, setup
    from setuptools.command.build_ext import build_ext


    class Gated(build_ext):
        def run(self):
            {gate}
            super().run()


    setup(
        ext_modules=[Extension("tiny._tiny", ["tiny/_tiny.c"])],
        cmdclass={{"build_ext": Gated}},
    )
"""
TWO = 'targets = ["aarch64", "x86_64"]'


@pytest.fixture
def two_wheels(unbuilt: Workspace, gate: Gate, empty_cache: Cache) -> Workspace:
    """The package with a build that waits at the gate, for two targets, in a store of its own."""
    unbuilt.write("setup.py", SETUP.format(gate=gate.python))
    unbuilt.edit("multiplatform.toml", 'targets = ["aarch64"]', TWO)
    unbuilt.cache = empty_cache
    return unbuilt


def left_no_result(workspace: Workspace, run: Run, running: Running, told: list[int]) -> None:
    wait_until_gone(*told)
    assert running.left() == []
    assert workspace.wheels() == []
    assert not [name for name in workspace.published() if ".mpforge" in name]
    assert "Traceback" not in run.output


@pytest.mark.gcc
@pytest.mark.parametrize("kind", ["Ctrl-C", "SIGTERM"])
def test_an_interrupted_build_ends_with_130_and_leaves_nothing(
    gated: Workspace, gate: Gate, kind: str
) -> None:
    with gated.started("nox", "-s", BUILD) as running:
        told = gate.arrivals(1)
        number = signal.SIGINT if kind == "Ctrl-C" else signal.SIGTERM
        running.signal(number, group=kind == "Ctrl-C")
        run = running.end()
    assert run.code == 130, str(run)
    left_no_result(gated, run, running, told)
    assert gated.published() == set()
    assert gated.cache.leftovers() == []
    gate.open()
    again = gated.nox(BUILD)
    assert again.code == 0, again
    assert BUILD in again.did, "the interrupted build is no result"
    assert says(gated) == "hello, world\n"


@pytest.mark.cross
@pytest.mark.network
@pytest.mark.parametrize("kind", ["Ctrl-C", "SIGTERM"])
def test_interrupted_parallel_builds_end_and_the_next_run_finds_a_clean_store(
    two_wheels: Workspace, gate: Gate, kind: str
) -> None:
    with two_wheels.started("nox", "-j", "2", "-s", "build") as running:
        told = gate.arrivals(2)
        number = signal.SIGINT if kind == "Ctrl-C" else signal.SIGTERM
        running.signal(number, group=kind == "Ctrl-C")
        run = running.end()
    assert run.code == 130, str(run)
    left_no_result(two_wheels, run, running, told)
    # nox kills sessions that have not cleaned up within two seconds: then the next run does it.
    gate.open()
    assert two_wheels.nox("build").code == 0
    assert two_wheels.cache.leftovers() == []


@pytest.mark.gcc
def test_a_killed_mpforge_takes_its_build_with_it_and_the_next_run_builds(
    gated: Workspace, gate: Gate
) -> None:
    with gated.started("nox", "-s", BUILD) as running:
        told = gate.arrivals(1)
        running.signal(signal.SIGKILL, group=False)
        running.end()
    wait_until_gone(told[0])
    gate.open()
    assert gated.published() == set()
    again = gated.nox(BUILD)
    assert again.code == 0, again
    assert BUILD in again.did
    assert says(gated) == "hello, world\n"
