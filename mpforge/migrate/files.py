"""The files of a project that ``init`` reads, as texts by their path."""

import re
from collections.abc import Callable, Iterable, Mapping
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


_QUOTED = re.compile(r"""["'](?:\.{0,2}/)*([\w.-]+)(?=["'/])""")
_PATH = re.compile(r"(?<![\w/.])(?:\{(?:project|package)\}/|\./)?([\w.-]+(?:/[\w.-]+)+)")
_WORD = re.compile(r"[\w.-]+")
_PYTEST_FILES = ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
_PYTHON_PATH = re.compile(r"^pythonpath[ \t]*=(.*(?:\n[ \t]+\S.*)*)", re.MULTILINE)
_FIRST = re.compile(r"""(?:^|[\s"'])(?:\./)*([\w-][\w.-]*)""")
_NO_INPUTS = frozenset({"build", "dist", "src", "lib"})


@dataclass(frozen=True)
class ProjectFiles:
    """Texts by path, whether a path exists in the project, and Requires-Python of an unpacked sdist.

    ``names`` returns the names in a folder, ``scripts`` the text of a file, or those of a folder's Python
    files. ``folder``, with a slash at its end, is where these files are in the repository.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    exists_also: Callable[[str], bool] = field(default=lambda _path: False)
    pkg_info: str | None = None
    names: Callable[[str], Iterable[str]] = field(default=lambda _folder: ())
    scripts: Callable[[str], Iterable[str]] = field(default=lambda _path: ())
    folder: str = ""

    def text(self, path: str) -> str | None:
        """Return a file's text; None if there is no such file."""
        return self.texts.get(path)

    def exists(self, path: str) -> bool:
        """Return whether the project has a file or directory."""
        return path in self.texts or self.exists_also(path)

    def within(self, folder: str) -> "ProjectFiles":
        """Return those of a folder, given with a slash at its end; all of them for an empty one."""
        if not folder:
            return self
        texts = {p.removeprefix(folder): t for p, t in self.texts.items() if p.startswith(folder)}
        return ProjectFiles(
            texts,
            lambda path: self.exists(f"{folder}{path}"),
            self.pkg_info,
            lambda path: self.names(f"{folder}{path}"),
            lambda path: self.scripts(f"{folder}{path}"),
            folder,
        )

    def used_by_tests(self, sources: Iterable[str]) -> list[str]:
        """Return what tests in ``sources`` use of the project besides themselves and its packages.

        These are the files and folders at the top whose names are in their code, or in pytest's option
        ``pythonpath``.
        """
        found = []
        quoted = {
            name
            for path in sources
            for text in self.scripts(path)
            for name in _QUOTED.findall(text)
        } | self._python_path()
        for name in sorted(self.names("")):
            package = self.exists(f"{name}/__init__.py") or name in _NO_INPUTS
            hidden = name.startswith(".") or name.endswith(".egg-info")
            if name in quoted and not (package or hidden):
                found.append(name)
        return found

    def _python_path(self) -> set[str]:
        """Return the names at the top that pytest's ``pythonpath`` names, in whichever file it is set."""
        texts = (text for name in _PYTEST_FILES for text in self.scripts(name))
        values = (match[1] for text in texts for match in _PYTHON_PATH.finditer(text))
        return {word for value in values for word in _FIRST.findall(value)}

    def used_by_script(self, text: str) -> list[str]:
        """Return the files and folders at the top that a shell script names, or the files that it calls."""
        found: dict[str, None] = {}
        called = [path.removeprefix("./") for path in _PATH.findall(text)]
        texts = [text, *(one for path in called if self.exists(path) for one in self.scripts(path))]
        words = {word for one in texts for word in _WORD.findall(one)}
        found |= dict.fromkeys(name for name in sorted(self.names("")) if name in words)
        return [name for name in found if not name.startswith(".")]
