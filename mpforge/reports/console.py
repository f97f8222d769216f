"""Show events as lines for people: rich on a terminal, plain text elsewhere.

During long work a terminal shows what runs and for how long; elsewhere a heartbeat line appears now and then,
because CI ends silent jobs. Knows nothing of how the work is done.
"""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from mpforge.errors import MpforgeError, render
from mpforge.plan.events import (
    Checked,
    Chosen,
    Event,
    OutputsWritten,
    Published,
    StepEnded,
    StepHit,
    StepStarted,
    StepWaits,
    Tested,
    Warned,
    WorkEnded,
    Working,
)
from mpforge.plan.session_end import SessionEnded
from mpforge.processes.interrupts import interrupted
from mpforge.workspace import host_system

HEARTBEAT_SECONDS = 30.0


class Console:
    """Shows one session's events on a stream."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._terminal = self._stream.isatty()
        self._activity: _Activity | _Spinner | None = None
        self._outer: list[tuple[str, float]] = []

    def show(self, event: Event) -> None:
        """Show an event, if it is worth a line."""
        match event:
            case StepStarted():
                self.close()
                if event.why:
                    self._line(f"{event.title}: {event.why}")
                self._begin(event.title)
            case Working():
                self._begin(event.what)
            case WorkEnded():
                self._resume()
                self._line(f"{event.what}: {duration(event.seconds)}")
            case StepEnded():
                self._end(event)
            case (
                Chosen()
                | StepWaits()
                | Published()
                | Tested()
                | Checked()
                | OutputsWritten()
                | Warned()
            ):
                self._line(_told(event))
            case StepHit() | SessionEnded():
                pass

    def close(self) -> None:
        """Stop showing the running work."""
        self._outer.clear()
        self._stop()

    def _line(self, text: str) -> None:
        self._stream.write(f"mpforge > {text}\n")
        self._stream.flush()

    def _begin(self, what: str) -> None:
        if not self._terminal:
            self._line(f"{what} …")
        self._outer.append((what, time.monotonic()))
        self._go_on()

    def _resume(self) -> None:
        """Show the outer work again after the innermost has ended."""
        if self._outer:
            self._outer.pop()
        self._go_on()

    def _go_on(self) -> None:
        self._stop()
        if not self._outer:
            return
        what, start = self._outer[-1]

        def still() -> None:
            self._line(f"{what}: still running, {duration(time.monotonic() - start)}")

        if self._terminal:
            self._activity = _Spinner(what, start, self._stream)
        else:
            self._activity = _Activity(HEARTBEAT_SECONDS, still)

    def _stop(self) -> None:
        if self._activity is not None:
            self._activity.stop()
            self._activity = None

    def _end(self, event: StepEnded) -> None:
        what = self._outer[0][0] if self._outer else event.step
        self.close()
        if event.failed:
            self._line(f"{what}: {'interrupted' if interrupted() else 'failed'}")
        else:
            spent = f"{duration(event.seconds)}, {event.cpu_seconds:.1f} s CPU"
            self._line(f"{what}: {spent}")


class _Activity:
    """Work that is shown as running, by a call from a thread of its own every so many seconds."""

    def __init__(self, seconds: float, show: Callable[[], None]) -> None:
        self._show = show
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        while not self._ended.wait(self._seconds):
            self._show()

    def stop(self) -> None:
        """Stop showing it."""
        self._ended.set()
        self._thread.join()


class _Spinner:
    """rich's status line with the elapsed time, which rich itself keeps drawing."""

    def __init__(self, what: str, start: float, stream: TextIO) -> None:
        from rich.console import Console as RichConsole
        from rich.markup import escape

        self._what, self._start = escape(what), start
        self._status = RichConsole(file=stream).status(self)
        self._status.start()

    def __rich__(self) -> str:
        return f"{self._what} [dim]{duration(time.monotonic() - self._start)}[/dim]"

    def stop(self) -> None:
        """Stop showing it."""
        self._status.stop()


def _told(
    event: Chosen | StepWaits | Published | Tested | Checked | OutputsWritten | Warned,
) -> str:
    """Return the line of an event that has one."""
    match event:
        case Chosen():
            return _chosen(event)
        case StepWaits():
            return f"waiting: another process makes {event.step}"
        case Published():
            return f"{'wrote' if event.fresh else 'in place'} {event.path}"
        case Tested() | Checked():
            return _tested(event)
        case OutputsWritten():
            return f"wrote {event.place}/"
        case Warned():
            return f"warning: {event.message}"


def _tested(event: Tested | Checked) -> str:
    if isinstance(event, Checked):
        return f"checked {event.files} without running it: {event.why}"
    word = "imported" if event.import_only else "tested"
    model = f", CPU {event.cpu}" if event.cpu else ""
    return f"{word} {event.wheel} on {event.machine}{model}, {event.level}"


def _chosen(event: Chosen) -> str:
    if event.download is None:
        fetch = "the download size is unknown"
    elif event.items:
        fetch = f"up to {size(event.download)} to fetch"
    else:
        fetch = "nothing to fetch"
    return f"{event.target}: {event.strategy} ({event.toolchain}), because {event.why}; {fetch}"


def duration(seconds: float) -> str:
    """Format a duration: ``0.4 s``, ``12 s``, ``3m05s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60}m{int(seconds) % 60:02d}s"


def size(count: int) -> str:
    """Format bytes for people: ``97 MB``."""
    if count < 1_000_000:
        return f"{max(1, round(count / 1000))} kB"
    return f"{count / 1_000_000:.0f} MB"


@dataclass(frozen=True)
class ShownLog:
    """A session's log: its path, and its last lines."""

    path: str
    tail: str


def failure(
    error: MpforgeError,
    *,
    session: str,
    again: str,
    log: ShownLog | None,
    finished: tuple[str, ...],
    older: tuple[str, ...],
) -> str:
    """Return the report of a failed session: the log's end, the error, how to repeat it, what is done.

    ``again`` is how a command names the session, ``finished`` are the files of ``dist/`` that this run put in
    place, ``older`` those of other runs.
    """
    lines = []
    if log is not None and log.tail:
        lines += [f"--- the last lines of {log.path}", log.tail, "---"]
    lines.append(render(error))
    lines.append(f"  more about this error: mpforge explain {error.code}")
    lines.append(f"  session: {session}, on {host_system()}")
    keep = ""
    if log is not None:
        lines.append(f"  log: {log.path}")
        if error.enterable:
            keep = f" (with --keep, `mpforge shell {again}` opens its directory)"
    lines.append(f"  again: mpforge run {again}{keep}")
    if finished:
        lines.append(f"  finished in this run: {', '.join(finished)}")
    if older:
        lines.append(f"  from earlier runs, untouched: {', '.join(older)}")
    return "\n".join(lines)
