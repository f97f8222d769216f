"""The words for Pythons (``cp311``, ``cp313t``, ``pp311``), and the names that follow from one."""

import functools
import re
from dataclasses import dataclass
from typing import Literal

OLDEST, NEWEST = 9, 15
"""The first and the last minor version of CPython 3 that a spec may name."""
_THREADS_SINCE = 13  # PEP 703
_NEWEST_PYPY = 11

_WORD = re.compile(r"(?:cp3(?P<minor>\d+)(?P<threads>t?)|pp3(?P<pypy>\d+))")


@dataclass(frozen=True)
class PythonWord:
    """A Python's word, taken apart: ``minor`` is 11 for 3.11, ``threaded`` is without the GIL (PEP 703)."""

    implementation: Literal["cpython", "pypy"]
    minor: int
    threaded: bool = False

    @property
    def version(self) -> str:
        """Return the version: ``3.13``."""
        return f"3.{self.minor}"

    @property
    def is_pypy(self) -> bool:
        """True for PyPy."""
        return self.implementation == "pypy"

    @property
    def name(self) -> str:
        """Return ``platform.python_implementation()``'s name of it."""
        return "PyPy" if self.is_pypy else "CPython"

    @property
    def builder(self) -> str:
        """Return the word of the CPython that runs its build hooks on this host."""
        return f"cp3{self.minor}{'t' if self.threaded else ''}"

    @property
    def tag(self) -> str:
        """Return the ABI tag of its wheels: ``cp313t``, ``pypy311_pp73`` (PyPy's ABI since 7.3)."""
        return f"pypy3{self.minor}_pp73" if self.is_pypy else self.builder

    def soabi(self, multiarch: str) -> str:
        """Return the suffix of its extension modules (PEP 3149): ``cpython-313t-aarch64-linux-gnu``."""
        threads = "t" if self.threaded else ""
        own = f"pypy3{self.minor}-pp73" if self.is_pypy else f"cpython-3{self.minor}{threads}"
        return f"{own}-{multiarch}"

    @property
    def program(self) -> str:
        """Return the name of the interpreter, and of its library's folder: ``python3.13t``, ``pypy3.11``."""
        name = "pypy" if self.is_pypy else "python"
        return f"{name}{self.version}{'t' if self.threaded else ''}"


@functools.cache
def parse(word: str) -> PythonWord:
    """Return a word's parts. Raises ``ValueError`` for anything else."""
    match = _WORD.fullmatch(word)
    if match is None:
        raise ValueError(f"{word!r} is not a Python: expected cp3XY, cp3XYt or pp3XY")
    if match["pypy"]:
        return PythonWord("pypy", int(match["pypy"]))
    return PythonWord("cpython", int(match["minor"]), threaded=bool(match["threads"]))


@functools.cache
def known() -> tuple[str, ...]:
    """Return every word that a spec may use: CPython's, those without the GIL, PyPy's."""
    return (
        *(f"cp3{minor}" for minor in range(OLDEST, NEWEST + 1)),
        *(f"cp3{minor}t" for minor in range(_THREADS_SINCE, NEWEST + 1)),
        *(f"pp3{minor}" for minor in range(OLDEST, _NEWEST_PYPY + 1)),
    )


AUTO = "auto"
"""Stands in a spec for ``automatic()``, as far as the project's Requires-Python allows them."""
_THREADS_SUPPORTED_SINCE = 14  # PEP 779


@functools.cache
def automatic() -> tuple[str, ...]:
    """Return every CPython that a spec may name; free-threaded ones only where that is supported."""
    return tuple(
        word
        for word, parts in ((word, parse(word)) for word in known())
        if not parts.is_pypy and (not parts.threaded or parts.minor >= _THREADS_SUPPORTED_SINCE)
    )


def nearest(text: str) -> str | None:
    """Return the word for ``3.11``, ``cp311-*``, ``py311`` or ``python3.13t``."""
    match = re.search(r"3[._-]?(?P<minor>\d{1,2})(?P<threads>t?)", text.lower())
    if match is None:
        return None
    pypy = re.match(r"pp|pypy", text.lower())
    newest = _NEWEST_PYPY if pypy else NEWEST
    minor, swapped = int(match["minor"]), int(match["minor"][::-1])
    if minor > newest >= swapped >= OLDEST:
        minor = swapped
    word = f"{'pp' if pypy else 'cp'}3{min(max(minor, OLDEST), newest)}"
    return next((w for w in (word + match["threads"], word) if w in known()), None)
