"""Read the facts about a project that the compiler needs from its files."""

import re
from collections.abc import Mapping
from typing import Any

from mpforge.artifacts.core_metadata import requires_python
from mpforge.compiler import purity
from mpforge.compiler.project_name import declared_name
from mpforge.errors import SourceMissing, WrongInput
from mpforge.formats.pyproject import BuildSystem, build_system, read_pyproject
from mpforge.formats.requirements import requirement, specifier
from mpforge.formats.toml import table_of
from mpforge.kinds.inputs import Inputs
from mpforge.obtain.rust import host_rust
from mpforge.plan.facts import ProjectFacts
from mpforge.plan.requirements import OwnPackage, normal_name

# Files that say whether a project uses the limited API: its build script or configuration.
_BUILD_FILES = ("pyproject.toml", "setup.py", "setup.cfg", "Cargo.toml")
_LIMITED = re.compile(r"py_limited_api|Py_LIMITED_API|limited[-_]api|abi3")


def project_facts(inputs: Inputs, *, wheel: bool) -> ProjectFacts:
    """Return the facts about a project's build. Raises ``SourceMissing``, ``WrongInput``.

    If no wheel is built, it need not be a Python project.
    """
    content = inputs.read_bytes("pyproject.toml")
    setup = inputs.read("setup.py")
    if wheel and content is None and setup is None:
        raise SourceMissing(
            f"{inputs.source.root} has neither pyproject.toml nor setup.py",
            hint="set project.source to the package's directory, or [build] kind",
        )
    table = read_pyproject(content)
    system = build_system(content)
    declared = table.get("project", {})
    listed = {
        "build-system.requires": system.requires,
        "project.dependencies": declared.get("dependencies", ()),
    }
    for extra, texts in declared.get("optional-dependencies", {}).items():
        listed[f"project.optional-dependencies.{extra}"] = texts
    for key, texts in listed.items():
        for text in texts:
            _check_requirement(key, text)
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
        may_be_abi3=any(_LIMITED.search(part) for part in map(inputs.read, _BUILD_FILES) if part),
        pure_by=_pure_by(table, system, inputs),
        rust=host_rust.channel_of(
            inputs.read("rust-toolchain.toml") or inputs.read("rust-toolchain")
        ),
        asks_compiler=_ASKS_COMPILER.search(setup or "") is not None,
    )


# Signs that a setup.py calls a compiler itself: its variable, its name, distutils' own object.
_ASKS_COMPILER = re.compile(
    r"""['"](?:CC|CXX|cc|c\+\+|gcc|g\+\+|clang|clang\+\+)['"]|\b(?:new|customize)_compiler\("""
)


def _pure_by(table: Mapping[str, Any], system: BuildSystem, inputs: Inputs) -> str | None:
    """Return the reason why the project is known to be pure Python, or None."""
    hatch = inputs.read("hatch.toml")
    configuration = table_of(hatch).get("build")
    files = purity.BuildFiles(
        system=system,
        tool=table.get("tool", {}),
        setup_py=inputs.read("setup.py"),
        setup_cfg=inputs.read("setup.cfg"),
        hatch=configuration if isinstance(configuration, dict) else None,
        pdm_build=inputs.read("pdm_build.py") is not None,
    )
    return purity.reason(files)


def _check_requirement(key: str, text: str) -> None:
    try:
        requirement(text)
    except ValueError as error:
        raise WrongInput(
            f"pyproject.toml: {key}: {text!r} is not a requirement", why=str(error)
        ) from None


def _requires_python(declared: Mapping[str, Any], inputs: Inputs) -> tuple[str | None, str]:
    """Return Requires-Python from pyproject.toml or an sdist's PKG-INFO, and the name of that file.

    Raises ``WrongInput`` if it is not a specifier.
    """
    text, by = declared.get("requires-python"), "pyproject.toml's requires-python"
    if text is None and inputs.source.is_sdist:
        text, by = requires_python(inputs.read("PKG-INFO") or ""), "PKG-INFO's Requires-Python"
    try:
        specifier(text or "")
    except ValueError as error:
        raise WrongInput(f"{by} is not a version specifier: {text!r}", why=str(error)) from None
    return text, by


def _own(declared: Mapping[str, Any], name: str | None) -> OwnPackage | None:
    """Return the project as a package; None if no file has its name."""
    dynamic = declared.get("dynamic", ())
    if name is None:
        return None
    if not declared or "dependencies" in dynamic or "optional-dependencies" in dynamic:
        return OwnPackage(name, ())
    found = list(declared.get("dependencies", ()))
    extras = declared.get("optional-dependencies", {})
    for extra, listed in extras.items():
        for wanted in map(requirement, listed):
            others = f"({wanted.marker}) and " if wanted.marker else ""
            wanted.marker = None
            found.append(f'{wanted} ; {others}extra == "{normal_name(extra)}"')
    return OwnPackage(name, tuple(found), tuple(extras), declared.get("version"))


def _groups(table: Mapping[str, Any]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not table:
        return ()
    from dependency_groups import resolve

    try:
        return tuple((name, tuple(sorted(resolve(table, name)))) for name in sorted(table))
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise WrongInput(f"pyproject.toml: [dependency-groups]: {error}") from None
