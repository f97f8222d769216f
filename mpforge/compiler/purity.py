"""Recognise a pure Python project before it is built, by its backend and configuration.

One wheel of such a project serves every target, so no compiler is needed for any of them. Only certain
cases count: if the backend or a build script may compile something, the answer is None. Facts: the
backends' documentation of build hooks and scripts. Knows nothing of hosts and targets.
"""

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mpforge.formats.pyproject import BuildSystem
from mpforge.plan.facts import ProjectFacts
from mpforge.plan.requirements import name_of

if TYPE_CHECKING:
    from mpforge.spec.model import BuildOptions

NO_POLICY = "any"
"""The platform tag of wheels that run anywhere."""

# Hatch's hooks that write a version file and compile nothing.
_HARMLESS_HOOKS = {"version", "vcs"}
# Build requirements of setuptools projects that compile nothing.
_PLAIN_REQUIREMENTS = {
    *("setuptools", "wheel", "setuptools-scm", "setuptools-git-versioning", "vcs-versioning"),
    *("versioneer", "toml", "tomli", "packaging", "importlib-metadata", "typing-extensions"),
}
# Arguments of setup() that have nothing to do with compiling.
_PLAIN_ARGUMENTS = {
    *("name", "version", "description", "long_description", "long_description_content_type"),
    *("author", "author_email", "maintainer", "maintainer_email", "url", "download_url"),
    *("project_urls", "license", "license_files", "classifiers", "keywords", "platforms"),
    *("packages", "py_modules", "package_dir", "package_data", "include_package_data"),
    *("exclude_package_data", "data_files", "namespace_packages", "zip_safe", "entry_points"),
    *("scripts", "python_requires", "install_requires", "extras_require", "tests_require"),
    *("test_suite", "use_scm_version", "provides", "obsoletes", "requires"),
}
_COMPILING = re.compile(
    r"Extension|build_ext|cmdclass|ext_modules|cffi|cython|pybind|rust|setup_requires|libraries|"
    r"distutils|numpy|ctypes",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class BuildFiles:
    """The build configuration in a project's files; a text is None if its file does not exist.

    ``tool`` is pyproject.toml's table, ``hatch`` the ``build`` table of hatch.toml; ``pdm_build``:
    pdm's build script exists.
    """

    system: BuildSystem
    tool: Mapping[str, Any]
    setup_py: str | None = None
    setup_cfg: str | None = None
    hatch: Mapping[str, Any] | None = None
    pdm_build: bool = False


def reason(files: BuildFiles) -> str | None:
    """Return the reason why a project is known to be pure Python; None if it is not known to be."""
    if files.system.backend_path:
        return None
    module = files.system.backend.split(":", 1)[0].split(".", 1)[0]
    known = _BACKENDS.get(module)
    if known is None:
        return None
    is_pure, words = known
    return words if is_pure(files) else None


def taken_as_pure(
    project: ProjectFacts, build: "BuildOptions", *, crosses: bool, of_target: bool
) -> str | None:
    """Return why one wheel is built for all targets, if it is; ``pure = false`` in the spec forbids it.

    ``crosses``: the backend could build for each target; ``of_target``: the spec's options for the
    build differ from target to target.
    """
    may_compile = build.before_build or build.libraries or build.target_requires
    if build.kind != "wheel" or build.strategy not in ("auto", "native"):
        return None
    if may_compile or of_target or ("pure" in build.model_fields_set and not build.pure):
        return None
    if build.pure and (project.pure_by is not None or not crosses):
        return "pure = true in the spec"
    return project.pure_by


# --- by backend ---------------------------------------------------------------------------------


def _table(value: Any, *words: str) -> Mapping[str, Any]:
    """Return a value if it is a table, else an empty table."""
    for word in words:
        value = value.get(word) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _always(_files: BuildFiles) -> bool:
    return True


def _hatchling(files: BuildFiles) -> bool:
    for build in (_table(files.tool, "hatch", "build"), files.hatch or {}):
        hooks = {*_table(build, "hooks"), *_table(build, "targets", "wheel", "hooks")}
        if hooks - _HARMLESS_HOOKS:
            return False
    return True


def _poetry(files: BuildFiles) -> bool:
    return "build" not in _table(files.tool, "poetry")


def _pdm(files: BuildFiles) -> bool:
    build = _table(files.tool, "pdm", "build")
    compiles = build.get("run-setup") or "custom-hook" in build or build.get("is-purelib") is False
    hooked = {name_of(requirement) for requirement in files.system.requires} - {"pdm-backend"}
    return not (compiles or files.pdm_build or hooked)


def _setuptools(files: BuildFiles) -> bool:
    wanted = {name_of(requirement) for requirement in files.system.requires}
    own = _table(files.tool, "setuptools")
    if wanted - _PLAIN_REQUIREMENTS or {"ext-modules", "cmdclass"} & own.keys():
        return False
    if files.setup_cfg is not None and _COMPILING.search(files.setup_cfg):
        return False
    return files.setup_py is None or _is_plain(files.setup_py)


def _is_plain(setup_py: str) -> bool:
    """Return whether a setup.py calls ``setup`` once, with no argument that may compile something."""
    if _COMPILING.search(setup_py):
        return False
    try:
        tree = ast.parse(setup_py)
    except (SyntaxError, ValueError):
        return False
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and _called(n) == "setup"]
    if len(calls) != 1 or calls[0].args:
        return False
    return all(keyword.arg in _PLAIN_ARGUMENTS for keyword in calls[0].keywords)


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


_BACKENDS: Mapping[str, tuple[Callable[[BuildFiles], bool], str]] = {
    "flit_core": (_always, "flit builds pure Python only"),
    "flit": (_always, "flit builds pure Python only"),
    "uv_build": (_always, "uv builds pure Python only"),
    "hatchling": (_hatchling, "hatchling without a build hook that compiles"),
    "poetry": (_poetry, "poetry-core without a build script"),
    "pdm": (_pdm, "pdm-backend without a build hook"),
    "setuptools": (_setuptools, "setuptools without extension modules"),
}
