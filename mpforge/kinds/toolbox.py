"""The interpreters and compilers of a session: what each is for a key, and the thing itself for a step.

Naming a tool's parts fetches nothing; providing it may. Knows which room has which tool, not how a
step uses it.
"""

import functools
import hashlib
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from mpforge.errors import NoHostPython
from mpforge.obtain.pins import Pins
from mpforge.obtain.pythons import host_python, interpreter_library
from mpforge.obtain.pythons.host_python import HostPython
from mpforge.obtain.rust.rust_toolchain import Rust
from mpforge.obtain.step_programs import Programs
from mpforge.plan.events import Emit, StepWaits, Warned, WorkEnded, Working
from mpforge.plan.pins import EnvironmentPin, EnvironmentRequest
from mpforge.plan.toolchains import Compilers, CrossImage, HostGcc, ImageCompiler
from mpforge.platforms import Platform, by_machine, well_known
from mpforge.store.tool_store import ToolStore, ToolTree
from mpforge.workspace import Workspace

if TYPE_CHECKING:
    from mpforge.obtain.pythons.installed_packages import Installed
    from mpforge.obtain.rust.cargo_environment import Setup
    from mpforge.toolchains.target_view import View
    from mpforge.toolchains.zig import Language, Runtime, Zig

# They look for a compiler of the machine that builds, and try it, whether they will use it or not.
_BUILDS_FOR_ITSELF = ("meson", "autotools", "cargo")

COMPILER_NOTES = "compiler-notes.txt"
"""The file of a step's directory where the compiler wrappers say what they dropped or changed."""


@dataclass(frozen=True)
class ReadyCompilers:
    """Compilers that can be called: variables for a build, those that build hooks see beside them.

    ``path`` are directories for PATH; ``view`` is the target view, where there is one.
    """

    variables: Mapping[str, str]
    hooks: Mapping[str, str]
    path: tuple[str, ...] = ()
    view: Path | None = None

    def joined(self, more: "Setup") -> "ReadyCompilers":
        """These and what else a build is told."""
        return ReadyCompilers(
            {**self.variables, **more.variables},
            {**self.hooks, **more.hooks},
            (*self.path, more.path),
            self.view,
        )


def _unrecorded(_tool: str) -> None:
    pass


@functools.cache
def _library(path: tuple[str, ...], remembered: Path) -> str:
    """What an interpreter imports, looked at once a process: the look costs each session 7 ms else."""
    return interpreter_library.of_builds(path, remembered)


class Toolbox:
    """Tools for one session; ``used`` is told the name of each before it is looked up."""

    def __init__(
        self,
        workspace: Workspace,
        pins: Pins,
        *,
        session: str,
        emit: Emit,
        install: bool = True,
        used: Callable[[str], None] = _unrecorded,
    ) -> None:
        self.store = ToolStore(workspace.tools, used=used, waits=self.waits, warn=self.warn_once)
        self._workspace = workspace
        self._pins = pins
        self._install = install
        self._session = session
        self._emit = emit
        self._pythons: dict[str, HostPython] = {}
        self._installed: dict[str, Installed] = {}
        self._warned: set[str] = set()
        self.programs = Programs(
            store=self.store,
            pins=pins,
            remembered=self._remembered,
            libraries=self._libraries,
            working=self.working,
        )
        self.rust = Rust(
            workspace,
            store=self.store,
            pins=pins,
            remembered=self._remembered,
            working=self.working,
            warn=self.warn_once,
        )

    @property
    def _remembered(self) -> Path:
        """Where digests of the host's programs are remembered."""
        return self._workspace.cache / "hostprograms.json"

    @property
    def _read_before(self) -> Path:
        """Where digests of what compilers read of the host are remembered."""
        return self._workspace.cache / "hostfiles.json"

    @property
    def _libraries(self) -> Path:
        """Where digests of what interpreters import are remembered."""
        return self._workspace.cache / "hostlibraries.json"

    def warn_once(self, message: str) -> None:
        """Say something that holds for the whole session."""
        if message not in self._warned:
            self._warned.add(message)
            self._emit(Warned(self._session, message))

    def waits(self, tool: str) -> None:
        """Say that another process makes a tool."""
        self._emit(StepWaits(self._session, tool))

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Say that something long goes on while the block runs."""
        self._emit(Working(self._session, what))
        start = monotonic()
        try:
            yield
        finally:
            self._emit(WorkEnded(self._session, what, monotonic() - start))

    # --- host interpreters ---------------------------------------------------------------------

    def host_python(self, word: str) -> HostPython:
        """The host's CPython of a word. Raises ``NoHostPython``."""
        if word not in self._pythons:
            remembered = self._workspace.cache / "hostpythons.jsonl"
            found = host_python.find_all([word], remembered, install=self._install)[word]
            if isinstance(found, NoHostPython):
                raise found
            self._pythons[word] = found.with_library(_library(found.path, self._libraries))
        return self._pythons[word]

    def python_parts(self, word: str) -> dict[str, str]:
        """An interpreter's identity as ingredients."""
        return {f"python.{name}": value for name, value in self.host_python(word).ingredients()}

    def installed(self, word: str) -> "Installed":
        """What the host's CPython of a word has installed. Raises ``NoHostPython``."""
        from mpforge.obtain.pythons import installed_packages

        if word not in self._installed:
            remembered = self._workspace.cache / "hostinstalled.json"
            self._installed[word] = installed_packages.of(self.host_python(word), remembered)
        return self._installed[word]

    # --- compilers -----------------------------------------------------------------------------

    def zig_pin(self, compilers: Compilers) -> EnvironmentPin:
        """The pinned zig of these compilers."""
        if compilers.toolchain.zig is None:
            raise ValueError(f"{compilers} are not zig's")
        return self._pins.environment(compilers.toolchain.zig)

    def compiler_parts(self, compilers: Compilers) -> dict[str, str]:
        """What compilers are, for a key; nothing is fetched."""
        return self.rust.parts(compilers.rust, compilers) | self._compiler_parts(compilers)

    def _compiler_parts(self, compilers: Compilers) -> dict[str, str]:
        if isinstance(compilers.toolchain, ImageCompiler):
            return {}
        if isinstance(compilers.toolchain, CrossImage):
            return _unseen_view_parts(compilers)
        if isinstance(compilers.toolchain, HostGcc):
            from mpforge.toolchains import gcc

            parts = dict(gcc.find(self._remembered).parts)
            return parts | {"toolchain.programs": _digest(gcc.WRAPPER)}
        package = self.zig_pin(compilers).packages[0]
        parts = {
            "toolchain.zig": f"{package.name} {package.version}",
            "toolchain.zig.files": _digest(*package.hashes),
        }
        view = {f"toolchain.{name}": value for name, value in self._view_parts(compilers).items()}
        return parts | view

    def compilers(
        self,
        compilers: Compilers,
        languages: "tuple[Language, ...]",
        directory: Path,
        flags: tuple[str, ...] = (),
    ) -> ReadyCompilers:
        """Compilers that a step in ``directory`` can call, once.

        They are fetched, and their libraries made for ``languages``, if need be. ``flags`` are the
        texts of CFLAGS and the like: libraries that depend on them are made beforehand too.
        """
        if isinstance(compilers.toolchain, ImageCompiler | CrossImage):
            ready = ReadyCompilers({}, {})
        elif isinstance(compilers.toolchain, HostGcc):
            ready = self._gcc(compilers, directory)
        else:
            ready = self._zig_view(compilers, languages, directory, flags)
        if compilers.rust is None:
            return ready
        return ready.joined(self.rust.setup(compilers.rust, compilers, ready.variables, directory))

    def prepare(self, compilers: Compilers) -> None:
        """Obtain what any build with these compilers needs: zig, its C library, the view, Rust."""
        if compilers.rust is not None:
            self.rust.prepare(compilers.rust, compilers)
        if isinstance(compilers.toolchain, HostGcc):
            self._gcc_programs()
        elif compilers.toolchain.zig is not None:
            self._primed(compilers, "c", self._runtime(compilers))
            self.view(compilers)

    def has_zig(self, request: EnvironmentRequest) -> bool:
        """Whether zig itself is in the tool store."""
        from mpforge.toolchains import zig

        pin = self._pins.lock.environment(request)
        return pin is not None and self.store.find("zig", zig.digest_of(pin.packages)) is not None

    def is_prepared(self, compilers: Compilers) -> bool:
        """Whether ``prepare`` has nothing to do."""
        if compilers.rust is not None and not self.rust.is_prepared(compilers.rust, compilers):
            return False
        if compilers.toolchain.zig is None:
            return True
        if not self.has_zig(compilers.toolchain.zig):
            return False
        wanted = self._runtime(compilers).name("c"), _view_name(self._view_of(compilers))
        return all(self.store.find(*name) is not None for name in wanted)

    def _gcc_programs(self) -> tuple[Mapping[str, str], Path]:
        """The host's gcc by variable, and the directory of what is called in its place."""
        from mpforge.toolchains import gcc, host_reads
        from mpforge.toolchains.templates import template

        programs = gcc.find(self._remembered).programs

        def make(folder: Path) -> None:
            for variable, place in programs.items():
                script = folder / Path(place).name
                if variable in ("CC", "CXX"):
                    script.write_text(gcc.WRAPPER.format(place=shlex.quote(place)), "utf-8")
                    script.chmod(0o755)
                else:
                    script.symlink_to(place)
            host_reads.make_library(programs["CC"], folder)

        digest = _digest(gcc.WRAPPER, template(host_reads.SOURCE), repr(sorted(programs.items())))
        made = self.store.obtain(name="gcc", version="host", digest=digest, make=make)
        return programs, made.path

    def _gcc(self, compilers: Compilers, directory: Path) -> ReadyCompilers:
        from mpforge.toolchains import host_reads

        programs, links = self._gcc_programs()
        called = {name: str(links / Path(place).name) for name, place in programs.items()}
        cc, cxx = called["CC"], called.get("CXX", called["CC"])
        shared = {"LDSHARED": f"{cc} -shared", "LDCXXSHARED": f"{cxx} -shared"}
        variables = {name: place for name, place in called.items() if name not in ("LD", "AS")}
        library = links / host_reads.LIBRARY
        if host_reads.is_usable(library):
            variables |= host_reads.variables(library, directory / host_reads.NOTES)
        return ReadyCompilers(variables, shared if compilers.python else {}, (str(links),))

    def read_of_host(
        self, directory: Path, compilers: Compilers | None, since: int
    ) -> dict[str, str]:
        """What a step's programs have read of the host since then (ns), by path: ``hostreads.read``."""
        from mpforge.toolchains import host_arguments, host_reads

        own = [directory, self._workspace.cache, self._workspace.tools]
        if compilers is not None and compilers.python is not None:
            own += self.host_python(compilers.python).includes  # in the key
        return host_reads.read(
            directory / host_reads.NOTES,
            host_arguments.named(directory / host_arguments.CALLS),
            own=own,
            since=since,
            remembered=self._read_before,
        )

    def notes_reads(self, compilers: Compilers) -> bool:
        """Whether what compilers read of the host is noted, as far as they read any of it."""
        from mpforge.toolchains import host_reads

        if not isinstance(compilers.toolchain, HostGcc):
            return True
        return host_reads.is_usable(self._gcc_programs()[1] / host_reads.LIBRARY)

    def contents(self, paths: Iterable[str]) -> dict[str, str]:
        """What files of the host hold now; see ``hostreads.contents``."""
        from mpforge.toolchains import host_reads

        return host_reads.contents(paths, self._read_before)

    def zig(self, compilers: Compilers) -> "Zig":
        """zig itself; fetched if need be."""
        from mpforge.obtain.packages import installation
        from mpforge.toolchains import zig

        pin = self.zig_pin(compilers)

        def install(folder: Path) -> None:
            with self.working(f"fetching zig {pin.packages[0].version}"):
                installation.install_target(pin, dest=folder, index=self._pins.index)

        return zig.provide(pin.packages, self.store, install)

    def _runtime(self, compilers: Compilers, flags: tuple[str, ...] = ()) -> "Runtime":
        """What zig makes for these compilers' links, and for builds with these flags."""
        return self._runtime_for(compilers, well_known()[compilers.target], compilers.policy, flags)

    def _builders_runtime(self, compilers: Compilers) -> "Runtime":
        """What zig makes for links of programs that the build itself runs."""
        return self._runtime_for(compilers, self._builder, self._builder.default_policy)

    def _runtime_for(
        self, compilers: Compilers, platform: Platform, policy: str, flags: tuple[str, ...] = ()
    ) -> "Runtime":
        from mpforge.toolchains import compiler_wrappers, zig

        return zig.Runtime(
            zig.digest_of(self.zig_pin(compilers).packages),
            compiler_wrappers.zig_target(platform, policy),
            compiler_wrappers.flags(platform),
            zig.runtime_flags(flags),
        )

    def _primed(self, compilers: Compilers, language: "Language", runtime: "Runtime") -> ToolTree:
        """zig's cache with a language's libraries; they are made if need be."""
        from mpforge.toolchains import zig

        def making(runtime: "Runtime", language: "Language") -> AbstractContextManager[None]:
            name = {"c": "C", "c++": "C++"}[language]
            how = f" with {' '.join(runtime.flags)}" if runtime.flags else ""
            return self.working(f"making zig's {name} libraries for {runtime.triple}{how}, once")

        return zig.prime(self.zig(compilers), runtime, language, self.store, making)

    def _private_cache(
        self,
        compilers: Compilers,
        languages: "tuple[Language, ...]",
        flags: tuple[str, ...],
        directory: Path,
    ) -> Path:
        """zig's cache for one step. For no language, what is there already serves."""
        from mpforge.toolchains import zig

        runtime = self._runtime(compilers, flags if languages else ())
        found = self.store.find(*runtime.name("c")) is not None
        wanted: Language | None = (
            "c++" if "c++" in languages else "c" if languages or found else None
        )
        primed = [] if wanted is None else [self._primed(compilers, wanted, runtime)]
        if languages and compilers.cross and compilers.configurer in _BUILDS_FOR_ITSELF:
            primed.append(self._primed(compilers, "c", self._builders_runtime(compilers)))
        return zig.private_cache(primed, directory)

    def _zig_view(
        self,
        compilers: Compilers,
        languages: "tuple[Language, ...]",
        directory: Path,
        flags: tuple[str, ...],
    ) -> ReadyCompilers:
        from mpforge.toolchains import host_arguments, target_view

        scratch, notes = directory / "zig", directory / COMPILER_NOTES
        program = self.zig(compilers)
        cache = self._private_cache(compilers, languages, flags, scratch / "global")
        tree, view = self.view(compilers), self._view_of(compilers)
        there = target_view.Surroundings(
            zig=program.path, zig_cache=cache, scratch=scratch, step=directory, log=notes
        )
        variables = target_view.compiler_environment(tree, view, there)
        if compilers.inside is None:
            calls = directory / host_arguments.CALLS
            calls.mkdir(parents=True, exist_ok=True)
            variables["MPFORGE_CALLS"] = str(calls)
        hooks = {}
        if compilers.python is not None or compilers.inside is not None:
            hooks = target_view.view_environment(tree, view, there)
        return ReadyCompilers(variables, hooks, (str(tree / "bin"),), tree)

    def _view_of(self, compilers: Compilers) -> "View":
        """What a view is made of."""
        from mpforge.toolchains.target_view import View

        return View(
            platform=well_known()[compilers.target],
            policy=compilers.policy,
            cross=compilers.cross,
            host=self.host_python(compilers.python) if compilers.python else None,
            builder=self._builder if compilers.cross else None,
            inside=compilers.inside is not None,
        )

    @property
    def _builder(self) -> Platform:
        """This machine."""
        found = by_machine(os.uname().machine)
        if found is None:
            raise ValueError(f"{os.uname().machine} builds nothing")
        return found

    def _view_parts(self, compilers: Compilers) -> dict[str, str]:
        from mpforge.toolchains import target_view

        return dict(target_view.view_ingredients(self._view_of(compilers)))

    def view(self, compilers: Compilers) -> Path:
        """The target view; made if need be."""
        return self.view_of(self._view_of(compilers))

    def view_of(self, view: "View") -> Path:
        """A view by what it is made of; made if need be."""
        from mpforge.toolchains import target_view

        def make(folder: Path) -> None:
            target_view.make_view(folder, view)

        name, digest = _view_name(view)
        return self.store.obtain(name=name, version="1", digest=digest, make=make).path


def _view_name(view: "View") -> tuple[str, str]:
    """The tool store's name and digest of a view."""
    from mpforge.toolchains import target_view

    words = ("view", view.platform.name, view.host and view.host.python)
    parts = sorted(dict(target_view.view_ingredients(view)).items())
    return "-".join(word for word in words if word), _digest(repr(parts))


def _unseen_view_parts(compilers: Compilers) -> dict[str, str]:
    """A view whose interpreter and compilers are an image's, but for what its digest says."""
    from mpforge.toolchains import target_view

    view = target_view.View(
        platform=well_known()[compilers.target],
        policy=compilers.policy,
        cross=True,
        host=host_python.unseen(compilers.python or ""),
        tools={},
    )
    return {"toolchain.view": dict(target_view.view_ingredients(view))["programs"]}


def _digest(*words: str) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()
