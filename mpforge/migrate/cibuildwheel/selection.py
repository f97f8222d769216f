"""Select the wheels that a run of cibuildwheel builds: its build identifiers for Linux.

Source: ``selector.py`` and ``architecture.py`` of cibuildwheel 2.0 to 4.3.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mpforge.formats.requirements import specifier
from mpforge.migrate.cibuildwheel.options import Options
from mpforge.migrate.cibuildwheel.syntax import globs, matches
from mpforge.migrate.cibuildwheel.versions import Version, groups_of, identifier, rows_of
from mpforge.platforms import Platform, by_machine, glibc_platforms, well_known

_SINCE_AUTO_IS_64_BITS: Version = (3, 0, 0)
_ON = frozenset({"1", "true", "yes", "on", "y", "t"})

_ARCHS = frozenset(
    {"auto", "auto32", "auto64", "native", "all", "universal2"}
    | {platform.machine.lower() for platform in well_known().values()}
)
_GROUPS = frozenset(
    {
        *("all", "cpython-prerelease", "cpython-freethreading", "cpython-experimental-riscv64"),
        *("pypy", "pypy-eol", "graalpy", "pyodide-prerelease", "pyodide-eol"),
    }
)


@dataclass(frozen=True)
class Wheel:
    """A wheel that cibuildwheel builds: ``python`` is ``cp311``, ``libc`` ``manylinux`` or ``musllinux``."""

    python: str
    libc: str
    machine: str

    @property
    def identifier(self) -> str:
        """Return cibuildwheel's name of it."""
        return identifier(self.python, self.libc, self.machine)

    @property
    def target(self) -> str:
        """Return mpforge's name of the target."""
        return self.machine if self.libc == "manylinux" else f"{self.machine}_musl"


@dataclass(frozen=True)
class Invocation:
    """What a command line or an action adds to the options.

    ``machines`` are those of the runner; ``only`` is one identifier, ``archs`` and ``enable`` are words.
    """

    version: Version
    machines: tuple[str, ...]
    only: str | None = None
    archs: str | None = None
    enable: tuple[str, ...] = ()


def select(options: Options, invocation: Invocation, requires_python: str | None) -> list[Wheel]:
    """Return the wheels of a run, in the order of the Pythons. Raises ``ValueError`` for a bad specifier."""
    version, only = invocation.version, invocation.only
    build, skip = _globs(options, "build") or ["*"], _globs(options, "skip")
    machines = machines_of(options, invocation)
    groups = _groups(options, invocation)
    if only:
        build, skip, groups = [only], [], ("all",)
        machines = tuple(p.machine for p in glibc_platforms())
    required = options.text("CIBW_PROJECT_REQUIRES_PYTHON") or requires_python
    allowed = specifier(required) if required else None
    found = []
    for row in rows_of(version):
        minor = re.sub(r"\D.*", "", row.python[3:])
        if allowed is not None and not allowed.contains(f"{row.python[2]}.{minor}.99"):
            continue
        for machine in row.machines:
            wheel = Wheel(row.python, row.libc, machine)
            needed = groups_of(row, machine, version)
            if (
                machine in machines
                and ("all" in groups or needed <= set(groups))
                and matches(wheel.identifier, build)
                and not matches(wheel.identifier, skip)
            ):
                found.append(wheel)
    return found


def _globs(options: Options, name: str) -> list[str]:
    value = options.value(name)
    return [] if value is None else globs(value.content)


def unknown_words(name: str, words: Sequence[str]) -> list[str]:
    """Return the words of ``archs`` or ``enable`` that cibuildwheel does not know."""
    if name == "archs":
        split = [word for text in words for word in re.split(r",", text) if word]
        return [word for word in split if word.lower() not in _ARCHS]
    return [word for word in words if word not in _GROUPS] if name == "enable" else []


def _groups(options: Options, invocation: Invocation) -> tuple[str, ...]:
    value = options.value("enable")
    groups = [*(value.content if value else ()), *invocation.enable]
    free = options.value("free-threaded-support")
    if free is not None and free.content.lower() in _ON:
        groups.append("cpython-freethreading")
    if (options.text("CIBW_PRERELEASE_PYTHONS") or "").lower() in _ON:
        groups.append("cpython-prerelease")
    return tuple(groups)


def machines_of(options: Options, invocation: Invocation) -> tuple[str, ...]:
    """Return the machines that a run builds for."""
    value = options.value("archs")
    written = invocation.archs or (" ".join(value.content) if value else "") or "auto"
    words = [word for word in re.split(r"[\s,]+", written) if word]
    found = [m for word in words for m in _included(word, invocation)]
    return tuple(dict.fromkeys(found))


def _included(word: str, invocation: Invocation) -> Iterator[str]:
    """Yield the machines that a word of ``archs`` includes on the run's machines."""
    if word == "all":
        yield from (platform.machine for platform in glibc_platforms())
        return
    if word not in ("auto", "auto64", "auto32", "native"):
        yield word.lower()
        return
    for platform in filter(None, map(by_machine, invocation.machines)):
        yield from _of_a_runner(platform, word, invocation.version)


def _of_a_runner(own: Platform, word: str, version: Version) -> Iterator[str]:
    smaller = [p for p in glibc_platforms() if p.native_on == own.name and p.bits == 32]
    old = version < _SINCE_AUTO_IS_64_BITS
    if word == "native" or (word == "auto" and not old):
        yield own.machine
        return
    native = [own, *(p for p in smaller if p.x86 or not old)]
    for platform in native:
        if word == "auto" or platform.bits == int(word.removeprefix("auto")):
            yield platform.machine


def skipped_tests(options: Options) -> Sequence[str]:
    """Return the globs of wheels whose tests are skipped."""
    return _globs(options, "test-skip")
