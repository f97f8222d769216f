"""The packages installed in a host interpreter, for builds without an environment of their own.

Read from the metadata beside its modules (PEP 376, PEP 566) and from the directories of its path
(``interpreter_library``), without the user's own site directory, as a step sees it. Knows nothing of builds.
"""

import functools
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from mpforge import processes
from mpforge.errors import HostCannot, ToolUnavailable, WrongInput
from mpforge.formats.requirements import requirement
from mpforge.obtain.pythons.host_python import HostPython
from mpforge.obtain.pythons.interpreter_library import (
    Content,
    editable,
    of_distribution,
    of_folder,
    without,
)
from mpforge.obtain.pythons.virtual_environments import make_skeleton
from mpforge.store.file_digests import FileDigests

# Its path without its own library: site directories, and the directories that their .pth files add.
_PATH = """
import json, re, sys, sysconfig
own = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
mine = re.compile(r"python3\\d+\\.zip|lib-dynload")
print(json.dumps([p for p in sys.path if p not in own and not mine.fullmatch(p.rsplit("/", 1)[-1])]))
"""
_SITES = ("site-packages", "dist-packages")


@dataclass(frozen=True, eq=False)
class Installed:
    """Distributions by their normalised name; ``path`` is the interpreter's path."""

    python: HostPython
    distributions: dict[str, Distribution]
    path: tuple[Path, ...]
    digests: FileDigests

    @functools.cache  # noqa: B019 - it lives as long as its session
    def parts(self) -> dict[str, str]:
        """Return the installed distributions as ingredients of a key, by content and version.

        ``installed.NAME.editable`` is the project of an editable one, ``installed.others.N`` other files in
        site-packages, ``installed.path.N`` the directories that .pth files add.
        """
        sites = [of_folder(place) for place in self.path if place.name in _SITES]
        there = {place for site in sites for _, place in site}
        owned = {name: of_distribution(one, there) for name, one in self.distributions.items()}
        contents = {f"installed.{name}": content for name, content in owned.items()}
        for name, root in self._editable.items():
            contents[f"installed.{name}.editable"] = of_folder(root, project=True)
        contents |= {
            f"installed.others.{number}": without(content, owned.values())
            for number, content in enumerate(sites)
        }
        added = [place for place in self.path if place.name not in _SITES]
        contents |= {
            f"installed.path.{number}": of_folder(place, project=True)
            for number, place in enumerate(added)
        }
        places = {place for content in contents.values() for _, place in content}
        known = self.digests.of(sorted(places))
        parts = {name: _digest(content, known) for name, content in contents.items()}
        for name, found in self.distributions.items():
            parts[f"installed.{name}"] = f"{found.version} {parts[f'installed.{name}']}"
        return dict(sorted(parts.items()))

    @functools.cached_property
    def _editable(self) -> dict[str, Path]:
        roots = {name: editable(found) for name, found in self.distributions.items()}
        return {name: root for name, root in roots.items() if root is not None}

    def require(self, requirements: Iterable[str], *, what: str) -> None:
        """Raise ``HostCannot`` that names the requirements (PEP 508) that are not installed."""
        missing = sorted(set(self._missing(requirements)))
        if missing:
            words = " ".join(f"'{requirement}'" for requirement in missing)
            raise HostCannot(
                f"{what}: {self.python.executable} lacks {', '.join(missing)}",
                why="with [build] isolation = false, the build uses the packages that are installed there",
                hint=f"{self.python.executable} -m pip install {words}",
            )

    def _missing(self, requirements: Iterable[str]) -> Iterator[str]:
        from packaging.utils import canonicalize_name

        version = self.python.version
        words = {"python_version": self.python.short_version, "python_full_version": version}
        for text in requirements:
            try:
                wanted = requirement(text)
            except ValueError as error:
                raise WrongInput(f"{text!r} is not a requirement", why=str(error)) from None
            if wanted.marker is not None and not wanted.marker.evaluate({"extra": "", **words}):
                continue
            found = self.distributions.get(canonicalize_name(wanted.name))
            if found is None or not wanted.specifier.contains(found.version, prereleases=True):
                wanted.marker = None
                yield str(wanted)

    def make_environment(self, dest: Path) -> None:
        """Create an environment at ``dest`` that sees these distributions and their programs."""
        make_skeleton(self.python.executable, dest, "--system-site-packages")
        for program in self._programs():
            link = dest / "bin" / program.name
            if not link.exists() and not program.name.startswith(("python", "pip")):
                link.symlink_to(program)

    def folders(self) -> tuple[Path, ...]:
        """Return the directories that they are installed in, or come from."""
        places = {Path(str(d.locate_file(""))) for d in self.distributions.values()}
        return tuple(sorted({*places, *self.path, *self._editable.values()}))

    def _programs(self) -> Iterator[Path]:
        for found in self.distributions.values():
            for file in found.files or ():
                if file.parent.name == "bin" and file.parts[0] == "..":
                    yield Path(str(found.locate_file(file))).resolve()


def of(python: HostPython, digests: FileDigests) -> Installed:
    """Return an interpreter's installed packages. Raises ``ToolUnavailable`` if it does not answer."""
    from packaging.utils import canonicalize_name

    answer = processes.capture([str(python.executable), "-I", "-c", _PATH])
    if answer.returncode != 0:
        raise ToolUnavailable(f"{python.executable} can't list its packages", why=answer.stderr)
    found: dict[str, Distribution] = {}
    path = json.loads(answer.stdout)
    for one in distributions(path=path):
        name = one.metadata["Name"]
        if name:
            found.setdefault(canonicalize_name(name), one)
    places = (Path(place) for place in path)
    return Installed(python, found, tuple(p for p in places if p.exists()), digests)


def _digest(content: Content, known: Mapping[str, str]) -> str:
    """Return a digest of files: their names, contents and executable bits."""
    rows = (f"{name} {known[place]} {os.access(place, os.X_OK)}" for name, place in content)
    return hashlib.sha256("\n".join(rows).encode("utf-8", "surrogateescape")).hexdigest()
