"""Recognise failures of cross-compiling in the last lines of a step's log.

Pure. Every pattern matches a real program's output (cmake 4.4, meson 1.12, clang 22, autoconf
2.71, qemu 7.2). Knows nothing of specs, steps and compilers' notes.
"""

import re
from collections.abc import Callable, Sequence

from mpforge.diagnostics.log_patterns import Symptom, compiled, last

_PROGRAM = r"(?P<name>[^\s:'\"]+)"

_RAN = compiled(
    rf"(?:^|[\s:]){_PROGRAM}: cannot execute(?: binary file)?: Exec format error$",
    rf"(?:^|[\s:]){_PROGRAM}: Exec format error$",
    rf"\[Errno 8\] Exec format error: ['\"]{_PROGRAM}['\"]",
    rf"^{_PROGRAM}: \d+: .?ELF.*: not found$",  # a shell that env or xargs started
    # QEMU started by the kernel has the name that it is registered by
    r"\b(?:qemu-\w+(?:-static)?|\w+-binfmt-P): Could not open '/lib[^']*/ld[-.][^']+'",
    rf"Failed running '{_PROGRAM}', binary or interpreter not executable",
)
_ASKS = compiled(
    r"error: cannot run (?:C|C\+\+) compiled programs",
    r"ERROR: Can not run test applications in this cross environment",
    r"(?i)try_run\(\) invoked in cross-compiling mode",
)
_ANSWER = re.compile(r"^\s*(?P<name>\w+) \(advanced\)$")
_FLAG = compiled(
    r"error: unsupported option '(?P<name>-m[^']+)' for target",
    r"error: unknown target CPU '(?P<name>[^']+)'",
    r"error: unsupported argument '[^']+' to option '(?P<name>-m[^']+)'",
    r"error: \"?This header is only meant to be used on (?P<name>x86)",
)
_FEATURE = compiled(  # zig's
    r"error: target architecture \S+ has no LLVM CPU feature named \"(?P<name>[^\"]+)\"",
)
_OF_SOURCE = re.compile(r"^[^\s:]+:\d+:(?:\d+:)? (?:fatal )?error: ")
_OPENMP = compiled(
    r"error: mpforge: openmp-unavailable: (?P<name>[^:]+):",
    r"fatal error: '?(?P<name>omp\.h)\b",
    r"(?:library ['\"]?(?:-l)?|cannot find -l)(?P<name>gomp|omp|iomp5)\b",
    r"^\s*(?P<name>Could NOT find OpenMP)",
    r"ERROR: Dependency \"?(?P<name>openmp)\"? not found",
)
_OPTION = compiled(
    r"error: unknown clang option: ['\"](?P<name>[^'\"]+)",
    r"error: unsupported linker (?:arg|extension flag): (?P<name>.+)",
    r"ld\.lld: error: unknown argument '(?P<name>[^']+)'",
)
_LIBRARY = compiled(
    r"fatal error: '(?P<name>[^']+)' file not found",
    r"fatal error: (?P<name>[\w./+-]+\.h\w*): No such file or directory",  # gcc
    r"unable to find (?:dynamic system |static system )?library ['\"]?(?:-l)?(?P<name>[\w.+-]+)",
    r"cannot find -l(?P<name>[\w.+-]+)",
    r"[Nn]o package '(?P<name>[^']+)' found",
    r"Package '?(?P<name>[\w.+-]+?)'?(?:, required by .*,)? (?:was )?not found",
    r"ERROR: Dependency (?:lookup for )?\"?(?P<name>[\w.+-]+)\"? (?:not found|with method)",
    r"(?<!-- )Could NOT find (?P<name>\w+) \(missing: \w*(?:LIBRAR|INCLUDE)",
    r"make sure (?:the )?(?P<name>[\w.+-]+)\b.* development packages are installed",
    r"headers or library files could not be found for (?P<name>[\w.+-]+)",
    # the crates openssl-sys and pkg-config
    r"Could not find directory of (?P<name>OpenSSL) installation",
    r"system library `(?P<name>[^`]+)` required by crate",
    r"(?P<name>(?!pkg-)\w+[-_]config)\b(?: executable)?(?: is)? not found",
    r"(?P<name>[\w./+-]+\.(?:so|a|o))\S* is incompatible with",
)
_CONFIGURE = re.compile(
    r"^(?:\S*meson\.build:\d+:\d+: ERROR: .+|CMake Error(?: at|:) .+|configure: error: .+)"
)
_MESON_LOG = re.compile(r"^A full log can be found at (?P<name>\S+)$")


def ran_target_program(
    lines: Sequence[str], is_ours: Callable[[str], bool | None]
) -> Symptom | None:
    """Return the last line about running a program of another machine, or None.

    ``is_ours`` returns whether a name is one of the target's programs, None if unknown. A script
    without a shebang fails with the same message.
    """
    for number in range(len(lines) - 1, -1, -1):
        line = lines[number].strip()
        if any(pattern.search(line) for pattern in _ASKS):
            return Symptom(line, _awaited(lines[number + 1 :]), question=True)
        for match in filter(None, (pattern.search(line) for pattern in _RAN)):
            name = match.groupdict().get("name")
            if name is None or is_ours(name) is not False:
                return Symptom(line, name)
    return None


def foreign_flag(lines: Sequence[str]) -> Symptom | None:
    """Return the last line in which the compiler refuses an option of another kind of CPU."""
    return last(lines, *_FLAG) or _last_before_errors(lines, _FEATURE)


def wants_openmp(lines: Sequence[str]) -> Symptom | None:
    """Return the last line that reports missing OpenMP; its name is what requested OpenMP."""
    return _last_before_errors(lines, _OPENMP)


def unknown_option(lines: Sequence[str]) -> Symptom | None:
    """Return the last line in which a compiler or linker refuses an unknown option."""
    return _last_before_errors(lines, _OPTION)


def _last_before_errors(
    lines: Sequence[str], patterns: Sequence[re.Pattern[str]]
) -> Symptom | None:
    """Return the last match; None if a compiler refused a source after it: then the match was a check's."""
    for line in reversed(lines):
        if found := last([line], *patterns):
            return found
        if _OF_SOURCE.match(line):
            return None
    return None


def missing_library(lines: Sequence[str]) -> Symptom | None:
    """Return the first line that reports a missing header or library: later errors follow from it."""
    return last(list(reversed(lines)), *_LIBRARY)


def failed_check(lines: Sequence[str]) -> str | None:
    """Return the last error of Meson, CMake or a configure script, with its continuation line."""
    for number in range(len(lines) - 1, -1, -1):
        line = lines[number].strip()
        if _CONFIGURE.match(line):
            words = next((text.strip() for text in lines[number + 1 :] if text.strip()), "")
            return f"{line}\n{words}" if line.endswith("):") else line
    return None


def meson_log(lines: Sequence[str]) -> str | None:
    """Return the path of the log that Meson points to."""
    found = last(lines, _MESON_LOG)
    return None if found is None else found.name


def _awaited(following: Sequence[str]) -> str | None:
    """Return the cache variable that CMake's try_run() needs a value for."""
    match = next(filter(None, map(_ANSWER.match, following[:3])), None)
    return match["name"] if match else None
