"""Run a program on this process's own terminal, or on its input and outputs where there is none."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

from mpforge.processes import KILL, OWN_STREAMS, UMASK, started, tied

_HANGUPS, _AGAIN_SECONDS = 10, 0.2


def foreground(argv: Sequence[str], *, environment: Mapping[str, str], cwd: Path) -> int:
    """Run a program on this terminal, in this process group, and return its exit status.

    SIGTERM is passed on, and so is SIGINT unless a terminal has sent it to both. It gets a SIGTERM, and
    cleans up, when mpforge dies by kill -9.
    """
    before_exec = tied(number=signal.SIGTERM)
    with subprocess.Popen(argv, env=dict(environment), cwd=cwd, preexec_fn=before_exec) as process:

        def forward(number: int, _frame: FrameType | None) -> None:
            if number == signal.SIGTERM or not sys.stdin.isatty():
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(number)

        former = {n: signal.signal(n, forward) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            return process.wait()
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


def at_terminal() -> bool:
    """Return whether this process reads from a terminal."""
    return os.isatty(0)


def attached(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    cwd: Path,
    ends_itself: bool = False,
    inherits: Sequence[int] = (),
) -> int:
    """Run a program on this process's own input and outputs; return its exit status, as a shell does.

    At a terminal the program handles what is typed, Ctrl-C too. Elsewhere it has a group of its own that ends
    with it. ``ends_itself`` and ``inherits`` are as in ``run``. Raises ``FileNotFoundError`` or
    ``PermissionError`` if it can't be started, ``KeyboardInterrupt`` if this process was told to end.
    """
    before_exec = None if ends_itself else tied()
    if at_terminal():
        status = _at_terminal(argv, environment, cwd, before_exec, inherits)
    else:
        with started(
            argv,
            OWN_STREAMS,
            environment=environment,
            cwd=cwd,
            before_exec=before_exec,
            umask=UMASK,
            inherits=inherits,
        ) as process:
            status = process.wait()
    return status if status >= 0 else 128 - status


def _insist(process: "subprocess.Popen[bytes]", number: int, over: threading.Event) -> None:
    """End an interactive shell, which ignores SIGTERM but not the loss of its terminal.

    bash loses a signal that comes just before it waits for input: so it is sent again, then SIGKILL.
    """
    hangup = getattr(signal, "SIGHUP", number)
    for each in (number, *[hangup] * _HANGUPS, KILL):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(each)
        if over.wait(0.0 if each == signal.SIGTERM else _AGAIN_SECONDS):
            return


def _take_terminal_back() -> None:
    """Become the terminal's foreground group again: a shell in a PID namespace can't restore it."""
    former = signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # a background process gets it for that
    with contextlib.suppress(OSError):
        os.tcsetpgrp(0, os.getpgrp())
    signal.signal(signal.SIGTTOU, former)


def _at_terminal(
    argv: Sequence[str],
    environment: Mapping[str, str],
    cwd: Path,
    before_exec: Callable[[], None] | None,
    inherits: Sequence[int],
) -> int:
    """Run a program in this process's group, so that it may read from the terminal."""
    told: list[int] = []
    over = threading.Event()
    with subprocess.Popen(
        argv,
        env=dict(environment),
        cwd=cwd,
        umask=UMASK,
        preexec_fn=before_exec,
        pass_fds=inherits,
    ) as process:

        def end(number: int, _frame: FrameType | None) -> None:
            if not told:
                threading.Thread(target=_insist, args=(process, number, over), daemon=True).start()
            told.append(number)

        endings = {signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}
        former = {number: signal.signal(number, end) for number in endings}
        former[signal.SIGINT] = signal.signal(signal.SIGINT, lambda _number, _frame: None)
        try:
            status = process.wait()
        finally:
            over.set()
            _take_terminal_back()
            for number, handler in former.items():
                signal.signal(number, handler)
    if told:
        raise KeyboardInterrupt
    return status
