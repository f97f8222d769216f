"""Decide once for a compilation, for each target and Python, how to build and test it.

``Compilation`` has the inputs, and what follows from them for the whole project. Later stages only read the
decisions. Pure: the host's facts are given.
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from mpforge.compiler import (
    availability,
    backends,
    build_systems,
    programs,
    purity,
    pythons,
    strategies,
)
from mpforge.compiler.options_digest import options_digest
from mpforge.compiler.typed_commands import commands, of_target, text
from mpforge.plan.facts import HostFacts, ProjectFacts
from mpforge.plan.pins import ImageRequest, Lock
from mpforge.plan.places import ON_HOST, InImage, Machine, PlannedPlace
from mpforge.plan.session_end import Level
from mpforge.plan.sessions import Choice, Refusal
from mpforge.plan.steps import OutputOf, ProjectFiles, Step, Tree
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
from mpforge.platforms import GLIBC, MUSL, Platform, legacy_name, python_words, well_known
from mpforge.platforms.cpus import Cpu, baseline, known_cpus
from mpforge.platforms.policies import normal_policy
from mpforge.spec.model import BuildOptions, Spec
from mpforge.spec.options import Options, ResolvedTarget, resolve, targets, word

_NO_GCC = Refusal(
    "wrong-input",
    'base-programs = "pinned" hides the host\'s gcc, which toolchain = "gcc" needs',
    hint='set toolchain = "zig" in [build], or base-programs = "host"',
)


@dataclass
class Compilation:
    """The inputs of one compilation, and the steps compiled so far."""

    spec: Spec
    host: HostFacts
    project: ProjectFacts
    lock: Lock
    steps: dict[str, Step] = field(default_factory=dict)

    def add(self, found: Iterable[Step]) -> tuple[str, ...]:
        """Add steps; return their ids."""
        ids = []
        for step in found:
            if self.steps.setdefault(step.id, step) != step:
                raise AssertionError(f"two steps are called {step.id}")
            ids.append(step.id)
        return tuple(ids)

    @property
    def host_platform(self) -> str:
        """The host's platform, or a word that no target has."""
        return self.host.platform or "none"

    @property
    def pinned_base(self) -> bool:
        """True if steps see pinned base programs in place of the host's."""
        return self.spec.build.base_programs == "pinned"

    @functools.cached_property
    def pythons(self) -> tuple[str, ...]:
        """The Pythons of all targets."""
        return tuple(python for target in targets(self.spec) for python in target.pythons)

    @functools.cached_property
    def excluded(self) -> Refusal | None:
        """The refusal if the project allows none of the spec's Pythons: no wheel can be built."""
        return pythons.all_excluded(self.project, self.pythons)

    def allowed(self, target: ResolvedTarget) -> tuple[str, ...]:
        """Return a target's Pythons that the project allows."""
        return tuple(p for p in target.pythons if pythons.exclusion(self.project, p) is None)

    @property
    def sdist_python(self) -> str | None:
        """The Python that builds the sdist: the first one allowed, preferably with the GIL."""
        able = [p for p in self.pythons if pythons.exclusion(self.project, p) is None]
        words = sorted((w for w in able if w.startswith("cp")), key=lambda w: w.endswith("t"))
        return words[0] if words else None

    @property
    def rust(self) -> str | None:
        """The Rust channel of a project whose wheel is built by cargo, None for any other."""
        backend = backends.recognise(self.project)
        return self.project.rust if backend.configurer == "cargo" else None

    @functools.cached_property
    def decisions(self) -> "Mapping[tuple[str, str | None], Decision]":
        """The decision for each target and each of its Pythons that the project allows, in the spec's order.

        Empty for a host on which nothing can be built.
        """
        if self.host.platform is None:
            return {}
        return {
            (target.name, python): Decision(self, target, python)
            for target in targets(self.spec)
            for python in (self.allowed(target) if target.pythons else (None,))
        }

    @property
    def source(self) -> Tree:
        """The source tree that a wheel is built from."""
        made = self.project.form == "tree" and self.spec.sdist.enable
        return OutputOf("sdist") if made else ProjectFiles()


@dataclass(frozen=True, eq=False)
class Decision:
    """The decision how a target is built and tested for one Python (None: it has none)."""

    compilation: Compilation
    target: ResolvedTarget
    python: str | None

    @functools.cached_property
    def options(self) -> Options:
        """Its merged options."""
        return resolve(self.compilation.spec, target=self.target.name, python=self.python)

    @property
    def build(self) -> BuildOptions:
        """Its options for the build."""
        return self.options.build

    @functools.cached_property
    def digest(self) -> str:
        """A digest of the options that distinguish shipped files."""
        return options_digest(self.compilation.spec, self.compilation.project, self.build)

    @property
    def platform(self) -> Platform:
        """The target's platform."""
        return well_known()[self.target.platform]

    @property
    def native(self) -> bool:
        """True if this host is of the target's kind."""
        return self.platform.name == self.compilation.host.platform

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

    @functools.cached_property
    def unavailable(self) -> Refusal | None:
        """The options, tests' included, that this version does not support, as a refusal."""
        spec = self.compilation.spec
        named = spec.toolchains.get(self.build.toolchain)
        return availability.refusal(self.platform, self.python, self.build, named)

    @property
    def policy(self) -> str:
        """The policy, the target's default if the spec names none; empty if something is unavailable."""
        if self.unavailable is not None:
            return ""
        named = self.build.policy
        if named == "auto":
            named = self.platform.default_policy
            if self.build.strategy == "emulate":  # the image's compiler links with its libraries
                named = self.platform.image_policy(named) or named
        return normal_policy(named, self.platform)

    @functools.cached_property
    def choice(self) -> Choice | Refusal:
        """The strategy, or why it can't be built on this host."""
        if self.unavailable is not None:
            return self.unavailable
        compilation, build = self.compilation, self.build
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
            target=self.target.name,
            platform=self.platform,
            strategy="cross" if self.is_pypy else build.strategy,
            toolchain=build.toolchain,
            policy=self.policy,
            backend=backend,
            image=self._default_image if build.image == "auto" else build.image,
            image_given=build.image != "auto",
            boxed=None if named is None else named.image,
            kind=build.kind,
            runtime=build.runtime,
        )
        pin = compilation.lock.strategy(self.target.name, compilation.host_platform)
        found = strategies.choose(wanted, compilation.host, pin)
        if isinstance(found, Choice) and found.image is not None and build.libraries:
            return availability.in_image_refusal(found.strategy)
        of_host = isinstance(found, Choice) and found.toolchain == "gcc" and found.image is None
        return _NO_GCC if of_host and compilation.pinned_base else found

    @property
    def _default_image(self) -> str | None:
        """PyPA's image for the policy: ``quay.io/pypa/manylinux2014_aarch64``; None if there is none.

        Fact: https://github.com/pypa/manylinux. No runtime or registry is asked whether it exists.
        """
        policy = self.platform.image_policy(self.policy)
        if policy is None:
            return None
        name = legacy_name(policy) if self.platform.libc is GLIBC else None
        return f"quay.io/pypa/{name or policy}_{self.platform.machine}"

    @property
    def is_pypy(self) -> bool:
        """True for PyPy, for which a CPython of this host builds, also where the host is the target."""
        return self.python is not None and python_words.parse(self.python).is_pypy

    @property
    def is_pure(self) -> bool:
        """True if it is built without a compiler: one wheel for all targets."""
        return isinstance(self.choice, Choice) and self.choice.toolchain == NO_COMPILER

    @functools.cached_property
    def compilers(self) -> Compilers | None:
        """The compilers of its build; None if it needs none, or can't be built."""
        build, choice, target = self.build, self.choice, self.target.platform
        if isinstance(choice, Refusal) or choice.toolchain == NO_COMPILER:
            return None
        toolchain = self._toolchain(choice)
        on_host = toolchain.place.sees_host
        if not on_host and not toolchain.cross:  # its image builds as a machine of the target does
            return Compilers(toolchain, target, choice.policy, python=None)
        configurer = build_systems.configurer(build.kind)
        if build.kind == "wheel":
            configurer = backends.recognise(self.compilation.project).configurer
        runs = configurer in ("cmake", "meson") or build_systems.runs_programs(build)
        emulated = Machine(target, True, self._baseline)  # the oldest CPU model
        return Compilers(
            toolchain,
            target,
            choice.policy,
            self.python,
            configurer,
            emulator=emulated if on_host and toolchain.cross and runs else None,
            rust=self.compilation.rust if on_host and build.kind == "wheel" else None,
        )

    def _toolchain(self, choice: Choice) -> Toolchain:
        build, host = self.build, self.compilation.host_platform
        boxed = self.compilation.spec.toolchains.get(choice.toolchain)
        image = ImageRequest(choice.image or "", self.target.platform if boxed is None else host)
        runtime = strategies.runtime(build.runtime, self.compilation.host)
        before, sources = commands(build.before_all), tuple(build.before_all_sources)
        place = InImage(image, before, build.network, runtime=runtime, sources=sources)
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

    @property
    def raised(self) -> Cpu | None:
        """The oldest CPU that it is built for and tested on, if the spec names one."""
        return known_cpus()[self.build.cpu] if self.build.cpu else None

    def oldest_cpu(self, policy: str) -> str | None:
        """Return the oldest CPU that files built for a policy run on; None if the platform has none."""
        oldest = self.raised or baseline(self.platform, policy)
        return oldest.name if oldest else None

    @property
    def _baseline(self) -> str | None:
        """The emulator's model of the oldest CPU; ``max`` if it has none for the CPU that the spec names."""
        return self.platform.baseline_cpu if self.raised is None else self.raised.qemu or "max"

    @property
    def place(self) -> PlannedPlace:
        """The place for the target's own programs: that of its builds, unless they cross-compile."""
        return self.compilers.place if self.compilers and not self.compilers.cross else ON_HOST

    @property
    def runs_natively(self) -> bool:
        """True if this host's processor runs the target's programs: it is the target's, or runs those too."""
        host = well_known().get(self.compilation.host_platform)
        same = host is not None and host.machine == self.platform.machine
        by_loader = same and self.platform.libc is MUSL
        return self.native or by_loader or self.platform.name in self.compilation.host.also_runs

    def machine(self, cpu: str | None) -> Machine:
        """Return the machine for its tests: of the CPU model if one is given, else native if possible."""
        asked = self.options.test.strategy == "emulate" or cpu is not None
        # Hosts have no PyPy to test with.
        emulated = not self.runs_natively or asked or self.is_pypy
        model = cpu or (self._baseline if emulated else None)
        # A runtime runs an image of its own machine natively, whatever CPU model is requested.
        place = ON_HOST if emulated and self.runs_natively else self.place
        return Machine(self.platform.name, emulated, model, place)

    def level(self, cpu: str | None) -> Level:
        """Return how it is tested, on the CPU model if one is given."""
        if self.options.test.strategy == "static":
            return "static"
        return "emulated" if self.machine(cpu).emulated else "native"


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
    gcc = build.toolchain == "gcc" and not compilation.pinned_base
    return Compilers(
        HostGcc() if gcc else HostZig(programs.zig_request(build, host), cross=False),
        host,
        well_known()[host].default_policy,
        python,
        "meson" if meson else None,
    )
