"""Find the place of an illegal instruction in QEMU's trace of a program.

QEMU itself reports only that it happened. Its trace of system calls (``QEMU_LOG=strace``) has each file that
was mapped, where, and each signal's address. Pure; knows nothing of tests.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_OPEN = re.compile(r'open(?:at2?)?\([^"]*"(?P<path>[^"]+)".*\) = (?P<descriptor>\d+)')
_MAP = re.compile(
    r"mmap2?\([^,]+,(?P<size>\w+),.*,(?P<descriptor>-?\d+),(?P<offset>\w+)\) = (?P<start>0x[0-9a-f]+)"
)
# QEMU's z900 reports a vector instruction as SIGFPE, with the code of a signal that a program sends, but an
# address; a real one has another code (1: division by zero).
_FAULT = re.compile(
    r"--- (?:SIGILL \{|SIGFPE \{si_signo=SIGFPE, si_code=SI_USER, ).*si_addr=(?P<address>0x[0-9a-f]+)"
)
_CALL = re.compile(r"^(?P<process>\d+) (?P<name>\w+)\(")


@dataclass(frozen=True)
class Fault:
    """An illegal instruction at ``address``: in a file, if known, ``offset`` bytes from its start.

    ``path`` is the file's as the program named it.
    """

    address: int
    path: str | None = None
    offset: int = 0


def variables(folder: str) -> Mapping[str, str]:
    """Return the environment that makes QEMU trace each process that it starts to ``folder``/PID."""
    return {"QEMU_LOG": "strace", "QEMU_LOG_FILENAME": f"{folder}/%d"}


def last_fault(lines: Iterable[str]) -> Fault | None:
    """Return the last illegal instruction of a process and its forks; None if it survived, or met none.

    Programs probe instructions and handle the signal: one that then exits by itself did not fail.
    """
    mapped: list[tuple[range, str | None, int]] = []
    opened: dict[str, str] = {}
    processes: set[str] = set()
    fault: Fault | None = None
    ended = ""
    for line in lines:
        if match := _OPEN.search(line):
            opened[match["descriptor"]] = match["path"]
        elif match := _MAP.search(line):
            start, path = int(match["start"], 16), opened.get(match["descriptor"])
            addresses = range(start, start + int(match["size"], 0))
            mapped.append((addresses, path, int(match["offset"], 0)))
        elif match := _FAULT.search(line):
            fault = _fault(int(match["address"], 16), mapped)
        if match := _CALL.match(line):
            processes.add(match["process"])
            ended = match["name"]
    lived_on = len(processes) == 1 and ended == "exit_group"
    return None if lived_on else fault


def _fault(address: int, mapped: list[tuple[range, str | None, int]]) -> Fault:
    for addresses, path, offset in reversed(mapped):
        if address in addresses:
            return Fault(address, path, address - addresses.start + offset if path else 0)
    return Fault(address)
