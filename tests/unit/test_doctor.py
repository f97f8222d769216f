"""What a host can do, told from facts: no host is asked here."""

from dataclasses import replace
from pathlib import Path

import pytest

from mpforge.cli.doctor import Section, _runs, _runtime, plain, sections
from mpforge.doctor import diagnosis, host_capabilities
from mpforge.doctor.container_runtime import ContainersFact, RunFact, RuntimeFact
from mpforge.doctor.diagnosis import (
    Diagnosis,
    HostPythonFact,
    IsolationFact,
    Program,
    StoreFact,
    TargetPythonFact,
    ZigFact,
)
from mpforge.doctor.host_capabilities import BuildAbility, ImageAbility, TargetAbility, TestAbility
from mpforge.obtain.emulators import Emulator
from mpforge.places.containers import root_probe
from mpforge.places.containers.runtime_probe import NATIVE
from mpforge.places.isolation import Isolation
from mpforge.plan.facts import HostFacts
from mpforge.plan.pins import DistroRequest, EnvironmentPin, EnvironmentRequest, Lock, Package
from mpforge.platforms import well_known
from mpforge.store.files import size_below

INTEL = HostFacts("x86_64", "Linux x86_64")
ARM = HostFacts("aarch64", "Linux aarch64")
MAC = HostFacts(None, "Darwin arm64")
PACKAGE = DistroRequest("debian", "bookworm", "amd64", ("qemu-user-static",))


def emulator(version: str) -> Emulator:
    return Emulator(Path("/usr/bin/qemu"), version, "0" * 64, "this host")


def test_the_hosts_own_platform_is_built_and_tested_natively() -> None:
    for host in (INTEL, ARM):
        platform = well_known()[host.platform or ""]
        assert host_capabilities.build_ability(platform, host).how == "native"
        assert host_capabilities.test_ability(platform, host, None, None).how == "native"


def test_the_other_platform_is_crossed() -> None:
    assert host_capabilities.build_ability(well_known()["aarch64"], INTEL).how == "cross"
    assert host_capabilities.build_ability(well_known()["x86_64"], ARM).how == "cross"


@pytest.mark.parametrize("name", ["windows_x86_64", "macos_arm64"])
def test_what_this_version_does_not_build_is_said_to_be_so(name: str) -> None:
    ability = host_capabilities.build_ability(well_known()[name], INTEL)
    assert ability == BuildAbility("no", "not available yet in this version of mpforge")


def test_a_mac_builds_nothing_and_is_told_what_would() -> None:
    ability = host_capabilities.build_ability(well_known()["aarch64"], MAC)
    assert ability.how == "no"
    assert "Linux machine" in (ability.remedy or "")
    assert host_capabilities.test_ability(well_known()["aarch64"], MAC, None, None).how == "no"


# --- containers -------------------------------------------------------------------------------

DOCKER = RuntimeFact(
    "Docker", "20.10", "unix:///s", "x86_64", rootless=False, here=True, bridged=True
)
RUNS = (
    RunFact("x86_64", "native"),
    RunFact("aarch64", "emulated", "7.2.22", "qemu-aarch64 version 7.2.22"),
)
INTEL_DOCKER = replace(INTEL, container_runtime=True)


def test_a_runtime_adds_what_it_runs_to_how_a_target_is_built() -> None:
    found = ContainersFact(DOCKER, RUNS)
    image = host_capabilities.image_ability(well_known()["aarch64"], INTEL_DOCKER, found)
    assert image == ImageAbility(("hybrid", "emulate"), "Docker runs it with QEMU 7.2.22")
    own = host_capabilities.image_ability(well_known()["x86_64"], INTEL_DOCKER, found)
    assert own == ImageAbility(("native",), "Docker runs it natively")


def test_a_compiler_of_this_host_is_of_no_use_to_a_runtime_of_another_machine() -> None:
    runs = (RunFact("x86_64", "emulated", "8.2"), RunFact("aarch64", "native"))
    found = ContainersFact(replace(DOCKER, platform="aarch64", here=False), runs)
    image = host_capabilities.image_ability(well_known()["aarch64"], INTEL_DOCKER, found)
    assert image.strategies == ("emulate",)
    assert "natively; not hybrid: the container runtime's machine is aarch64" in image.why


def test_without_a_runtime_or_an_emulator_images_are_of_no_use_and_the_remedy_is_told() -> None:
    aarch64 = well_known()["aarch64"]
    none = ContainersFact(why="no runtime", remedy="install one")
    assert host_capabilities.image_ability(aarch64, INTEL, none) == ImageAbility(
        (), "no runtime", "install one"
    )
    lacking = ContainersFact(DOCKER, (RunFact("aarch64", "no", None, "no handler", "register"),))
    assert host_capabilities.image_ability(aarch64, INTEL_DOCKER, lacking) == ImageAbility(
        (), "no handler", "register"
    )


def test_a_runtime_that_is_set_up_and_does_not_answer_keeps_images_from_the_sandbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(host_capabilities, "isolation", lambda: Isolation("whole", "r"))
    monkeypatch.setattr(root_probe, "ask", lambda *_: NATIVE)
    own, dead = well_known()["x86_64"], ContainersFact(why="it does not answer", remedy="start it")
    host = replace(INTEL, roots=True)
    assert host_capabilities.image_ability(own, host, dead).strategies == ("native",)
    image = host_capabilities.image_ability(own, replace(host, container_runtime=True), dead)
    assert image.strategies == ()
    assert image.why.startswith("it does not answer; in mpforge's sandbox, this host runs it")
    assert image.remedy == 'set runtime = "sandbox" in [build]'


def test_images_are_of_no_use_for_what_is_not_built_here_anyway() -> None:
    found = ContainersFact(DOCKER, (*RUNS, RunFact("windows_x86_64", "emulated", "7.2.22")))
    for platform, host in (
        ("windows_x86_64", INTEL_DOCKER),
        ("aarch64", replace(MAC, container_runtime=True)),
    ):
        assert host_capabilities.image_ability(well_known()[platform], host, found).strategies == ()


# --- tests ------------------------------------------------------------------------------------


def test_an_emulator_of_the_host_is_named_with_its_version_and_model() -> None:
    ability = host_capabilities.test_ability(
        well_known()["aarch64"], INTEL, emulator("7.2.22"), PACKAGE
    )
    assert (ability.how, ability.version, ability.cpu) == ("emulated", "7.2.22", "cortex-a53")
    assert ability.package is None


def test_without_an_emulator_the_distributions_package_is_named() -> None:
    ability = host_capabilities.test_ability(well_known()["aarch64"], INTEL, None, PACKAGE)
    assert (ability.how, ability.emulator) == ("emulated", None)
    assert ability.package == "qemu-user-static of debian bookworm"


def test_without_any_emulator_the_remedy_is_named() -> None:
    ability = host_capabilities.test_ability(well_known()["aarch64"], INTEL, None, None)
    assert ability.how == "no"
    assert "qemu-user-static" in (ability.remedy or "")


def test_windows_programs_have_no_emulator() -> None:
    ability = host_capabilities.test_ability(well_known()["windows_arm64"], INTEL, None, PACKAGE)
    assert ability.how == "no"
    assert "no user-mode emulator" in ability.why


def test_a_python_by_path_is_told_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    variable = "MPFORGE_TARGET_PYTHON_AARCH64_CP311"
    monkeypatch.setenv(variable, str(tmp_path))
    fact = diagnosis.target_python_fact(well_known()["aarch64"], "cp311", None)
    assert (fact.provider, fact.origin, fact.remedy) == ("path", f"{variable}={tmp_path}", None)
    monkeypatch.setenv(variable, str(tmp_path / "none"))
    fact = diagnosis.target_python_fact(well_known()["aarch64"], "cp311", None)
    assert variable in (fact.remedy or "")


def test_debian_has_a_target_python_of_two_versions() -> None:
    fact = diagnosis.target_python_fact(well_known()["aarch64"], "cp313", ("debian", "bookworm"))
    assert (fact.provider, fact.origin) == ("distribution", "debian trixie, arm64")


def test_without_apt_a_target_python_must_be_given() -> None:
    fact = diagnosis.target_python_fact(well_known()["aarch64"], "cp311", None)
    assert fact.provider is None
    assert str(fact.remedy).startswith("set MPFORGE_TARGET_PYTHON_AARCH64_CP311=ROOT")


def test_the_locks_zig_is_found() -> None:
    request = EnvironmentRequest("tool", "cp311", "x86_64", ("ziglang",))
    pin = EnvironmentPin(request, (Package("ziglang", "0.17.1", ("sha256:00",)),))
    assert diagnosis.pinned_zig(Lock(environments=(pin,))) == "0.17.1"
    assert diagnosis.pinned_zig(Lock()) is None


def test_the_stores_size_is_that_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(b"123")
    (tmp_path / "two").write_bytes(b"4567")
    assert size_below(tmp_path) == 7
    assert size_below(tmp_path / "none") == 0


def test_the_text_says_everything_that_is_missing() -> None:
    found = Diagnosis(
        version="1",
        system="Linux x86_64",
        platform="x86_64",
        distribution=None,
        targets=(
            TargetAbility(
                "aarch64",
                available=True,
                build=BuildAbility("cross", "zig"),
                images=ImageAbility((), "no runtime", "install one"),
                test=TestAbility("no", "no emulator", remedy="install qemu"),
            ),
            TargetAbility(
                "s390x",
                available=False,
                build=BuildAbility("no", "not available yet"),
                images=ImageAbility((), "not available yet"),
                test=TestAbility("emulated", "qemu-s390x 7"),
            ),
        ),
        host_pythons=(HostPythonFact("cp314", why="not found", remedy="uv python install 3.14"),),
        target_pythons=(TargetPythonFact("aarch64", "cp311", None, "no apt", "give one"),),
        programs=(Program("git", None, remedy="install it"),),
        zig=ZigFact(None, ()),
        store=StoreFact("/no", exists=False, writable=False, size=0, free=None, tools=()),
        isolation=IsolationFact(False, "EPERM", remedy="sysctl"),
        containers=ContainersFact(why="no runtime", remedy="install one"),
    )
    text = plain(tuple(sections(found)))
    for words in (
        "aarch64  build: cross           zig",
        "aarch64  build in an image: no  no runtime -> install one",
        "aarch64  test: no               no emulator -> install qemu",
        "s390x  emulated  qemu-s390x 7",
        "cp314  -  not found -> uv python install 3.14",
        "aarch64  cp311  no  no apt -> give one",
        "not here -> install it",
        "not writable: set MPFORGE_CACHE",
        "namespaces  not allowed: EPERM",
        "open: network isolation is unavailable on this host -> sysctl",
        "containers  none: no runtime -> install one",
    ):
        assert words in text


def test_columns_are_aligned_and_the_last_one_is_free() -> None:
    section = Section("T", (("a", "bb", "long text"), ("ccc", "d", "e")), ("note",))
    assert plain((section,)) == "T\n  a    bb  long text\n  ccc  d   e\n  note\n"


def test_the_runtime_is_told_in_one_line_and_what_it_runs_in_a_table() -> None:
    odd = replace(DOCKER, name="Podman", rootless=True, here=False, bridged=False)
    assert _runtime(ContainersFact(DOCKER, RUNS)) == "Docker 20.10 at unix:///s"
    assert _runtime(ContainersFact(odd, why="it starts nothing")) == (
        "Podman 20.10 at unix:///s; rootless; on another machine or in a virtual machine; "
        "no bridge network: a container with a network uses the host's; it starts nothing"
    )
    old = RunFact("loongarch64", "no", "7.2.22", "too old", "QEMU 10")
    assert plain((Section("T", tuple(_runs((*RUNS, old)))),)) == (
        "T\n"
        "  x86_64       native\n"
        "  aarch64      QEMU 7.2.22  qemu-aarch64 version 7.2.22\n"
        "  loongarch64  no           too old -> QEMU 10\n"
    )
