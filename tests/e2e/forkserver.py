"""Start nox and mpforge without paying for their imports, which are most of what a short run costs.

A server process imports them once. For each program it forks a child that gets a session (process group),
a directory, variables, arguments and standard streams of its own, then calls the program's ``main`` as its
console script does. Nothing but imports has happened in the child by then.

Run as a program this module is the server: it is asked through the socket that is its standard input.
"""

import atexit
import contextlib
import ctypes
import functools
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_ENTRIES = {"mpforge": ("mpforge.cli.main", "main"), "nox": ("nox.__main__", "main")}
"""Each program's entry point, as its distribution's metadata gives it."""
_LAZY = (
    *("pydantic", "rich.console", "packaging.metadata", "packaging.requirements", "packaging.tags"),
    *("auditwheel.policy", "elftools.elf.elffile", "elftools.elf.gnuversions", "nox._parallel"),
)
"""Libraries that runs import only when they need them."""
_AT_START = ("PYTHON", "LANG", "LC_", "LD_", "MALLOC_")
"""Variables that are read when a process starts: a child's must be the server's own."""
_OTHERWISE = frozenset({"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"})
"""Those that the server does not have: no run gets the first, and a child heeds the second by itself."""
_MOST = 1 << 20


def can_start(environment: Mapping[str, str]) -> bool:
    """Tell if a forked program would see these variables just as one that was started."""
    return _read_at_start(environment) == _read_at_start(os.environ)


def _read_at_start(variables: Mapping[str, str]) -> dict[str, str]:
    return {n: v for n, v in variables.items() if n.startswith(_AT_START) and n not in _OTHERWISE}


# --- the client -----------------------------------------------------------------------------------


@dataclass
class Forked:
    """A program that the server forked; the methods are those of ``subprocess.Popen``.

    Its process id stays its own until we have been told of its end.
    """

    pid: int
    _line: socket.socket
    returncode: int | None = None

    def poll(self) -> int | None:
        """Return its exit code, negative for a signal, or None while it runs."""
        return self._ended(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; its exit code. Raises ``subprocess.TimeoutExpired``."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return code

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            self._line.settimeout(timeout)
            try:
                self.returncode = _told(self._line, "ended with")
            except (BlockingIOError, TimeoutError):
                return None
            self._line.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


@functools.cache
def _server() -> socket.socket:
    """Start this process's server; the socket through which it is asked."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__))],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if name not in _OTHERWISE},
        )
    atexit.register(_dismiss, process, ours)
    return ours


def _dismiss(process: "subprocess.Popen[bytes]", ours: socket.socket) -> None:
    """Let the server end, as it does when nobody can ask it any more."""
    ours.close()
    process.wait()


def fork(
    program: str,
    words: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    stdout: int,
    stderr: int,
    stdin: int | None = None,
    mortal: bool = False,
) -> Forked:
    """Have a program run whose console script is at ``program``; without ``stdin`` it reads nothing.

    ``mortal``: permissions of files matter to it even if it is root's.
    """
    variables = json.dumps(dict(environment))
    request = json.dumps([program, *words]), str(cwd), variables, "mortal" if mortal else ""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, Path(os.devnull).open("rb") as null:
        reads = null.fileno() if stdin is None else stdin
        descriptors = [reads, stdout, stderr, theirs.fileno()]
        socket.send_fds(_server(), ["\0".join(request).encode()], descriptors)
    pid = _told(ours, "runs as")
    assert pid > 1, "a signal to this one's group would go to all processes (kill(2))"
    return Forked(pid, ours)


def _told(line: socket.socket, what: str) -> int:
    """Read a number that is told as such; one that means something else may name other processes."""
    said, _, number = line.recv(64).decode().rpartition(" ")
    assert said == what, f"the server said {said!r} {number!r} in place of {what!r}"
    return int(number)


# --- the server -----------------------------------------------------------------------------------


def _import_all() -> None:
    import mpforge

    for module in pkgutil.walk_packages(mpforge.__path__, "mpforge."):
        if "targetdata" not in module.name:
            importlib.import_module(module.name)
    for name in (*_LAZY, *(module for module, _ in _ENTRIES.values())):
        importlib.import_module(name)
    # nox asks once a process, and each child would.
    importlib.import_module("nox.virtualenv").find_uv()
    assert threading.active_count() == 1, "an import started a thread, which no child would have"


@dataclass(frozen=True)
class _Request:
    argv: list[str]
    cwd: str
    environment: dict[str, str]
    streams: list[int]
    line: int
    mortal: bool

    def become(self) -> None:
        """Make this forked process what the program would be, just started."""
        os.setsid()
        _tell(self.line, "runs as", os.getpid())  # from now on it can be killed with its group
        for number, given in enumerate(self.streams):
            os.dup2(given, number)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.environ.clear()
        os.environ.update(self.environment)
        sys.dont_write_bytecode = bool(self.environment.get("PYTHONDONTWRITEBYTECODE"))
        time.tzset()
        if self.mortal and os.geteuid() == 0:
            _obey_permissions()
        os.chdir(self.cwd)
        # Files of a test are young, and a test doesn't wait: its runs write their memos all the same.
        sys.modules["mpforge.engine.recorded_reads"].YOUNG_NS = -(1 << 62)  # type: ignore[attr-defined]
        sys.argv = self.argv
        sys.path[0] = str(Path(self.argv[0]).parent)


_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2  # linux/capability.h, and the two below
_CAPABILITIES_VERSION = 0x20080522
_PR_CAPBSET_DROP = 24


def _obey_permissions() -> None:
    """Give up what root may do with any file, also for programs that are started (capabilities(7))."""
    libc = ctypes.CDLL(None)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    # Effective, permitted, inheritable: the lower bits of each, then the upper ones.
    sets = (ctypes.c_uint32 * 6)()
    failed = libc.capget(header, sets)
    for capability in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
        failed |= libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
        for number in range(3):
            sets[number] &= ~(1 << capability)
    failed |= libc.capset(header, sets)
    assert not failed, "root's capabilities can't be dropped"


def _serve(client: socket.socket) -> _Request | None:
    """Fork a child for each request and tell how it ended; what a child shall do, None at the end.

    A child is reaped when the client has closed the line on which its end was told.
    """
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not client:
                    selector.unregister(key.fileobj)
                    if isinstance(key.data, _Child):
                        key.data.tell_end(key.fd)
                        selector.register(key.data.line, selectors.EVENT_READ, key.data.pid)
                    else:
                        os.close(key.fd)
                        os.waitpid(key.data, 0)
                    continue
                data, descriptors, _, _ = socket.recv_fds(client, _MOST, 4)
                if not data:
                    return None
                *streams, line = descriptors
                argv, cwd, environment, mortal = data.decode().split("\0")
                pid = os.fork()
                if pid == 0:
                    words, variables = json.loads(argv), json.loads(environment)
                    return _Request(words, cwd, variables, streams, line, bool(mortal))
                for stream in streams:
                    os.close(stream)
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, _Child(pid, line))


@dataclass(frozen=True)
class _Child:
    pid: int
    line: int

    def tell_end(self, descriptor: int) -> None:
        os.close(descriptor)
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        with contextlib.suppress(BrokenPipeError):  # nobody wants to know
            _tell(self.line, "ended with", code)


def _tell(line: int, what: str, number: int) -> None:
    os.write(line, f"{what} {number}".encode())


def _main() -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _import_all()
    gc.collect()
    gc.freeze()
    client = socket.socket(fileno=os.dup(0))
    request = _serve(client)
    if request is None:
        return 0
    client.detach()
    request.become()
    module, function = _ENTRIES[Path(request.argv[0]).name]
    code: int = getattr(sys.modules[module], function)()
    return code


if __name__ == "__main__":
    sys.exit(_main())
