"""Start programs: argv, environment, cwd, timeout, process group, live log.

The only module that imports ``subprocess``. A program gets exactly the environment that its caller gives; its
whole process group ends with it, for whatever reason. Knows nothing of steps.
"""

import atexit
import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mpforge.processes.interrupts import interrupts_held_back

_TERMINATE_SECONDS = 1.0  # nox -j kills its sessions after two, whether they have cleaned up or not
_POSIX = os.name == "posix"
UMASK = 0o022 if _POSIX else -1
"""Not the user's: an archive that a step packs holds modes."""
_PR_SET_PDEATHSIG = 1
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


@dataclass(frozen=True)
class Ended:
    """The end of a program: exit status (negative: the signal), wall and CPU seconds."""

    returncode: int
    seconds: float
    cpu_seconds: float
    timed_out: bool = False


@dataclass(frozen=True)
class Captured:
    """Result of a short program."""

    returncode: int
    stdout: str
    stderr: str


@functools.cache
def _libc() -> Any:
    """Return the C library, None if it has no prctl(2). It is loaded before a fork, and by few runs."""
    import ctypes

    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def tied(number: int = KILL) -> Callable[[], None] | None:
    """Return the function by which a child, before exec, ties its life to ours; None if impossible.

    ``number`` is the signal that the child gets when mpforge dies.
    """
    libc = _libc()
    return None if libc is None else functools.partial(_ask_for_end, libc, number)


def _ask_for_end(libc: Any, number: int) -> None:
    """In the child: ask for a signal if mpforge dies by kill -9 (prctl(2))."""
    libc.prctl(_PR_SET_PDEATHSIG, number)


# Run by mpforge's interpreter: reads which process groups run, and ends them when its input ends.
_WATCHER = """
import os, signal, sys
groups = set()
for line in sys.stdin:
    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""


@functools.cache
def _watcher() -> "subprocess.Popen[str]":
    """Start a process that outlives a kill -9 of ours just long enough to end the programs we started.

    The signal on our death (prctl) reaches a program, but not its children.
    """
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _WATCHER],
        env={},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
        bufsize=1,
    )
    atexit.register(_dismiss, process)
    return process


def _dismiss(watcher: "subprocess.Popen[str]") -> None:
    if watcher.stdin is not None:
        with contextlib.suppress(OSError):
            watcher.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        watcher.wait(_TERMINATE_SECONDS)


def _tell_watcher(sign: str, group: int) -> None:
    """Tell the watcher of a group of ours: ``+``: it runs; ``-``: it has ended."""
    if _POSIX:
        with contextlib.suppress(OSError):
            stdin = _watcher().stdin
            if stdin is not None:
                stdin.write(f"{sign}{group}\n")


def _signal_group(process: "subprocess.Popen[bytes]", number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if _POSIX:
            os.killpg(process.pid, number)
        else:
            process.kill()


_counted: list[float] = []
"""CPU seconds of programs that others have run for us."""


def count_cpu(seconds: float) -> None:
    """Count the CPU seconds of a program that is not our child: a container runtime ran it."""
    _counted.append(seconds)


def children_cpu() -> float:
    """Return CPU seconds, user and system, of all programs that have ended; 0 if unknown."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime + sum(_counted)


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """End the process and its whole group: SIGTERM, a short grace, SIGKILL."""
    if process.poll() is None:
        _signal_group(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_TERMINATE_SECONDS)
    _signal_group(process, KILL)
    process.wait()


@dataclass(frozen=True)
class Streams:
    """A program's input and outputs, as ``subprocess`` takes them; None: those of this process."""

    stdin: int | None
    stdout: int | BinaryIO | None
    stderr: int | None


OWN_STREAMS = Streams(None, None, None)
"""This process's input and outputs."""


@contextlib.contextmanager
def started(
    argv: Sequence[str],
    streams: Streams,
    *,
    environment: Mapping[str, str] | None,
    cwd: Path | None,
    before_exec: Callable[[], None] | None,
    umask: int = -1,
    inherits: Sequence[int] = (),
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a program in a group of its own; the group is gone when the block ends, however it ends."""
    process = None
    try:
        with interrupts_held_back():
            process = subprocess.Popen(
                argv,
                env=None if environment is None else dict(environment),
                cwd=cwd,
                stdin=streams.stdin,
                stdout=streams.stdout,
                stderr=streams.stderr,
                start_new_session=_POSIX,
                umask=umask,
                preexec_fn=before_exec,
                pass_fds=inherits,
            )
            if before_exec is not None:
                _tell_watcher("+", process.pid)
        yield process
    finally:
        if process is not None:
            _end_group(process)
            if before_exec is not None:
                _tell_watcher("-", process.pid)
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()


def run(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    cwd: Path,
    log: BinaryIO,
    timeout: float | None = None,
    ends_itself: bool = False,
    inherits: Sequence[int] = (),
) -> Ended:
    """Run a program to its end with its output appended to ``log`` as it comes.

    ``timeout`` is in seconds. A program that ``ends_itself`` does so when this process ends, with all that
    it has started: nothing watches it. ``inherits`` are descriptors that it gets. Raises
    ``FileNotFoundError`` or ``PermissionError`` when it can't be started, ``KeyboardInterrupt`` when
    interrupted (nothing of it is left running then).
    """
    before = children_cpu()
    start = time.monotonic()
    log.flush()
    with started(
        argv,
        Streams(subprocess.DEVNULL, log, subprocess.STDOUT),
        environment=environment,
        cwd=cwd,
        before_exec=None if ends_itself else tied(),
        umask=UMASK,
        inherits=inherits,
    ) as process:
        timed_out = False
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
    seconds = time.monotonic() - start
    return Ended(process.returncode, seconds, children_cpu() - before, timed_out)


def capture(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = 600,
    brief: bool = False,
    stdin: bytes | None = None,
) -> Captured:
    """Run a short program, which reads ``stdin``, and return what it printed, decoded with replacement.

    Without ``environment`` it sees mpforge's own (a host tool such as git or uv needs its
    configuration). A ``brief`` program ends by itself at once: it starts quicker, because it is
    not tied to this process's death. Raises ``FileNotFoundError`` if there is no such program,
    ``TimeoutError`` after ``timeout`` seconds.
    """
    pipe = subprocess.PIPE
    with started(
        argv,
        Streams(subprocess.DEVNULL if stdin is None else pipe, pipe, pipe),
        environment=environment,
        cwd=cwd,
        before_exec=None if brief else tied(),
    ) as process:
        try:
            out, err = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{argv[0]} did not finish within {timeout} s") from None
    return Captured(
        process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")
    )
