"""Read and write the text of ``multiplatform.lock``: TOML that a person can review in a diff.

Entries are sorted and one package is one line, so that two branches' locks conflict only if both moved the
same pin. Addresses are not recorded. Knows nothing of files or processes.
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast, get_args, get_type_hints

from mpforge.errors import UPDATE, LockInvalid, Place, TomlInvalid, written_by_newer
from mpforge.formats.toml import as_toml, read_toml
from mpforge.plan.pins import (
    Crate,
    CratesPin,
    CratesRequest,
    DistroPackage,
    DistroPin,
    DistroRequest,
    EnvironmentPin,
    EnvironmentRequest,
    ImagePin,
    ImageRequest,
    Lock,
    Package,
    Purpose,
    StrategyPin,
)

SCHEMA = 1
AGAIN = "restore the file from version control, or delete it and run: mpforge lock"
_HEADER = """\
# Written by mpforge, to be committed: everything from outside that a build uses, pinned by digest.
# `mpforge lock` adds what is missing, `mpforge lock --update [NAME]` moves pins and says what moved.
"""
# Keys that are written even if they have the default of their field.
_ALWAYS = ("constraints",)
_PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
_T = TypeVar("_T")


def parse(content: bytes, file: str) -> Lock:
    """Parse a lock from a file's ``content``; ``file`` names it in errors. Raises ``LockInvalid``."""
    text = content.decode("utf-8", "replace")
    try:
        table = read_toml(content, file)
    except TomlInvalid as error:
        raise _no_toml(error, text, file) from None
    schema = table.get("schema")
    if schema != SCHEMA:
        place = Place(file, _line_of(text, r"schema\s*="), 1)
        if isinstance(schema, int) and schema > SCHEMA:
            what = written_by_newer(file, schema, SCHEMA)
            raise LockInvalid(what, hint=UPDATE, place=place)
        what = f"has schema {schema!r}" if "schema" in table else "is empty or truncated"
        what = f"{file} {what}; this mpforge reads schema {SCHEMA}"
        raise LockInvalid(what, hint=AGAIN, place=place)

    def every(name: str, read: Callable[[Mapping[str, Any]], _T]) -> tuple[_T, ...]:
        """Read every entry ``[[name]]``; an error has the entry's place."""
        entries = table.get(name, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise LockInvalid(f"{name} must be tables, [[{name}]]", hint=AGAIN, place=Place(file))
        pins = []
        for number, entry in enumerate(entries):
            try:
                pins.append(read(entry))
            except _WrongEntry as error:
                raise LockInvalid(
                    f"an entry of [[{name}]] is invalid",
                    why=str(error),
                    hint=AGAIN,
                    place=Place(file, _line_of(text, rf"\[\[{name}\]\]", number), 1),
                ) from error
        return tuple(pins)

    return in_order(
        Lock(
            every("environments", _environment_pin),
            every("distribution", _distro_pin),
            every("strategies", lambda entry: _read(StrategyPin, entry)),
            every("images", _image_pin),
            every("crates", _crates_pin),
        )
    )


def render(lock: Lock) -> str:
    """Return the text of a lock: the same for equal locks."""
    lock = in_order(lock)
    parts = [f"{_HEADER}schema = {SCHEMA}\n"]
    parts += [_entry("strategies", _fields(pin)) for pin in lock.strategies]
    for pin in lock.environments:
        parts.append(_entry("environments", _fields(pin.request), pin.packages))
    for distro in lock.distribution:
        parts.append(_entry("distribution", _fields(distro.request), distro.packages))
    for image in lock.images:
        fields = [*_fields(image.request), ("digest", image.digest)]
        fields += [("local", True)] if image.is_local else []
        parts.append(_entry("images", fields))
    for crates in lock.crates:
        fields = [*_fields(crates.request), ("format", crates.format)]
        parts.append(_entry("crates", fields, crates.packages))
    return "\n".join(parts)


# --- writing ----------------------------------------------------------------------------------


def in_order(lock: Lock) -> Lock:
    """Return the same pins in the order of the file."""
    environments = (
        dataclasses.replace(
            pin, packages=tuple(sorted(pin.packages, key=lambda p: (p.name, p.version)))
        )
        for pin in lock.environments
    )
    return Lock(
        tuple(sorted(environments, key=_order)),
        tuple(sorted(lock.distribution, key=_order)),
        tuple(sorted(lock.strategies, key=lambda pin: (pin.target, pin.host))),
        tuple(sorted(lock.images, key=_order)),
        tuple(sorted(lock.crates, key=_order)),
    )


def _order(pin: EnvironmentPin | DistroPin | ImagePin | CratesPin) -> tuple[object, ...]:
    return dataclasses.astuple(pin.request)


def _fields(of: Any) -> list[tuple[str, object]]:
    """Return the keys and values of a flat dataclass, without those that have their default."""
    values = [(field, getattr(of, field.name)) for field in dataclasses.fields(of)]
    return [
        (_key(field), value)
        for field, value in values
        if value != field.default or field.name in _ALWAYS
    ]


def _key(field: "dataclasses.Field[Any]") -> str:
    return field.name.replace("_", "-")


def _entry(
    table: str,
    fields: Sequence[tuple[str, object]],
    packages: Sequence[Package | DistroPackage | Crate] | None = None,
) -> str:
    lines = [f"[[{table}]]", *(f"{key} = {as_toml(value)}" for key, value in fields)]
    if packages is not None:
        lines += ["packages = [", *(f"    {_package(package)}," for package in packages), "]"]
    return "\n".join(lines) + "\n"


def _package(package: Package | DistroPackage | Crate) -> str:
    return "{ " + ", ".join(f"{key} = {as_toml(value)}" for key, value in _fields(package)) + " }"


# --- reading ----------------------------------------------------------------------------------


class _WrongEntry(Exception):
    """Raised for an entry with invalid content."""


def _no_toml(error: TomlInvalid, text: str, file: str) -> LockInvalid:
    conflict = re.search(r"^(<<<<<<<|>>>>>>>)", text, re.MULTILINE)
    if conflict:
        return LockInvalid(
            f"{file} has the conflict markers of a merge",
            hint="keep the lines of both sides, then run: mpforge lock",
            place=Place(file, text.count("\n", 0, conflict.start()) + 1, 1),
        )
    return LockInvalid(f"{file} is not TOML", why=error.what, hint=AGAIN, place=error.place)


def _line_of(text: str, pattern: str, number: int = 0) -> int:
    """Return the number of the ``number``-th line that begins with ``pattern``; 1 if there is none."""
    matches = [n for n, line in enumerate(text.splitlines(), 1) if re.match(pattern, line)]
    return matches[number] if number < len(matches) else 1


def _environment_pin(entry: Mapping[str, Any]) -> EnvironmentPin:
    request = _read(EnvironmentRequest, entry)
    if request.purpose not in _PURPOSES:
        known = ", ".join(_PURPOSES)
        raise _WrongEntry(f"purpose is {request.purpose!r}, not one of {known}")
    return EnvironmentPin(request, tuple(map(_pinned, _tables(entry, "packages"))))


def _pinned(table: Mapping[str, Any]) -> Package:
    package = _read(Package, table)
    for value in package.hashes:
        _check_sha256(value, "sha256:")
    if not package.hashes and not package.path:
        raise _WrongEntry(f"{package.name} has no hash")
    return package


def _distro_pin(entry: Mapping[str, Any]) -> DistroPin:
    request = _read(DistroRequest, entry)
    packages = tuple(_read(DistroPackage, table) for table in _tables(entry, "packages"))
    for package in packages:
        _check_sha256(package.sha256, "")
    # Not its libraries: only the archive knows which ones a package depends on.
    missing = set(request.names) - {package.name for package in packages}
    if missing:
        raise _WrongEntry(f"names lists {', '.join(sorted(missing))}, which packages lacks")
    return DistroPin(request, packages)


def _image_pin(entry: Mapping[str, Any]) -> ImagePin:
    request, digest = _read(ImageRequest, entry), _value(entry, "digest", str)
    _check_sha256(digest, "sha256:")
    return ImagePin(request, digest, _value(entry, "local", bool, default=False))


def _crates_pin(entry: Mapping[str, Any]) -> CratesPin:
    request = _read(CratesRequest, entry)
    packages = tuple(_read(Crate, table) for table in _tables(entry, "packages"))
    for package in packages:
        if package.checksum:
            _check_sha256(package.checksum, "")
    return CratesPin(request, _value(entry, "format", int), packages)


def _read(kind: type[_T], table: Mapping[str, Any]) -> _T:
    """Return the flat dataclass ``kind`` whose fields are a table's keys. Raises ``_WrongEntry``."""
    definition = cast(Any, kind)
    hints, values = _hints(definition), {}
    for field in dataclasses.fields(definition):
        default = dataclasses.MISSING if field.name in _ALWAYS else field.default
        values[field.name] = _value(table, _key(field), hints[field.name], default=default)
    return kind(**values)


@functools.cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _value(
    table: Mapping[str, Any], key: str, kind: Any, *, default: Any = dataclasses.MISSING
) -> Any:
    """Return a table's value, or ``default`` if it has none. Raises ``_WrongEntry`` for another type."""
    if key not in table and default is not dataclasses.MISSING:
        return default
    value = table.get(key)
    expected, fits = _TYPES[kind]
    if not fits(value):
        raise _WrongEntry(f"{key} must be {expected}, not {value!r}")
    return tuple(value) if isinstance(value, list) else value


def _tables(entry: Mapping[str, Any], key: str) -> tuple[Mapping[str, Any], ...]:
    return cast("tuple[Mapping[str, Any], ...]", _value(entry, key, tuple[dict[str, Any], ...]))


def _are(kind: type) -> Callable[[Any], bool]:
    """Return a check that a value is a list of values of one kind."""
    return lambda value: isinstance(value, list) and all(isinstance(i, kind) for i in value)


_SIZE = ("a number of at least 0", lambda value: type(value) is int and value >= 0)
_STRING = ("a string", lambda value: isinstance(value, str))
_TYPES: Mapping[Any, tuple[str, Callable[[Any], bool]]] = {
    str: _STRING,
    Purpose: _STRING,
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: _SIZE,
    int | None: _SIZE,
    tuple[str, ...]: ("a list of strings", _are(str)),
    tuple[dict[str, Any], ...]: ("a list of tables", _are(dict)),
}


def _check_sha256(value: str, prefix: str) -> None:
    if not re.fullmatch(rf"{prefix}[0-9a-f]{{64}}", value):
        begin = f"{prefix} and " if prefix else ""
        raise _WrongEntry(f"{value!r} is not {begin}64 hexadecimal digits")
