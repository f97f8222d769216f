"""The Rust of a session: the choice of a toolchain, its ingredients of a key, its setup for a step.

A toolchain of this host that has the target's standard library, else the distribution's packages. The
choice depends on the host, the lock and the target; naming its parts fetches nothing.
"""

import functools
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from mpforge.errors import ToolUnavailable
from mpforge.obtain.pins import Pins
from mpforge.obtain.rust import cargo_configuration, cargo_environment, distribution_rust, host_rust
from mpforge.obtain.rust.host_rust import HostRust
from mpforge.obtain.session_tools import SessionTools
from mpforge.plan.pins import DistroPin
from mpforge.plan.toolchains import Compilers
from mpforge.platforms import Platform, by_machine, well_known


class Rust:
    """Rust for the steps of a session.

    A ``channel`` is the one that the project's rust-toolchain.toml names. ``compilers`` None: for a step that
    compiles nothing. ``host_compilers`` are for a standard library that is compiled here.
    """

    def __init__(
        self, tools: SessionTools, host_compilers: distribution_rust.HostCompilers
    ) -> None:
        self._tools = tools
        self._host_compilers = host_compilers

    def parts(self, channel: str, compilers: Compilers | None) -> dict[str, str]:
        """Return the toolchain's ingredients of a key. Raises ``ToolUnavailable``, and as pinning does."""
        target = _target(compilers)
        found = self._choice(channel, target)
        if isinstance(found, HostRust):
            parts = found.parts(_triples(target), self._tools.host_files)
        else:
            parts = distribution_rust.parts(found)
        parts["rust.setup"] = cargo_environment.identity(target, cross=target != _host())
        return parts

    def prepare(self, channel: str, compilers: Compilers | None) -> None:
        """Obtain the toolchain."""
        self._sysroots(channel, _target(compilers))

    def is_prepared(self, channel: str, compilers: Compilers | None) -> bool:
        """Return whether ``prepare`` has nothing to do."""
        target = _target(compilers)
        found = self._choice(channel, target)
        store = self._tools.store
        return isinstance(found, HostRust) or distribution_rust.is_kept(found, target, store)

    def to_fetch(self, channel: str, target: str | None) -> tuple[DistroPin, ...] | None:
        """Return the distribution's packages that will be downloaded; None if the lock lacks them.

        ``target`` None: this host. Makes no request and pins nothing.
        """
        asked = offers(channel, target, self._tools.release)
        for request in asked:
            known = distribution_rust.pinned(self._tools.pins.lock, request)
            if known is not None:
                wanted = _host() if target is None else well_known()[target]
                return () if distribution_rust.is_kept(known, wanted, self._tools.store) else known
        return None if asked else ()

    def cargo(self, channel: str, directory: Path) -> Path:
        """Return the path of cargo for fetching crates in a step's ``directory``."""
        return _cargo(self._checked(channel, _host(), directory))

    def plain(self, channel: str, directory: Path) -> cargo_environment.Setup:
        """Return the setup of a step in ``directory`` that compiles nothing."""
        return cargo_environment.plain(directory, self._checked(channel, _host(), directory))

    def setup(
        self, channel: str, compilers: Compilers, variables: Mapping[str, str], directory: Path
    ) -> cargo_environment.Setup:
        """Return the setup of a build in ``directory``; ``variables`` name its C compilers."""
        target = _target(compilers)
        sysroots = self._checked(channel, target, directory)
        cc = variables["CC"]
        own = cargo_environment.Programs(cc, variables.get("CXX", cc), variables.get("AR", "ar"))
        host = own
        if target != _host():
            host = cargo_environment.Programs(
                variables["CC_FOR_BUILD"], variables["CXX_FOR_BUILD"], variables["AR"]
            )
        return cargo_environment.building(
            directory,
            sysroots,
            host=_host(),
            target=target,
            compilers={_host(): host, target: own},
            python=None if compilers.python is None else _minor(compilers.python),
        )

    # --- the choice ----------------------------------------------------------------------------

    @functools.cache  # noqa: B019 - it lives as long as its session
    def _choice(self, channel: str, target: Platform) -> HostRust | distribution_rust.RustPins:
        triples = _triples(target)
        found = host_rust.find(channel, triples, _environment(self._tools.release))
        if isinstance(found, HostRust):
            if channel != host_rust.STABLE and channel not in found.name:
                self._tools.warn(
                    f"rust-toolchain.toml asks for {channel}; mpforge uses {found.name}"
                )
            return found
        asked = offers(channel, target.name, self._tools.release)
        packages = chosen_packages(self._tools.pins, asked, self._tools.warn)
        if packages is None:
            names = distribution_rust.names_of(asked[0]) if asked else ()
            raise host_rust.missing(channel, triples, found, names)
        if channel != host_rust.STABLE:
            self._tools.warn(
                f"rust-toolchain.toml asks for {channel}; mpforge uses the distribution's Rust"
            )
        return packages

    def _checked(self, channel: str, target: Platform, directory: Path) -> tuple[Path, ...]:
        """Return the sysroots. Raises ``HostCannot`` if their cargo reads files above ``directory``."""
        sysroots = self._sysroots(channel, target)
        cargo_configuration.refuse_above(_cargo(sysroots), directory)
        return sysroots

    def _sysroots(self, channel: str, target: Platform) -> tuple[Path, ...]:
        found = self._choice(channel, target)
        if isinstance(found, HostRust):
            self._tools.host_paths.add(found.sysroot)
            return (found.sysroot,)
        working: AbstractContextManager[None] = nullcontext()
        if not distribution_rust.is_kept(found, target, self._tools.store):
            amount = sum(package.size for pin in found for package in pin.packages) / 1_000_000
            how = "fetched and compiled" if distribution_rust.compiles(found) else "fetched"
            working = self._tools.working(f"Rust for {target.name} ({amount:.0f} MB, {how} once)")
        state = self._tools.cache / "distribution"
        with working:
            return distribution_rust.provide(
                found, target, self._tools.store, state, self._host_compilers
            )


def offers(
    channel: str, target: str | None, release: tuple[str, str] | None = None
) -> tuple[distribution_rust.RustRequest, ...]:
    """Return possible requests to the distribution, best first; none if a toolchain of this host serves.

    ``target`` None: this host. ``release`` is the distribution of pinned base programs, None: this host's.
    """
    platform = _host() if target is None else well_known()[target]
    if isinstance(host_rust.find(channel, _triples(platform), _environment(release)), HostRust):
        return ()
    if not host_rust.is_stable(channel):
        return ()
    return distribution_rust.requests(_host(), platform, release)


def chosen_packages(
    pins: Pins, offers: tuple[distribution_rust.RustRequest, ...], warn: Callable[[str], None]
) -> distribution_rust.RustPins | None:
    """Return the packages of the first offer that is in the lock, else as ``distribution_rust.choose``."""
    for offer in offers:
        if (known := distribution_rust.pinned(pins.lock, offer)) is not None:
            return known

    def answer(offer: distribution_rust.RustRequest) -> distribution_rust.RustPins:
        return pins.distributions(offer, distribution_rust.check_versions)

    return distribution_rust.choose(offers, answer, warn)


def _environment(release: tuple[str, str] | None) -> Mapping[str, str]:
    """Return the variables by which a toolchain is found; pinned base programs hide the one on PATH."""
    return os.environ if release is None else {**os.environ, "PATH": ""}


def _cargo(sysroots: tuple[Path, ...]) -> Path:
    return sysroots[0] / "bin" / "cargo"


def _host() -> Platform:
    found = by_machine(os.uname().machine)
    if found is None:
        raise ToolUnavailable(f"there is no Rust for {os.uname().machine} here")
    return found


def _target(compilers: Compilers | None) -> Platform:
    return _host() if compilers is None else well_known()[compilers.target]


def _triples(target: Platform) -> tuple[str, ...]:
    """Return the Rust triples of the host and the target."""
    return tuple(dict.fromkeys((_host().rust_triple, target.rust_triple)))


def _minor(python: str) -> str:
    """Return ``3.13t`` for ``cp313t``."""
    return f"{python[2]}.{python[3:]}"
