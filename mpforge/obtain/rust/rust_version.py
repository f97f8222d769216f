"""Recognise crates that need a newer Rust in what cargo and rustc say, and word the error.

Pure. The messages are those of cargo's ``check_rust_versions`` (``ops/cargo_compile``, ``ops/registry``), of
its manifest and lock readers, and of cargo 1.63.
"""

import re
from collections.abc import Sequence

from mpforge.errors import RustTooOld

_UNSUPPORTED = re.compile(r"rustc (?P<has>\d\S*) is not supported by the following packages?")
_REQUIRES = re.compile(r"^\s+(?P<crate>\S+@\S+) requires rustc (?P<needed>\d[\w.]*)")
_SINGLE = re.compile(
    r"package `(?P<crate>[^`]+)` cannot be built because it requires rustc (?P<needed>\d[\w.]*) or newer"
    r", while the currently active rustc version is (?P<has>\d\S*)"
)
_EDITION = re.compile(
    r"feature `edition(?P<edition>\d+)` is required"
    r"|older than the `(?P<other>\d+)` edition"
    r"|lock ?file version `?(?P<lock>\d+)`?.* (?:does not understand|requires `-Z)"
)
_MANIFEST = re.compile(
    r"failed to (?:parse|load) manifest (?:at|for) `?\S*?(?P<crate>[^/`\s]+)(?:/Cargo\.toml)?`?$"
)
_ACTIVE = re.compile(r"this version of Cargo \((?P<has>\d[\w.-]*)")
# The first Rust with an edition, and with a format of Cargo.lock.
_EDITIONS = {"2018": "1.31", "2021": "1.56", "2024": "1.85"}
_LOCKS = {"3": "1.53", "4": "1.78"}


def too_old(lines: Sequence[str], title: str = "") -> RustTooOld | None:
    """Return the error if a Rust was too old: ``title`` names the step, empty for fetching crates."""
    needs: dict[str, str] = {}
    has = why = ""
    for line in lines:
        if (one := _SINGLE.search(line)) is not None:
            needs[one["crate"]], has, why = one["needed"], one["has"], why or line
        elif (one := _UNSUPPORTED.search(line)) is not None:
            has, why = one["has"], why or line
        elif has and (one := _REQUIRES.search(line)) is not None:
            needs[one["crate"]] = one["needed"]
        elif (one := _EDITION.search(line)) is not None:
            needed = _EDITIONS.get(one["edition"] or one["other"]) or _LOCKS.get(one["lock"])
            if needed is None:
                return None
            manifest = next((m["crate"] for m in map(_MANIFEST.search, lines) if m), "")
            needs["Cargo.lock" if one["lock"] else manifest or "a crate"] = needed
            why = why or line
    if not needs:
        return None
    has = has or next((one["has"] for one in map(_ACTIVE.search, lines) if one), "")
    crate, needed = max(needs.items(), key=lambda item: _numbers(item[1]))
    failed = f"{title} failed: " if title else ""
    return RustTooOld(
        f"{failed}{crate} needs Rust {needed}, and this is {has or 'an older one'}",
        why="\n".join(f"{name} requires rustc {version}" for name, version in needs.items())
        if len(needs) > 1
        else why.strip(),
        hint="install a newer one by rustup, whose toolchains mpforge takes first (`rustup update stable`, "
        "`rustup target add TRIPLE`); or pin an older crate: `cargo update NAME --precise VERSION`",
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
