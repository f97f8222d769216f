"""Ctrl-C and SIGTERM in the middle of a build: it ends at once, and leaves nothing."""

import signal
import sys

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.workspace import Cache, Gate, Run, Running, Workspace, wait_until_gone

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
TWO = f"""
[targets.one]
platform = "{NATIVE}"
[targets.two]
platform = "{NATIVE}"
[[overrides]]
select = "two"
build = {{ environment = {{ ANOTHER = "key" }} }}
"""


def left_no_result(workspace: Workspace, run: Run, running: Running, told: list[int]) -> None:
    wait_until_gone(*told)
    assert running.left() == []
    assert workspace.published() == set()
    assert "Traceback" not in run.output


@pytest.mark.cross
@pytest.mark.network
def test_an_interrupted_wheel_ends_with_130_and_leaves_nothing(
    unbuilt: Workspace, gate: Gate, empty_cache: Cache
) -> None:
    unbuilt.write("setup.py", SETUP.format(gate=gate.python))
    gate.show(unbuilt)
    unbuilt.cache = empty_cache
    with unbuilt.started("nox", "-s", "build-aarch64") as running:
        told = gate.arrivals(1)
        running.signal(signal.SIGINT, group=True)
        run = running.end()
    assert run.code == 130, str(run)
    left_no_result(unbuilt, run, running, told)
    assert unbuilt.cache.leftovers() == []
    gate.open()
    again = unbuilt.nox("build-aarch64")
    assert again.code == 0, again
    assert "build-aarch64-cp311" in again.did, "the interrupted build is no result"
    assert len(unbuilt.wheels()) == 1


@pytest.mark.gcc
@pytest.mark.parametrize("kind", ["Ctrl-C", "SIGTERM"])
def test_interrupted_parallel_builds_end_and_the_next_run_finds_a_clean_store(
    quick: Workspace, gate: Gate, kind: str
) -> None:
    quick.edit("multiplatform.toml", f'["{NATIVE}"]', '["one", "two"]')
    quick.write("multiplatform.toml", quick.read("multiplatform.toml") + TWO)
    quick.write("wait.py", f"{gate.python}\n")
    gate.show(quick)
    quick.write("build.sh", f"{sys.executable} wait.py\n{quick.read('build.sh')}")
    with quick.started("nox", "-j", "2", "-s", "build") as running:
        told = gate.arrivals(2)
        number = signal.SIGINT if kind == "Ctrl-C" else signal.SIGTERM
        running.signal(number, group=kind == "Ctrl-C")
        run = running.end()
    assert run.code == 130, str(run)
    left_no_result(quick, run, running, told)
    # nox kills sessions that have not cleaned up within two seconds: then the next run does it.
    gate.open()
    assert quick.nox("build").code == 0
    assert quick.cache.leftovers() == []
