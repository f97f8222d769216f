"""A Rust toolchain installed on this host: rustup's, or the system's.

It must have the standard library of every target machine. The bytes of its compiler, cargo and
libraries identify it, never its name. This module runs nothing, and knows nothing of builds.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mpforge.errors import TomlInvalid, ToolUnavailable
from mpforge.formats.toml import read_toml, table_of
from mpforge.store.file_digests import FileDigests

STABLE = "stable"
"""The channel of a project that does not name one."""

_PROGRAMS = ("cargo", "rustc")


@dataclass(frozen=True)
class HostRust:
    """A toolchain of this host: ``sysroot`` has ``bin`` and ``lib/rustlib``; ``name`` is for messages."""

    name: str
    sysroot: Path

    @property
    def programs(self) -> dict[str, Path]:
        """Return the paths of cargo and rustc by name."""
        return {name: self.sysroot / "bin" / name for name in _PROGRAMS}

    def lacks(self, triples: Sequence[str]) -> tuple[str, ...]:
        """Return the triples whose standard library it does not have."""
        return tuple(triple for triple in triples if not _std(self.sysroot, triple))

    def parts(self, triples: Sequence[str], digests: FileDigests) -> dict[str, str]:
        """Return its ingredients of a key."""
        of = {name: [str(path)] for name, path in self.programs.items()}
        of["libraries"] = sorted(str(path) for path in _compiler_libraries(self.sysroot))
        of |= {f"std.{t}": [str(path) for path in _std(self.sysroot, t)] for t in triples}
        known = digests.of(p for paths in of.values() for p in paths)
        return {
            f"rust.{name}": hashlib.sha256(repr([known[p] for p in paths]).encode()).hexdigest()
            for name, paths in of.items()
        }


def find(
    channel: str, triples: Sequence[str], environment: Mapping[str, str]
) -> HostRust | tuple[str, ...]:
    """Return the first toolchain of a channel with the libraries of all ``triples``, the host's first.

    If there is none, return the reason for each rejected toolchain.
    """
    reasons = []
    for rust in _toolchains(channel, triples[0], environment):
        missing = rust.lacks(triples)
        if not missing:
            return rust
        reasons.append(f"{rust.name} lacks the target {' '.join(missing)}")
    return tuple(reasons)


def channel_of(toolchain_file: str | None) -> str:
    """Return the channel that the text of a ``rust-toolchain.toml`` (or ``rust-toolchain``) names.

    ``stable`` without a text, or if it names none. A local path is no channel.
    """
    if toolchain_file is None:
        return STABLE
    try:
        word = read_toml(toolchain_file, "").get("toolchain", {}).get("channel", STABLE)
    except (TomlInvalid, AttributeError):
        word = toolchain_file.strip()  # the old form: one line, the channel
    return word if isinstance(word, str) and re.fullmatch(r"[\w.+-]+", word) else STABLE


def is_stable(channel: str) -> bool:
    """Return whether a stable Rust can serve for the channel: it is stable, or names a version."""
    return re.fullmatch(r"stable(-.*)?|\d+\.\d+(\.\d+)?(-(?!beta|nightly).*)?", channel) is not None


def missing(
    channel: str, triples: Sequence[str], reasons: Sequence[str], packages: Sequence[str]
) -> ToolUnavailable:
    """Return the error for a host without Rust for ``triples``; ``packages`` are the distribution's."""
    wanted = triples[-1]
    toolchain = "" if channel == STABLE else f" --toolchain {channel}"
    commands = [f"rustup target add {wanted}{toolchain}"]
    if not is_stable(channel):
        commands = [f"rustup toolchain install {channel} --target {wanted}"]
    elif packages:
        commands.append(f"apt-get install {' '.join(packages)}")
    if not reasons:
        commands[0] = f"install rustup, then {commands[0]}"
    named = "" if channel == STABLE else f" {channel}"
    return ToolUnavailable(
        f"there is no Rust{named} for {wanted} on this host",
        why="\n".join(reasons) or "neither rustup's toolchains nor a rustc on PATH",
        hint=", or ".join(commands),
    )


# --- finding toolchains ------------------------------------------------------------------------


def _toolchains(channel: str, host: str, environment: Mapping[str, str]) -> Iterator[HostRust]:
    """Yield rustup's toolchains of a channel, then the rustc on PATH, which has no channel."""
    home = Path(environment.get("RUSTUP_HOME") or Path(environment.get("HOME", "/")) / ".rustup")
    for name in dict.fromkeys(_names(channel, home, environment)):
        for folder in dict.fromkeys((name, f"{name}-{host}")):
            if _is_toolchain(home / "toolchains" / folder):
                yield HostRust(f"rustup's {folder}", home / "toolchains" / folder)
    system = _on_path(environment)
    if system is not None and is_stable(channel):
        yield system


def _names(channel: str, home: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the toolchains that rustup would choose; without a named channel the user's default if stable."""
    if channel == STABLE:
        chosen = (environment.get("RUSTUP_TOOLCHAIN", ""), _default(home))
        yield from (name for name in chosen if is_stable(name))
    yield channel
    if is_stable(channel):
        yield STABLE


def _default(home: Path) -> str:
    try:
        settings = table_of((home / "settings.toml").read_bytes())
    except OSError:
        return ""
    return str(settings.get("default_toolchain", ""))


def _on_path(environment: Mapping[str, str]) -> HostRust | None:
    """Return the system's own Rust, or None; rustup's proxies don't count: they choose by the directory."""
    found = shutil.which("rustc", path=environment.get("PATH", ""))
    if found is None:
        return None
    program = Path(found).resolve()
    sysroot = program.parent.parent
    if program.name == "rustup" or not _is_toolchain(sysroot):
        return None
    return HostRust(f"{found} of this host", sysroot)


def _is_toolchain(sysroot: Path) -> bool:
    return all(os.access(sysroot / "bin" / name, os.X_OK) for name in _PROGRAMS)


def _std(sysroot: Path, triple: str) -> list[Path]:
    """Return the files of a machine's standard library; none if it is incomplete."""
    folder = sysroot / "lib" / "rustlib" / triple / "lib"
    files = sorted(path for path in folder.glob("*") if path.is_file())
    return files if any(path.name.startswith("libcore-") for path in files) else []


def _compiler_libraries(sysroot: Path) -> Iterator[Path]:
    for folder in (sysroot / "lib", *(sysroot / "lib").glob("*-linux-gnu")):
        yield from folder.glob("librustc_driver-*.so")
        yield from folder.glob("libLLVM*.so*")
