"""How a target's builds are done: the choice of a way, the compilers of it, the image that is used.

Nothing is asked of the host: its facts are given.
"""

from typing import TYPE_CHECKING

from mpforge.compiler import (
    availability,
    backends,
    build_systems,
    default_images,
    purity,
    steps,
    strategies,
)
from mpforge.compiler.compilation import Compilation
from mpforge.compiler.typed_commands import commands, text
from mpforge.plan.model import Choice, Refusal
from mpforge.plan.pins import ImageRequest
from mpforge.plan.places import Inside, Machine
from mpforge.plan.toolchains import NO_COMPILER, OF_IMAGE, Compilers
from mpforge.platforms import BASELINE_CPU, Platform, well_known
from mpforge.spec.options import ResolvedTarget, resolve

if TYPE_CHECKING:
    from mpforge.spec.model import BuildOptions


def chosen(
    compilation: Compilation, target: ResolvedTarget, python: str | None, build: "BuildOptions"
) -> Choice | Refusal:
    """The way that a build is done, or why there is none here."""
    platform = well_known()[target.platform]
    named = compilation.spec.toolchains.get(build.toolchain)
    refusal = availability.refusal(platform, python, build, named)
    if refusal is not None:
        return refusal
    backend = backends.recognise(compilation.project) if build.kind == "wheel" else None
    pure = purity.taken_as_pure(
        compilation.project,
        build,
        crosses=backend is not None and backend.crosses,
        of_target=steps.of_target(build),
    )
    if pure is not None:
        return Choice("native", NO_COMPILER, purity.NO_POLICY, pure)
    wanted = strategies.Wanted(
        target=target.name,
        platform=platform,
        strategy=build.strategy,
        toolchain=build.toolchain,
        policy=policy(build, platform),
        backend=backend,
        image=default_images.of(platform, policy(build, platform))
        if build.image == "auto"
        else build.image,
        image_given=build.image != "auto",
        boxed=None if named is None else named.image,
        kind=build.kind,
    )
    pin = compilation.lock.strategy(target.name, compilation.host_platform)
    return strategies.choose(wanted, compilation.host, pin)


def policy(build: "BuildOptions", platform: Platform) -> str:
    """The policy that a build is for, the target's default if the spec names none."""
    return steps.normal_policy(build.policy if build.policy != "auto" else platform.default_policy)


def tests_inside(
    compilation: Compilation, target: ResolvedTarget, python: str | None, build: "BuildOptions"
) -> Inside | None:
    """The image that tests run in: the target's own, where that is what it is built in."""
    choice = chosen(compilation, target, python, build)
    if isinstance(choice, Refusal) or choice.image is None or choice.strategy == "cross":
        return None
    return _inside(choice.image, target, build)


def _inside(image: str, target: ResolvedTarget, build: "BuildOptions") -> Inside:
    request = ImageRequest(image, target.platform)
    return Inside(request, commands(list(build.before_all)), build.network)


def compilers(
    compilation: Compilation, choice: Choice, target: ResolvedTarget, python: str | None
) -> Compilers | None:
    """The compilers of a build that is done in this way; None: it needs none."""
    if choice.toolchain == NO_COMPILER:
        return None
    build = resolve(compilation.spec, target=target.name, python=python).build
    zig = choice.toolchain == "zig"
    cross = choice.strategy == "cross"
    configurer = build_systems.configurer(build.kind)
    if build.kind == "wheel":
        configurer = backends.recognise(compilation.project).configurer
    runs = configurer in ("cmake", "meson") or build_systems.runs_programs(build)
    boxed = compilation.spec.toolchains.get(choice.toolchain)
    if boxed is not None:
        return Compilers(
            toolchain=OF_IMAGE,
            target=target.platform,
            policy=choice.policy,
            cross=True,
            python=python,
            configurer=configurer,
            inside=Inside(
                ImageRequest(choice.image or "", compilation.host_platform),
                commands(list(build.before_all)),
                build.network,
                tuple(
                    (name, text(str(value))) for name, value in sorted(boxed.environment.items())
                ),
            ),
        )
    if choice.image is not None:
        return _compilers_inside(compilation, choice, target, build)
    return Compilers(
        toolchain=choice.toolchain,
        target=target.platform,
        policy=choice.policy,
        cross=cross,
        python=python,
        zig=steps.zig_request(build, compilation.host_platform) if zig else None,
        configurer=configurer,
        emulator=_emulated(target.platform) if cross and runs else None,
        rust=compilation.rust if build.kind == "wheel" else None,
    )


def _compilers_inside(
    compilation: Compilation, choice: Choice, target: ResolvedTarget, build: "BuildOptions"
) -> Compilers:
    """Compilers that are called in the target's image: what they build for is what they run on."""
    zig = choice.toolchain == "zig"
    return Compilers(
        toolchain=choice.toolchain,
        target=target.platform,
        policy=choice.policy,
        cross=False,
        python=None,
        zig=steps.zig_request(build, compilation.host_platform) if zig else None,
        inside=_inside(choice.image or "", target, build),
    )


def _emulated(platform: str) -> Machine:
    """The emulated machine of a target, of the oldest kind."""
    return Machine(platform, True, BASELINE_CPU.get(well_known()[platform].machine))


def sdist_compilers(compilation: Compilation, python: str) -> Compilers | None:
    """Compilers of this host for an sdist's hooks.

    meson-python wants a configured project for its `meson dist`; a ``setup.py`` may ask a compiler at its
    top, whatever it is run for.
    """
    project = compilation.project
    meson = backends.recognise(project).configurer == "meson"
    if not meson and (project.pure_by is not None or not project.asks_compiler):
        return None
    host, build = compilation.host_platform, compilation.spec.build
    toolchain = "gcc" if build.toolchain == "gcc" else "zig"
    return Compilers(
        toolchain=toolchain,
        target=host,
        policy=well_known()[host].default_policy,
        cross=False,
        python=python,
        zig=steps.zig_request(build, host) if toolchain == "zig" else None,
        configurer="meson" if meson else None,
    )
