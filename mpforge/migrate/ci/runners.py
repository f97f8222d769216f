"""Tell from the label of a CI service's runner which system and machine it is."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mpforge.platforms import by_machine, glibc_platforms

_OTHERS = {
    "macos": "macOS",
    "osx": "macOS",
    "mac": "macOS",
    "windows": "Windows",
    "vs2022": "Windows",
}
_LINUX = re.compile(r"ubuntu|linux|debian|fedora|docker")


@dataclass(frozen=True)
class Runner:
    """A runner: ``other`` is its system if that is not Linux, ``machines`` are empty if not known."""

    other: str = ""
    machines: tuple[str, ...] = ()


UNKNOWN_RUNNER = Runner()


def runner_of(labels: Iterable[object]) -> Runner:
    """Return the runner that these labels name; one without facts if they name none."""
    text = " ".join(str(label).lower() for label in labels)
    words = [word for word in re.split(r"[^a-z0-9_]+", text) if word]
    other = next((_OTHERS[w] for word in words for w in _OTHERS if word.startswith(w)), "")
    machine = next((found for word in words if (found := _machine(word))), None)
    if other or not words:
        return Runner(other)
    if machine is None and _LINUX.search(text):
        return Runner("", (glibc_platforms()[0].machine,))
    return Runner("", (machine,) if machine else ())


def _machine(word: str) -> str | None:
    """Return the machine that a word of a label names: ``arm64``, and ``arm`` as in ubuntu-24.04-arm."""
    platform = by_machine(word)
    if platform is not None:
        return platform.machine
    for known in glibc_platforms():
        if (known.github_runner or "").endswith(f"-{word}") and word.isalpha():
            return known.machine
    return None
