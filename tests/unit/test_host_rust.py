"""Which Rust toolchain of a host serves a project, and what is said where none does."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpforge.errors import IndexUnreachable, ToolUnavailable, render
from mpforge.obtain.rust import distribution_rust, host_rust, rust_toolchain
from mpforge.obtain.rust.host_rust import HostRust
from mpforge.plan.pins import DistroPackage, DistroPin, DistroRequest, Lock
from mpforge.platforms import well_known
from mpforge.store.file_digests import FileDigests
from mpforge.store.tool_store import ToolStore

X86, ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"


def make_toolchain(sysroot: Path, *triples: str) -> Path:
    (sysroot / "bin").mkdir(parents=True)
    for name in ("cargo", "rustc"):
        (sysroot / "bin" / name).write_text("#!/bin/sh\n")
        (sysroot / "bin" / name).chmod(0o755)
    for triple in triples:
        library = sysroot / "lib" / "rustlib" / triple / "lib"
        library.mkdir(parents=True)
        (library / "libcore-1.rlib").write_text(triple)
    return sysroot


def rustup(home: Path, name: str, *triples: str) -> dict[str, str]:
    """An environment with a rustup that has this toolchain."""
    make_toolchain(home / "toolchains" / f"{name}-{X86}", *triples)
    return {"RUSTUP_HOME": str(home), "PATH": ""}


def test_a_rustup_toolchain_with_the_target_serves(tmp_path: Path) -> None:
    found = host_rust.find("stable", [X86, ARM], rustup(tmp_path, "stable", X86, ARM))
    assert isinstance(found, HostRust)
    assert found.sysroot == tmp_path / "toolchains" / f"stable-{X86}"


def test_one_without_the_target_does_not_and_the_remedy_is_rustup_s(tmp_path: Path) -> None:
    reasons = host_rust.find("stable", [X86, ARM], rustup(tmp_path, "stable", X86))
    assert isinstance(reasons, tuple)
    error = host_rust.missing(
        "stable", [X86, ARM], reasons, ["rustc-web", "libstd-rust-web-dev:arm64"]
    )
    assert error.exit_code == 4
    assert f"rustup target add {ARM}" in render(error)
    assert "apt-get install rustc-web libstd-rust-web-dev:arm64" in render(error)
    assert f"stable-{X86} lacks the target {ARM}" in render(error)


def test_the_channel_that_a_project_asks_for_is_taken_before_stable(tmp_path: Path) -> None:
    rustup(tmp_path, "stable", X86)
    environment = rustup(tmp_path, "1.85.0", X86)
    found = host_rust.find("1.85.0", [X86], environment)
    assert isinstance(found, HostRust)
    assert "1.85.0" in found.name


def test_stable_stands_for_a_version_that_is_not_here_but_not_for_nightly(tmp_path: Path) -> None:
    environment = rustup(tmp_path, "stable", X86)
    assert isinstance(host_rust.find("1.70", [X86], environment), HostRust)
    reasons = host_rust.find("nightly-2026-01-01", [X86], environment)
    assert reasons == ()
    error = host_rust.missing("nightly-2026-01-01", [X86], reasons, ())
    assert f"rustup toolchain install nightly-2026-01-01 --target {X86}" in render(error)


def test_the_system_s_rustc_serves_where_there_is_no_rustup(tmp_path: Path) -> None:
    system = make_toolchain(tmp_path / "usr", X86)
    environment = {"RUSTUP_HOME": str(tmp_path / "none"), "PATH": str(system / "bin")}
    found = host_rust.find("stable", [X86], environment)
    assert isinstance(found, HostRust)
    assert found.sysroot == system


def test_a_toolchain_is_known_by_its_files_and_not_by_its_name(tmp_path: Path) -> None:
    digests = FileDigests(tmp_path / "digests.json")
    one = HostRust("one", make_toolchain(tmp_path / "one", X86))
    other = HostRust("other", make_toolchain(tmp_path / "other", X86))
    assert one.parts([X86], digests) == other.parts([X86], digests)
    (other.sysroot / "lib" / "rustlib" / X86 / "lib" / "libcore-1.rlib").write_text("changed")
    assert one.parts([X86], digests) != other.parts([X86], digests)


@pytest.mark.parametrize(
    ("text", "channel"),
    [
        (None, "stable"),
        ('[toolchain]\nchannel = "1.85"\n', "1.85"),
        ('[toolchain]\ncomponents = ["clippy"]\n', "stable"),
        ("nightly-2026-01-01\n", "nightly-2026-01-01"),
        ('[toolchain]\npath = "/somewhere"\n', "stable"),
    ],
)
def test_the_channel_is_what_rust_toolchain_toml_says(text: str | None, channel: str) -> None:
    assert host_rust.channel_of(text) == channel


def test_debian_s_own_suite_is_asked_first_for_the_newest_compiler_and_the_target_s_library() -> (
    None
):
    first, newer, *_ = distribution_rust.requests(
        well_known()["x86_64"], well_known()["aarch64"], ("debian", "bookworm")
    )
    names = ("cargo-web", "libstd-rust-web-dev", "rustc-web")
    assert first == (
        DistroRequest("debian", "bookworm-security", "amd64", names, libraries=True),
        DistroRequest("debian", "bookworm-security", "arm64", ("libstd-rust-web-dev",)),
    )
    assert distribution_rust.names_of(first) == (*names, "libstd-rust-web-dev:arm64")
    assert [one.suite for one in newer] == ["trixie", "trixie"]


def test_programs_of_another_suite_than_the_host_s_come_with_their_c_library() -> None:
    host = well_known()["x86_64"]
    offers = distribution_rust.requests(host, host, ("debian", "trixie"))
    assert [len(offer) for offer in offers] == [1] * len(offers), "the host's packages alone"
    assert {o.suite for (o,) in offers if "libc6" in o.names} == {"sid"}


def test_the_library_of_a_musl_target_is_compiled_from_debian_s_source_if_rustup_lacks_it(
    tmp_path: Path,
) -> None:
    host, target = well_known()["x86_64"], well_known()["aarch64_musl"]
    first, *_ = offers = distribution_rust.requests(host, target, ("debian", "bookworm"))
    own = DistroRequest("debian", "bookworm-security", "amd64", ("rust-web-src",))
    assert first[1] == own
    assert all(offer[1].names == own.names for offer in offers), "the plain source lacks crates"
    assert distribution_rust.requests(host, target, ("ubuntu", "noble")) == ()
    pins = [
        DistroPin(one, (DistroPackage(name, "1.96.0+dfsg1-1~deb12u2", "0" * 64, 1),))
        for one, name in zip(first, ("libstd-rust-web-dev", "rust-web-src"), strict=True)
    ]
    assert distribution_rust.agree(pins)
    assert "rust.library" in distribution_rust.parts(pins)
    store = ToolStore(tmp_path)
    assert not distribution_rust.is_kept(pins, target, store)
    error = host_rust.missing("stable", [host.rust_triple, target.rust_triple], ["…"], ())
    assert error.hint == "rustup target add aarch64-unknown-linux-musl"


def offered(
    versions: Mapping[tuple[str, str], str],
    silent: str = "",
    warn: Callable[[str], None] = lambda _: None,
) -> tuple[str, str]:
    """The chosen suite and version, of an archive's versions by suite and architecture.

    The ``silent`` suite does not answer.
    """

    def answer(request: DistroRequest) -> DistroPin:
        if request.suite == silent:
            raise IndexUnreachable(f"{silent} did not answer")
        version = versions.get((request.suite, request.architecture))
        if version is None:
            raise ToolUnavailable("no such package")
        std = next(name for name in request.names if name.startswith("libstd"))
        return DistroPin(request, (DistroPackage(std, version, "0" * 64, 1),))

    def together(
        requests: tuple[DistroRequest, ...], check: Callable[[object], None]
    ) -> tuple[DistroPin, ...]:
        pins = tuple(map(answer, requests))
        check(pins)
        return pins

    pins = SimpleNamespace(lock=Lock(), distributions=together)
    offers = distribution_rust.requests(
        well_known()["x86_64"], well_known()["s390x"], ("debian", "bookworm")
    )
    chosen = rust_toolchain.chosen_packages(cast("Any", pins), offers, warn)
    assert chosen is not None
    return chosen[0].request.suite, chosen[0].packages[0].version


def test_a_suite_serves_if_it_has_compiler_and_library_of_one_version() -> None:
    """bookworm's security updates lack s390x: its library is the older one of bookworm then."""
    archive = {
        ("bookworm-security", "amd64"): "1.96.0+dfsg1-1",
        ("bookworm-security", "s390x"): "1.85.0+dfsg3-1",
        ("bookworm", "amd64"): "1.85.0+dfsg3-1",
        ("bookworm", "s390x"): "1.85.0+dfsg3-1",
    }
    assert offered(archive) == ("bookworm", "1.85.0+dfsg3-1")
    archive |= {("trixie", "amd64"): "1.96.0+dfsg1-1+b1", ("trixie", "s390x"): "1.96.0+dfsg1-1"}
    assert offered(archive) == ("trixie", "1.96.0+dfsg1-1+b1")


def test_a_part_of_the_archive_that_does_not_answer_is_left_out_with_a_warning() -> None:
    archive = dict.fromkeys([("trixie", "amd64"), ("trixie", "s390x")], "1.96.0+dfsg1-1")
    warnings: list[str] = []
    assert offered(archive, "bookworm-security", warnings.append)[0] == "trixie"
    assert warnings == ["bookworm-security did not answer; Rust is pinned from trixie instead"]
    with pytest.raises(IndexUnreachable):
        offered({}, "bookworm-security")


# --- what will be downloaded ------------------------------------------------------------------


def told(tmp_path: Path, lock: Lock) -> tuple[DistroPin, ...] | None:
    """What is to be fetched for aarch64 with an empty tool store."""
    tools = SimpleNamespace(
        store=ToolStore(tmp_path / "tools"),
        pins=SimpleNamespace(lock=lock),
        cache=tmp_path,
        release=None,
    )
    found = rust_toolchain.Rust(cast("Any", tools), lambda _place: {})
    return found.to_fetch("stable", "aarch64")


def test_packages_that_are_not_there_are_to_be_fetched_as_far_as_the_lock_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSTUP_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", "/usr/bin")
    asked = rust_toolchain.offers("stable", "aarch64")
    if not asked:
        pytest.skip("this host has no distribution with Rust")
    pins = tuple(
        DistroPin(one, (DistroPackage(name, "1", "0" * 64, 1000),))
        for one in asked[-1]
        for name in one.names
        if name.startswith("libstd")
    )
    assert told(tmp_path, Lock()) is None
    assert told(tmp_path, Lock(distribution=pins)) == pins


def test_nothing_is_to_be_fetched_where_the_host_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in rustup(tmp_path, "stable", X86, ARM).items():
        monkeypatch.setenv(name, value)
    assert told(tmp_path, Lock()) == ()
