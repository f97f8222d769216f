"""Provide a session's interpreters and compilers: their parts for a key, and the tools for a step.

Naming a tool's parts fetches nothing; providing it may. Knows which package provides which tool, not how a
step uses it.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mpforge.errors import HostCannot, NoHostPython
from mpforge.housekeeping.cache_contents import HOST_PYTHONS, PORTABLE_PYTHONS
from mpforge.obtain import host_programs
from mpforge.obtain.base_programs import Base
from mpforge.obtain.pins import Pins
from mpforge.obtain.pythons import host_python, installed_pythons, interpreter_library
from mpforge.obtain.pythons.host_python import HostPython
from mpforge.obtain.session_tools import SessionTools
from mpforge.obtain.step_programs import Programs
from mpforge.places import root_contents
from mpforge.places.isolation import require_root
from mpforge.plan.reporter import Reporter
from mpforge.plan.toolchains import Compilers
from mpforge.platforms import Platform, python_words
from mpforge.store.file_digests import FileDigests
from mpforge.store.tool_store import ToolStore
from mpforge.toolchains.host_zig import this_machine
from mpforge.toolchains.ready import Language, ProvidedToolchain, ReadyCompilers
from mpforge.workspace import Workspace

if TYPE_CHECKING:
    from mpforge.kinds.target_compilers import TargetCompilers
    from mpforge.obtain.pythons.installed_packages import Installed
    from mpforge.obtain.rust.rust_toolchain import Rust


@functools.cache
def _library(path: tuple[str, ...], patched: str, digests: FileDigests) -> str:
    """Return the digest of an interpreter's library, computed once a process: it costs 7 ms."""
    return interpreter_library.of_builds(path, digests, without=patched)


def base_root(base: Base | None) -> Path:
    """Return the root with the base programs of steps: this host's, or the pinned one.

    Raises ``HostCannot`` if steps can't be shown the pinned one here, and the errors of fetching.
    """
    if base is None:
        return Path("/")
    otherwise = 'set base-programs = "host" in [build]'
    require_root('base-programs = "pinned"', otherwise)
    if installed_pythons.is_of_system(Path(__file__)):
        raise HostCannot(
            'base-programs = "pinned" hides this host\'s /usr, and mpforge is installed there',
            why=str(Path(__file__).parents[2]),
            hint=f"install it in an environment of its own (`uv tool install mpforge`); or {otherwise}",
        )
    return base.root


class Toolbox:
    """Tools for one session; ``used`` is called with the name of each before it is looked up."""

    def __init__(
        self,
        workspace: Workspace,
        pins: Pins,
        reporter: Reporter,
        *,
        pythons: dict[str, HostPython] | None = None,
        install: bool = True,
        used: Callable[[str], None] = lambda _: None,
        pinned_base: bool = False,
    ) -> None:
        self.reporter = reporter
        self.store = ToolStore(
            workspace.tools, used=used, waits=reporter.waits, warn=reporter.warn_once
        )
        self._workspace = workspace
        self._install = install
        self._pythons = {} if pythons is None else pythons
        self._pypys: dict[str, HostPython] = {}
        self._installed: dict[str, Installed] = {}
        self.mounted: dict[Path, Path] = {}
        """Directories of steps where trees of the tool store are mounted, and the trees' paths."""
        self.tracer: tuple[str, ...] = ()
        """Words before each command line of a step on this host, to trace it."""
        base = None
        if pinned_base:
            base = Base(pins, self.store, workspace.cache / "distribution", reporter.working)
        self.tools = SessionTools(
            workspace.cache,
            self.store,
            pins,
            reporter.working,
            reporter.warn_once,
            self.host_python,
            base=base,
        )
        self.programs = Programs(self.tools)

    @functools.cached_property
    def rust(self) -> "Rust":
        """The Rust toolchains; not imported for projects without Rust."""
        from mpforge.obtain.rust.rust_toolchain import Rust

        return Rust(self.tools, lambda place: self._compilers(this_machine()).environment(place))

    def rust_parts(self, channel: str | None, compilers: Compilers | None) -> dict[str, str]:
        """Return the ingredients of a key for Rust of this channel; empty without a channel.

        Raises ``ToolUnavailable``, and what pinning raises.
        """
        return {} if channel is None else self.rust.parts(channel, compilers)

    # --- host interpreters ---------------------------------------------------------------------

    def host_python(self, word: str) -> HostPython:
        """Return the host's CPython of a word, for a PyPy the one that builds for it.

        Raises ``NoHostPython``.
        """
        if python_words.parse(word).is_pypy:
            return self._pypy_builder(word)
        if word not in self._pythons:
            found = self._found(word)
            library = _library(found.path, found.patched, self.tools.host_files)
            self._pythons[word] = found.with_part("library", library)
        python = self._pythons[word]
        self.tools.host_paths.update(host_programs.files_of(str(python.executable)), python.files)
        return python

    def _found(self, word: str) -> HostPython:
        """Return an interpreter: remembered, else pinned in the lock, else of this host, else fetched.

        uv's build is preferred to the distribution's, which moves.
        """
        portable, fetch = self.tools.base is not None, self._install
        note = self._workspace.cache / (PORTABLE_PYTHONS if portable else HOST_PYTHONS)
        if (kept := host_python.remembered(word, note)) is not None:
            return kept
        from mpforge.obtain.pythons.distribution_host_python import HostDistribution

        packaged = HostDistribution(word, this_machine(), self.tools)
        if (pinned := packaged.pinned(fetch=fetch)) is not None:
            return pinned
        found = host_python.find_all([word], note, install=fetch, portable=portable)[word]
        if isinstance(found, HostPython):
            return found
        try:
            return packaged.found(otherwise=found, fetch=fetch)
        except NoHostPython:
            return self._built(word, found)

    def _built(self, word: str, otherwise: NoHostPython) -> HostPython:
        from mpforge.obtain.pythons import source_host_python

        host = this_machine()
        return source_host_python.provide(
            word,
            host,
            self.tools,
            self._compilers(host),
            otherwise=otherwise,
            build=self._install,
        )

    def _compilers(self, platform: Platform) -> "TargetCompilers":
        from mpforge.kinds.target_compilers import TargetCompilers

        return TargetCompilers(self, platform)

    def _pypy_builder(self, word: str) -> HostPython:
        from mpforge.obtain.pythons import pypy_headers

        if word not in self._pypys:
            host = self.host_python(python_words.parse(word).builder)
            self._pypys[word] = pypy_headers.builder(
                word, host, this_machine(), self.tools, fetch=self._install
            )
        return self._pypys[word]

    def visible(self) -> set[Path]:
        """Return the tools that were provided so far: files and directories that programs may read."""
        return self.store.obtained | self.tools.host_paths

    def python_if_here(self, word: str) -> HostPython | None:
        """Return the host's CPython of a word, or None."""
        try:
            return self.host_python(word)
        except NoHostPython:
            return None

    def python_parts(self, word: str) -> dict[str, str]:
        """Return an interpreter's identity as ingredients."""
        return {f"python.{name}": value for name, value in self.host_python(word).parts}

    def installed(self, word: str) -> "Installed":
        """Return the packages installed for the host's CPython of a word. Raises ``NoHostPython``."""
        from mpforge.obtain.pythons import installed_packages

        if word not in self._installed:
            python = self.host_python(word)
            self._installed[word] = installed_packages.of(python, self.tools.host_files)
            self.tools.host_paths.update(self._installed[word].folders())
        return self._installed[word]

    # --- compilers -----------------------------------------------------------------------------

    def toolchain(self, compilers: Compilers) -> ProvidedToolchain:
        """Return the toolchain of compilers."""
        from mpforge.toolchains.cases import provided

        return provided(compilers, self.tools)

    def compiler_parts(self, compilers: Compilers) -> dict[str, str]:
        """Return the ingredients of a key for compilers. Fetches nothing."""
        return self.rust_parts(compilers.rust, compilers) | self.toolchain(compilers).parts()

    def compilers(
        self,
        compilers: Compilers,
        languages: tuple[Language, ...],
        directory: Path,
        flags: tuple[str, ...] = (),
    ) -> ReadyCompilers:
        """Return compilers that a step in ``directory`` can call, once; see ``ProvidedToolchain.ready``."""
        ready = self.toolchain(compilers).ready(languages, directory, flags)
        if compilers.rust is None:
            return ready
        return ready.joined(self.rust.setup(compilers.rust, compilers, ready.variables, directory))

    def prepare(self, compilers: Compilers) -> None:
        """Obtain what any build with these compilers needs. Raises ``HostCannot``."""
        if self.tools.base is not None and compilers.place.sees_host:
            base_root(self.tools.base)
        if compilers.rust is not None:
            self.rust.prepare(compilers.rust, compilers)
        self.toolchain(compilers).prepare()

    def is_prepared(self, compilers: Compilers) -> bool:
        """Return True if ``prepare`` has nothing to do."""
        if self.tools.base is not None and self.tools.base.to_fetch() != ():
            return False
        if compilers.rust is not None and not self.rust.is_prepared(compilers.rust, compilers):
            return False
        return self.toolchain(compilers).is_prepared()

    def read_of_host(
        self,
        directory: Path,
        compilers: Compilers | None,
        since: int,
        to_host_paths: Callable[[str], str],
    ) -> dict[str, str]:
        """Return host files that a step's programs read since ``since`` (ns), by path; see ``host_reads``.

        ``to_host_paths`` returns a path of the programs as the host knows it.
        """
        from mpforge.toolchains import host_arguments, host_reads

        own = [directory, self._workspace.cache, self._workspace.tools]
        if self.tools.base is not None:
            own += root_contents.SYSTEM  # the base's, by its digest in the key
        if compilers is not None and compilers.python is not None:
            own += self.host_python(compilers.python).includes  # in the key
        return host_reads.read(
            directory / host_reads.NOTES,
            host_arguments.named(directory / host_arguments.CALLS, to_host_paths),
            own=own,
            since=since,
            to_host_paths=to_host_paths,
            digests=self.tools.host_files,
        )
