"""Keeping a step's programs off the network: a namespace of their own, with loopback up.

Where the kernel or a container's policy forbids it, ``isolation()`` says why; who runs steps reports that.
Facts: unshare(2), user_namespaces(7), netdevice(7). Knows nothing of steps.
"""

import ctypes
import errno
import functools
import os
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mpforge.processes import capture

if sys.platform == "linux":
    import fcntl

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000  # linux/sched.h
_GET_FLAGS, _SET_FLAGS = 0x8913, 0x8914  # linux/sockios.h
_UP = 1
_REQUEST = "16sh22x"  # struct ifreq: a name, and here flags
_NOT_RUN = 126
_SECONDS = 20.0
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Isolation:
    """What this host allows: ``cut_off`` runs in a child before its program; None: nothing does.

    ``why`` says how, or why not; ``remedy`` what would make the host able.
    """

    cut_off: Callable[[], None] | None
    why: str
    remedy: str | None = None


@functools.cache
def isolation() -> Isolation:
    """What this host allows, tried once a process, in a child."""
    if _libc is None:
        return Isolation(None, "network namespaces are Linux's")
    why = ""
    for flags, how in (
        (_NEW_NET, "a network namespace for each program"),
        (_NEW_USER | _NEW_NET, "a user and a network namespace for each program"),
    ):
        try:
            answer = capture(["true"], in_child=functools.partial(_try, flags), timeout=_SECONDS)
        except (OSError, TimeoutError) as error:
            return Isolation(None, str(error))
        if answer.returncode == 0:
            return Isolation(functools.partial(_cut_off, flags), how)
        why = answer.stderr.strip() or f"exit status {answer.returncode}"
    return Isolation(None, why, _remedy())


def _remedy() -> str:
    """What forbids unprivileged namespaces here, by the switches that are known to."""
    for switch, wrong, right in (
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
        ("kernel/unprivileged_userns_clone", "0", "1"),
        ("user/max_user_namespaces", "0", "10000"),
        ("user/max_net_namespaces", "0", "10000"),
    ):
        try:
            value = Path("/proc/sys", switch).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if value == wrong:
            return f"sysctl -w {switch.replace('/', '.')}={right}"
    return "in a container, let its policy (seccomp, capabilities) allow unshare(2)"


# --- in the child, between fork and exec -----------------------------------------------------------


def _cut_off(flags: int) -> None:
    try:
        _enter(flags)
    except OSError as error:
        os.write(2, f"mpforge: the network can't be cut off: {error}\n".encode())
        os._exit(_NOT_RUN)


def _try(flags: int) -> None:
    try:
        _enter(flags)
    except OSError as error:
        os.write(2, str(error).encode())
        os._exit(_NOT_RUN)
    os._exit(0)


def _enter(flags: int) -> None:
    """Enter new namespaces with loopback up, as the same user. Raises ``OSError``."""
    user, group = os.geteuid(), os.getegid()
    if _libc is None or _libc.unshare(flags) != 0:
        number = ctypes.get_errno()
        # ENOSPC is a limit of namespaces here; its own words would be read as a full disk.
        words = "no more namespaces" if number == errno.ENOSPC else os.strerror(number)
        raise OSError(number, f"unshare(2): {words}")
    if flags & _NEW_USER:
        # Without a map the ids would be nobody's; only one's own may be mapped (user_namespaces(7)).
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")
    _raise_loopback()


def _write(path: str, text: str) -> None:
    number = os.open(path, os.O_WRONLY)
    try:
        os.write(number, text.encode())
    finally:
        os.close(number)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, _GET_FLAGS, struct.pack(_REQUEST, b"lo", 0))
        _, flags = struct.unpack(_REQUEST, answer)
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack(_REQUEST, b"lo", flags | _UP))
