"""Decide once for a compilation, for each target and Python, how to build and test it.

Later stages only read the decisions. Pure: the host's facts are given.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mpforge.compiler import (
    availability,
    backends,
    build_systems,
    expanded_requirements,
    programs,
    purity,
    strategies,
)
from mpforge.compiler.availability import is_zig
from mpforge.compiler.compilation import Compilation
from mpforge.compiler.typed_commands import commands, of_target, text
from mpforge.plan.pins import ImageRequest
from mpforge.plan.places import ON_HOST, InImage, Machine, PlannedPlace
from mpforge.plan.sessions import Choice, Refusal
from mpforge.plan.toolchains import (
    NO_COMPILER,
    Compilers,
    CrossImage,
    HostGcc,
    HostZig,
    ImageCompiler,
    Toolchain,
    ZigInImage,
)
from mpforge.platforms import GLIBC, Platform, well_known
from mpforge.platforms.libc import legacy_name
from mpforge.platforms.policies import normal_policy
from mpforge.spec.options import Options, ResolvedTarget, resolve, targets, word

if TYPE_CHECKING:
    from mpforge.spec.model import BuildOptions

# Options that say how or where to build, not what: they don't distinguish shipped files. Of the
# tools only zig's version is one of these: see ``options_digest``.
_NOT_OF_THE_RESULT = {"strategy", "toolchain", "image", "timeout", "tools", "frontend"}


@dataclass(frozen=True)
class Decision:
    """The decision how a target is built and tested for one Python (None: it has none).

    ``choice`` is the strategy, or why it can't be built on this host; ``compilers`` are None if it needs
    none. ``unavailable`` says which options, tests' included, this version does not support; there is no
    ``policy`` then. ``native``: this host is of the target's kind. ``digest`` covers the options that
    distinguish shipped files.
    """

    target: ResolvedTarget
    python: str | None
    platform: Platform
    options: Options
    policy: str
    digest: str
    native: bool
    unavailable: Refusal | None
    choice: Choice | Refusal
    compilers: Compilers | None

    @property
    def stem(self) -> str:
        """``aarch64-cp311``: the part that the names of its sessions and steps share."""
        return word(self.target.name, self.python)

    @property
    def folder(self) -> str:
        """The folder below ``dist/`` for its files; wheels are at its top unless the target names one."""
        if self.target.dist is not None:
            return f"{self.target.dist}/"
        return "" if self.python is not None else f"{self.target.name}/"

    @property
    def is_pure(self) -> bool:
        """True if it is built without a compiler: one wheel for all targets."""
        return isinstance(self.choice, Choice) and self.choice.toolchain == NO_COMPILER

    @property
    def place(self) -> PlannedPlace:
        """The place for the target's own programs: that of its builds, unless they cross-compile."""
        return self.compilers.place if self.compilers and not self.compilers.cross else ON_HOST

    def machine(self, cpu: str | None) -> Machine:
        """Return the machine for its tests: of the CPU model if one is given, else native if possible."""
        emulated = not self.native or self.options.test.strategy == "emulate" or cpu is not None
        model = cpu or (self.platform.baseline_cpu if emulated else None)
        # A runtime runs an image of its own machine natively, whatever CPU model is requested.
        place = ON_HOST if emulated and self.native else self.place
        return Machine(self.platform.name, emulated, model, place)


Decisions = Mapping[tuple[str, str | None], Decision]
"""Decisions by target and Python, in the spec's order."""


def decide(compilation: Compilation) -> Decisions:
    """Return the decision for each target and each of its Pythons that the project allows.

    Empty for a host on which nothing can be built.
    """
    if compilation.host.platform is None:
        return {}
    return {
        (target.name, python): _decide(compilation, target, python)
        for target in targets(compilation.spec)
        for python in (compilation.allowed(target) if target.pythons else (None,))
    }


def _decide(compilation: Compilation, target: ResolvedTarget, python: str | None) -> Decision:
    options = resolve(compilation.spec, target=target.name, python=python)
    build, platform = options.build, well_known()[target.platform]
    named = compilation.spec.toolchains.get(build.toolchain)
    unavailable = availability.refusal(platform, python, build, named)
    policy = "" if unavailable else _policy(build, platform)
    choice = unavailable or _choice(compilation, target, build, platform, policy)
    return Decision(
        target,
        python,
        platform,
        options,
        policy,
        options_digest(compilation, build),
        native=platform.name == compilation.host.platform,
        unavailable=unavailable,
        choice=choice,
        compilers=_compilers(compilation, choice, target, python, build)
        if isinstance(choice, Choice)
        else None,
    )


def _choice(
    compilation: Compilation,
    target: ResolvedTarget,
    build: "BuildOptions",
    platform: Platform,
    policy: str,
) -> Choice | Refusal:
    """Return the strategy of a build, or why it can't be done on this host."""
    named = compilation.spec.toolchains.get(build.toolchain)
    backend = backends.recognise(compilation.project) if build.kind == "wheel" else None
    pure = purity.taken_as_pure(
        compilation.project,
        build,
        crosses=backend is not None and backend.crosses,
        of_target=of_target(build),
    )
    if pure is not None:
        return Choice("native", NO_COMPILER, purity.NO_POLICY, pure)
    wanted = strategies.Wanted(
        target=target.name,
        platform=platform,
        strategy=build.strategy,
        toolchain=build.toolchain,
        policy=policy,
        backend=backend,
        image=_default_image(platform, policy) if build.image == "auto" else build.image,
        image_given=build.image != "auto",
        boxed=None if named is None else named.image,
        kind=build.kind,
    )
    pin = compilation.lock.strategy(target.name, compilation.host_platform)
    return strategies.choose(wanted, compilation.host, pin)


def _default_image(platform: Platform, policy: str) -> str:
    """Return PyPA's image for a policy: ``quay.io/pypa/manylinux2014_aarch64``.

    Fact: https://github.com/pypa/manylinux. No runtime or registry is asked whether it exists.
    """
    name = legacy_name(policy) if platform.libc is GLIBC else None
    return f"quay.io/pypa/{name or policy}_{platform.machine}"


def _policy(build: "BuildOptions", platform: Platform) -> str:
    """Return a build's policy, the target's default if the spec names none."""
    return normal_policy(
        build.policy if build.policy != "auto" else platform.default_policy, platform
    )


def options_digest(compilation: Compilation, build: "BuildOptions") -> str:
    """Return the sha256 of the options that decide a shipped file's content, not how it is made."""
    # Not mode="json": pydantic 2 warns about its own lists where a command may be text or words.
    data = build.model_dump(exclude=_NOT_OF_THE_RESULT)
    tools = [tool for tool in build.tools if not is_zig(tool)]
    if tools:
        data["tools"] = tools  # a build script may behave differently when it finds one
    project = compilation.project
    data["requires"] = sorted(expanded_requirements.requirements(project, build.requires))
    data["constraints"] = expanded_requirements.constraints(
        project, build.constraints, build.requires
    )
    told = json.dumps([data, compilation.spec.sdist.model_dump()], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _compilers(
    compilation: Compilation,
    choice: Choice,
    target: ResolvedTarget,
    python: str | None,
    build: "BuildOptions",
) -> Compilers | None:
    """Return the compilers of a build with this strategy; None if it needs none."""
    if choice.toolchain == NO_COMPILER:
        return None
    toolchain = _toolchain(compilation, choice, target, build)
    on_host = toolchain.place.sees_host
    if not on_host and not toolchain.cross:  # its image builds as a machine of the target does
        return Compilers(toolchain, target.platform, choice.policy, python=None)
    configurer = build_systems.configurer(build.kind)
    if build.kind == "wheel":
        configurer = backends.recognise(compilation.project).configurer
    runs = configurer in ("cmake", "meson") or build_systems.runs_programs(build)
    return Compilers(
        toolchain,
        target.platform,
        choice.policy,
        python,
        configurer,
        emulator=_emulated(target.platform) if on_host and toolchain.cross and runs else None,
        rust=compilation.rust if on_host and build.kind == "wheel" else None,
    )


def _toolchain(
    compilation: Compilation, choice: Choice, target: ResolvedTarget, build: "BuildOptions"
) -> Toolchain:
    host = compilation.host_platform
    boxed = compilation.spec.toolchains.get(choice.toolchain)
    image = ImageRequest(choice.image or "", target.platform if boxed is None else host)
    place = InImage(image, commands(build.before_all), build.network)
    if boxed is not None:
        variables = sorted(boxed.environment.items())
        environment = tuple((name, text(str(value))) for name, value in variables)
        return CrossImage(replace(place, environment=environment))
    zig = programs.zig_request(build, host) if choice.toolchain == "zig" else None
    if choice.image is not None:
        return ImageCompiler(place) if zig is None else ZigInImage(zig, place)
    if zig is not None:
        return HostZig(zig, cross=choice.strategy == "cross")
    if choice.toolchain == "gcc":
        return HostGcc()
    raise ValueError(f"there is no image for the toolchain {choice.toolchain!r}")


def _emulated(platform: str) -> Machine:
    """Return the emulated machine of a target, with the oldest CPU model."""
    return Machine(platform, True, well_known()[platform].baseline_cpu)


def sdist_compilers(compilation: Compilation, python: str) -> Compilers | None:
    """Return compilers of this host for an sdist's hooks.

    meson-python needs a configured project for its `meson dist`; a ``setup.py`` may run a compiler at its
    top level, whatever command it is given.
    """
    project = compilation.project
    meson = backends.recognise(project).configurer == "meson"
    if not meson and (project.pure_by is not None or not project.asks_compiler):
        return None
    host, build = compilation.host_platform, compilation.spec.build
    gcc = build.toolchain == "gcc"
    return Compilers(
        HostGcc() if gcc else HostZig(programs.zig_request(build, host), cross=False),
        host,
        well_known()[host].default_policy,
        python,
        "meson" if meson else None,
    )
