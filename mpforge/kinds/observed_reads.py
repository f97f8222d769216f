"""What a step read beside what its key is taken from: known when it has run, compared before it is a hit.

Each read has a name that says where it was: ``source:PATH`` is a file of the step's source whose content
is not in the key (tests), ``host:PATH`` a file of this machine. Its value is the sha256 of what was there,
or ``ABSENT``.
"""

import hashlib
import json
from collections.abc import Callable, Mapping

from mpforge.keys.walk import ABSENT
from mpforge.toolchains.host_reads import UNSEEN

SOURCE = "source:"
HOST = "host:"


class Observed:
    """What one execution reads: who can tell adds a teller, which is asked once its programs have ended."""

    def __init__(self) -> None:
        self.reads: dict[str, str] = {}
        self._tellers: list[Callable[[], Mapping[str, str]]] = []

    def add(self, teller: Callable[[], Mapping[str, str]]) -> None:
        """Ask this one too."""
        self._tellers.append(teller)

    def settle(self) -> None:
        """The programs have ended: from now on ``reads`` is what they read."""
        for teller in self._tellers:
            self.reads |= teller()


def key_with(key: str, reads: Mapping[str, str]) -> str:
    """What a step's result is kept under beside its key: of each state of what it reads there is one."""
    data = json.dumps([key, sorted(reads.items())], separators=(",", ":"))
    return hashlib.sha256(data.encode()).hexdigest()


def difference(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """In words, the first of these reads that would give something else now; empty: none."""
    for name, value in before.items():
        where, _, path = name.partition(":")
        path = path if f"{where}:" == HOST else f"the source's {path}"
        path = path.removesuffix("**")
        if path == UNSEEN:
            return "the host files that it read are not known"
        if now[name] == value:
            continue
        if value == ABSENT:
            return f"it looked for {path}, which has appeared"
        return f"it read {path}, which {'is gone' if now[name] == ABSENT else 'has changed'}"
    return ""
