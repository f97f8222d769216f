"""Record files that a step read but that are not in its key, and compare them before a hit.

Each read has a name with its origin: ``source:PATH`` is a file of the step's source whose content is not in
the key (tests), ``host:PATH`` a file of this machine. Its value is the sha256 of the file, or ``ABSENT``.
"""

import hashlib
import json
from collections.abc import Callable, Mapping

from mpforge.keys.walk import ABSENT
from mpforge.toolchains.host_reads import UNSEEN

SOURCE = "source:"
HOST = "host:"


class Observed:
    """The reads of one execution, from functions that are called once its programs have ended."""

    def __init__(self) -> None:
        self.reads: dict[str, str] = {}
        self._tellers: list[Callable[[], Mapping[str, str]]] = []

    def add(self, teller: Callable[[], Mapping[str, str]]) -> None:
        """Add a function that returns reads."""
        self._tellers.append(teller)

    def settle(self) -> None:
        """Collect the reads after the programs have ended, into ``reads``."""
        for teller in self._tellers:
            self.reads |= teller()


def key_with(key: str, reads: Mapping[str, str]) -> str:
    """Return the additional key of a step's result: one for each state of the files that it read."""
    data = json.dumps([key, sorted(reads.items())], separators=(",", ":"))
    return hashlib.sha256(data.encode()).hexdigest()


def difference(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Describe the first of these reads whose value has changed; empty if none has."""
    for name, value in before.items():
        where, _, path = name.partition(":")
        path = path if f"{where}:" == HOST else f"the source's {path}"
        path = path.removesuffix("**")
        if path == UNSEEN:
            return "it is unknown which host files it read"
        if now[name] == value:
            continue
        if value == ABSENT:
            return f"it looked for {path}, which has appeared"
        return f"it read {path}, which {'is gone' if now[name] == ABSENT else 'has changed'}"
    return ""
