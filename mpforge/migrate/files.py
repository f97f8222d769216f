"""The files of a project that ``init`` reads, as texts by their path."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

PROJECT_FILES = ("pyproject.toml", "setup.cfg", "setup.py", "cibuildwheel.toml")
CI_FILES = (
    ".github/workflows/*.yml",
    ".github/workflows/*.yaml",
    ".github/actions/*/action.yml",
    ".github/actions/*/action.yaml",
    ".gitlab-ci.yml",
    "azure-pipelines.yml",
    ".azure-pipelines/*.yml",
    ".travis.yml",
    ".circleci/config.yml",
    ".cirrus.yml",
    ".appveyor.yml",
    "appveyor.yml",
)
"""Globs of CI services' files."""


@dataclass(frozen=True)
class ProjectFiles:
    """Texts by path, whether a path exists in the project, and Requires-Python of an unpacked sdist."""

    texts: Mapping[str, str] = field(default_factory=dict)
    exists_also: Callable[[str], bool] = field(default=lambda _path: False)
    pkg_info: str | None = None

    def text(self, path: str) -> str | None:
        """Return a file's text; None if there is no such file."""
        return self.texts.get(path)

    def exists(self, path: str) -> bool:
        """Return whether the project has a file or directory."""
        return path in self.texts or self.exists_also(path)
