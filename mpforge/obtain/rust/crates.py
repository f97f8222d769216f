"""Fetch the crates that a Cargo.lock pins into a directory that replaces every registry.

By ``cargo vendor --locked``: cargo checks each crate's sha256 against the lock. It runs with the
user's own cargo configuration (CARGO_HOME's): mirrors, credentials and proxies are the machine's
business, and so is the cache of downloads. Knows nothing of builds.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mpforge import processes
from mpforge.errors import IndexUnreachable, ToolUnavailable, WrongInput
from mpforge.obtain.packages.package_index import without_credentials
from mpforge.obtain.rust import cargo_configuration, rust_version

DIRECTORY = "crates"
"""The directory of the crates, below the output of ``fetch`` and in a step."""
CONFIG = Path(".cargo", "config.toml")
"""cargo's configuration beside them: read in every directory below, before the user's; paths relate to it."""

_SECONDS = 1800.0
_UNREACHABLE = (
    "failed to download",
    "download of",
    "failed to fetch",
    "spurious network error",
    "Could not resolve host",
    "Could not connect",
    "failed to query replaced source",
    "failed to get successful HTTP response",
    "attempting to make an HTTP request",
)
_UNFIT = (
    "needs to be updated but --locked",
    "cannot update the lock file",
    "failed to select a version",
)
# Variables for a user's own builds that would change cargo's behaviour.
_NOT_OURS = re.compile(r"RUST.*|CARGO_(BUILD|TARGET|PROFILE|ENCODED|INSTALL|CACHE|MANIFEST).*")


def fetch(
    cargo: Path, source: Path, manifests: Sequence[str], *, output: Path, directory: Path
) -> None:
    """Fill ``output`` with the crates, and a configuration that replaces the registries by them.

    ``directory`` is the step's, with cargo's home if the user has none. Raises ``WrongInput`` for a
    lock that does not fit its manifest, ``IndexUnreachable``, ``RustTooOld``, ``ToolUnavailable``.
    """
    first, *others = (str(source / manifest) for manifest in manifests)
    more = [word for manifest in others for word in ("--sync", manifest)]
    words = ["vendor", "--locked", "--versioned-dirs", "--respect-source-config"]
    said = run(
        cargo,
        [*words, "--manifest-path", first, *more, str(output / DIRECTORY)],
        cwd=(source / manifests[0]).parent,
        environment=environment(os.environ, directory, cargo.parent),
        unfit=WrongInput(
            "Cargo.lock does not fit Cargo.toml",
            hint="run `cargo update --workspace`, and commit Cargo.lock",
        ),
    )
    config = said.replace(str(output / DIRECTORY), DIRECTORY)
    (output / CONFIG).parent.mkdir()
    (output / CONFIG).write_text(config, encoding="utf-8")


def run(
    cargo: Path,
    words: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    unfit: WrongInput,
) -> str:
    """Return what cargo prints. Raises ``unfit`` if no crates fit the manifest, else as ``fetch``."""
    try:
        answer = processes.capture(
            [str(cargo), *words], environment=environment, cwd=cwd, timeout=_SECONDS
        )
    except TimeoutError as error:
        raise _unreachable(f"cargo did not finish within {_SECONDS / 60:.0f} minutes") from error
    if answer.returncode == 0:
        return answer.stdout
    said = without_credentials(answer.stderr)
    why = "\n".join(line.strip() for line in said.strip().splitlines()[-12:])
    if (old := rust_version.too_old(said.splitlines())) is not None:
        raise old
    if any(word in said for word in _UNFIT):
        unfit.why = why
        raise unfit
    if any(word in said for word in _UNREACHABLE):
        raise _unreachable(why)
    raise ToolUnavailable("cargo could not fetch the project's crates", why=why)


def environment(own: Mapping[str, str], directory: Path, programs: Path) -> dict[str, str]:
    """Return cargo's whole environment: this process's without variables that change more than locations."""
    kept = {name: value for name, value in own.items() if not _NOT_OURS.fullmatch(name)}
    kept |= {"CARGO_TERM_COLOR": "never", "CARGO_TERM_PROGRESS_WHEN": "never"}
    kept["PATH"] = os.pathsep.join((str(programs), own.get("PATH", os.defpath)))
    kept.setdefault("CARGO_NET_RETRY", "1")
    kept["CARGO_HOME"] = str(cargo_configuration.user_home(own) or directory / "cargo")
    return kept | cargo_configuration.top(directory)


def _unreachable(why: str) -> IndexUnreachable:
    addresses = re.findall(r"[a-z+]+://[^\s`'\"),]+", why)
    named = addresses[-1] if addresses else "the registry"
    return IndexUnreachable(
        f"the project's crates can't be fetched: {named} did not answer",
        why=why,
        hint="check the network (a proxy: HTTPS_PROXY), name a mirror in cargo's config.toml"
        " ([source.crates-io] replace-with), or let the project vendor its crates (cargo vendor)",
    )
