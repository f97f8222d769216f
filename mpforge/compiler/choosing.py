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
from mpforge.platforms import Platform, well_known
from mpforge.platforms.policies import normal_policy
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
    return normal_policy(
        build.policy if build.policy != "auto" else platform.default_policy, platform
    )


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
    toolchain = _toolchain(compilation, choice, target, build)
    in_its_image = toolchain.inside is not None and not toolchain.cross
    if in_its_image:  # which builds as on a machine of the target
        return Compilers(toolchain, target.platform, choice.policy, python=None)
    configurer = build_systems.configurer(build.kind)
    if build.kind == "wheel":
        configurer = backends.recognise(compilation.project).configurer
    runs = configurer in ("cmake", "meson") or build_systems.runs_programs(build)
    on_host = toolchain.inside is None
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
    if boxed is not None:
        return CrossImage(
            Inside(
                ImageRequest(choice.image or "", host),
                commands(list(build.before_all)),
                build.network,
                tuple(
                    (name, text(str(value))) for name, value in sorted(boxed.environment.items())
                ),
            )
        )
    zig = steps.zig_request(build, host) if choice.toolchain == "zig" else None
    if choice.image is not None:
        inside = _inside(choice.image, target, build)
        return ImageCompiler(inside) if zig is None else ZigInImage(zig, inside)
    if zig is not None:
        return HostZig(zig, cross=choice.strategy == "cross")
    if choice.toolchain == "gcc":
        return HostGcc()
    raise ValueError(f"there is no image for the toolchain {choice.toolchain!r}")


def _emulated(platform: str) -> Machine:
    """The emulated machine of a target, of the oldest kind."""
    return Machine(platform, True, well_known()[platform].baseline_cpu)


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
    gcc = build.toolchain == "gcc"
    return Compilers(
        HostGcc() if gcc else HostZig(steps.zig_request(build, host), cross=False),
        host,
        well_known()[host].default_policy,
        python,
        "meson" if meson else None,
    )
