"""Compile the steps of native libraries: their sources, and one build for each target and its compilers.

A library is built once for all Pythons of a target, because no Python takes part in it. Pure: knows nothing
of hosts.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from mpforge.compiler import build_systems, programs
from mpforge.compiler.decide import Decision
from mpforge.compiler.typed_commands import variables
from mpforge.plan.pins import EnvironmentRequest
from mpforge.plan.places import Machine
from mpforge.plan.steps import (
    BuildLibrary,
    CopyFiles,
    FetchCommit,
    FetchSource,
    Identities,
    Identity,
    InstallPackages,
    Libraries,
    OutputOf,
    Step,
    TakeLibrary,
)
from mpforge.plan.toolchains import Compilers
from mpforge.platforms import well_known
from mpforge.spec import recipes
from mpforge.spec.library_tables import Library
from mpforge.spec.model import BuildOptions
from mpforge.spec.options import with_needs

_ANY_PYTHON = "cp311"
"""The Python whose wheels with libraries are taken where a build has none; most are for any."""


def steps(decision: Decision) -> tuple[Libraries, tuple[Step, ...]]:
    """Return the libraries of a build with all that they need, and the steps that make them, in order."""
    return steps_of(decision, decision.build.libraries, decision.compilers)


def steps_of(
    decision: Decision, names: Sequence[str], compilers: Compilers | None
) -> tuple[Libraries, tuple[Step, ...]]:
    """Return the libraries of that name with all that they need, and the steps that make them, in order."""
    if not names or compilers is None:
        return (), ()
    table = recipes.libraries(decision.compilation.spec)
    made: dict[str, OutputOf] = {}
    found: dict[str, Step] = {}
    for name in with_needs(names, table):
        needed = tuple((other, made[other]) for other in with_needs(table[name].needs, table))
        own = _own(decision, compilers, name, table[name], needed)
        found |= {step.id: step for step in own}
        made[name] = OutputOf(own[-1].id)
    return tuple(made.items()), tuple(found.values())


def _own(
    decision: Decision, own: Compilers, name: str, library: Library, needed: Libraries
) -> tuple[Step, ...]:
    """Return the steps of one library; their ids have a Python only if that one's differ from the others'."""
    if library.wheel is None:
        build = _build(decision, own, name, library, needed)
        return (*_sources(name, library), _free(decision, name, build))
    compilers = _compilers(decision, own, BuildOptions())
    target, policy = compilers.target, compilers.policy
    lowest = well_known()[target].base_policy
    platform = target if policy == lowest else f"{target}-{policy}"
    python = decision.python or _ANY_PYTHON
    request = EnvironmentRequest("library", python, platform, (library.wheel,))
    wheel = f"wheel-{name}-{target}-{python}"
    fetch = Step(wheel, f"the wheel with {name} for {target}", InstallPackages(request))
    take = TakeLibrary(name, OutputOf(wheel), target, policy)
    step = Step(f"library-{name}-{decision.target.name}", f"{name} for {target}", take)
    return fetch, _free(decision, name, step)


def identities(decision: Decision, needed: Libraries) -> Identities:
    """Return the identities of the libraries that a build uses."""
    table = recipes.libraries(decision.compilation.spec)
    return tuple((name, _identity(table[name])) for name, _ in needed)


def _identity(library: Library) -> Identity:
    source = library.source
    return Identity(
        version=library.version,
        license=library.license,
        url=_public((source.git,) if source.git else source.url) if source else None,
        sha256=source.sha256 if source else None,
        commit=source.commit if source else None,
        patched=bool(library.patches),
        shared=library.shared or library.wheel is not None,
        needs=library.needs,
    )


def _public(urls: Iterable[str]) -> str | None:
    """Return the first address that may be published, one of the web if there is any."""
    for shape in (r"https?://[^/@]+/", "debian:"):
        if found := next((url for url in urls if re.match(shape, url)), None):
            return found
    return None


def with_exports(decision: Decision) -> BuildOptions:
    """Return the options of a build with the variables of its libraries, which its own replace."""
    build = decision.build
    if not build.libraries or decision.compilers is None:
        return build
    given = exports(decision, build.libraries)
    return build.model_copy(update={"environment": {**given, **build.environment}})


def exports(decision: Decision, names: Sequence[str]) -> dict[str, str]:
    """Return the variables that the spec's libraries, and all that they need, give to a build."""
    return _exports(names, recipes.libraries(decision.compilation.spec))


def _exports(names: Sequence[str], table: Mapping[str, Library]) -> dict[str, str]:
    """Return the variables that libraries, and all that they need, give to a build."""
    return {
        variable: str(value).replace("{prefix}", f"{{prefix:{name}}}")
        for name in with_needs(names, table)
        for variable, value in table[name].exports.items()
    }


def _sources(name: str, library: Library) -> Iterator[Step]:
    """Yield the steps that obtain a library's source and its patches."""
    source = library.source
    if source is None:
        raise AssertionError(f"{name} has no source")
    if source.url:
        fetch = FetchSource(source.url, source.sha256 or "")
        yield Step(f"source-{name}", f"the source of {name}", fetch)
    elif source.git is not None:
        commit = FetchCommit(source.git, source.commit or "")
        yield Step(f"source-{name}", f"the source of {name}", commit)
    else:
        yield Step(f"source-{name}", f"the source of {name}", CopyFiles(source.path))
    if library.patches:
        copy = CopyFiles(patches=library.patches)
        yield Step(f"patches-{name}", f"the patches of {name}", copy)


def _build(
    decision: Decision, own: Compilers, name: str, library: Library, needed: Libraries
) -> Step:
    """Return the step that builds a library."""
    compilation = decision.compilation
    build = build_options(library, recipes.libraries(compilation.spec))
    compilers = _compilers(decision, own, build)
    here = well_known()[compilation.host_platform].gnu_triple
    command = BuildLibrary(
        name=name,
        source=OutputOf(f"source-{name}"),
        commands=build_systems.library_commands(
            build, shared=library.shared, cross=compilers.cross, here=here
        ),
        compilers=compilers,
        target=compilers.target,
        policy=compilers.policy,
        patches=OutputOf(f"patches-{name}") if library.patches else None,
        shared=library.shared,
        directory=library.directory or "",
        license_files=library.license_files,
        libraries=needed,
    )
    return Step(
        f"library-{name}-{decision.target.name}",
        f"{name} for {decision.target.name}",
        command,
        variables(build),
        compilation.spec.build.timeout,
        tools=programs.tools(build, compilation.host_platform),
    )


def _free(decision: Decision, name: str, step: Step) -> Step:
    """Return a library's step, with an id of its own if another one has its id."""
    if decision.compilation.steps.get(step.id, step) == step:
        return step
    return replace(step, id=f"library-{name}-{decision.stem}", title=f"{name} for {decision.stem}")


def build_options(library: Library, table: Mapping[str, Library]) -> BuildOptions:
    """Return a library's options as those of a build."""
    return BuildOptions(
        kind=library.kind or "commands",
        options=library.options,
        commands=library.commands,
        environment={**_exports(library.needs, table), **library.environment},
        tools=library.tools,
        libraries=library.needs,
    )


def _compilers(decision: Decision, own: Compilers, build: BuildOptions) -> Compilers:
    """Return a build's compilers for a library, which has no Python."""
    configurer = build_systems.configurer(build.kind)
    runs = own.cross and (configurer in ("cmake", "meson") or build_systems.runs_programs(build))
    emulated = Machine(own.target, True, decision.platform.baseline_cpu)
    return Compilers(
        own.toolchain,
        own.target,
        own.policy,
        None,
        configurer,
        emulator=emulated if runs else None,
    )
