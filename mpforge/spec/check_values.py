"""Check single values at every level: policies, requirements, environments, placeholders and others.

Each value is checked by itself and the names that the spec defines; levels are not merged here.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from mpforge.formats.toml import Path
from mpforge.platforms.policies import policies
from mpforge.spec import recipes
from mpforge.spec.check_names import dotted_table
from mpforge.spec.finding import Finding, dotted, finding_at
from mpforge.spec.model import BuildOptions, Spec, TestOptions
from mpforge.spec.options import all_levels, cpu_word
from mpforge.spec.placeholders import Placeholder, misspelt, parse
from mpforge.spec.requirement_lines import parse_line, parse_tool
from mpforge.spec.suggest import close_to

_POLICY = re.compile(r"manylinux(1|2010|2014)|(many|musl)linux_\d+_\d+")
_DIST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# Set by the toolchain: otherwise a part of the build would silently use another compiler.
_COMPILERS = frozenset(
    {
        *("CC", "CXX", "CPP", "FC", "F77", "F90", "AR", "AS", "LD", "NM", "RANLIB", "STRIP"),
        *("OBJCOPY", "OBJDUMP", "READELF", "LDSHARED", "LDCXXSHARED", "CMAKE_TOOLCHAIN_FILE"),
        *("CONFIG_SITE", "CROSS_COMPILE", "CROSS_TRIPLE", "CROSS_ROOT"),
    }
)
# Set by mpforge to describe the target to a build, or to find programs.
_OURS: Mapping[str, str] = {
    "PATH": "mpforge composes it; name programs in `build.tools`",
    "PYTHONHOME": "mpforge sets it",
    "_PYTHON_HOST_PLATFORM": "mpforge sets it",
    "_PYTHON_SYSCONFIGDATA_NAME": "mpforge sets it",
}
_SHELL = re.compile(r"\$(?!ORIGIN\b|\{ORIGIN\})(\w+|\{\w+\}|\()")  # $ORIGIN is the loader's

_Texts = str | Sequence["_Texts"]


def check_values(spec: Spec) -> Iterator[Finding]:
    """Yield findings about single values of every table."""
    for level in all_levels(spec):
        yield from _build(spec, (*level.path, "build"), level.build)
        yield from _test(spec, (*level.path, "test"), level.test)
    for name, target in spec.targets.items():
        if target.dist is not None and not _DIST.fullmatch(target.dist):
            path = ("targets", name, "dist")
            yield finding_at(
                "bad-value", path, f'expected the name of a folder below dist/, got "{target.dist}"'
            )
    yield from _elsewhere(spec)


def _build(spec: Spec, path: Path, build: BuildOptions) -> Iterator[Finding]:
    yield from _policy((*path, "policy"), build.policy)
    yield from _step(spec, path, build)
    targets = (*path, "target-requires")
    yield from _requirements(targets, build.target_requires, read=_of_an_index)
    yield from _requirements((*path, "tools"), build.tools, read=parse_tool)
    lists: tuple[tuple[str, _Texts], ...] = (
        ("commands", build.commands),
        ("before-all", build.before_all),
        ("before-build", build.before_build),
        ("options", build.options),
        ("outputs", build.outputs),
    )
    for key, texts in lists:
        yield from _texts(spec, (*path, key), texts)
    repair = build.repair
    for key, texts in (("args", repair.args), ("command", repair.command), ("check", repair.check)):
        yield from _texts(spec, (*path, "repair", key), texts)
    yield from _requirements((*path, "repair", "requires"), repair.requires)
    for key, setting in build.config_settings.items():
        yield from _texts(spec, (*path, "config-settings", key), setting)


def _test(spec: Spec, path: Path, test: TestOptions) -> Iterator[Finding]:
    yield from _step(spec, path, test)
    yield from _inside((*path, "sources"), test.sources)
    yield from _texts(spec, (*path, "before"), test.before)
    yield from _texts(spec, (*path, "command"), test.command)
    yield from _cpus((*path, "cpus"), test.cpus)


def _step(spec: Spec, path: Path, options: BuildOptions | TestOptions) -> Iterator[Finding]:
    """Check the values that builds and tests have in common."""
    yield from _environment(spec, (*path, "environment"), options.environment)
    yield from _variables((*path, "pass-environment"), options.pass_environment)
    yield from _variables((*path, "secrets"), options.secrets)
    yield from _requirements((*path, "requires"), options.requires)
    yield from _requirements((*path, "constraints"), options.constraints)
    yield from _inside((*path, "outputs"), options.outputs)


def _elsewhere(spec: Spec) -> Iterator[Finding]:
    for name, toolchain in spec.toolchains.items():
        for key, value in toolchain.environment.items():
            path: Path = ("toolchains", name, "environment", key)
            yield from _variable(path, key)
            yield from _value(spec, path, value)
    for name, library in spec.libraries.items():
        yield from _texts(spec, ("libraries", name, "commands"), library.commands)
        yield from _texts(spec, ("libraries", name, "options"), library.options)
        yield from _environment(spec, ("libraries", name, "environment"), library.environment)
        yield from _environment(spec, ("libraries", name, "exports"), library.exports)
        yield from _inside(("libraries", name, "license-files"), library.license_files)
        if library.wheel is not None:
            yield from _one_requirement(("libraries", name, "wheel"), library.wheel)
        yield from _license(("libraries", name, "license"), library.license)
    yield from _index(spec)


def _license(path: Path, expression: str | None) -> Iterator[Finding]:
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    if expression is not None:
        try:
            canonicalize_license_expression(expression)
        except InvalidLicenseExpression:
            expected = "expected an SPDX licence expression such as MIT or `Zlib AND BSD-3-Clause`"
            yield finding_at("bad-value", path, f'{expected}, got "{expression}"')


def _index(spec: Spec) -> Iterator[Finding]:
    """Check the index; a value may contain a secret, so none is shown."""
    addresses: list[tuple[Path, str | None]] = [
        (("index", "url"), spec.index.url),
        (("release", "index"), spec.release.index if spec.release else None),
        (("release", "check-url"), spec.release.check_url if spec.release else None),
    ]
    addresses += [(("index", "extra", n), url) for n, url in enumerate(spec.index.extra)]
    for path, address in addresses:
        if address is not None and re.match(r"[a-z+]+://[^/]*@", address):
            yield Finding(
                "secret-in-spec",
                path,
                f"`{dotted(path)}` contains credentials; name the variables that hold them in "
                f"`{path[0]}.credentials`",
            )
    for table, owner in (("index", spec.index), ("release", spec.release)):
        given = owner.credentials.model_dump(exclude_none=True) if owner is not None else {}
        for key, name in given.items():
            if not _is_variable(name):
                where = (table, "credentials", key)
                yield finding_at("bad-name", where, "expected the name of a variable, not a value")


def _policy(path: Path, policy: str) -> Iterator[Finding]:
    if policy != "auto" and not _POLICY.fullmatch(policy):
        without = _POLICY.match(policy)
        yield finding_at(
            "bad-value",
            path,
            'expected "auto" or a policy without an architecture, such as '
            f'"manylinux_2_28" or "musllinux_1_2", got "{policy}"',
            without.group() if without else close_to(policy.replace("-", "_"), policies()),
        )


def _requirements(
    path: Path, requirements: Sequence[str], *, read: Callable[[str], object] = parse_line
) -> Iterator[Finding]:
    for number, text in enumerate(requirements):
        try:
            read(text)
        except ValueError as error:
            yield finding_at("bad-requirement", path, str(error), item=number)


def _one_requirement(path: Path, text: str) -> Iterator[Finding]:
    for finding in _requirements(path, (text,), read=_of_an_index):
        yield replace(finding, path=path)


def _of_an_index(text: str) -> None:
    """Raise ``ValueError`` unless a text is a plain requirement."""
    if parse_line(text) != text.strip():
        raise ValueError(f'expected a requirement (PEP 508) such as "numpy>=2", got "{text}"')


def _inside(path: Path, globs: Sequence[str]) -> Iterator[Finding]:
    for number, glob in enumerate(globs):
        if glob.startswith("/") or ".." in glob.split("/"):
            yield finding_at(
                "bad-value", path, f'expected a path inside the project, got "{glob}"', item=number
            )


def _cpus(path: Path, models: Sequence[str]) -> Iterator[Finding]:
    words: list[str] = []
    for number, model in enumerate(models):
        name = cpu_word(model)
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            yield finding_at(
                "bad-value",
                path,
                f"\"{model}\" can't be part of a session's name: expected a CPU "
                "model of QEMU's, such as cortex-a53",
                item=number,
            )
        elif name in words:
            yield finding_at("duplicate", path, f'"{model}" is listed twice', item=number)
        words.append(name)


# --- environments and placeholders ------------------------------------------------------------


def _environment(spec: Spec, path: Path, values: Mapping[str, str]) -> Iterator[Finding]:
    """Check an ``environment`` table of a build, a test or a library."""
    for name, value in values.items():
        yield from _variable((*path, name), name)
        yield from _reserved((*path, name), name)
        yield from _value(spec, (*path, name), value)


def _variables(path: Path, names: Sequence[str]) -> Iterator[Finding]:
    """Check names of host variables."""
    for number, name in enumerate(names):
        yield from _variable((*path, number), name)
        yield from _reserved((*path, number), name)


def _variable(path: Path, name: str) -> Iterator[Finding]:
    """Check a variable's name."""
    if not _is_variable(name):
        yield finding_at("bad-name", path, f'expected the name of a variable, got "{name}"')


def _is_variable(name: str) -> bool:
    """Return whether ``name`` is a valid name of an environment variable."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is not None


def why_reserved(name: str) -> str | None:
    """Return why a spec can't set a variable; None if it can."""
    if name in _COMPILERS:
        return "the toolchain sets it; define one in [toolchains] and name it in `build.toolchain`"
    return _OURS.get(name)


def _reserved(path: Path, name: str) -> Iterator[Finding]:
    if (why := why_reserved(name)) is not None:
        yield finding_at("reserved-variable", path, f"{name} can't be set here: {why}")


def _value(spec: Spec, path: Path, value: str) -> Iterator[Finding]:
    """Check a variable's value."""
    yield from _placeholders(spec, path, value)
    if (match := _SHELL.search(value)) is not None:
        yield finding_at(
            "shell-variable",
            path,
            f"`{match.group()}` is not expanded in an environment value; use "
            "`pass-environment` to pass a variable of the host",
            warning=True,
        )


def _texts(spec: Spec, path: Path, texts: _Texts) -> Iterator[Finding]:
    """Check a text, or every text of a list; lists may be nested, as argv lists are."""
    if isinstance(texts, str):
        yield from _placeholders(spec, path, texts)
        return
    for number, text in enumerate(texts):
        yield from _texts(spec, (*path, number), text)


def _placeholders(spec: Spec, path: Path, text: str) -> Iterator[Finding]:
    """Yield findings about misspelt placeholders, and unknown libraries in ``{prefix:LIB}``."""
    for written, near in misspelt(text):
        yield finding_at(
            "unknown-placeholder",
            path,
            f"unknown placeholder {written}; write `#{written}` for the text itself",
            near,
        )
    for part in parse(text):
        if not isinstance(part, Placeholder) or not part.argument:
            continue
        known = recipes.libraries(spec)
        if part.argument not in known:
            yield finding_at(
                "unknown-library",
                path,
                f"there is no {dotted_table('libraries', part.argument)} for {part}",
                close_to(part.argument, known),
            )
