"""Read pyproject.toml, and check the types of the values that mpforge needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mpforge.errors import WrongInput
from mpforge.formats.toml import read_toml

NAME = "pyproject.toml"
LEGACY = "setuptools.build_meta:__legacy__"

# The values that mpforge reads, and their types (PEP 518, PEP 621, PEP 735).
_SHAPES: Mapping[str, type] = {
    "build-system": dict,
    "build-system.build-backend": str,
    "build-system.requires": list,
    "build-system.backend-path": list,
    "project": dict,
    "project.name": str,
    "project.version": str,
    "project.requires-python": str,
    "project.dynamic": list,
    "project.classifiers": list,
    "project.dependencies": list,
    "project.optional-dependencies": dict,
    "dependency-groups": dict,
    "tool": dict,
}
_WORDS: Mapping[type, str] = {dict: "a table", list: "a list of strings", str: "a string"}


@dataclass(frozen=True)
class BuildSystem:
    """The ``[build-system]`` table with PEP 517's and PEP 518's defaults."""

    backend: str = LEGACY
    requires: tuple[str, ...] = ("setuptools >= 40.8.0",)
    backend_path: tuple[str, ...] = ()


def read_pyproject(content: str | bytes | None) -> dict[str, Any]:
    """Return the file's tables; empty for None, which means that there is no such file.

    Raises ``TomlInvalid`` with its place, ``WrongInput`` for a value of the wrong type.
    """
    table = read_toml(content or "", NAME)
    for key, kind in _SHAPES.items():
        value: Any = table
        for word in key.split("."):
            value = value.get(word) if isinstance(value, dict) else None
        _check_kind(key, value, kind)
    for extra, listed in table.get("project", {}).get("optional-dependencies", {}).items():
        _check_kind(f"project.optional-dependencies.{extra}", listed, list)
    return table


def build_system(content: str | bytes | None) -> BuildSystem:
    """Return the ``[build-system]`` table. Raises as ``read_pyproject``."""
    table = read_pyproject(content).get("build-system")
    if table is None:
        return BuildSystem()
    return BuildSystem(
        backend=table.get("build-backend", LEGACY),
        requires=tuple(table.get("requires", ())),
        backend_path=tuple(table.get("backend-path", ())),
    )


def _check_kind(key: str, value: Any, kind: type) -> None:
    strings = not isinstance(value, list) or all(isinstance(item, str) for item in value)
    if value is not None and not (isinstance(value, kind) and strings):
        shown = repr(value)
        shown = shown if len(shown) <= 60 else f"{shown[:59]}…"
        raise WrongInput(f"{NAME}: {key} must be {_WORDS[kind]}, not {shown}")
