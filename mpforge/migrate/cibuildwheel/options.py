"""cibuildwheel's options as written, and the value of each for one wheel.

Later places win: ``[tool.cibuildwheel]``, its ``linux`` table, matching overrides in order, ``CIBW_NAME``,
``CIBW_NAME_LINUX``. Source: ``options.py`` of cibuildwheel 4.2. Pure; knows nothing of mpforge's keys.
"""

import difflib
import functools
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mpforge.migrate.cibuildwheel.syntax import globs, matches
from mpforge.platforms import glibc_platforms

Kind = Literal["commands", "words", "shell-words", "extras", "environment", "table", "text"]

KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("archs", "build", "skip", "test-skip", "enable"), "words"),
    **dict.fromkeys(("environment-pass", "test-groups"), "words"),
    **dict.fromkeys(
        ("test-requires", "test-sources", "audit-requires", "xbuild-tools"), "shell-words"
    ),
    **dict.fromkeys(("before-all", "before-build", "before-test", "test-command"), "commands"),
    **dict.fromkeys(("repair-wheel-command", "audit-command"), "commands"),
    **dict.fromkeys(("environment", "test-environment"), "environment"),
    **dict.fromkeys(("config-settings", "xbuild-files"), "table"),
    **dict.fromkeys(("build-frontend", "container-engine", "dependency-versions"), "text"),
    **dict.fromkeys(("build-verbosity", "pyodide-version", "test-runtime"), "text"),
    **dict.fromkeys(("free-threaded-support",), "text"),
    "test-extras": "extras",
}
"""How the value of each option is read; names that end in ``-image`` are texts, too."""
_ONE_FOR_ALL = frozenset({"build", "skip", "test-skip", "enable", "build-frontend"})
"""Options without a variable for each platform."""
_IGNORE_EMPTY = re.compile(r"archs|(many|musl)linux-\w+-image")
PLATFORMS = ("linux", "macos", "windows", "android", "ios", "pyodide")
OTHER_VARIABLES = frozenset(
    {
        *(
            "CIBW_PLATFORM",
            "CIBW_PROJECT_REQUIRES_PYTHON",
            "CIBW_ALLOW_EMPTY",
            "CIBW_DEBUG_TRACEBACK",
        ),
        *("CIBW_CACHE_PATH", "CIBW_DEBUG_KEEP_CONTAINER", "CIBW_PRERELEASE_PYTHONS"),
        *("CIBW_CONFIG_FILE", "CIBW_ONLY"),
    }
)
"""Variables that are not options of the table."""


@dataclass(frozen=True)
class Setting:
    """An option, variable or input as written: its name, its value, and its place, which is its identity."""

    name: str
    value: Any = field(compare=False)
    file: str
    line: int

    @property
    def place(self) -> str:
        """Return ``FILE:LINE``."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Value:
    """An option's value for one wheel, and the settings that it comes from."""

    content: Any
    settings: tuple[Setting, ...]


@dataclass(frozen=True)
class Override:
    """An override: its globs, its options, and how each is joined to the value before."""

    number: int
    select: tuple[str, ...]
    options: Mapping[str, Setting]
    inherit: Mapping[str, str]
    setting: Setting


@dataclass(frozen=True)
class Table:
    """``[tool.cibuildwheel]`` of one file; ``other`` are its tables for other platforms."""

    general: Mapping[str, Setting] = field(default_factory=dict)
    linux: Mapping[str, Setting] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()
    other: tuple[Setting, ...] = ()

    def settings(self) -> Iterator[Setting]:
        """Yield every setting of it, in the order of the file's tables."""
        yield from self.general.values()
        yield from self.linux.values()
        for override in self.overrides:
            yield override.setting
            yield from override.options.values()
        yield from self.other


def variable(name: str) -> str:
    """Return an option's variable: ``test-command`` → ``CIBW_TEST_COMMAND``."""
    return f"CIBW_{name.upper().replace('-', '_')}"


def option_of(variable_name: str) -> tuple[str, str | None] | None:
    """Return the option and the platform of a variable; None if cibuildwheel has no such variable."""
    known = {variable(name): name for name in (*KINDS, *image_options())}
    word = variable_name
    if word in known:
        return known[word], None
    for platform in PLATFORMS:
        stem = word.removesuffix(f"_{platform.upper()}")
        if stem != word and stem in known:
            return known[stem], platform
    return None


def nearest_option(name: str) -> str | None:
    """Return the option that a misspelt one was meant to be."""
    return next(iter(difflib.get_close_matches(name, (*KINDS, *image_options()), 1, 0.8)), None)


def nearest_variable(name: str) -> str | None:
    """Return the variable that a misspelt one was meant to be."""
    known = [variable(option) for option in (*KINDS, *image_options())]
    return next(iter(difflib.get_close_matches(name, known, 1, 0.8)), None)


@functools.cache
def image_options() -> tuple[str, ...]:
    """Return the names of the options for images."""
    machines = [p.machine for p in glibc_platforms()]
    pypy = [f"pypy_{machine}" for machine in machines]
    return (
        *(f"manylinux-{machine}-image" for machine in (*machines, *pypy)),
        *(f"musllinux-{machine}-image" for machine in machines),
    )


def kind_of(name: str) -> Kind | None:
    """Return how an option's value is read; None for an unknown option."""
    return "text" if name in image_options() else KINDS.get(name)


def misfit(name: str, raw: Any) -> str | None:
    """Return why cibuildwheel takes no such value for an option; None if it takes it."""
    kind = kind_of(name)
    if kind is None or raw is None or isinstance(raw, str):
        return None
    if kind == "text":
        fits, expected = isinstance(raw, dict | int | float), "a text"
    elif kind in ("environment", "table"):
        fits, expected = isinstance(raw, dict), "a text or a table"
    else:
        fits = isinstance(raw, list) and all(isinstance(item, str) for item in raw)
        expected = "a text or a list of texts"
    return None if fits else f"expected {expected}, got {raw!r}"


@dataclass(frozen=True)
class Options:
    """The options of one run: its table, and the variables that it sees, by name."""

    table: Table = Table()
    variables: Mapping[str, Setting] = field(default_factory=dict)

    def value(self, name: str, identifier: str | None = None) -> Value | None:
        """Return an option's value for a wheel; None if nothing sets it."""
        kind = kind_of(name)
        if kind is None:
            return None
        found: Value | None = None
        for setting, rule in self._levels(name, identifier):
            if setting.value is None or (not setting.value and _IGNORE_EMPTY.fullmatch(name)):
                continue
            if misfit(name, setting.value):  # it is refused in the end
                continue
            content = read_value(kind, setting.value)
            if rule == "none" or found is None or not found.content:
                found = Value(content, (setting,))
            elif content:
                pair = (found.content, content) if rule == "append" else (content, found.content)
                found = Value(_joined(*pair), (*found.settings, setting))
        return found

    def _levels(self, name: str, identifier: str | None) -> Iterator[tuple[Setting, str]]:
        for options in (self.table.general, self.table.linux):
            if name in options:
                yield options[name], "none"
        for override in self.table.overrides:
            if (
                identifier is not None
                and name in override.options
                and matches(identifier, override.select)
            ):
                yield override.options[name], override.inherit.get(name, "none")
        own = variable(name)
        names = (own,) if name in _ONE_FOR_ALL else (own, f"{own}_LINUX")
        for word in names:
            if word in self.variables:
                yield self.variables[word], "append" if name == "enable" else "none"

    def text(self, name: str) -> str | None:
        """Return the text of a variable that is no option, such as ``CIBW_PLATFORM``."""
        setting = self.variables.get(name)
        return None if setting is None else str(setting.value)


def read_table(
    options: Mapping[str, Any],
    *,
    file: str,
    lines: Mapping[tuple[str | int, ...], int],
    prefix: tuple[str, ...],
) -> Table:
    """Return the options of ``[tool.cibuildwheel]``; ``lines`` has their lines by path below ``prefix``."""

    def setting(path: tuple[str | int, ...], value: Any) -> Setting:
        name = ".".join(str(part) for part in path)
        at = next(
            (
                lines[(*prefix, *path[:n])]
                for n in range(len(path), -1, -1)
                if (*prefix, *path[:n]) in lines
            ),
            1,
        )
        return Setting(name, value, file, at)

    general = {
        key: setting((key,), value)
        for key, value in options.items()
        if key not in PLATFORMS and key != "overrides"
    }
    own = options.get("linux")
    linux = (
        {key: setting(("linux", key), v) for key, v in own.items()} if isinstance(own, dict) else {}
    )
    other = tuple(
        setting((name, key), value)
        for name in PLATFORMS[1:]
        if isinstance(options.get(name), dict)
        for key, value in options[name].items()
    )
    return Table(general, linux, tuple(_overrides(options.get("overrides"), setting)), other)


def _overrides(tables: Any, setting: Any) -> Iterator[Override]:
    for number, table in enumerate(tables if isinstance(tables, list) else ()):
        if not isinstance(table, dict):
            continue
        inherit = table.get("inherit", {})
        yield Override(
            number,
            tuple(globs(table.get("select"))),
            {
                key: setting(("overrides", number, key), value)
                for key, value in table.items()
                if key not in ("select", "inherit")
            },
            inherit if isinstance(inherit, dict) else {},
            setting(("overrides", number, "select"), table.get("select")),
        )


# --- values -----------------------------------------------------------------------------------


def read_value(kind: Kind, raw: Any) -> Any:
    """Return a value in one shape for each kind.

    That is a list of texts, a table, pairs of an environment, or a text.
    """
    if kind == "text":
        return raw if isinstance(raw, dict) else str(raw)
    if kind == "table":
        return _settings_table(raw)
    if kind == "environment" and isinstance(raw, dict):
        return [(str(name), f'"{text}"') for name, text in raw.items()]
    listed = [str(item) for item in raw] if isinstance(raw, list) else [str(raw)]
    if kind == "shell-words" and isinstance(raw, list):
        return listed
    return _LISTS[kind](listed)


_LISTS: Mapping[Kind, Callable[[list[str]], Any]] = {
    "commands": lambda lines: [line for line in lines if line.strip()],
    "words": lambda texts: " ".join(texts).split(),
    "shell-words": lambda texts: shell_words(texts[0]),
    "extras": lambda texts: [w.strip() for w in ",".join(texts).split(",") if w.strip()],
    "environment": lambda texts: assignments(" ".join(texts)),
}


def _settings_table(raw: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if isinstance(raw, dict):
        return {
            str(name): [str(v) for v in some] if isinstance(some, list) else str(some)
            for name, some in raw.items()
        }
    for name, equals, text in (word.partition("=") for word in shell_words(str(raw))):
        if equals:
            found.setdefault(name, []).append(text)
    return {name: some[0] if len(some) == 1 else some for name, some in found.items()}


def _joined(before: Any, after: Any) -> Any:
    if isinstance(before, dict) and isinstance(after, dict):
        return {**before, **after}
    if isinstance(before, list) and isinstance(after, list):
        return [*before, *after]
    return after


def shell_words(text: str) -> list[str]:
    """Split a text as a shell does; at white space if its quotes are not closed."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def assignments(text: str) -> list[tuple[str, str]]:
    """Split ``NAME=text OTHER="$NAME x"`` into names and texts, whose quotes stay."""
    found: list[tuple[str, str]] = []
    for match in re.finditer(
        r"""(?:\$\((?:[^()]|\([^()]*\))*\)|"(?:\\.|[^"\\])*"|'[^']*'|\\.|\S)+""", text
    ):
        name, equals, value = match.group().partition("=")
        if equals:
            found.append((name, value))
    return found
