"""Read and write the text of ``multiplatform.lock``: TOML that a person can review in a diff.

Entries are sorted and one package is one line, so that two branches' locks conflict only if both moved the
same pin. Addresses are not recorded. Knows nothing of files or processes.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, get_args

from mpforge.errors import UPDATE, LockInvalid, Place, TomlInvalid, written_by_newer
from mpforge.formats.toml import read_toml
from mpforge.plan.pins import (
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
_ENVIRONMENT_KEYS = ("purpose", "python", "platform", "requirements", "constraints")
_DISTRO_KEYS = ("distribution", "suite", "architecture", "names")
_IMAGE_KEYS = ("name", "platform")
_STRATEGY_KEYS = ("target", "host", "strategy", "toolchain")
_PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
_Pin = TypeVar("_Pin")


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
    return in_order(
        Lock(
            _read_all(table, "environments", _environment_pin, text=text, file=file),
            _read_all(table, "distribution", _distro_pin, text=text, file=file),
            _read_all(table, "strategies", _strategy_pin, text=text, file=file),
            _read_all(table, "images", _image_pin, text=text, file=file),
        )
    )


def render(lock: Lock) -> str:
    """Return the text of a lock: the same for equal locks."""
    lock = in_order(lock)
    parts = [f"{_HEADER}schema = {SCHEMA}\n"]
    parts += [_entry("strategies", _fields(pin, _STRATEGY_KEYS)) for pin in lock.strategies]
    for pin in lock.environments:
        fields = _fields(pin.request, _ENVIRONMENT_KEYS)
        parts.append(_entry("environments", fields, [_package(p) for p in pin.packages]))
    for distro in lock.distribution:
        fields = _fields(distro.request, _DISTRO_KEYS)
        fields += [("libraries", True)] if distro.request.libraries else []
        parts.append(_entry("distribution", fields, [_package(p) for p in distro.packages]))
    for image in lock.images:
        fields = [*_fields(image.request, _IMAGE_KEYS), ("digest", image.digest)]
        fields += [("local", True)] if image.is_local else []
        parts.append(_entry("images", fields))
    return "\n".join(parts)


# --- writing ----------------------------------------------------------------------------------


def in_order(lock: Lock) -> Lock:
    """Return the same pins in the order of the file."""
    environments = (
        replace(pin, packages=tuple(sorted(pin.packages, key=lambda p: (p.name, p.version))))
        for pin in lock.environments
    )
    return Lock(
        tuple(sorted(environments, key=lambda pin: _environment_order(pin.request))),
        tuple(sorted(lock.distribution, key=lambda pin: _distro_order(pin.request))),
        tuple(sorted(lock.strategies, key=lambda pin: (pin.target, pin.host))),
        tuple(sorted(lock.images, key=lambda pin: (pin.request.name, pin.request.platform))),
    )


def _environment_order(request: EnvironmentRequest) -> tuple[object, ...]:
    return (
        request.purpose,
        request.python,
        request.platform,
        request.requirements,
        request.constraints,
    )


def _distro_order(request: DistroRequest) -> tuple[object, ...]:
    where = (request.distribution, request.suite, request.architecture)
    return (*where, request.names, request.libraries)


def _fields(of: object, keys: Sequence[str]) -> list[tuple[str, object]]:
    return [(key, getattr(of, key)) for key in keys]


def _package(package: Package | DistroPackage) -> str:
    fields: list[tuple[str, object]] = [("name", package.name), ("version", package.version)]
    if isinstance(package, Package):
        fields.append(("hashes", package.hashes))
    else:
        fields.append(("sha256", package.sha256))
    if package.size is not None:
        fields.append(("size", package.size))
    if isinstance(package, Package):
        fields += [("path", package.path)] if package.path else []
        fields += [("sdist", True)] if package.sdist else []
        fields += [("build-requires", package.build_requires)] if package.build_requires else []
    return "{ " + ", ".join(f"{key} = {_value(value)}" for key, value in fields) + " }"


def _entry(
    table: str, fields: Sequence[tuple[str, object]], packages: Sequence[str] | None = None
) -> str:
    lines = [f"[[{table}]]", *(f"{key} = {_value(value)}" for key, value in fields)]
    if packages is not None:
        lines += ["packages = [", *(f"    {line}," for line in packages), "]"]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, str):  # JSON's escapes are TOML's, except for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


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


def _read_all(
    table: Mapping[str, Any],
    name: str,
    one: Callable[[Mapping[str, Any]], _Pin],
    *,
    text: str,
    file: str,
) -> tuple[_Pin, ...]:
    """Read every entry ``[[name]]`` of the file with ``one``; an error has the entry's place."""
    entries = table.get(name, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise LockInvalid(f"{name} must be tables, [[{name}]]", hint=AGAIN, place=Place(file))
    pins = []
    for number, entry in enumerate(entries):
        try:
            pins.append(one(entry))
        except _WrongEntry as error:
            raise LockInvalid(
                f"an entry of [[{name}]] is invalid",
                why=str(error),
                hint=AGAIN,
                place=Place(file, _line_of(text, rf"\[\[{name}\]\]", number), 1),
            ) from error
    return tuple(pins)


def _environment_pin(entry: Mapping[str, Any]) -> EnvironmentPin:
    request = EnvironmentRequest(
        _purpose(entry),
        _text(entry, "python"),
        _text(entry, "platform"),
        _texts(entry, "requirements"),
        _texts(entry, "constraints"),
    )
    return EnvironmentPin(request, tuple(map(_pinned, _tables(entry, "packages"))))


def _pinned(table: Mapping[str, Any]) -> Package:
    package = Package(
        _text(table, "name"),
        _text(table, "version"),
        tuple(_sha256(value, "sha256:") for value in _texts(table, "hashes")),
        _size(table) if "size" in table else None,
        _text(table, "path") if "path" in table else "",
        _flag(table, "sdist"),
        _texts(table, "build-requires") if "build-requires" in table else (),
    )
    if not package.hashes and not package.path:
        raise _WrongEntry(f"{package.name} has no hash")
    return package


def _purpose(entry: Mapping[str, Any]) -> Purpose:
    word = _text(entry, "purpose")
    for purpose in _PURPOSES:
        if word == purpose:
            return purpose
    raise _WrongEntry(f"purpose is {word!r}, not one of {', '.join(_PURPOSES)}")


def _distro_pin(entry: Mapping[str, Any]) -> DistroPin:
    request = DistroRequest(
        _text(entry, "distribution"),
        _text(entry, "suite"),
        _text(entry, "architecture"),
        _texts(entry, "names"),
        _flag(entry, "libraries"),
    )
    packages = (
        DistroPackage(
            _text(table, "name"),
            _text(table, "version"),
            _sha256(_text(table, "sha256"), ""),
            _size(table),
        )
        for table in _tables(entry, "packages")
    )
    return DistroPin(request, tuple(packages))


def _strategy_pin(entry: Mapping[str, Any]) -> StrategyPin:
    return StrategyPin(*(_text(entry, key) for key in _STRATEGY_KEYS))


def _image_pin(entry: Mapping[str, Any]) -> ImagePin:
    request = ImageRequest(*(_text(entry, key) for key in _IMAGE_KEYS))
    return ImagePin(request, _sha256(_text(entry, "digest"), "sha256:"), _flag(entry, "local"))


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str):
        raise _WrongEntry(f"{key} must be a string, not {value!r}")
    return value


def _texts(entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = entry.get(key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _WrongEntry(f"{key} must be a list of strings, not {value!r}")
    return tuple(value)


def _tables(entry: Mapping[str, Any], key: str) -> tuple[Mapping[str, Any], ...]:
    value = entry.get(key)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _WrongEntry(f"{key} must be a list of tables, not {value!r}")
    return tuple(value)


def _flag(entry: Mapping[str, Any], key: str) -> bool:
    value = entry.get(key, False)
    if not isinstance(value, bool):
        raise _WrongEntry(f"{key} must be true or false, not {value!r}")
    return value


def _size(entry: Mapping[str, Any]) -> int:
    value = entry.get("size")
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _WrongEntry(f"size must be a number of bytes, not {value!r}")
    return value


def _sha256(value: str, prefix: str) -> str:
    if not re.fullmatch(rf"{prefix}[0-9a-f]{{64}}", value):
        begin = f"{prefix} and " if prefix else ""
        raise _WrongEntry(f"{value!r} is not {begin}64 hexadecimal digits")
    return value
