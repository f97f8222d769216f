"""The launchers in the package were made from the source beside them."""

import hashlib

from mpforge.places.isolation import launcher


def test_source_and_launchers_are_those_of_the_last_build() -> None:
    folder = launcher().parent
    lines = (folder / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    assert listed.keys() == {p.name for p in folder.iterdir()} - {"SHA256SUMS"}
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, "nox -s launcher"
