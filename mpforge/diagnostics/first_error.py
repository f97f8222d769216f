"""Find the line of a log that explains a failed build: the first error of a compiler, linker or tool.

Pure. Every pattern matches a real program's output (gcc 12, clang 22, lld, GNU ld, Cython 3,
rustc, CMake, make, Python). Knows nothing of specs and steps.
"""

import re
from collections.abc import Sequence

from mpforge.diagnostics import cross_compiling, failed_extensions

# Errors of compilers and linkers about a source, an object or a symbol.
_ERRORS = re.compile(
    r"^\S+?:\d+(?::\d+)?: (?:fatal |internal compiler )?error: .+"
    r"|^\S+\.(?:pyx|pxd|pxi):\d+:\d+: (?!warning|performance).+"
    r"|^(?:\S*ld(?:\.\w+)?: )?error: undefined symbol: .+|.+: undefined reference to .+"
    r"|.*\bcannot find -l\S+.*|^ld\.lld: error: .+|^error: unable to find .*library .+"
    r"|^(?:\S*/)?(?:zig|clang\S*|gcc|g\+\+|cc|c\+\+|cc1|cc1plus|as|ar)(?:-\d+)?: (?:fatal )?error: .+"
    r"|^\S+: Assembler messages:|^error: (?:unknown clang option|unsupported linker).+"
)
_RUST = re.compile(r"^error(?:\[E\d+\])?: (?!could not compile|aborting).+")
_RUST_PLACE = re.compile(r"^\s*--> (?P<place>\S+:\d+:\d+)")
_MAKE = re.compile(r"^make(?:\[\d+\])?: \*\*\* No rule to make target .+")
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+)')
_EXCEPTION = re.compile(
    r"^(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Exit|Warning|Interrupt|Unavailable)\b(?::.*)?$"
)
# Messages that only report another program's failure.
_OF_OTHERS = re.compile(
    r"returned non-zero exit status|failed with exit (?:code|status)|died with <Signals"
)
_TOOL = re.compile(r"^(?:\S+: )?(?:[Ee]rror|ERROR|FATAL|fatal): .+")
_LIBRARY = ("/site-packages/", "/lib/python3", "/pyproject_hooks/", "<frozen ", "<string>")
_WIDE = 300
_NEAR = 4


def complaint(lines: Sequence[str], root: str) -> str | None:
    """Return the error to show for a failed build, with file, line and column; relative below ``root``.

    The first error of a compiler or linker; else of Meson, CMake or a configure script; else the exception
    that ended a Python program, with the project's own line; else the last line marked as an error; else
    the last line. Compilers' errors about checks are ignored.
    """
    lines = failed_extensions.without_checks(lines)
    found = (
        _compilers(lines)
        or cross_compiling.failed_check(lines)
        or _python(lines)
        or _last_error(lines)
    )
    if found is None:
        return None
    shown = "\n".join(
        line if len(line) <= _WIDE else f"{line[:_WIDE]} …" for line in found.splitlines()
    )
    return shown.replace(f"{root}/src/", "").replace(f"{root}/", "")


def _compilers(lines: Sequence[str]) -> str | None:
    for number, line in enumerate(lines):
        if _ERRORS.match(line) or _MAKE.match(line):
            return line.strip()
        if _RUST.match(line):
            following = lines[number + 1 : number + 1 + _NEAR]
            for match in filter(None, map(_RUST_PLACE.match, following)):
                return f"{match['place']}: {line.strip()}"
    return None


def _python(lines: Sequence[str]) -> str | None:
    """Return the exception that ended a Python program, after the last traceback line outside libraries."""
    for number in range(len(lines) - 1, -1, -1):
        line = lines[number]
        if not _EXCEPTION.match(line) or _OF_OTHERS.search(line):
            continue
        for above in reversed(lines[:number]):
            if above.startswith("Traceback (most recent call last)"):
                break
            match = _FRAME.match(above)
            if match and not any(part in match["file"] for part in _LIBRARY):
                return f"{match['file']}:{match['line']}: {line}"
        return line
    return None


def _last_error(lines: Sequence[str]) -> str | None:
    said = [line.strip() for line in lines if line.strip() and not line.startswith("$ ")]
    errors = [line for line in said if _TOOL.match(line) and not _OF_OTHERS.search(line)]
    return errors[-1] if errors else said[-1] if said else None
