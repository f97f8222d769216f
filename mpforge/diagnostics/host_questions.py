"""Find questions of build scripts to the build machine whose answer differs on the target.

Read from the scripts themselves: questions without a compiler leave no other trace. So it is a hint,
not a proof. Knows nothing of steps.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_LARGEST = 1_000_000


@dataclass(frozen=True)
class _Question:
    """A question's pattern in files of these names, and whose answer it gets.

    ``bits``: the answer differs only if the word sizes differ.
    """

    files: tuple[str, ...]
    pattern: re.Pattern[str]
    answer: str
    bits: bool = False


_PYTHON = ("setup.py", "build.py", "_build.py", "*_build.py", "build_*.py", "*_backend.py")
_MAKE = ("Makefile", "makefile", "GNUmakefile", "*.mk")
_QUESTIONS = (
    _Question(
        _PYTHON,
        re.compile(r"/proc/cpuinfo|\bget_cpu_info\(|^\s*import cpuinfo|\bfrom cpuinfo import"),
        "this machine's CPU",
    ),
    _Question(
        _PYTHON,
        re.compile(r"\bfind_library\("),
        "this machine's libraries",
    ),
    _Question(
        _PYTHON,
        re.compile(r"\bsizeof\(\s*(?:ctypes\.)?c_(?:void_p|s?size_t|long)\b"),
        "this Python's word size",
        bits=True,
    ),
    _Question(
        (*_PYTHON, *_MAKE),
        re.compile(r"\buname +-[mp]\b|['\"]uname['\"]\s*,\s*['\"]-[mp]"),
        "this machine's name",
    ),
    _Question(
        ("CMakeLists.txt", "*.cmake"),
        re.compile(r"\bCMAKE_HOST_SYSTEM_PROCESSOR\b"),
        "this machine's processor (CMAKE_SYSTEM_PROCESSOR is the target's)",
    ),
)


def asked(source: Path, *, same_bits: bool) -> list[str]:
    """Return each question with its place, ``setup.py:12 (find_library() gets this machine's libraries``.

    Only top-level scripts are read, and each is listed once for a question.
    """
    return [
        f"{path.name}:{number} ({text}) gets {question.answer}"
        for question in _QUESTIONS
        if not (question.bits and same_bits)
        for path in scripts(source, question.files)
        for number, text in lines_with(path, question.pattern)[:1]
    ]


def scripts(source: Path, globs: Iterable[str]) -> Iterator[Path]:
    """Yield the files below a directory that match, sorted, without those too large for a script."""
    found = {path for glob in globs for path in source.glob(glob)}
    yield from (p for p in sorted(found) if p.is_file() and p.stat().st_size < _LARGEST)


def lines_with(path: Path, pattern: re.Pattern[str]) -> list[tuple[int, str]]:
    """Return the number of each line with a match outside comments, and the matched text."""
    lines = path.read_text("utf-8", "replace").splitlines()
    matches = ((n, pattern.search(line.partition("#")[0])) for n, line in enumerate(lines, 1))
    return [(n, match[0]) for n, match in matches if match is not None]
