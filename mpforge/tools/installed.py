"""What a host interpreter has installed: for builds without an environment of their own.

Read from the metadata beside its modules (PEP 376, PEP 566), without the user's own site directory, as a
step sees it. Knows nothing of builds.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from mpforge import processes
from mpforge.errors import HostCannot, ToolUnavailable, WrongInput
from mpforge.tools.hostpython import HostPython
from mpforge.tools.venvs import make_skeleton

_SITES = """
import json, sys
print(json.dumps([p for p in sys.path if p.rsplit("/", 1)[-1] in ("site-packages", "dist-packages")]))
"""


@dataclass(frozen=True)
class Installed:
    """Distributions by their normalised name."""

    python: HostPython
    distributions: dict[str, Distribution]

    def parts(self) -> dict[str, str]:
        """Name, version and digest of the record of files of each, for a key."""
        return {
            f"installed.{name}": f"{found.version} {_record(found)}"
            for name, found in sorted(self.distributions.items())
        }

    def require(self, requirements: Iterable[str], *, what: str) -> None:
        """Raise ``HostCannot`` that names what of the requirements (PEP 508) is not installed."""
        missing = sorted(set(self._missing(requirements)))
        if missing:
            words = " ".join(f"'{requirement}'" for requirement in missing)
            raise HostCannot(
                f"{what}: {self.python.executable} has not installed {', '.join(missing)}",
                why="[build] isolation = false: it builds with what is installed there",
                hint=f"{self.python.executable} -m pip install {words}",
            )

    def _missing(self, requirements: Iterable[str]) -> Iterator[str]:
        from packaging.requirements import InvalidRequirement, Requirement
        from packaging.utils import canonicalize_name

        version = self.python.version
        words = {"python_version": self.python.short_version, "python_full_version": version}
        for text in requirements:
            try:
                wanted = Requirement(text)
            except InvalidRequirement as error:
                raise WrongInput(f"{text!r} is no requirement", why=str(error)) from None
            if wanted.marker is not None and not wanted.marker.evaluate({"extra": "", **words}):
                continue
            found = self.distributions.get(canonicalize_name(wanted.name))
            if found is None or not wanted.specifier.contains(found.version, prereleases=True):
                wanted.marker = None
                yield str(wanted)

    def make_environment(self, dest: Path) -> None:
        """An environment at ``dest`` that sees these distributions and their programs."""
        make_skeleton(self.python.executable, dest)
        configuration = dest / "pyvenv.cfg"
        text = configuration.read_text("utf-8")
        own, all_of_it = (f"include-system-site-packages = {word}" for word in ("false", "true"))
        configuration.write_text(text.replace(own, all_of_it), "utf-8")
        for program in self._programs():
            link = dest / "bin" / program.name
            if not link.exists() and not program.name.startswith(("python", "pip")):
                link.symlink_to(program)

    def folders(self) -> tuple[Path, ...]:
        """The directories that they are installed in."""
        return tuple(sorted({Path(str(d.locate_file(""))) for d in self.distributions.values()}))

    def _programs(self) -> Iterator[Path]:
        for found in self.distributions.values():
            for file in found.files or ():
                if file.parent.name == "bin" and file.parts[0] == "..":
                    yield Path(str(found.locate_file(file))).resolve()


def of(python: HostPython) -> Installed:
    """What an interpreter has installed. Raises ``ToolUnavailable`` if it does not answer."""
    from packaging.utils import canonicalize_name

    answer = processes.capture([str(python.executable), "-I", "-c", _SITES])
    if answer.returncode != 0:
        raise ToolUnavailable(f"{python.executable} does not say what it has", why=answer.stderr)
    found: dict[str, Distribution] = {}
    for one in distributions(path=json.loads(answer.stdout)):
        name = one.metadata["Name"]
        if name:
            found.setdefault(canonicalize_name(name), one)
    return Installed(python, found)


def _record(found: Distribution) -> str:
    """A digest of its list of files with their digests; of its metadata where there is no such list."""
    text = found.read_text("RECORD") or found.read_text("METADATA") or found.read_text("PKG-INFO")
    return hashlib.sha256((text or "").encode()).hexdigest()
