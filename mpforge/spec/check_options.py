"""Check that options agree with one another, on the merged options of each target.

A finding's place is where the option was last set, so that it names the line to change.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mpforge import platforms
from mpforge.formats.toml import Path
from mpforge.platforms.cpus import cpus_of, near_names
from mpforge.platforms.policies import is_musl
from mpforge.spec import recipes
from mpforge.spec.finding import Finding, dotted, finding_at
from mpforge.spec.library_tables import Library, LibrarySource
from mpforge.spec.model import Spec, Toolchain
from mpforge.spec.options import (
    Options,
    all_levels,
    all_pythons,
    is_wheel,
    levels_of,
    origin,
    platform_name,
    resolve,
    target_names,
)

_CONFIGURED = ("cmake", "meson", "autotools")
# The kinds that an option has an effect with, if not with all.
_USED_BY = {
    "commands": ("commands",),
    "outputs": ("commands", "make", *_CONFIGURED),
    "options": _CONFIGURED,
}


@dataclass(frozen=True)
class _Case:
    """One target and Python, and their merged options."""

    spec: Spec
    target: str
    python: str | None
    options: Options

    def at(self, option: str) -> Path:
        """Return the path where ``option`` was set, else its path at the top level."""
        where = origin(self.spec, self.target, self.python, option)
        return where or tuple(option.split("."))

    def gives(self, option: str) -> bool:
        return origin(self.spec, self.target, self.python, option) is not None


def check_options(spec: Spec) -> Iterator[Finding]:
    """Yield findings about options that contradict or lack one another."""
    for number, override in enumerate(spec.overrides):
        if "kind" in override.build.model_fields_set:
            path = ("overrides", number, "build", "kind")
            yield finding_at(
                "misplaced-key",
                path,
                "the kind decides what an override can select; give it in "
                "[build] or in the target's `build`",
                "targets.X.build.kind",
            )
    yield from _base_programs(spec)
    for case in _cases(spec):
        yield from _kind(case)
        yield from _strategy(case)
        yield from _policy(case)
        yield from _cpu(case)
        yield from _test(case)
    for name, toolchain in spec.toolchains.items():
        yield from _toolchain(("toolchains", name), toolchain)
    for name, library in spec.libraries.items():
        yield from _library(("libraries", name), library)


def _cases(spec: Spec) -> Iterator[_Case]:
    """Yield one case for each target and set of overrides that apply to it."""
    for target in target_names(spec):
        seen = set()
        for python in all_pythons(spec, target) if is_wheel(spec, target) else (None,):
            levels = tuple(level.path for level in levels_of(spec, target, python))
            if levels not in seen:
                seen.add(levels)
                yield _Case(spec, target, python, resolve(spec, target=target, python=python))


def _kind(case: _Case) -> Iterator[Finding]:
    build = case.options.build
    beside = case.at("build.kind")[:-1]
    wanted = {"commands": ("commands", "outputs"), "make": ("outputs",)}.get(build.kind, ())
    for key in wanted:
        if not getattr(build, key):
            path = case.at(f"build.{key}") if case.gives(f"build.{key}") else (*beside, key)
            yield finding_at("missing-key", path, f'kind = "{build.kind}" needs `{key}`')
    for key, kinds in _USED_BY.items():
        if build.kind not in kinds and getattr(build, key):
            path = case.at(f"build.{key}")
            yield _unused(path, f'kind = "{build.kind}"', f'kind = "{kinds[0]}"')


def _base_programs(spec: Spec) -> Iterator[Finding]:
    for level in all_levels(spec):
        if level.path and "base_programs" in level.build.model_fields_set:
            yield finding_at(
                "misplaced-key",
                (*level.path, "build", "base-programs"),
                "all targets have the same base programs; give it in [build]",
                "build.base-programs",
            )


def _strategy(case: _Case) -> Iterator[Finding]:
    build = case.options.build
    path = case.at("build.strategy")
    toolchain = case.spec.toolchains.get(build.toolchain)
    in_image = toolchain is not None and toolchain.kind == "container"
    if in_image and build.strategy in {"native", "hybrid", "emulate"}:
        yield finding_at(
            "conflict",
            path,
            f'strategy = "{build.strategy}" can\'t use the toolchain '
            f'"{build.toolchain}", a cross compiler in an image',
            "cross",
        )
    no_image = not in_image and (
        build.strategy == "cross" or (build.strategy == "native" and not case.gives("build.image"))
    )
    if build.before_all and no_image:
        where = case.at("build.before-all")
        yield Finding(
            "conflict",
            where,
            f'`{dotted(where)}` needs an image, but strategy = "{build.strategy}" has none',
            "build.before-build",
        )
    if (in_image or build.strategy == "cross") and case.gives("build.image"):
        given = f'toolchain = "{build.toolchain}"' if in_image else 'strategy = "cross"'
        yield _unused(case.at("build.image"), given)


def _policy(case: _Case) -> Iterator[Finding]:
    policy = case.options.build.policy
    platform = platforms.well_known().get(platform_name(case.spec, case.target) or "")
    if platform is None or platform.libc is None or not policy.startswith(("many", "musl")):
        return
    if not policy.startswith(platform.libc.policy):
        path = case.at("build.policy")
        yield finding_at(
            "conflict",
            path,
            f'"{policy}" is not a policy for {case.target}, a {platform.libc.name} '
            f"target; give it its own in {dotted(('targets', case.target, 'build', 'policy'))}",
            platform.default_policy,
        )
    elif _version(policy) < _version(platform.oldest_policy):
        yield finding_at(
            "conflict",
            case.at("build.policy"),
            f'"{policy}" is too old for {case.target}: its oldest policy is '
            f"{platform.oldest_policy}; give it its own in "
            f"{dotted(('targets', case.target, 'build', 'policy'))}",
            platform.default_policy,
        )
    elif is_musl(policy) and policy not in platform.policies:
        yield finding_at(
            "conflict",
            case.at("build.policy"),
            f'wheels for "{policy}" can\'t be built: {case.target} has {", ".join(platform.policies)}',
            platform.default_policy,
        )


def _version(policy: str) -> tuple[int, int]:
    """Return a policy's version; a high one for no policy, which is reported elsewhere."""
    try:
        return platforms.policy_version(policy)
    except ValueError:
        return (99, 0)


def _cpu(case: _Case) -> Iterator[Finding]:
    cpu = case.options.build.cpu
    platform = platforms.well_known().get(platform_name(case.spec, case.target) or "")
    if cpu is None or platform is None:
        return
    known = [one.name for one in cpus_of(platform)]
    if cpu not in known:
        yield finding_at(
            "bad-value",
            case.at("build.cpu"),
            f'"{cpu}" is not a CPU of {case.target}, which has {", ".join(known)}; give it its own in '
            f"{dotted(('targets', case.target, 'build', 'cpu'))}",
            next(iter(near_names(cpu, platform)), None),
        )


def _test(case: _Case) -> Iterator[Finding]:
    test = case.options.test
    kind = case.options.build.kind
    if kind != "wheel" and test.command == "import" and case.gives("test.command"):
        path = case.at("test.command")
        yield finding_at(
            "conflict", path, f'only a wheel can be imported, but kind = "{kind}" builds none'
        )
    if test.strategy in ("native", "static") and test.cpus:
        path = case.at("test.cpus")
        yield finding_at(
            "conflict",
            path,
            f'CPU models need an emulator, but strategy = "{test.strategy}" uses none',
            "emulate",
        )


def _toolchain(path: Path, toolchain: Toolchain) -> Iterator[Finding]:
    if toolchain.kind == "container" and toolchain.image is None:
        yield _needed((*path, "image"), 'kind = "container" needs an image')
    for key, kind in (("image", "container"), ("prefix", "gcc")):
        if getattr(toolchain, key) is not None and toolchain.kind != kind:
            yield Finding(
                "conflict",
                (*path, key),
                f'`{dotted((*path, key))}` belongs to kind = "{kind}", not to "{toolchain.kind}"',
            )


def _library(path: Path, library: Library) -> Iterator[Finding]:
    if library.wheel is not None:
        yield from _taken(path, library)
        return
    if library.directory is not None and {"..", ""} & {*library.directory.split("/")}:
        yield finding_at("bad-value", (*path, "directory"), "expected a path inside the source")
    if library.recipe is not None:
        for key in ("kind", "commands"):
            if key in library.model_fields_set:
                yield finding_at("conflict", (*path, key), f"a recipe brings its own `{key}`")
        if library.source is not None:
            yield from _source((*path, "source"), library.source)
        else:
            yield from _version_of_recipe(path, library)
        return
    if library.source is None:
        yield _needed((*path, "source"), "a library needs a source, a wheel, or a recipe")
    else:
        yield from _source((*path, "source"), library.source)
    if library.kind is None:
        yield _needed((*path, "kind"), "a library needs a kind, or a recipe")
    if library.kind == "commands" and not library.commands:
        yield _needed((*path, "commands"), 'kind = "commands" needs commands')


def _taken(path: Path, library: Library) -> Iterator[Finding]:
    for key in sorted(library.model_fields_set - {"wheel", "license", "exports"}):
        name = key.replace("_", "-")
        yield finding_at(
            "conflict",
            (*path, name),
            f"`wheel` takes a built library as it is; remove `{name}`",
        )


def _version_of_recipe(path: Path, library: Library) -> Iterator[Finding]:
    recipe = recipes.recipes().get(library.recipe or "")
    if recipe is None or library.version in (None, recipe.version):
        return
    message = (
        f"mpforge's recipe {recipe.name} is version {recipe.version}; for {library.version}, give its "
        "`source` too, with url and sha256"
    )
    yield finding_at("bad-value", (*path, "version"), message, recipe.version)


def _source(path: Path, source: LibrarySource) -> Iterator[Finding]:
    origins = [key for key in ("url", "path", "git") if getattr(source, key)]
    if len(origins) != 1:
        yield finding_at(
            "bad-value", path, "expected exactly one of url + sha256, path, git + commit"
        )
        return
    for key, proof, shape, expected in (
        ("url", "sha256", r"[0-9a-f]{64}", "64 hexadecimal digits"),
        ("git", "commit", r"[0-9a-f]{40}|[0-9a-f]{64}", "the whole hash of a commit"),
    ):
        value: str | None = getattr(source, proof)
        if key in origins and value is None:
            yield _needed((*path, proof), f"`{key}` needs `{proof}`")
        elif value is not None and not re.fullmatch(shape, value):
            yield finding_at("bad-value", (*path, proof), f"expected {expected}")


def _unused(path: Path, given: str, instead: str | None = None) -> Finding:
    message = f"`{dotted(path)}` has no effect with {given}"
    return Finding("unused-key", path, message, instead, warning=True)


def _needed(path: Path, why: str) -> Finding:
    return finding_at("missing-key", path, why)
