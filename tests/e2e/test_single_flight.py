"""Many processes at once: one of them does a thing, the others wait, say so, and find it done.

Builds wait at a gate, so that what is said to happen at the same time does.
"""

import contextlib
import json
import os
import signal
import sys
import zipfile
from collections import Counter
from io import BytesIO
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.e2e.conftest import NATIVE, write_project
from tests.e2e.test_kinds import has
from tests.e2e.workspace import Cache, Gate, Workspace

BUILD = f"build-{NATIVE}"
WAITS = f"waiting: another process makes {BUILD}"


@pytest.fixture
def gated(quick: Workspace, gate: Gate) -> Workspace:
    """The quick project with a build that waits at the gate."""
    quick.write("wait.py", f"{gate.python}\n")
    gate.show(quick)
    quick.write("build.sh", f"{sys.executable} wait.py\nmkdir out\ncp greeting.txt out/\n")
    return quick


def says(workspace: Workspace) -> str:
    return workspace.dist.joinpath(NATIVE, "out", "greeting.txt").read_text(encoding="utf-8")


# --- one execution per key ------------------------------------------------------------------------


@pytest.mark.gcc
def test_eight_processes_execute_each_of_three_keys_once(
    gated: Workspace, gate: Gate, place: Path
) -> None:
    texts = [*["one\n"] * 4, *["two\n"] * 3, "three\n"]
    checkouts = [gated.copy(place / f"checkout {number}") for number in range(len(texts))]
    with contextlib.ExitStack() as stack:
        running = []
        for checkout, text in zip(checkouts, texts, strict=True):
            checkout.write("greeting.txt", text)
            running.append(stack.enter_context(checkout.started("nox", "-s", BUILD)))
        gate.arrivals(3)
        waiting = [r for r, c in zip(running, checkouts, strict=True) if not is_at_the_gate(c)]
        assert len(waiting) == 5
        for process in waiting:
            process.says(WAITS)
        gate.open()
        ended = [process.end() for process in running]
    assert [run.code for run in ended] == [0] * 8, "\n".join(map(str, ended))
    executed = Counter(
        text
        for checkout, text in zip(checkouts, texts, strict=True)
        for _ in checkout.events("StepStarted")
    )
    assert executed == {"one\n": 1, "two\n": 1, "three\n": 1}
    assert [says(checkout) for checkout in checkouts] == texts
    assert len(gated.cache.stored()) == 3


def is_at_the_gate(checkout: Workspace) -> bool:
    report = checkout.root / ".mpforge" / "report.jsonl"
    return report.exists() and '"StepStarted"' in report.read_text(encoding="utf-8")


# --- the holder ends otherwise --------------------------------------------------------------------


@pytest.fixture
def other(gated: Workspace, place: Path) -> Workspace:
    """Another checkout of the same."""
    return gated.copy(place / "other")


@pytest.mark.gcc
@pytest.mark.parametrize("group", [False, True], ids=["process", "group"])
def test_a_killed_holder_frees_its_key(
    gated: Workspace, other: Workspace, gate: Gate, group: bool
) -> None:
    with gated.started("nox", "-s", BUILD) as holder:
        gate.arrivals(1)
        with other.started("nox", "-s", BUILD) as waiter:
            waiter.says(WAITS)
            holder.signal(signal.SIGKILL, group=group)
            holder.end()
            gate.arrivals(1)  # the waiter's build: nobody opened the gate, nothing had to expire
            gate.open()
            run = waiter.end()
    assert run.code == 0, str(run)
    assert BUILD in run.did
    assert says(other) == "hello, world\n"
    assert other.cache.leftovers() == []


@pytest.mark.gcc
def test_an_interrupted_holder_frees_its_key(
    gated: Workspace, other: Workspace, gate: Gate
) -> None:
    with gated.started("nox", "-s", BUILD) as holder:
        gate.arrivals(1)
        with other.started("nox", "-s", BUILD) as waiter:
            waiter.says(WAITS)
            holder.signal(signal.SIGINT, group=True)
            assert holder.end().code == 130
            gate.arrivals(1)
            gate.open()
            run = waiter.end()
    assert run.code == 0, str(run)
    assert BUILD in run.did


@pytest.mark.gcc
def test_a_holder_that_fails_leaves_the_work_to_the_waiter(
    gated: Workspace, other: Workspace, gate: Gate
) -> None:
    # Whoever comes first gets the bad omen, and fails by it.
    omen = gate.folder / "omen"
    os.mkfifo(omen)
    omens = os.open(omen, os.O_RDWR | os.O_NONBLOCK)
    os.write(omens, b"-+")
    script = f'test "$(dd bs=1 count=1 < {omen})" = +\n'
    script = gated.read("build.sh") + script
    for checkout in (gated, other):
        checkout.write("build.sh", script)
    with gated.started("nox", "-s", BUILD) as holder:
        gate.arrivals(1)
        with other.started("nox", "-s", BUILD) as waiter:
            waiter.says(WAITS)
            gate.open()
            failed, run = holder.end(), waiter.end()
    os.close(omens)
    assert failed.code == 1, str(failed)
    assert run.code == 0, str(run)
    assert BUILD in run.did
    assert says(other) == "hello, world\n"


@pytest.mark.gcc
def test_a_waiter_can_be_interrupted(gated: Workspace, other: Workspace, gate: Gate) -> None:
    with gated.started("nox", "-s", BUILD) as holder:
        gate.arrivals(1)
        with other.started("nox", "-s", BUILD) as waiter:
            waiter.says(WAITS)
            waiter.signal(signal.SIGINT, group=True)
            assert waiter.end().code == 130
        gate.open()
        run = holder.end()
    assert run.code == 0, str(run)
    assert BUILD in run.did


# --- nox -j, from an empty cache ------------------------------------------------------------------

PYTHONS = [word for word in ("cp311", "cp313") if has(word)]
TARGETS = {"aarch64": "EM_AARCH64", "x86_64": "EM_X86_64"}


@pytest.mark.cross
@pytest.mark.network
def test_parallel_sessions_share_what_they_fetch_and_make(built: Workspace, place: Path) -> None:
    """All that they need is fetched and made here, but zig itself; a smaller tool stands for it."""
    workspace = Workspace(place / "project", Cache.lent(built.cache, place / "cache", "zig-"))
    write_project(workspace)
    workspace.edit("multiplatform.toml", '["cp311"]', json.dumps(PYTHONS))
    workspace.edit("multiplatform.toml", '["aarch64"]', json.dumps(list(TARGETS)))
    workspace.edit("multiplatform.toml", "environment = {}", 'tools = ["ninja"]')
    run = workspace.nox("-j4", "build")
    assert run.code == 0, str(run)
    long = Counter(event["what"] for event in workspace.events("Working"))
    assert sum(count for what, count in long.items() if what.startswith("fetching ninja")) == 1
    made = {what: count for what, count in long.items() if what.startswith("making zig's")}
    assert len(made) == 2, "C libraries for each target"
    assert set(long.values()) == {1}, f"something was done twice: {long}"
    keys = Counter(event["key"] for event in workspace.events("StepEnded"))
    assert set(keys.values()) == {1}, "a step was executed twice"
    expected = {(f"{word}-{word}", target) for word in PYTHONS for target in TARGETS}
    assert {described(wheel) for wheel in workspace.wheels()} == expected
    assert {e["target"] for e in workspace.record().values()} == {None, *TARGETS}
    assert not list((place / "cache").rglob("store/work/*"))
    again = workspace.nox("-j4", "build")
    assert again.code == 0
    assert again.did == set(), str(again)


def described(wheel: Path) -> tuple[str, str]:
    """A wheel's Python and its target, the latter by the ELF header of what it holds."""
    with zipfile.ZipFile(wheel) as archive:
        (module,) = [name for name in archive.namelist() if name.endswith(".so")]
        machine = ELFFile(BytesIO(archive.read(module)))["e_machine"]
    (target,) = [name for name, elf in TARGETS.items() if elf == machine]
    assert wheel.name.endswith(f"{target}.whl")
    return "-".join(wheel.name.split("-")[2:4]), target
