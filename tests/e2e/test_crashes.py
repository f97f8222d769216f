"""kill -9 at any moment: at worst something is built again, never a wrong result.

Runs that share a store, ``cache gc`` and ``lock --update`` are killed at random moments, those of writing
to the store included, the process alone or its whole group. Then everything in the store must be whole and
right, nothing may be held or left running, and the next run must end well and sweep what the killed ones
left. Moments are drawn from a seed (``$MPFORGE_TEST_SEED``); what a run has come to by then is the machine's.
"""

import contextlib
import functools
import itertools
import os
import random
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.storage import File, Storage, Stored
from tests.e2e.workspace import Cache, Running, Workspace, programs_with

BUILD = f"build-{NATIVE}"
SESSION = ("--no-dependencies", "-s", BUILD)
GROUPS, KILLS = 3, 100
"""Together 300 kills; each group has a store of its own."""
BESIDE = (
    ("mpforge", "cache", "gc", "--size", "1.5MB"),
    ("mpforge", "lock", "--update"),
)
"""What is killed a third of the time, in the place of a run; the limit is that of some six results."""
OWN = {
    "noxfile.py",
    "multiplatform.toml",
    "multiplatform.lock",
    "build.sh",
    "number",
    "greeting.txt",
    "__pycache__",  # the noxfile's; never an input
}
"""All that lies in the project besides ``.mpforge`` and ``dist``: nothing else, it would be an input."""

MOMENTS = (
    *(*["any time"] * 3, "during the step", "being written", "put in place", "being published"),
    "to its end",
)
"""When a run is killed. One in eight is not, so that the store has results that others hit and remove."""
SMALL, LARGE = 20, 250_000
NUMBERS = range(1, 61)
"""What may be the only input; so a run may find its result, or not."""
SCRIPT = f"""
    n=$(cat number)
    echo "the number is $n"
    mkdir -p out/own out/same
    for i in $(seq {SMALL}); do echo "$n $i" > out/own/$i; echo "$i" > out/same/$i; done
    yes "$n" | head -c {LARGE} > out/large
    printf '#!/bin/sh\\necho %s\\n' "$n" > out/run
    chmod 755 out/run
    ln -s own/$((n % {SMALL} + 1)) out/link
"""


def expected(number: int) -> tuple[dict[str, File], dict[str, str]]:
    """The files and links that the script leaves: told by arithmetic, not by a build."""
    line = f"{number}\n".encode()
    each = range(1, SMALL + 1)
    files = {f"out/own/{i}": (f"{number} {i}\n".encode(), False) for i in each}
    files |= {f"out/same/{i}": (f"{i}\n".encode(), False) for i in each}
    files["out/large"] = (line * LARGE)[:LARGE], False
    files["out/run"] = f"#!/bin/sh\necho {number}\n".encode(), True
    return files, {"out/link": f"own/{number % SMALL + 1}"}


def seed() -> str:
    return os.environ.get("MPFORGE_TEST_SEED", "3")


# --- when a run is killed -------------------------------------------------------------------------


@dataclass(frozen=True)
class Undisturbed:
    """Seconds of a run until its step starts, until that ends, and until its own end; those of ``BESIDE``."""

    before: float
    step: float
    after: float
    beside: dict[str, float]


def lasts(workspace: Workspace) -> Undisturbed:
    """Measure what nobody disturbs, once all is pinned and made that later runs find."""
    assert workspace.nox(BUILD).code == 0
    (workspace.root / ".mpforge" / "report.jsonl").unlink()
    times = [time.monotonic()]
    with workspace.started("nox", *SESSION, env={"MPFORGE_NO_CACHE": "1"}) as running:
        for event in ("StepStarted", "StepEnded"):
            until(running, functools.partial(has_said, workspace, event))
            times.append(time.monotonic())
        run = running.end()
    assert run.code == 0, str(run)
    times.append(time.monotonic())
    beside = {}
    for program, *words in BESIDE:
        start = time.monotonic()
        with workspace.started(program, *words) as running:
            assert running.end().code == 0
        beside[words[0]] = time.monotonic() - start
    before, step, after = (end - begin for begin, end in itertools.pairwise(times))
    return Undisturbed(before, step, after, beside)


def until(running: Running, condition: Callable[[], bool], every: float = 0.002) -> None:
    """Wait for a condition, or for the end of what runs."""
    while running.process.poll() is None and not condition():
        time.sleep(every)


def has_said(workspace: Workspace, event: str) -> bool:
    """Tell if this run has reported an event (the last run's report was removed before)."""
    try:
        return f'"{event}"' in workspace.read(".mpforge/report.jsonl")
    except FileNotFoundError:
        return False


class Writing:
    """What a run has on its way to the store: the files in its home, and how many there ever were."""

    def __init__(self, cache: Cache) -> None:
        self._work = cache.root / "store" / "work"
        self._others = set(self._homes())
        self.most = 0

    def _homes(self) -> list[str]:
        try:
            return os.listdir(self._work)
        except FileNotFoundError:
            return []

    def now(self) -> int:
        count = 0
        for name in set(self._homes()) - self._others:
            with contextlib.suppress(FileNotFoundError):
                count += len(os.listdir(self._work / name))
        self.most = max(self.most, count)
        return count


def wait_for_moment(
    workspace: Workspace, running: Running, known: Undisturbed, chance: random.Random
) -> None:
    """Wait for a random moment of a run's life."""
    kind = chance.choice(MOMENTS)
    share = chance.random()
    writing = Writing(workspace.cache)
    wait = share * (known.before + known.step + known.after)
    if kind == "being published":
        until(running, lambda: has_said(workspace, "StepEnded"))
        wait = share * known.after
    elif kind != "any time":
        until(running, lambda: has_said(workspace, "StepStarted"), every=0.005)
        wait = share * (known.step + known.after)
    end = time.monotonic() + wait
    if kind == "to its end":
        running.process.wait(60)
    elif kind == "being written":
        until(running, lambda: writing.now() > share * SMALL)
    elif kind == "put in place":
        until(running, lambda: writing.now() < (1 - share) * SMALL < SMALL <= writing.most)
    else:
        until(running, lambda: time.monotonic() > end)


# --- the test -------------------------------------------------------------------------------------


@pytest.fixture
def numbered(quick: Workspace) -> Workspace:
    """A project with some forty outputs that tell the number in its only input."""
    quick.write("build.sh", SCRIPT)
    quick.write("number", f"{NUMBERS[0]}\n")
    return quick


def kill(workspace: Workspace, known: Undisturbed, chance: random.Random) -> bool:
    """One run, or what else there is to be killed; whether it had not ended before."""
    workspace.write("number", f"{chance.choice(NUMBERS)}\n")
    (workspace.root / ".mpforge" / "report.jsonl").unlink(missing_ok=True)
    variables = {"MPFORGE_NO_CACHE": "1"} if chance.random() < 0.2 else {}
    group = chance.random() < 0.5
    words = chance.choice([("nox", *SESSION)] * 4 + [*BESIDE])
    with workspace.started(*words, env=variables) as running:
        if words[0] == "nox":
            wait_for_moment(workspace, running, known, chance)
        else:
            end = time.monotonic() + chance.random() * known.beside[words[1]]
            until(running, lambda: time.monotonic() > end)
        if running.process.poll() is None:
            running.signal(signal.SIGKILL, group=group)
        ended = running.end()
    assert ended.code in {-signal.SIGKILL, 0}, str(ended)  # it may end in that very moment
    return ended.code != 0


@pytest.mark.gcc
@pytest.mark.parametrize("group", range(GROUPS))
def test_killed_at_any_moment_never_leaves_a_wrong_result(
    numbered: Workspace,
    place: Path,
    group: int,
    record_property: Callable[[str, object], None],
) -> None:
    chance = random.Random(f"{seed()}-{group}")
    record_property("seed", seed())
    fresh = numbered.copy(place / "fresh", Cache(place / "cache" / "fresh"))
    numbered.cache.copy_tools(fresh.cache)
    known = lasts(fresh)
    killed = 0
    while killed < KILLS:
        killed += kill(numbered, known, chance)
    everybody_is_gone(numbered.cache)
    storage = Storage(numbered.cache.root / "store")
    storage.assert_no_lock_is_held()
    results = storage.check()
    numbers = [number_of(result) for result in results]
    for result, number in zip(results, numbers, strict=True):
        assert (result.files, result.symlinks) == expected(number), f"seed {seed()}"
    assert len(set(numbers)) == len(numbers), "two keys have the result of one input"
    unknown = next(number for number in NUMBERS if number not in numbers)
    the_next_runs_are_right(numbered, [*numbers[:2], unknown])
    assert_the_same(numbered, fresh)


def everybody_is_gone(cache: Cache) -> None:
    """Wait for what the killed ones had started; it is dying already."""
    end = time.monotonic() + 10
    while left := programs_with(str(cache.root)):
        assert time.monotonic() < end, left
        time.sleep(0.05)


def number_of(result: Stored) -> int:
    """The number that a build read, as its log tells it."""
    assert result.key[:12] in result.log
    (number,) = re.findall(r"^the number is (\d+)$", result.log, re.MULTILINE)
    return int(number)


def the_next_runs_are_right(workspace: Workspace, numbers: list[int]) -> None:
    """Each input gives its own files, whether they were stored or not; nothing else is left."""
    for number in numbers:
        workspace.write("number", f"{number}\n")
        run = workspace.nox(BUILD)
        assert run.code == 0, str(run)
        assert "warning" not in run.output, str(run)
        files, symlinks = expected(number)
        folder = workspace.dist / NATIVE
        for path, (data, executable) in files.items():
            assert (folder / path).read_bytes() == data
            assert os.access(folder / path, os.X_OK) == executable
        assert {path: os.readlink(folder / path) for path in symlinks} == symlinks
        assert workspace.published() == {f"{NATIVE}/{path}" for path in (*files, *symlinks)}
    assert workspace.cache.leftovers() == []
    assert {path.name for path in workspace.root.iterdir()} <= {*OWN, ".mpforge", "dist"}


def assert_the_same(crashed: Workspace, fresh: Workspace) -> None:
    """For the same input, the store of the crashes and an undisturbed one have the same result."""
    crashed.write("number", f"{NUMBERS[0]}\n")
    assert crashed.nox(BUILD).code == 0
    (own,) = Storage(fresh.cache.root / "store").check()
    assert own in [
        Stored(r.key, r.files, r.symlinks, own.log)
        for r in Storage(crashed.cache.root / "store").check()
    ]
