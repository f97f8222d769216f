"""Check single values at every level: policies, requirements, paths, addresses, CPU models.

Each value is checked by itself and the names that the spec defines; levels are not merged here.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from mpforge.formats.toml import Path
from mpforge.platforms.policies import policies
from mpforge.spec.check_texts import (
    Texts,
    check_environment,
    check_placeholders,
    check_texts,
    check_value,
    check_variable,
    check_variables,
    is_variable,
)
from mpforge.spec.finding import Finding, dotted, finding_at
from mpforge.spec.model import BuildOptions, Spec, TestOptions
from mpforge.spec.options import all_levels
from mpforge.spec.programs import parse_tool
from mpforge.spec.requirement_lines import parse_line
from mpforge.spec.suggest import close_to

_POLICY = re.compile(r"manylinux(1|2010|2014)|(many|musl)linux_\d+_\d+")
_DIST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


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
    lists: tuple[tuple[str, Texts], ...] = (
        ("commands", build.commands),
        ("before-all", build.before_all),
        ("before-build", build.before_build),
        ("options", build.options),
        ("outputs", build.outputs),
    )
    for key, texts in lists:
        yield from check_texts(spec, (*path, key), texts)
    yield from check_texts(spec, (*path, "repair", "args"), build.repair.args)
    for key, setting in build.config_settings.items():
        if isinstance(setting, str):
            yield from check_placeholders(spec, (*path, "config-settings", key), setting)
        else:
            yield from check_texts(spec, (*path, "config-settings", key), setting)


def _test(spec: Spec, path: Path, test: TestOptions) -> Iterator[Finding]:
    yield from _step(spec, path, test)
    yield from _inside((*path, "sources"), test.sources)
    yield from check_texts(spec, (*path, "before"), test.before)
    if not isinstance(test.command, str):
        yield from check_texts(spec, (*path, "command"), test.command)
    yield from _cpus((*path, "cpus"), test.cpus)


def _step(spec: Spec, path: Path, options: BuildOptions | TestOptions) -> Iterator[Finding]:
    """Check the values that builds and tests have in common."""
    yield from check_environment(spec, (*path, "environment"), options.environment)
    yield from check_variables((*path, "pass-environment"), options.pass_environment)
    yield from check_variables((*path, "secrets"), options.secrets)
    yield from _requirements((*path, "requires"), options.requires)
    yield from _requirements((*path, "constraints"), options.constraints)
    yield from _inside((*path, "outputs"), options.outputs)


def _elsewhere(spec: Spec) -> Iterator[Finding]:
    for name, toolchain in spec.toolchains.items():
        for key, value in toolchain.environment.items():
            path: Path = ("toolchains", name, "environment", key)
            yield from check_variable(path, key)
            yield from check_value(spec, path, value)
    for name, library in spec.libraries.items():
        yield from check_texts(spec, ("libraries", name, "commands"), library.commands)
        yield from check_texts(spec, ("libraries", name, "options"), library.options)
        yield from check_environment(spec, ("libraries", name, "environment"), library.environment)
    yield from _index(spec)


def _index(spec: Spec) -> Iterator[Finding]:
    """Check the index; a value may contain a secret, so none is shown."""
    addresses: list[tuple[Path, str | None]] = [
        (("index", "url"), spec.index.url),
        (("release", "index"), spec.release.index if spec.release else None),
    ]
    addresses += [(("index", "extra", n), url) for n, url in enumerate(spec.index.extra)]
    for path, address in addresses:
        if address is not None and re.match(r"[a-z+]+://[^/]*@", address):
            yield Finding(
                "secret-in-spec",
                path,
                f"`{dotted(path)}` contains credentials; name the variables that hold them in "
                "`index.credentials`",
            )
    for key, name in spec.index.credentials.model_dump(exclude_none=True).items():
        if not is_variable(name):
            where = ("index", "credentials", key)
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
        name = re.sub(r"[-.]", "_", model.lower())
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
