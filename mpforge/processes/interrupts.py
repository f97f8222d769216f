"""Remember interrupts: a program may exit 0 on SIGINT, and nox may go on after one.

Check ``interrupted`` before storing or publishing.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

_CLEANING_SECONDS = 5.0
_interrupt = threading.Event()
_held_back = threading.Event()
_waiting = threading.Event()


def watch_interrupts() -> None:
    """Make SIGINT and SIGTERM set the flag and raise KeyboardInterrupt in the main thread.

    nox handles Ctrl-C alone; a SIGTERM would leave its children running. A second signal soon after
    the first does not disturb the cleaning up, which is short.
    """
    seen: list[float] = []

    def handler(_signal: int, _frame: FrameType | None) -> None:
        first = not seen or time.monotonic() - seen[-1] > _CLEANING_SECONDS
        _interrupt.set()
        if _held_back.is_set():
            _waiting.set()
        elif first:
            seen.append(time.monotonic())
            raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handler)
        signal.signal(signal.SIGTERM, handler)
        hangup = getattr(signal, "SIGHUP", None)  # a closed terminal, unless nohup said otherwise
        if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
            signal.signal(hangup, handler)


@contextlib.contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Delay an interrupt that comes within the block until its end, so that no started process is lost."""
    _held_back.set()
    try:
        yield
    finally:
        _held_back.clear()
        if _waiting.is_set():
            _waiting.clear()
            raise KeyboardInterrupt


def interrupted() -> bool:
    """Return whether an interrupt has come, even if nothing reacted to it."""
    return _interrupt.is_set()
