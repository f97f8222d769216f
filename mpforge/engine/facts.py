"""Finding out what the compiler must know: this host, this project."""

import os
import platform
import re
import sys
import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mpforge.compiler.projectname import declared_name
from mpforge.engine.inputs import Inputs
from mpforge.engine.metadata import requires_python
from mpforge.engine.workspace import host_system
from mpforge.errors import SourceMissing, WrongInput
from mpforge.plan.facts import HostFacts, ProjectFacts
from mpforge.plan.requirements import OwnPackage, normal_name
from mpforge.platforms import by_machine
from mpforge.runners.containers import endpoint
from mpforge.tools import rust

if TYPE_CHECKING:
    from mpforge.runners.hooks import BuildSystem

# Where a project says that it uses the limited API: its build script or configuration.
_LIMITED = re.compile(r"py_limited_api|Py_LIMITED_API|limited[-_]api|abi3")


def host_facts() -> HostFacts:
    """This host. Only Linux with glibc has a platform that can build."""
    machine = os.uname().machine if hasattr(os, "uname") else platform.machine()
    found = by_machine(machine) if sys.platform == "linux" else None
    glibc = hasattr(os, "confstr") and _glibc()
    return HostFacts(
        platform=found.name if found is not None and glibc else None,
        system=host_system(),
        engine=endpoint.address(os.environ) is not None,
    )


def _glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (ValueError, OSError):
        return False


def project_facts(inputs: Inputs, *, wheel: bool) -> ProjectFacts:
    """What the project says of its building. Raises ``SourceMissing``, ``WrongInput``.

    Where no wheel is built, the project need not be a Python one.
    """
    from mpforge.runners.hooks import build_system

    text = inputs.read("pyproject.toml")
    setup = inputs.read("setup.py")
    if wheel and text is None and setup is None:
        raise SourceMissing(
            f"{inputs.source.root} has neither pyproject.toml nor setup.py",
            hint="set project.source to the package's directory, or [build] kind",
        )
    try:
        table: Mapping[str, Any] = tomllib.loads(text) if text is not None else {}
        _check_shape(table)
        system = build_system(text)
    except tomllib.TOMLDecodeError as error:
        raise WrongInput(f"pyproject.toml is no TOML: {error}") from None
    declared = table.get("project", {})
    allowed, by = _requires_python(declared, inputs)
    return ProjectFacts(
        form="sdist" if inputs.source.is_sdist else "tree",
        backend=system.backend,
        in_tree=bool(system.backend_path),
        requires=system.requires,
        requires_python=allowed,
        requires_python_by=by,
        own=_own(declared, declared_name(table, inputs.read("setup.cfg"), setup)),
        groups=_groups(table.get("dependency-groups", {})),
        may_be_abi3=any(
            _LIMITED.search(part)
            for part in (text, setup, inputs.read("setup.cfg"), inputs.read("Cargo.toml"))
            if part
        ),
        pure_by=_pure_by(table, system, inputs),
        rust=rust.channel_of(inputs.read("rust-toolchain.toml") or inputs.read("rust-toolchain")),
    )


def _pure_by(table: Mapping[str, Any], system: "BuildSystem", inputs: Inputs) -> str | None:
    """Why the project is known to be pure Python, if it is."""
    from mpforge.compiler import purity

    hatch = inputs.read("hatch.toml")
    try:
        configuration = tomllib.loads(hatch or "").get("build")
    except tomllib.TOMLDecodeError:
        return None  # the backend will say so
    files = purity.BuildFiles(
        backend=system.backend,
        in_tree=bool(system.backend_path),
        requires=system.requires,
        tool=table.get("tool", {}),
        setup_py=inputs.read("setup.py"),
        setup_cfg=inputs.read("setup.cfg"),
        hatch=configuration if isinstance(configuration, dict) else None,
        pdm_build=inputs.read("pdm_build.py") is not None,
    )
    return purity.reason(files)


# What is read of pyproject.toml, and of what kind it must be (PEP 518, PEP 621, PEP 735).
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
    "project.dependencies": list,
    "project.optional-dependencies": dict,
    "dependency-groups": dict,
    "tool": dict,
}
_WORDS: Mapping[type, str] = {dict: "a table", list: "a list of strings", str: "a string"}


def _check_shape(table: Mapping[str, Any]) -> None:
    """Raise ``WrongInput`` where pyproject.toml has another kind of value than it must."""
    for key, kind in _SHAPES.items():
        value: Any = table
        for word in key.split("."):
            value = value.get(word) if isinstance(value, dict) else None
        strings = not isinstance(value, list) or all(isinstance(item, str) for item in value)
        if value is not None and not (isinstance(value, kind) and strings):
            raise WrongInput(f"pyproject.toml: {key} must be {_WORDS[kind]}, not {value!r}")
    declared = table.get("project", {})
    for requirement in declared.get("dependencies", ()):
        _check_requirement("project.dependencies", requirement)
    for extra, requirements in declared.get("optional-dependencies", {}).items():
        key = f"project.optional-dependencies.{extra}"
        if not isinstance(requirements, list) or not all(isinstance(r, str) for r in requirements):
            raise WrongInput(
                f"pyproject.toml: {key} must be a list of strings, not {requirements!r}"
            )
        for requirement in requirements:
            _check_requirement(key, requirement)


def _check_requirement(key: str, text: str) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(text)
    except InvalidRequirement as error:
        raise WrongInput(
            f"pyproject.toml: {key}: {text!r} is no requirement", why=str(error)
        ) from None


def _requires_python(declared: Mapping[str, Any], inputs: Inputs) -> tuple[str | None, str]:
    """Requires-Python as pyproject.toml or an sdist's PKG-INFO has it, and where that is, in words.

    Raises ``WrongInput`` where it is no specifier.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    text, by = declared.get("requires-python"), "pyproject.toml's requires-python"
    if text is None and inputs.source.is_sdist:
        text, by = requires_python(inputs.read("PKG-INFO") or ""), "PKG-INFO's Requires-Python"
    try:
        SpecifierSet(text or "")
    except InvalidSpecifier as error:
        raise WrongInput(f"{by} is no version specifier: {text!r}", why=str(error)) from None
    return text, by


def _own(declared: Mapping[str, Any], name: str | None) -> OwnPackage | None:
    """The project as its wheel will have it; None where no file says its name."""
    from packaging.requirements import Requirement

    dynamic = declared.get("dynamic", ())
    if name is None:
        return None
    if not declared or "dependencies" in dynamic or "optional-dependencies" in dynamic:
        return OwnPackage(name, ())
    found = list(declared.get("dependencies", ()))
    extras = declared.get("optional-dependencies", {})
    for extra, requirements in extras.items():
        for requirement in map(Requirement, requirements):
            others = f"({requirement.marker}) and " if requirement.marker else ""
            requirement.marker = None
            found.append(f'{requirement} ; {others}extra == "{normal_name(extra)}"')
    return OwnPackage(name, tuple(found), tuple(extras), declared.get("version"))


def _groups(table: Mapping[str, Any]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not table:
        return ()
    from dependency_groups import resolve

    try:
        return tuple((name, tuple(sorted(resolve(table, name)))) for name in sorted(table))
    except (ValueError, TypeError, LookupError) as error:
        raise WrongInput(f"pyproject.toml: [dependency-groups]: {error}") from None
