"""The programs that a step may call: the host's base set, and those that ``[build] tools`` declares.

Their ingredients of a key, by digest, and the directories for PATH. The build environment and the
toolchain are not part of it.
"""

import functools
import hashlib
import re
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from mpforge.errors import ToolUnavailable
from mpforge.formats.requirements import specifier
from mpforge.keys.walk import ABSENT, references
from mpforge.obtain import base_programs, host_programs
from mpforge.obtain.base_programs import Base
from mpforge.obtain.pythons import host_python, interpreter_library
from mpforge.obtain.pythons.installed_pythons import own_interpreter
from mpforge.obtain.session_tools import SessionTools
from mpforge.plan.pins import EnvironmentPin, EnvironmentRequest
from mpforge.plan.steps import HostTool, ProjectFiles, Step, Work

_PYTHON = re.compile(r"(python|pypy)[0-9.]*t?")


class Programs:
    """The programs of a session's steps."""

    def __init__(self, tools: SessionTools) -> None:
        self._tools = tools
        self._digests: dict[str, str] = {}

    def parts(self, step: Step) -> dict[str, str]:
        """Return a step's programs as ingredients of a key. Looks up pins, and asks a Python for its path.

        Raises ``ToolUnavailable`` for a declared tool that this host does not have.
        """
        if step.command.work is Work.FETCH:
            return {}
        base = self._tools.base
        if base is None:
            names = (*host_programs.BASE_PROGRAMS, *host_programs.NAMED_BY_SCRIPTS, *_git(step))
            parts = {f"program.{name}": digest for name, digest in self._known(names).items()}
        else:
            parts = {"base-programs": base.digest}
        for pin in map(self._tools.pins.environment, step.tools.wheels):
            parts |= {
                f"tool.{package.name}": f"{package.version} {' '.join(package.hashes)}"
                for package in pin.packages
            }
            parts["tools.python"] = self._python()
        for tool in step.tools.host:
            if base is not None:
                parts[f"tool.{tool.name}"] = f"of the base {tool.specifier}".rstrip()
                continue
            digest = self._known([tool.name])[tool.name]
            if digest == ABSENT:
                raise _absent_here(tool)
            parts[f"tool.{tool.name}"] = f"{digest} {tool.specifier}".rstrip()
            if _PYTHON.fullmatch(tool.name):
                parts[f"tool.{tool.name}.library"] = self._library(tool.name)
        return parts

    def folders(self, step: Step, *, git: bool) -> tuple[str, ...]:
        """Return the directories for PATH: declared tools, then the base set; wheels are fetched if need be.

        ``git``: the step's source is a checkout, so git is needed. Raises ``ToolUnavailable`` also for
        a tool of another version than declared.
        """
        pins = map(self._tools.pins.environment, step.tools.wheels)
        wheels = tuple(str(self._programs_of(pin)) for pin in pins)
        if wheels:
            self._tools.host_paths.update(host_programs.files_of(str(self.interpreter())))
        if self._tools.base is not None:
            for tool in step.tools.host:
                _require_of_base(tool, self._tools.base)
            return (*wheels, base_programs.PROGRAMS)
        found = host_programs.find(tool.name for tool in step.tools.host)
        for tool in step.tools.host:
            if (place := found[tool.name]) is None:
                raise _absent_here(tool)
            if tool.specifier:
                require_version(tool, host_programs.version(place), place, where="this host")
        declared = (str(self._links("tools", found)),) if found else ()
        return (*wheels, *declared, str(self._base(_git(step) if git else ())))

    def has(self, request: EnvironmentRequest) -> bool:
        """Return whether the wheel that the lock pins for a program is in the tool store."""
        from mpforge.obtain.packages import tool_wheels

        pin = self._tools.pins.lock.environment(request)
        if pin is None:
            return False
        return tool_wheels.find(pin, self._tools.store, self.interpreter()) is not None

    def interpreter(self) -> Path:
        """Return the interpreter that starts programs from wheels: the one that runs mpforge.

        With pinned base programs, one of the same version that needs nothing else of this host.
        """
        if self._tools.base is None:
            return own_interpreter()
        return self._tools.host_python(host_python.own_word()).executable

    def _known(self, names: Iterable[str]) -> dict[str, str]:
        """Return the digests of programs, each computed once per session."""
        wanted = list(names)
        missing = [name for name in wanted if name not in self._digests]
        if missing:
            self._digests |= host_programs.parts(missing, self._tools.host_files)
        return {name: self._digests[name] for name in wanted}

    def _python(self) -> str:
        """Return the identity of the interpreter that starts programs from wheels."""
        return self._own_python

    @functools.cached_property
    def _own_python(self) -> str:
        """Its identity, computed once per session: it has the digest of a whole standard library."""
        if self._tools.base is not None:
            return self._tools.host_python(host_python.own_word()).digest
        path = str(own_interpreter())
        own = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
        library = interpreter_library.of_builds([*dict.fromkeys(own)], self._tools.host_files)
        return f"{sys.version} {self._known([path])[path]} {library}"

    def _library(self, name: str) -> str:
        """Return the digest of the files that a declared Python imports."""
        place = host_programs.find([name])[name]
        return (
            ABSENT
            if place is None
            else interpreter_library.of_program(place, self._tools.host_files)
        )

    def _programs_of(self, pin: EnvironmentPin) -> Path:
        from mpforge.obtain.packages import tool_wheels

        python, store, index = self.interpreter(), self._tools.store, self._tools.pins.index
        if tool_wheels.find(pin, store, python) is not None:
            return tool_wheels.provide(pin, store, index, python)
        package = pin.packages[0]
        with self._tools.working(f"fetching {package.name} {package.version}"):
            return tool_wheels.provide(pin, store, index, python)

    def _base(self, also: tuple[str, ...]) -> Path:
        found = host_programs.find((*host_programs.BASE_PROGRAMS, *also))
        for name in ("sh", *also):
            if found[name] is None:
                raise ToolUnavailable(f"there is no {name} on PATH", hint=f"install {name}")
        return self._links("base", found)

    def _links(self, name: str, found: dict[str, str | None]) -> Path:
        """Return a directory of symlinks to programs of the host."""
        links = {name: place for name, place in sorted(found.items()) if place is not None}
        self._tools.host_paths.update(*map(host_programs.files_of, links.values()))

        def make(folder: Path) -> None:
            for link, place in links.items():
                (folder / link).symlink_to(place)

        digest = hashlib.sha256(repr(links).encode()).hexdigest()
        return self._tools.store.obtain(name=name, version="1", digest=digest, make=make).path


def _git(step: Step) -> tuple[str, ...]:
    """Return git's name for a step that sees the checkout's history."""
    sources = references(step).values()
    return ("git",) if any(isinstance(s, ProjectFiles) and s.vcs for s in sources) else ()


def _require_of_base(tool: HostTool, base: Base) -> None:
    """Raise ``ToolUnavailable`` for a tool that the pinned base lacks, or has in another version."""
    place = base.find(tool.name)
    if place is None:
        hint = f'take {tool.name} out of [build] tools, or set base-programs = "host"'
        raise absent(tool, where="among the pinned base programs", hint=hint)
    if tool.specifier:
        version = base.version(place)
        require_version(tool, version, str(place), where="the pinned base")


def _absent_here(tool: HostTool) -> ToolUnavailable:
    hint = f"install {tool.name} here, or take it out of [build] tools"
    return absent(tool, where="on this host's PATH", hint=hint)


def absent(tool: HostTool, *, where: str, hint: str) -> ToolUnavailable:
    """Return the error for a declared tool that is missing."""
    return ToolUnavailable(
        f"there is no {tool.name} {where}",
        why="[build] tools declares it, and mpforge knows no wheel that contains it",
        hint=hint,
    )


def require_version(tool: HostTool, version: str | None, place: str, *, where: str) -> None:
    """Raise ``ToolUnavailable`` for a program whose version is not the declared one.

    ``version`` is the one that it prints (or None), ``place`` its path, ``where`` the machine that has it.
    """
    if version is None:
        raise ToolUnavailable(
            f"{tool} was declared, but {tool.name} does not report its version",
            why=f"`{place} --version` prints none",
            hint=f'declare tools = ["{tool.name}"]: the key has its digest anyway',
        )
    if not specifier(tool.specifier).contains(version, prereleases=True):
        raise ToolUnavailable(
            f"{tool} was declared, but {where} has {tool.name} {version}",
            why=place,
            hint=f"install {tool} there, or allow {version} in [build] tools",
        )
