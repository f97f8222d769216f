"""Programs end, and their whole group with them; they see what they are given and nothing else.

"Nothing is left running" is shown by a FIFO that every process of the group holds open for writing:
reading it comes to its end when the last of them is gone.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mpforge import processes
from mpforge.obtain import host_programs
from mpforge.places.place import NotStarted
from mpforge.places.sandbox import on_host
from mpforge.processes import terminal

PACKAGE = Path(processes.__file__).parent.parent
PATH = os.environ["PATH"]
PLENTY = 60.0  # seconds


@dataclass(frozen=True)
class Leash:
    """A FIFO whose reader learns when its last writer is gone."""

    path: Path
    reader: int

    def holds_nobody(self) -> bool:
        """Whether all who opened it are gone; waits ``PLENTY`` for that."""
        ready, _, _ = select.select([self.reader], [], [], PLENTY)
        return bool(ready) and os.read(self.reader, 1) == b""


@pytest.fixture
def leash(tmp_path: Path) -> Iterator[Leash]:
    path = tmp_path / "src" / "leash"  # at the top of a step's directory, a FIFO is refused
    path.parent.mkdir()
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield Leash(path, reader)
    os.close(reader)


Run = Callable[..., processes.Ended]
"""``processes.run``, or a place's, which has the same arguments."""


def _apart(root: Path) -> Run:
    """Return the function that runs a program in a sandbox with the directory."""
    return on_host(root, visible=lambda: host_programs.files_of(sys.executable)).run


@pytest.fixture(params=["here", pytest.param("apart", marks=pytest.mark.offline)])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    return _apart(tmp_path) if request.param == "apart" else processes.run


def _shell(
    script: str,
    cwd: Path,
    *,
    timeout: float | None = PLENTY,
    run: Run = processes.run,
    **variables: str,
) -> tuple[processes.Ended, str]:
    with (cwd / "log").open("w+b", buffering=0) as log:
        ended = run(
            ["sh", "-c", script],
            environment={"PATH": PATH, **variables},
            cwd=cwd,
            log=log,
            timeout=timeout,
        )
        log.seek(0)
        return ended, log.read().decode()


def test_a_program_sees_exactly_the_environment_that_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDECLARED", "1")
    env = shutil.which("env")
    assert env is not None
    with (tmp_path / "log").open("w+b") as log:
        processes.run([env], environment={"B": "two words", "A": ""}, cwd=tmp_path, log=log)
        log.seek(0)
        assert sorted(log.read().splitlines()) == [b"A=", b"B=two words"]


def test_output_and_errors_are_in_the_log_in_the_order_they_were_written(tmp_path: Path) -> None:
    ended, log = _shell("echo 1; echo 2 >&2; echo 3; echo 4 >&2", tmp_path)
    assert log.split() == ["1", "2", "3", "4"]
    assert ended.returncode == 0
    assert not ended.timed_out


def test_what_was_in_the_log_before_stays_first(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+b") as log:
        log.write(b"before\n")
        processes.run(["sh", "-c", "echo after"], environment={"PATH": PATH}, cwd=tmp_path, log=log)
        log.seek(0)
        assert log.read() == b"before\nafter\n"


def test_a_program_runs_where_it_is_told_and_waits_for_no_input(tmp_path: Path) -> None:
    _, log = _shell("cat; pwd -P", tmp_path)
    assert log.strip() == str(tmp_path.resolve())


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 3", 3), *((f"kill -{number} $$", -number) for number in (4, 6, 9, 15))],
)
def test_the_exit_status_or_the_signal_is_reported(
    script: str, status: int, tmp_path: Path, run: Run
) -> None:
    ended, _ = _shell(script, tmp_path, run=run)
    assert ended.returncode == status


def test_the_time_of_what_a_program_has_started_is_counted(tmp_path: Path, run: Run) -> None:
    burn = "import time; [0 for _ in iter(lambda: time.process_time() > 0.3, True)]"
    script = f"sh -c \"'{sys.executable}' -S -c '{burn}'; true\"; true"
    ended, log = _shell(script, tmp_path, run=run)
    assert ended.returncode == 0, log
    assert ended.cpu_seconds > 0.3


def test_a_program_that_does_not_exist_can_not_be_started(tmp_path: Path, run: Run) -> None:
    with (tmp_path / "log").open("wb") as log, pytest.raises((FileNotFoundError, NotStarted)):
        run(["no-such-program"], environment={}, cwd=tmp_path, log=log)
    with pytest.raises(FileNotFoundError):
        processes.capture(["no-such-program"])


def test_a_timeout_ends_the_program_and_its_children(tmp_path: Path, leash: Leash) -> None:
    script = 'exec 3>"$LEASH"; sleep 1000 & wait'
    ended, _ = _shell(script, tmp_path, timeout=0.5, LEASH=str(leash.path))
    assert ended.timed_out
    assert ended.returncode < 0
    assert leash.holds_nobody()


def test_a_timeout_ends_even_what_ignores_being_asked(
    tmp_path: Path, leash: Leash, run: Run
) -> None:
    script = 'trap "" TERM; exec 3>"$LEASH"; sleep 1000 & wait'
    ended, _ = _shell(script, tmp_path, timeout=0.5, run=run, LEASH=str(leash.path))
    assert ended.timed_out
    assert leash.holds_nobody()


@pytest.mark.parametrize(
    "leaves", ["sleep 1000 &", pytest.param("setsid sleep 1000 &", marks=pytest.mark.offline)]
)
def test_what_a_program_leaves_running_ends_with_it(
    leaves: str, tmp_path: Path, leash: Leash
) -> None:
    run = _apart(tmp_path) if "setsid" in leaves else processes.run
    script = f'exec 3>"$LEASH"; {leaves} exit 0'
    ended, _ = _shell(script, tmp_path, run=run, LEASH=str(leash.path))
    assert ended.returncode == 0
    assert not ended.timed_out
    assert leash.holds_nobody()


# mpforge in a process of its own, which the program that it starts hits with a signal.
_MPFORGE = """
import os, pathlib, sys
from mpforge import processes
from mpforge.places.sandbox import on_host
from mpforge.processes import interrupts
interrupts.watch_interrupts()
run = on_host(pathlib.Path.cwd()).run if "apart" in sys.argv else processes.run
try:
    argv = ["sh", "-c", sys.argv[1]]
    run(argv, environment=os.environ, cwd=pathlib.Path.cwd(), log=sys.stdout.buffer)
except KeyboardInterrupt:
    print("stopped, remembered:", interrupts.interrupted())
"""


def _under_mpforge(script: str, cwd: Path, leash: Leash) -> processes.Captured:
    variables = {"PATH": PATH, "LEASH": str(leash.path), "PYTHONPATH": str(PACKAGE.parent)}
    argv = [sys.executable, "-c", _MPFORGE, script]
    return processes.capture(argv, environment=variables, cwd=cwd, timeout=PLENTY)


@pytest.mark.parametrize("name", ["INT", "TERM"])
def test_an_interrupt_ends_the_program_and_is_remembered(
    name: str, tmp_path: Path, leash: Leash
) -> None:
    script = f'exec 3>"$LEASH"; kill -{name} $PPID; sleep 1000 & wait'
    answer = _under_mpforge(script, tmp_path, leash)
    assert answer.stdout == "stopped, remembered: True\n"
    assert leash.holds_nobody()


def test_a_program_does_not_outlive_an_mpforge_that_was_killed(
    tmp_path: Path, leash: Leash
) -> None:
    script = 'exec 3>"$LEASH"; kill -KILL $PPID; exec sleep 1000'
    answer = _under_mpforge(script, tmp_path, leash)
    assert answer.returncode == -9
    assert leash.holds_nobody()


@pytest.mark.offline
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_in_a_root_of_its_own_outlives_mpforge(
    number: signal.Signals, tmp_path: Path, leash: Leash
) -> None:
    script = 'trap "" TERM; exec 3>"$LEASH"; setsid sleep 1000 & echo up >&3; sleep 1000 & wait'
    variables = {"PATH": PATH, "LEASH": str(leash.path), "PYTHONPATH": str(PACKAGE.parent)}
    argv = [sys.executable, "-c", _MPFORGE, script, "apart"]
    with subprocess.Popen(argv, env=variables, cwd=tmp_path, stdout=subprocess.DEVNULL) as mpforge:
        assert select.select([leash.reader], [], [], PLENTY)[0], "it runs"
        assert os.read(leash.reader, 3) == b"up\n"
        mpforge.send_signal(number)
    assert leash.holds_nobody()


def test_capture_returns_output_and_errors_apart_whatever_their_bytes() -> None:
    answer = processes.capture(["sh", "-c", r"printf 'caf\303\251 \377'; echo no >&2; exit 5"])
    assert answer == processes.Captured(5, "café �", "no\n")


def test_capture_gives_up_on_what_does_not_end(leash: Leash) -> None:
    with pytest.raises(TimeoutError, match="sh did not finish"):
        processes.capture(
            ["sh", "-c", 'exec 3>"$LEASH"; sleep 1000 & wait'],
            environment={"PATH": PATH, "LEASH": str(leash.path)},
            timeout=0.5,
        )
    assert leash.holds_nobody()


def test_foreground_passes_on_the_exit_status(tmp_path: Path) -> None:
    argv = ["sh", "-c", "exit 7"]
    assert terminal.foreground(argv, environment={"PATH": PATH}, cwd=tmp_path) == 7
