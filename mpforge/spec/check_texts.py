"""Check environments and placeholders in every table.

Knows which variables a toolchain or mpforge sets itself; not which table a value is from.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from mpforge.formats.toml import Path
from mpforge.spec.check_names import dotted_table
from mpforge.spec.finding import Finding, finding_at
from mpforge.spec.model import Spec
from mpforge.spec.placeholders import Placeholder, misspelt, parse
from mpforge.spec.suggest import close_to

# Set by the toolchain: otherwise a part of the build would silently use another compiler.
COMPILERS = frozenset(
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

Texts = Sequence[str | Sequence[str]]


def check_environment(spec: Spec, path: Path, values: Mapping[str, str]) -> Iterator[Finding]:
    """Check an ``environment`` table of a build, a test or a library."""
    for name, value in values.items():
        yield from check_variable((*path, name), name)
        yield from _reserved((*path, name), name)
        yield from check_value(spec, (*path, name), value)


def check_variables(path: Path, names: Sequence[str]) -> Iterator[Finding]:
    """Check names of host variables."""
    for number, name in enumerate(names):
        yield from check_variable((*path, number), name)
        yield from _reserved((*path, number), name)


def check_variable(path: Path, name: str) -> Iterator[Finding]:
    """Check a variable's name."""
    if not is_variable(name):
        yield finding_at("bad-name", path, f'expected the name of a variable, got "{name}"')


def is_variable(name: str) -> bool:
    """Return whether ``name`` is a valid name of an environment variable."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is not None


def _reserved(path: Path, name: str) -> Iterator[Finding]:
    if name in COMPILERS:
        why = "the toolchain sets it; define one in [toolchains] and name it in `build.toolchain`"
    elif name in _OURS:
        why = _OURS[name]
    else:
        return
    yield finding_at("reserved-variable", path, f"{name} can't be given here: {why}")


def check_value(spec: Spec, path: Path, value: str) -> Iterator[Finding]:
    """Check a variable's value."""
    yield from check_placeholders(spec, path, value)
    if (match := _SHELL.search(value)) is not None:
        yield finding_at(
            "shell-variable",
            path,
            f"`{match.group()}` is not expanded in an environment value; use "
            "`pass-environment` to pass a variable of the host",
            warning=True,
        )


def check_texts(spec: Spec, path: Path, texts: Texts) -> Iterator[Finding]:
    """Check every text of a list, the words of argv lists included."""
    for number, text in enumerate(texts):
        if isinstance(text, str):
            yield from check_placeholders(spec, (*path, number), text)
        else:
            yield from check_texts(spec, (*path, number), text)


def check_placeholders(spec: Spec, path: Path, text: str) -> Iterator[Finding]:
    """Yield findings about misspelt placeholders, and unknown libraries in ``{prefix:LIB}``."""
    for written, near in misspelt(text):
        yield finding_at(
            "unknown-placeholder",
            path,
            f"unknown placeholder {written}; write `#{written}` for the text itself",
            near,
        )
    for part in parse(text):
        if isinstance(part, Placeholder) and part.argument and part.argument not in spec.libraries:
            yield finding_at(
                "unknown-library",
                path,
                f"there is no {dotted_table('libraries', part.argument)} for {part}",
                close_to(part.argument, spec.libraries),
            )
