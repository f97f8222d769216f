"""Put a program into its own namespaces between fork and exec: network, processes, mounts, user.

mpforge's child becomes the *keeper*, which has two children::

    mpforge --- keeper --+-- PID 1: reaps orphans, ends with the keeper
                         +-- the program, PID 2

The keeper waits for the program, ends PID 1 and with it whatever still runs there, and ends as the
program ended: by the same exit status or the same signal. The program does not see it.

The program is user 1000, whoever the caller is, without capabilities; the files that it makes are the
caller's. A caller that is root stays the owner of root's files. As user 0 it could not unpack archives of
other owners: tar then tries to give files away.

Facts: namespaces(7), user_namespaces(7), pid_namespaces(7), mount(2), mount_setattr(2), netdevice(7).
"""

import contextlib
import ctypes
import errno
import os
import shutil
import signal
import socket
import struct
import sys
from pathlib import Path

from mpforge.workspace import SHARED_MEMORY

if sys.platform == "linux":
    import fcntl
    import resource

# linux/sched.h
MOUNTS, HOST_NAME, IPC = 0x00020000, 0x04000000, 0x08000000
USER, PROCESSES, NETWORK = 0x10000000, 0x20000000, 0x40000000

NAME, ID = "mpforge", 1000
"""The user of a program, the same for every caller, so that no output depends on the caller."""
NOT_RUN = 126

_HOST_NAME = b"localhost"  # has an address in every /etc/hosts
_ACCOUNTS = {
    "/etc/passwd": (
        "root:x:0:0:root:/root:/bin/sh\n"
        f"{NAME}:x:{ID}:{ID}:{NAME}:/nonexistent:/bin/sh\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
    ),
    "/etc/group": f"root:x:0:\n{NAME}:x:{ID}:\nnogroup:x:65534:\n",
}
# What root's files in /proc let their owner change, capabilities or not; as containers have it.
_READ_ONLY = ("sys", "sysrq-trigger", "irq", "bus", "fs", "scsi", "acpi")

_SET_PDEATHSIG, _SET_NO_NEW_PRIVS = 1, 38  # linux/prctl.h
_NO_SUID, _NO_DEV, _NO_EXEC, _BIND, _RECURSIVE, _PRIVATE = 2, 4, 8, 0x1000, 0x4000, 1 << 18
_DETACH = 2
_MOUNT_SETATTR, _OF_TREE, _HERE = 442, 0x8000, -100  # one number on every architecture
_READ_ONLY_FLAG, _REMOUNT = 1, 0x20
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1  # linux/sockios.h
_REQUEST = "16sh22x"  # struct ifreq: a name, and here flags
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def enter(kinds: int) -> None:
    """Enter new namespaces of these kinds; returns in the program's process. Raises ``OSError``.

    Where ``PROCESSES`` is among them, the calling process stays behind as the keeper.
    """
    _forget_handlers()
    user, group = os.geteuid(), os.getegid()
    _unshare(kinds)
    if kinds & USER:
        # Without a map the ids would be nobody's; only one's own may be mapped (user_namespaces(7)).
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{ID} {user} 1")
        _write("/proc/self/gid_map", f"{ID} {group} 1")
    if kinds & PROCESSES:
        _leave_keeper()
    _furnish(kinds)
    if kinds & USER:
        _called("prctl", _prctl(_SET_NO_NEW_PRIVS, 1))


def _forget_handlers() -> None:
    """Restore the default signal handlers: these processes are no longer mpforge."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)


# --- the three processes --------------------------------------------------------------------------


def _leave_keeper() -> None:
    """Start PID 1, fork the program and return in the program's process. Raises ``OSError``.

    PID 1 is ``cat``, whose input only the keeper holds: it ends when that is gone, and all with it. It
    is started without a copy of this process, which costs more. That it ignores SIGCHLD is enough to reap.
    """
    here, there = os.pipe()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    actions = [
        (os.POSIX_SPAWN_DUP2, here, 0),
        *((os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)),
    ]
    first = os.posix_spawn(_cat(), ["cat"], {}, file_actions=actions)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.close(here)
    signals = {signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP}
    former = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    program = os.fork()
    if program:
        try:
            _keep(first, program, there, former)
        finally:
            os._exit(NOT_RUN)
    signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _cat() -> str:
    for path in ("/bin/cat", "/usr/bin/cat"):
        if os.path.exists(path):
            return path
    found = shutil.which("cat")
    if found is None:
        raise FileNotFoundError(errno.ENOENT, "there is no program cat")
    return found


def _keep(first: int, program: int, held: int, former: set[signal.Signals] | set[int]) -> None:
    """Wait for the program, end PID 1, and end this process as the program ended."""

    def pass_on(number: int, _frame: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(program, number)

    # Who signals a group reaches the program too; on a terminal, this process is signalled alone.
    leader = os.getpgrp() == os.getpid()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN if leader else pass_on)
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, former)
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)
    os.dup2(held, 3, inheritable=False)
    os.closerange(
        4, os.sysconf("SC_OPEN_MAX")
    )  # subprocess waits until the program alone has its pipe
    _, status = os.waitpid(program, 0)
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, 0)  # by then all are gone
    if os.WIFSIGNALED(status):
        ending = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError):  # SIGKILL has no other disposition
            signal.signal(ending, signal.SIG_DFL)
        os.kill(os.getpid(), ending)
    os._exit(os.waitstatus_to_exitcode(status))


# --- what is in the place -------------------------------------------------------------------------


def _furnish(kinds: int) -> None:
    """Set up new namespaces: loopback, a host name, mounts. Raises ``OSError``."""
    if kinds & NETWORK:
        _raise_loopback()
    if kinds & HOST_NAME and _libc is not None:
        _called("sethostname", _libc.sethostname(_HOST_NAME, len(_HOST_NAME)))
    if kinds & MOUNTS:
        _mount(None, "/", None, _PRIVATE | _RECURSIVE)
        _write_accounts()
        if kinds & PROCESSES:
            _mount("proc", "/proc", "proc", _NO_SUID | _NO_DEV | _NO_EXEC)
        if kinds & USER:
            # No further ones: they would give back all capabilities, over themselves.
            _write("/proc/sys/user/max_user_namespaces", "0")
        for name in _READ_ONLY:
            _make_read_only(f"/proc/{name}")
        _make_read_only("/sys")
        if kinds & IPC and os.path.isdir(SHARED_MEMORY):
            _mount("tmpfs", SHARED_MEMORY, "tmpfs", _NO_SUID | _NO_DEV, "mode=1777")


def _write_accounts() -> None:
    """Give the user a name: bind passwd and group from a file system that nobody else sees."""
    _mount("tmpfs", "/proc", "tmpfs", _NO_SUID | _NO_DEV, "mode=755")
    for place, text in _ACCOUNTS.items():
        if os.path.exists(place):
            file = Path("/proc", os.path.basename(place))
            file.write_text(text, encoding="ascii")
            _mount(str(file), place, None, _BIND)
            _make_read_only(place, bind=False)
    if _libc is not None:
        _called("umount2 /proc", _libc.umount2(b"/proc", _DETACH))


def _make_read_only(path: str, *, bind: bool = True) -> None:
    if not os.path.exists(path):
        return
    if bind:
        _mount(path, path, None, _BIND | _RECURSIVE)
    attributes = struct.pack("QQQQ", _READ_ONLY_FLAG, 0, 0, 0)  # struct mount_attr
    if _libc is None:
        return
    done = _libc.syscall(
        _MOUNT_SETATTR, _HERE, path.encode(), _OF_TREE, attributes, ctypes.c_size_t(32)
    )
    if (
        done != 0 and ctypes.get_errno() == errno.ENOSYS
    ):  # before Linux 5.12: but what is mounted below
        kept = _NO_SUID | _NO_DEV | _NO_EXEC
        _mount(None, path, None, _REMOUNT | _BIND | _READ_ONLY_FLAG | kept)
    else:
        _called(f"mount_setattr {path}", done)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, _GET_FLAGS, struct.pack(_REQUEST, b"lo", 0))
        _, flags = struct.unpack(_REQUEST, answer)
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack(_REQUEST, b"lo", flags | _UP))


# --- system calls ---------------------------------------------------------------------------------


def _unshare(kinds: int) -> None:
    if _libc is None or _libc.unshare(kinds) != 0:
        number = ctypes.get_errno()
        # ENOSPC is a limit of namespaces here; its own words would be read as a full disk.
        words = "no more namespaces" if number == errno.ENOSPC else os.strerror(number)
        raise OSError(number, f"unshare(2): {words}")


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    if _libc is not None:
        words = [None if text is None else text.encode() for text in (source, target, kind, data)]
        done = _libc.mount(*words[:3], ctypes.c_ulong(flags), words[3])
        _called(f"mount(2) {target}", done)


def _prctl(option: int, value: int) -> int:
    if _libc is None:
        return -1
    zero = ctypes.c_ulong(0)  # prctl(2) wants the unused ones to be 0
    done: int = _libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero)
    return done


def _called(what: str, done: int) -> None:
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _write(path: str, text: str) -> None:
    number = os.open(path, os.O_WRONLY)
    try:
        os.write(number, text.encode())
    finally:
        os.close(number)
