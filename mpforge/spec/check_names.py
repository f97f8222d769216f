"""Check names: Pythons, targets, toolchains, libraries; defined, used, and selected by globs.

Knows the names, not their meaning. A glob that matches nothing is a mistake.
"""

import keyword
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from fnmatch import fnmatchcase

from mpforge import platforms
from mpforge.formats.globs import Glob
from mpforge.formats.toml import Path
from mpforge.platforms import image_name
from mpforge.platforms import python_words as pythons
from mpforge.spec import recipes
from mpforge.spec.finding import Finding, dotted, finding_at
from mpforge.spec.library_tables import Library
from mpforge.spec.model import BuildOptions, Spec
from mpforge.spec.options import (
    all_levels,
    all_pythons,
    is_wheel,
    platform_name,
    python_words,
    target_names,
    word,
)
from mpforge.spec.suggest import (
    close_to,
    nearest_name,
    nearest_platform,
    nearest_target,
)

# Words of mpforge's sessions, of the spec's values, and of nox's command line (`nox -k "a and b"`).
RESERVED = frozenset(
    {
        *("all", "auto", "build", "container", "cross", "default", "deps", "dist", "emulate"),
        *("gcc", "host", "hybrid", "import", "lock", "mpforge", "native", "nox", "notest"),
        *("release", "sdist", "session", "sessions", "skip", "target", "targets", "test"),
        *("wheel", "zig"),
    }
) | {name.lower() for name in keyword.kwlist}

_TOOLCHAINS = ("auto", "zig", "gcc")


def check_names(spec: Spec) -> Iterator[Finding]:
    """Yield findings about names, except in ``select`` and ``skip``: see ``check_globs``."""
    yield from _pythons(spec)
    yield from _targets(spec)
    yield from _defined(("targets",), spec.targets, free=platforms.well_known())
    yield from _defined(("toolchains",), spec.toolchains)
    yield from _defined(("libraries",), spec.libraries)
    yield from _images(spec)
    for level in all_levels(spec):
        yield from _used(spec, (*level.path, "build"), level.build)
        yield from _libraries(spec, (*level.path, "test", "libraries"), level.test.libraries)
    for name, library in spec.libraries.items():
        yield from _needs(spec, name, library)


def _pythons(spec: Spec) -> Iterator[Finding]:
    lists: list[tuple[Path, tuple[str, ...]]] = [(("project", "python"), spec.project.python)]
    lists += [
        (("targets", name, "python"), target.python)
        for name, target in spec.targets.items()
        if target.python is not None
    ]
    for path, words in lists:
        yield from _duplicates(path, words)
        for number, python in enumerate(words):
            if python not in (*pythons.known(), pythons.AUTO):
                yield finding_at(
                    "unknown-python",
                    path,
                    f'"{python}" is no supported Python: expected {", ".join(pythons.known())}',
                    pythons.nearest(python),
                    item=number,
                )
    for name in target_names(spec):
        if is_wheel(spec, name) and not all_pythons(spec, name):
            own = spec.targets.get(name)
            path = ("project", "python")
            if own is not None and own.python is not None:
                path = ("targets", name, "python")
            yield finding_at(
                "missing-key",
                path,
                'kind = "wheel" needs at least one Python, such as "cp311" or "auto"',
            )


def _targets(spec: Spec) -> Iterator[Finding]:
    path: Path = ("project", "targets")
    yield from _duplicates(path, spec.project.targets)
    if not target_names(spec):
        yield Finding(
            "missing-key", path, '`project.targets` needs at least one target, such as "aarch64"'
        )
    for number, name in enumerate(spec.project.targets):
        if name not in platforms.well_known() and name not in spec.targets:
            table = dotted_table("targets", name)
            yield finding_at(
                "unknown-target",
                path,
                f'"{name}" is not a well-known target, and no {table} defines it',
                nearest_target(name, spec.targets),
                item=number,
            )
    for name in spec.targets:
        yield from _platform(spec, name)
    yield from _same_wheels(spec)


def _platform(spec: Spec, name: str) -> Iterator[Finding]:
    written = spec.targets[name].platform
    known = platforms.well_known()
    path: Path = ("targets", name, "platform")
    if platform_name(spec, name) is None and written is None:
        yield finding_at(
            "unknown-target",
            path[:2],
            f'"{name}" is not a well-known target, so it needs a `platform`, '
            'such as "linux/arm/v7"',
            nearest_target(name, ()),
        )
    elif platform_name(spec, name) is None and written is not None:
        yield finding_at(
            "bad-value",
            path,
            "expected a well-known target or a docker platform such as "
            f'"linux/arm/v7", got "{written}"',
            nearest_platform(written),
        )
    elif name in known and platform_name(spec, name) != name:
        yield finding_at(
            "bad-value",
            path,
            f'the well-known target {name} can\'t be "{written}"; give the target another name',
            known[name].docker_platform or name,
        )


def _same_wheels(spec: Spec) -> Iterator[Finding]:
    seen: dict[tuple[str, str | None], str] = {}
    for name in target_names(spec):
        platform = platform_name(spec, name)
        if platform is None or not is_wheel(spec, name):
            continue
        own = spec.targets.get(name)
        dist = own.dist if own else None
        other = seen.setdefault((platform, dist), name)
        if other == name:
            continue
        owner = name if own else other
        yield finding_at(
            "missing-key" if dist is None else "duplicate",
            ("targets", owner, "dist"),
            f"{other} and {name} are both {platform} and "
            "would give the same wheel names; give one of them a `dist` of its own",
        )


def _defined(path: Path, names: Collection[str], free: Collection[str] = ()) -> Iterator[Finding]:
    for name in names:
        if name in free:
            continue
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            yield finding_at(
                "bad-name",
                (*path, name),
                'a name is lower-case letters, digits and "_", and begins with a letter',
                nearest_name(name),
            )
        elif name in RESERVED or re.fullmatch(r"(cp|pp)3\d+t?", name):
            yield finding_at(
                "bad-name",
                (*path, name),
                f"`{name}` is reserved by nox or mpforge; choose another name",
                f"my_{name}",
            )


def _used(spec: Spec, path: Path, build: BuildOptions) -> Iterator[Finding]:
    if build.toolchain not in _TOOLCHAINS and build.toolchain not in spec.toolchains:
        yield finding_at(
            "unknown-toolchain",
            (*path, "toolchain"),
            f'expected "auto", "zig", "gcc" or a name from [toolchains], got "{build.toolchain}"',
            close_to(build.toolchain, {*_TOOLCHAINS, *spec.toolchains}),
        )
    yield from _libraries(spec, (*path, "libraries"), build.libraries)


def _images(spec: Spec) -> Iterator[Finding]:
    given = [((*level.path, "build", "image"), level.build.image) for level in all_levels(spec)]
    given += [(("toolchains", name, "image"), t.image or "") for name, t in spec.toolchains.items()]
    for path, name in given:
        good = name in ("", "auto") or image_name.is_id(name) or image_name.parts(name)
        if not good:
            message = f'"{name}" is not a valid image name: expected {image_name.EXPECTED}'
            yield finding_at("image-name-wrong", path, message)


def _libraries(spec: Spec, path: Path, names: tuple[str, ...]) -> Iterator[Finding]:
    if not names:
        return
    yield from _duplicates(path, names)
    known = recipes.libraries(spec)
    for number, name in enumerate(names):
        if name not in known:
            table = dotted_table("libraries", name)
            message = f"there is no {table}, and no recipe of that name"
            yield finding_at("unknown-library", path, message, close_to(name, known), item=number)


def _needs(spec: Spec, name: str, library: Library) -> Iterator[Finding]:
    path: Path = ("libraries", name, "needs")
    yield from _libraries(spec, path, library.needs)
    if library.recipe is not None and library.recipe not in recipes.recipes():
        yield finding_at(
            "unknown-library",
            ("libraries", name, "recipe"),
            f'there is no recipe "{library.recipe}"; `mpforge library list` shows them',
            close_to(library.recipe, recipes.recipes()),
        )
    table = recipes.libraries(spec)
    ways: list[tuple[str, ...]] = [(name, other) for other in table[name].needs]
    reached = set[str]()
    while ways:
        way = ways.pop()
        last = way[-1]
        if last == name:
            if name == min(set(way) & set(spec.libraries)):  # once for each cycle
                words = ", which needs ".join(way[1:])
                yield finding_at(
                    "cycle", path, f"{name} needs {words}: libraries can't need each other"
                )
            return
        if last in table and last not in reached:
            reached.add(last)
            ways += [(*way, other) for other in table[last].needs]


def _duplicates(path: Path, words: tuple[str, ...]) -> Iterator[Finding]:
    for number, name in enumerate(words):
        if name in words[:number]:
            yield finding_at("duplicate", path, f'"{name}" is listed twice', item=number)


def dotted_table(table: str, name: str) -> str:
    """Return a table's header as written: ``[libraries.zlib]``."""
    return f"[{dotted((table, name))}]"


# --- globs of TARGET-PYTHON and of test sources -----------------------------------------------


def check_globs(spec: Spec) -> Iterator[Finding]:
    """Warn of globs that match no TARGET-PYTHON; ``skip`` is applied before ``select``.

    Only meaningful if the names of targets and Pythons are valid.
    """
    everything, left = _words(spec, all_pythons), _words(spec, python_words)
    yield from _matching_nothing(("project", "skip"), spec.project.skip, everything)
    for number, override in enumerate(spec.overrides):
        yield from _matching_nothing(("overrides", number, "select"), override.select, left)


def check_test_sources(spec: Spec, files: Sequence[str]) -> Iterator[Finding]:
    """Warn of test sources in the spec that are none of the project's ``files``."""
    for level in all_levels(spec):
        given = level.test.sources if "sources" in level.test.model_fields_set else ()
        for number, glob in enumerate(given):
            if not any(map(Glob(glob).matches, files)):
                names = {name.partition("/")[0] for name in files}
                yield finding_at(
                    "nothing-matches",
                    (*level.path, "test", "sources"),
                    f'"{glob}" matches no file of the project',
                    close_to(glob, names),
                    item=number,
                    warning=True,
                )


def _words(spec: Spec, pythons: Callable[[Spec, str], tuple[str, ...]]) -> list[str]:
    return [
        word(name, python)
        for name in target_names(spec)
        for python in (pythons(spec, name) if is_wheel(spec, name) else (None,))
    ]


def _matching_nothing(path: Path, globs: tuple[str, ...], words: list[str]) -> Iterator[Finding]:
    for number, glob in enumerate(globs):
        if not any(fnmatchcase(name, glob) for name in words):
            yield finding_at(
                "nothing-matches",
                path,
                f'"{glob}" matches none of {_some(words)}',
                close_to(glob, words, 0.75) if not re.search(r"[*?\[]", glob) else None,
                item=number,
                warning=True,
            )


def _some(words: list[str]) -> str:
    more = f" and {len(words) - 4} more" if len(words) > 4 else ""
    return ", ".join(words[:4]) + more
