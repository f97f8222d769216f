"""The container runtime as tests use it: its command line, and the images that it shall have.

Knows nothing of mpforge's own use of runtimes, which is what is tested with it.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from mpforge.errors import ToolUnavailable
from mpforge.obtain.distro import apt, archive
from tests.images import recipes
from tests.images.archives import digest_of, provide_archive
from tests.images.recipes import LABEL, Recipe

_SETUP = "scripts/setup-system.sh"
_SECONDS = 300


@dataclass(frozen=True)
class ContainerRuntime:
    """A runtime that answers: at an address, or the one that ``docker`` finds by itself."""

    address: str | None = None

    def answers(self) -> bool:
        """Whether it does so now."""
        return self._docker("version", seconds=30).returncode == 0

    def _docker(self, *words: str, seconds: float = _SECONDS) -> "subprocess.CompletedProcess[str]":
        at = () if self.address is None else ("--host", self.address)
        return _docker(*at, *words, seconds=seconds)

    def call(self, *words: str) -> str:
        """What ``docker WORDS`` prints. Fails with its complaint where it fails."""
        answer = self._docker(*words)
        assert answer.returncode == 0, f"docker {' '.join(words)}\n{answer.stdout}{answer.stderr}"
        return answer.stdout.strip()

    def run(self, image: str, *command: str) -> str:
        """What a command prints in a new container without a network, which is gone then."""
        options = ("--rm", "--init", "--network", "none", "--label", LABEL)
        return self.call("run", *options, image, *command)

    def inspect(self, image: str) -> dict[str, Any]:
        """What the runtime says of an image that it has."""
        found: dict[str, Any] = json.loads(self.call("image", "inspect", image))[0]
        return found

    def platform_of(self, image: str) -> str:
        """The platform that an image says it is for: ``linux/arm64/v8``."""
        said = self.inspect(image)
        words = (said["Os"], said["Architecture"], said.get("Variant", ""))
        return "/".join(word for word in words if word)

    def has(self, recipe: Recipe) -> bool:
        """Whether it has the image of just this recipe under its tag."""
        label = f'{{{{index .Config.Labels "{LABEL}"}}}}'
        answer = self._docker("image", "inspect", "--format", label, recipe.tag)
        return answer.returncode == 0 and answer.stdout.strip() == digest_of(recipe)

    def provide(self, recipe: Recipe, *, cache: Path) -> str:
        """Make and load the image, unless the runtime has it; its tag.

        Raises ``ToolUnavailable`` where Debian's packages can't be had, and as ``provide_archive`` does.
        """
        if self.has(recipe):
            return recipe.tag
        _check_host()
        archive = provide_archive(recipe, cache=cache)
        with FileLock(archive.with_name(f"{recipe.name}.loading")):
            if not self.has(recipe):
                self.call("load", "--quiet", "--input", str(archive))
                # What had the tag before has no name now.
                self.call("image", "prune", "--force", "--filter", f"label={LABEL}")
        return recipe.tag

    def ours(self, cache: Path) -> list[str]:
        """The containers of mpforge that work for a cache, running or not.

        One that the runtime is removing does none: a busy runtime takes a while to forget it.
        """
        format_ = '{{.Names}} {{.Label "mpforge.title"}}|{{.Status}}'
        listed = self.call("ps", "--all", "--filter", "label=mpforge", "--format", format_)
        found = (line.partition("|") for line in listed.splitlines())
        going = ("Removal In Progress", "Dead")
        return [name for name, _, how in found if str(cache) in name and how not in going]

    def forget(self, registry: str) -> None:
        """Remove the names that images have from a registry; those with other names stay."""
        format_ = "{{.Repository}} {{.Tag}} {{.Digest}}"
        listed = self.call("image", "ls", "--digests", "--format", format_)
        for line in listed.splitlines():
            repository, tag, digest = line.split()
            if repository.startswith(f"{registry}/"):
                name = f"{repository}@{digest}" if tag == "<none>" else f"{repository}:{tag}"
                self._docker("image", "rm", name)


def why_no_runtime() -> str | None:
    """Why no runtime can be had here; ``None`` where one answers."""
    if shutil.which("docker") is None:
        return f"no docker on PATH ({_SETUP} installs it)"
    answer = _docker("version", "--format", "{{.Server.Version}}", seconds=30)
    if answer.returncode == 0:
        return None
    return f"no container runtime ({_SETUP} starts one): {answer.stderr.strip()}"


def why_not_emulated(runtime: ContainerRuntime, image: str) -> str | None:
    """Why an image of another machine doesn't run; ``None`` where it does."""
    answer = _docker("run", "--rm", "--init", "--network", "none", "--label", LABEL, image, "true")
    if answer.returncode == 0:
        return None
    platform = runtime.platform_of(image)
    return f"the runtime does not run {platform} ({_SETUP} registers an emulator): {answer.stderr.strip()}"


def _check_host() -> None:
    """Raise ``ToolUnavailable`` where apt is not set up for the distribution that images are made of."""
    host, wanted = apt.host_distribution(), recipes.SUITE[0]
    given = os.environ.get(archive.MIRROR_VARIABLE)
    if host is None or (host[0] != wanted and not given):
        raise ToolUnavailable(
            f"images are made of {wanted}'s packages, and this host's apt has none",
            hint=f"set {archive.MIRROR_VARIABLE} to a mirror of {wanted}",
        )


def _docker(*words: str, seconds: float = _SECONDS) -> "subprocess.CompletedProcess[str]":
    """Run ``docker``; where it does not end in time that is its failure."""
    argv = ["docker", *words]
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, 124, "", f"no answer within {seconds:.0f} s")
