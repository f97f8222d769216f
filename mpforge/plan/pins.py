"""The pins of the lock, as data: packages by hash, tools by digest, strategies by name.

The lock is an input of the compiler, so its types live here; reading and writing the file is
``mpforge.lock.lock_file``'s business. Everything is frozen, sorted and comparable.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from mpforge.plan.requirements import normal_name
from mpforge.platforms import policy_version, python_words, well_known

Purpose = Literal["build", "image", "library", "target", "test", "tool"]


@dataclass(frozen=True)
class Package:
    """One package of a resolved environment; ``hashes`` are ``sha256:…``, sorted.

    ``size`` is the bytes of the file to download, if the index gave it. A package without a wheel is an
    ``sdist``, from which one is built for this host; ``build_requires`` are the requirements of its
    ``build-system``. ``path`` is of a wheel of the project's own, or of a directory of sources: the latter
    has no hashes and no version, its content is its identity.
    """

    name: str
    version: str
    hashes: tuple[str, ...]
    size: int | None = None
    path: str = ""
    sdist: bool = False
    build_requires: tuple[str, ...] = ()

    @property
    def is_built(self) -> bool:
        """True if a wheel of it is built here."""
        return self.sdist or bool(self.path and not self.hashes)


def build_request(package: Package, python: str, host: str) -> "EnvironmentRequest":
    """Return the build environment of a package that is built here, on a host."""
    builder = python_words.parse(python).builder
    return EnvironmentRequest("build", builder, host, package.build_requires)


@dataclass(frozen=True)
class EnvironmentRequest:
    """The required content of an environment: the key of its pin.

    ``python`` is a word like ``cp311``; ``platform`` a target name (the host's for ``build`` and ``tool``,
    the target's for ``test``, ``target`` and ``library``; for ``image``, build requirements for the Python
    of an image, that one's), with a policy above its ``base_policy``, for a ``library`` with any other one,
    appended after a dash (``platform_with``);
    ``requirements`` and ``constraints`` are PEP 508 strings, sorted.
    """

    purpose: Purpose
    python: str
    platform: str
    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """The target's name."""
        return self.platform.partition("-")[0]

    @property
    def policy(self) -> str:
        """Policy of the systems that the packages are for."""
        return self.platform.partition("-")[2] or well_known()[self.target].base_policy


def platform_with(target: str, policy: str) -> str:
    """Return the platform of an environment in which a wheel of this policy is installed."""
    higher = policy_version(policy) > policy_version(well_known()[target].base_policy)
    return f"{target}-{policy}" if higher else target


@dataclass(frozen=True)
class EnvironmentPin:
    """A request and the packages that it was resolved to, by name."""

    request: EnvironmentRequest
    packages: tuple[Package, ...]

    def without(self, name: str) -> "EnvironmentPin":
        """Return the pin without a package that is already there: the project under test."""
        kept = tuple(p for p in self.packages if normal_name(p.name) != normal_name(name))
        return self if kept == self.packages else replace(self, packages=kept)


@dataclass(frozen=True)
class DistroPackage:
    """One package of the distribution; ``version`` is the distribution's, ``sha256`` of the file."""

    name: str
    version: str
    sha256: str
    size: int


@dataclass(frozen=True)
class DistroRequest:
    """Packages of the host's distribution for any architecture: the key of their pin.

    ``distribution`` and ``suite`` as in os-release and the archive (``debian``, ``bookworm``; a suite that
    ends in ``-security`` is the plain one with its security updates); ``architecture`` is the distribution's
    word (``arm64``), or ``source``; ``names`` sorted. ``libraries``: include libraries that they depend on.
    """

    distribution: str
    suite: str
    architecture: str
    names: tuple[str, ...]
    libraries: bool = False


@dataclass(frozen=True)
class DistroPin:
    """A request and the exact packages for it: in the request's order, then libraries by name."""

    request: DistroRequest
    packages: tuple[DistroPackage, ...]


@dataclass(frozen=True)
class ImageRequest:
    """An image as the spec names it, for a platform (a target's name): the key of its pin."""

    name: str
    platform: str


@dataclass(frozen=True)
class ImagePin:
    """A request and its resolution: the digest of the platform's manifest, or an id.

    ``is_local``: an id, of an image that no registry has.
    """

    request: ImageRequest
    digest: str
    is_local: bool = True


@dataclass(frozen=True)
class CratesRequest:
    """The crates that Cargo files without a Cargo.lock require: the key of their pin.

    ``manifest`` is the path of their root in the project, ``digest`` a sha256 of all that they require.
    """

    manifest: str
    digest: str


@dataclass(frozen=True)
class Crate:
    """One package of a Cargo.lock; the project's own have neither ``source`` nor ``checksum``."""

    name: str
    version: str
    source: str = ""
    checksum: str = ""
    dependencies: tuple[str, ...] = ()


@dataclass(frozen=True)
class CratesPin:
    """A request and the packages of its Cargo.lock; ``format`` is the version of that file's format."""

    request: CratesRequest
    format: int
    packages: tuple[Crate, ...]


@dataclass(frozen=True)
class StrategyPin:
    """The strategy that ``auto`` chose for a target on a host of this machine type."""

    target: str
    host: str
    strategy: str
    toolchain: str


@dataclass(frozen=True)
class Lock:
    """All pins of ``multiplatform.lock``."""

    environments: tuple[EnvironmentPin, ...] = field(default=())
    distribution: tuple[DistroPin, ...] = field(default=())
    strategies: tuple[StrategyPin, ...] = field(default=())
    images: tuple[ImagePin, ...] = field(default=())
    crates: tuple[CratesPin, ...] = field(default=())

    def environment(self, request: EnvironmentRequest) -> EnvironmentPin | None:
        """Return the pin of exactly this request."""
        return next((pin for pin in self.environments if pin.request == request), None)

    def packages_of(self, request: DistroRequest) -> DistroPin | None:
        """Return the pin of exactly this request for distribution packages."""
        return next((pin for pin in self.distribution if pin.request == request), None)

    def crates_of(self, request: CratesRequest) -> CratesPin | None:
        """Return the pin of exactly this request for crates."""
        return next((pin for pin in self.crates if pin.request == request), None)

    def image(self, request: ImageRequest) -> ImagePin | None:
        """Return the pin of exactly this request for an image."""
        return next((pin for pin in self.images if pin.request == request), None)

    def strategy(self, target: str, host: str) -> StrategyPin | None:
        """Return the strategy chosen for ``target`` on a host of type ``host``."""
        return next((p for p in self.strategies if (p.target, p.host) == (target, host)), None)
