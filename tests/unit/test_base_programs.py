"""The pinned base programs: their packages, the root made of them, their part in keys and steps' roots."""

import os
import stat
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpforge.errors import HostCannot, PinMissing, ToolUnavailable
from mpforge.obtain import base_programs
from mpforge.obtain.base_programs import Base
from mpforge.obtain.distro import apt
from mpforge.obtain.step_programs import Programs
from mpforge.places import isolation, root_contents
from mpforge.places.isolation import Isolation
from mpforge.places.sandbox import Sandbox
from mpforge.plan.pins import DistroPackage, DistroPin, DistroRequest, Lock
from mpforge.plan.steps import HostTool, OutputOf, RepairWheel, Step, Tools
from mpforge.store import tool_manifests
from mpforge.store.tool_store import ToolStore

STEP = Step("x", "x", RepairWheel(OutputOf("wheel"), "x86_64", "cp311", "manylinux_2_17"))


def pin(request: DistroRequest, version: str = "1") -> DistroPin:
    packages = (DistroPackage(name, version, f"{name}-{version}", 10) for name in request.names)
    return DistroPin(request, tuple(packages))


def lock(*requests: DistroRequest, version: str = "1") -> Lock:
    return Lock(distribution=tuple(pin(request, version) for request in requests))


def base_of(held: Lock, store: Path) -> Base:
    def refuse(request: DistroRequest) -> DistroPin:
        raise PinMissing(f"no pin for {request.suite}")

    pins = cast("Any", SimpleNamespace(lock=held, distribution=refuse))
    return Base(pins, ToolStore(store), store, lambda _: nullcontext())


def programs(base: Base) -> Programs:
    tools = SimpleNamespace(base=base, pins=SimpleNamespace(environment=None))
    return Programs(cast("Any", tools))


@pytest.fixture
def unpacked(tmp_path: Path) -> Callable[[int], Path]:
    """A function that lays out what a few packages unpack to, by a caller with this umask."""

    def lay_out(umask: int) -> Path:
        root = tmp_path / f"{umask:o}" / tool_manifests.TREE
        former = os.umask(umask)
        try:
            for name in ("bin/dash", "usr/bin/mawk", "usr/bin/perl"):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text("#!", encoding="utf-8")
                (root / name).chmod(0o777 & ~umask)
            for name in ("lib64/ld.so", "etc/shadow", "etc/os-release", "var/log/x"):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text("", encoding="utf-8")
            for name in ("doc/dash/copyright", "locale/de/x.mo", "misc/magic"):
                (root / "usr" / "share" / name).parent.mkdir(parents=True, exist_ok=True)
                (root / "usr" / "share" / name).write_text("", encoding="utf-8")
            (root / "usr/bin/perl").chmod(0o4755)
            (root / "usr/bin/sized").symlink_to("/usr/bin/perl")
        finally:
            os.umask(former)
        base_programs.tidy(root)
        return root

    return lay_out


def test_unpacked_packages_become_a_root_of_programs_alone(
    unpacked: Callable[[int], Path],
) -> None:
    root = unpacked(0o022)
    found = {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}
    assert found >= {"usr/bin/awk", "usr/bin/sh", "usr/bin/dash", "usr/share/misc/magic"}
    assert not any("doc" in name or "locale" in name or "shadow" in name for name in found)
    assert (root / "usr/share/ca-certificates").is_dir()
    assert not (root / "var").exists()
    assert os.readlink(root / "bin") == "usr/bin"
    assert os.readlink(root / "lib64") == "usr/lib64"
    assert os.readlink(root / "usr/bin/sized") == "perl"
    assert (root / "bin/awk").resolve() == root / "usr/bin/mawk"
    assert stat.S_IMODE((root / "usr/bin/perl").stat().st_mode) == 0o755


def test_a_root_is_the_same_whoever_unpacks_it(unpacked: Callable[[int], Path]) -> None:
    digests = {tool_manifests.seal(unpacked(umask).parent)["tree"] for umask in (0o022, 0o077)}
    assert len(digests) == 1


def test_every_debian_has_the_base_of_one_release_and_ubuntu_its_own() -> None:
    suites = {
        request.suite
        for host in (("debian", "bookworm"), ("debian", "trixie"))
        for request in base_programs.requests("amd64", host)
    }
    assert suites == {"bookworm"}
    assert {r.suite for r in base_programs.requests("amd64", ("ubuntu", "noble"))} == {"noble"}


def test_a_host_without_apt_is_told_where_to_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "host_distribution", lambda: None)
    with pytest.raises(ToolUnavailable) as caught:
        base_programs.requests("amd64")
    assert "mpforge lock" in (caught.value.hint or "")


def test_the_locks_base_serves_on_any_distribution() -> None:
    ubuntu = base_programs.requests("amd64", ("ubuntu", "noble"))
    held = lock(*ubuntu, *base_programs.requests("arm64", ("debian", "bookworm")))
    assert [pin.request for pin in base_programs.pinned(held, "amd64")] == [*ubuntu]
    assert base_programs.pinned(held, "riscv64") == ()
    assert base_programs.pinned(lock(ubuntu[0]), "amd64") == ()


def test_a_key_has_one_digest_in_place_of_the_hosts_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "", "6", "", "x86_64")))
    requests = base_programs.requests("amd64", ("debian", "bookworm"))

    def parts(held: Lock) -> dict[str, str]:
        return programs(base_of(held, tmp_path)).parts(STEP)

    known = parts(lock(*requests))
    assert [*known] == ["base-programs"]
    assert parts(lock(*reversed(requests))) == known
    assert parts(lock(*requests, version="2")) != known
    monkeypatch.setattr(apt, "host_distribution", lambda: ("debian", "trixie"))
    with pytest.raises(PinMissing):
        parts(Lock())


def test_a_declared_tool_must_be_in_the_base(
    tmp_path: Path, unpacked: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = base_of(Lock(), tmp_path)
    monkeypatch.setattr(Base, "root", unpacked(0o022))

    def folders(name: str) -> tuple[str, ...]:
        step = replace(STEP, tools=Tools(host=(HostTool(name),)))
        return programs(base).folders(step, git=True)

    assert folders("perl") == ("/usr/bin",)
    with pytest.raises(ToolUnavailable, match="no nasm among the pinned base programs"):
        folders("nasm")


def test_a_steps_root_shows_the_base_in_place_of_the_hosts_files(
    tmp_path: Path, unpacked: Callable[[int], Path]
) -> None:
    root = unpacked(0o022)
    words = root_contents.base_system(root)
    shown = {words[i + 2]: words[i + 1] for i in range(0, len(words), 3)}
    assert shown["/usr"] == str(root / "usr")
    assert shown["/bin"] == "usr/bin"
    assert shown["/etc/os-release"] == str(root / "etc/os-release")
    assert "/etc/alternatives" not in shown
    assert root_contents.bind_mounts([Path("/usr/bin/env"), tmp_path], root) == (
        "ro",
        str(tmp_path),
        str(tmp_path),
    )
    place = Sandbox(Isolation("whole", "unpr"), root=tmp_path, base=root)
    assert place.which("awk", f"{tmp_path}/none:/usr/bin") == "/usr/bin/awk"
    assert place.which("gcc", "/usr/bin") is None


def test_a_host_that_refuses_roots_is_told_what_allows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Isolation("network", "n", "unshare: Operation not permitted", "sysctl -w x=1")
    monkeypatch.setattr(isolation, "isolation", lambda: refused)
    with pytest.raises(HostCannot) as caught:
        isolation.require_root("pinned", 'set base-programs = "host"')
    assert caught.value.why == refused.why
    assert caught.value.hint == 'sysctl -w x=1; or set base-programs = "host"'
