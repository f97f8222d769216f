"""Read which files programs opened or started from the trace of strace(1)."""

import re
from collections.abc import Iterable, Iterator

CALLS = "?open,openat,openat2,execve,execveat"
"""The traced calls; not every machine has the first."""

# -y writes a descriptor's path behind it. Calls of other processes may stand between the halves of one.
_OPENED = re.compile(r"\) += \d+<(/[^>]*)>$")
_STARTED = re.compile(
    r'^(?:\d+ +)?execve(?:at)?\([^"]*"((?:[^"\\]|\\.)*)".*(?:= 0|<unfinished \.\.\.>)$'
)
_ESCAPED = re.compile(r"\\([0-7]{1,3})")
_DELETED = "(deleted)"


def arguments(strace: str, log: str) -> tuple[str, ...]:
    """Return the words before a command line that append its trace to ``log``."""
    options = ("-f", "-qq", "-y", "-A", "-s", "4096", "-e", "signal=none", "-e", f"trace={CALLS}")
    return (strace, *options, "-o", log)


def paths(lines: Iterable[str]) -> Iterator[str]:
    """Yield the absolute paths of files that were opened or started, as programs know them; some twice."""
    for line in lines:
        text = line.rstrip("\n")
        found = _OPENED.search(text) or _STARTED.match(text)
        if found is not None and found[1].startswith("/") and not text.endswith(_DELETED):
            yield _ESCAPED.sub(lambda digits: chr(int(digits[1], 8)), found[1])
