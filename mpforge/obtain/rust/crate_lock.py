"""Resolve the crates of a project without Cargo.lock, and write the Cargo.lock of such a pin.

cargo resolves, with the user's own configuration. Crates whose ``rust-version`` is above the project's, or
above this cargo's if the project has none, are chosen only if nothing else fits. Knows nothing of
mpforge's lock.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from mpforge.errors import WrongInput
from mpforge.formats.toml import as_toml, table_of
from mpforge.obtain.rust import crates
from mpforge.plan.pins import Crate, CratesPin, CratesRequest

NAME = "Cargo.lock"
_FORMAT = 3  # which every cargo since 1.53 reads
# doc.rust-lang.org/cargo, "Configuration": resolver.incompatible-rust-versions, since 1.84
_RESOLVER = {"CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS": "fallback"}
# Keys of a package in Cargo.lock, in cargo's order.
_KEYS = ("name", "version", "source", "checksum", "dependencies")


def resolve(
    request: CratesRequest,
    cargo: Path,
    source: Path,
    *,
    directory: Path,
    prefer: Sequence[Crate] = (),
) -> CratesPin:
    """Return the newest crates for the Cargo files in ``source``, of which ``prefer`` stay where they fit.

    ``directory`` is for cargo's home if the user has none. Raises as ``crates.fetch`` does.
    """
    manifest = source / request.manifest
    place = manifest.with_name(NAME)
    if prefer:
        place.write_text(text(CratesPin(request, _FORMAT, tuple(prefer))), encoding="utf-8")
    crates.run(
        cargo,
        ["update", "--workspace", "--manifest-path", str(manifest)],
        cwd=manifest.parent,
        environment=crates.environment(os.environ, directory, cargo.parent) | _RESOLVER,
        unfit=WrongInput(f"the crates that {request.manifest} requires can't be resolved"),
    )
    return CratesPin(request, *_parsed(place.read_bytes()))


def text(pin: CratesPin) -> str:
    """Return the Cargo.lock of a pin."""
    parts = [f"version = {pin.format}\n"]
    for package in pin.packages:
        values = ((key, getattr(package, key)) for key in _KEYS)
        lines = (f"{key} = {as_toml(value)}\n" for key, value in values if value)
        parts.append("".join(["[[package]]\n", *lines]))
    return "\n".join(parts)


def _parsed(content: bytes) -> tuple[int, tuple[Crate, ...]]:
    """Return the format and the packages of a Cargo.lock that cargo has written."""
    table = table_of(content)
    packages = (
        Crate(
            name=package["name"],
            version=package["version"],
            source=package.get("source", ""),
            checksum=package.get("checksum", ""),
            dependencies=tuple(package.get("dependencies", ())),
        )
        for package in table.get("package", ())
    )
    return table.get("version", 1), tuple(packages)
