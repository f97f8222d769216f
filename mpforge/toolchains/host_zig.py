"""zig as a toolchain: its package, the libraries it makes for the target, and the view that calls it."""

import os
from pathlib import Path

from mpforge.obtain.session_tools import SessionTools
from mpforge.plan.pins import EnvironmentPin, EnvironmentRequest
from mpforge.plan.toolchains import Compilers
from mpforge.platforms import Platform, by_machine, well_known
from mpforge.store.tool_store import ToolTree
from mpforge.toolchains import compiler_wrappers, host_arguments, musl_library, target_view, zig
from mpforge.toolchains.ready import (
    COMPILER_NOTES,
    Language,
    ProvidedToolchain,
    ReadyCompilers,
    digest,
)
from mpforge.toolchains.zig import Runtime, Zig

# They look for a compiler of the machine that builds, and try it, whether they will use it or not:
# Meson for each language of the project, the others for C.
_BUILDS_FOR_ITSELF = ("meson", "autotools", "cargo")


class ProvidedZig(ProvidedToolchain):
    """zig for one target; ``of_host``: it is called on this host, by build hooks if there is a Python."""

    of_host = True

    def __init__(
        self, request: EnvironmentRequest, compilers: Compilers, tools: SessionTools
    ) -> None:
        self._request = request
        self._compilers = compilers
        self._tools = tools

    @property
    def pin(self) -> EnvironmentPin:
        """Return zig's pinned package."""
        return self._tools.pins.environment(self._request)

    def parts(self) -> dict[str, str]:
        """Return zig's package and the view's ingredients."""
        package, view = self.pin.packages[0], target_view.view_ingredients(self._view)
        return {
            "toolchain.zig": f"{package.name} {package.version}",
            "toolchain.zig.files": digest(*package.hashes),
            **{f"toolchain.{name}": value for name, value in view},
        }

    def to_fetch(self) -> EnvironmentRequest | None:
        """Return the request for zig's package if it is not in the tool store, else None."""
        pin = self._tools.pins.lock.environment(self._request)
        here = pin and self._tools.store.find("zig", zig.digest_of(pin.packages))
        return self._request if here is None else None

    def is_prepared(self) -> bool:
        """Return whether zig, its C library and the view are in the tool store."""
        if self.to_fetch() is not None:
            return False
        wanted = self._runtime().name("c"), target_view.view_name(self._view)
        return all(self._tools.store.find(*name) is not None for name in wanted)

    def prepare(self) -> None:
        """Obtain zig, its C library, and the view."""
        self._primed("c", self._runtime())
        self.view()

    def ready(
        self, languages: tuple[Language, ...], directory: Path, flags: tuple[str, ...]
    ) -> ReadyCompilers:
        """Return zig's programs, with a cache for this step that holds the libraries for ``languages``."""
        compilers, view = self._compilers, self._view
        scratch, notes = directory / "zig", directory / COMPILER_NOTES
        program = self.zig()
        cache = self._private_cache(languages, flags, scratch / "global")
        tree = self.view()
        there = target_view.Surroundings(
            zig=program.path, zig_cache=cache, scratch=scratch, step=directory, log=notes
        )
        variables = target_view.compiler_environment(tree, view, there)
        if self.of_host:
            calls = directory / host_arguments.CALLS
            calls.mkdir(parents=True, exist_ok=True)
            variables["MPFORGE_CALLS"] = str(calls)
        hooks = {}
        if compilers.python is not None or not self.of_host:
            hooks = target_view.view_environment(tree, view, there)
        return ReadyCompilers(variables, hooks, (str(tree / "bin"),), tree)

    def zig(self) -> Zig:
        """Return zig itself, fetched if needed."""
        from mpforge.obtain.packages import installation

        pin = self.pin

        def install(folder: Path) -> None:
            with self._tools.working(f"fetching zig {pin.packages[0].version}"):
                installation.install_target(pin, dest=folder, index=self._tools.pins.index)

        return zig.provide(pin.packages, self._tools.store, install)

    def view(self) -> Path:
        """Return the target view, created if needed."""
        return target_view.provide_view(self._view, self._tools.store)

    @property
    def _view(self) -> target_view.View:
        """Return the view's ingredients."""
        compilers = self._compilers
        return target_view.View(
            platform=well_known()[compilers.target],
            policy=compilers.policy,
            cross=compilers.cross,
            host=self._tools.host_python(compilers.python) if compilers.python else None,
            builder=this_machine() if compilers.cross else None,
            image_headers=not self.of_host,
        )

    # --- the libraries that zig makes ----------------------------------------------------------

    def _runtime(self, flags: tuple[str, ...] = (), builder: Platform | None = None) -> Runtime:
        """Return zig's libraries for links to the target, or to the builder's machine, with these flags."""
        platform = builder or well_known()[self._compilers.target]
        policy = self._compilers.policy if builder is None else builder.default_policy
        return Runtime(
            zig.digest_of(self.pin.packages),
            compiler_wrappers.zig_target(platform, policy),
            compiler_wrappers.flags(platform),
            zig.runtime_flags(flags),
            musl_library.musl_library(platform, policy),
        )

    def _primed(self, language: Language, runtime: Runtime) -> ToolTree:
        """Return zig's cache with a language's libraries, built if needed."""
        return zig.prime(self.zig(), runtime, language, self._tools.store, self._tools.working)

    def _private_cache(
        self, languages: tuple[Language, ...], flags: tuple[str, ...], directory: Path
    ) -> Path:
        """Return zig's cache for one step; without a language, from the libraries that exist already."""
        wanted = self.libraries_for(languages, flags)
        return zig.private_cache([self._primed(*each) for each in wanted], directory)

    def libraries_for(
        self, languages: tuple[Language, ...], flags: tuple[str, ...]
    ) -> list[tuple[Language, Runtime]]:
        """Return which of zig's libraries a step's cache holds; without a language, those that exist."""
        compilers = self._compilers
        runtime = self._runtime(flags if languages else ())
        found = self._tools.store.find(*runtime.name("c")) is not None
        language: Language = "c++" if "c++" in languages else "c"
        wanted = [(language, runtime)] if languages or found else []
        if languages and compilers.cross and compilers.configurer in _BUILDS_FOR_ITSELF:
            own: Language = language if compilers.configurer == "meson" else "c"
            wanted.append((own, self._runtime(builder=this_machine())))
        return wanted


def this_machine() -> Platform:
    """Return the platform of the machine that builds."""
    found = by_machine(os.uname().machine)
    if found is None:
        raise ValueError(f"{os.uname().machine} builds nothing")
    return found
