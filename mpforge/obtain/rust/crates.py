"""Fetch the crates that a project's Cargo.lock pins into a directory that replaces every registry.

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
from mpforge.obtain.rust import cargo_configuration

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
_OUTDATED = (
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
    lock that does not fit its manifest, ``IndexUnreachable``, ``ToolUnavailable``.
    """
    first, *others = (str(source / manifest) for manifest in manifests)
    more = [word for manifest in others for word in ("--sync", manifest)]
    argv = [str(cargo), "vendor", "--locked", "--versioned-dirs", "--respect-source-config"]
    try:
        answer = processes.capture(
            [*argv, "--manifest-path", first, *more, str(output / DIRECTORY)],
            environment=environment(os.environ, directory, cargo.parent),
            cwd=(source / manifests[0]).parent,
            timeout=_SECONDS,
        )
    except TimeoutError as error:
        raise _unreachable(f"cargo did not finish within {_SECONDS / 60:.0f} minutes") from error
    if answer.returncode != 0:
        raise _failed(answer.stderr)
    config = answer.stdout.replace(str(output / DIRECTORY), DIRECTORY)
    (output / CONFIG).parent.mkdir()
    (output / CONFIG).write_text(config, encoding="utf-8")


def environment(own: Mapping[str, str], directory: Path, programs: Path) -> dict[str, str]:
    """Return cargo's whole environment: this process's without variables that change more than locations."""
    kept = {name: value for name, value in own.items() if not _NOT_OURS.fullmatch(name)}
    kept |= {"CARGO_TERM_COLOR": "never", "CARGO_TERM_PROGRESS_WHEN": "never"}
    kept["PATH"] = os.pathsep.join((str(programs), own.get("PATH", os.defpath)))
    kept.setdefault("CARGO_NET_RETRY", "1")
    kept["CARGO_HOME"] = str(cargo_configuration.user_home(own) or directory / "cargo")
    return kept | cargo_configuration.top(directory)


def _failed(said: str) -> IndexUnreachable | ToolUnavailable | WrongInput:
    """Return the error that cargo's messages report."""
    said = without_credentials(said)
    words = "\n".join(line.strip() for line in said.strip().splitlines()[-12:])
    if any(word in said for word in _OUTDATED):
        return WrongInput(
            "Cargo.lock does not fit Cargo.toml",
            why=words,
            hint="run `cargo update --workspace`, and commit Cargo.lock",
        )
    if any(word in said for word in _UNREACHABLE):
        return _unreachable(words)
    return ToolUnavailable("cargo could not fetch the crates of Cargo.lock", why=words)


def _unreachable(why: str) -> IndexUnreachable:
    addresses = re.findall(r"[a-z+]+://[^\s`'\"),]+", why)
    named = addresses[-1] if addresses else "the registry"
    return IndexUnreachable(
        f"the crates of Cargo.lock can't be fetched: {named} did not answer",
        why=why,
        hint="check the network (a proxy: HTTPS_PROXY), name a mirror in cargo's config.toml"
        " ([source.crates-io] replace-with), or let the project vendor its crates (cargo vendor)",
    )
