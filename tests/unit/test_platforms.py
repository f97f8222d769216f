"""What platforms are called: target names, others' names for them, policies."""

import ast
import re
from pathlib import Path

import pytest
from elftools.elf.enums import ENUM_E_MACHINE

from mpforge import platforms
from mpforge.platforms import GLIBC, by_machine, foreign_names, policy_version, well_known
from mpforge.platforms.cpus import (
    baseline,
    cpus_of,
    features_of,
    known_cpus,
    lacking_features,
    near_names,
)

LINUX = ["aarch64", "armv7l", "x86_64", "i686", "s390x", "ppc64le", "riscv64", "loongarch64"]
OTHERS = ["windows_x86_64", "windows_arm64", "macos_arm64", "macos_x86_64"]


def test_the_well_known_targets_are_those_of_the_contract() -> None:
    assert set(well_known()) == {*LINUX, *(f"{name}_musl" for name in LINUX), *OTHERS}


@pytest.mark.parametrize("name", sorted(well_known()))
def test_a_target_name_is_safe_in_a_session_name(name: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert well_known()[name].name == name


@pytest.mark.parametrize(
    ("foreign", "name"),
    [
        ("amd64", "x86_64"),
        ("linux/amd64", "x86_64"),
        ("x86_64-linux-gnu", "x86_64"),
        ("linux/arm64", "aarch64"),
        ("aarch64-unknown-linux-gnu", "aarch64"),
        ("armhf", "armv7l"),
        ("linux/arm/v7", "armv7l"),
        ("i386", "i686"),
        ("ppc64el", "ppc64le"),
        ("win_amd64", "windows_x86_64"),
        ("apple-silicon", "macos_arm64"),
    ],
)
def test_names_used_elsewhere_lead_to_a_target(foreign: str, name: str) -> None:
    assert foreign_names()[foreign] == name


def test_no_foreign_name_is_a_target_name_and_all_lead_to_one() -> None:
    assert not set(foreign_names()) & set(well_known())
    assert set(foreign_names().values()) <= set(well_known())


@pytest.mark.parametrize(
    ("machine", "name"), [("x86_64", "x86_64"), ("arm64", "aarch64"), ("armv7l", "armv7l")]
)
def test_a_machine_is_found_by_what_uname_says(machine: str, name: str) -> None:
    platform = by_machine(machine)
    assert platform is not None
    assert platform.name == name


def test_an_unknown_machine_is_no_platform() -> None:
    assert by_machine("vax") is None


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("x86_64", "manylinux_2_17"),
        ("aarch64", "manylinux_2_17"),
        ("armv7l", "manylinux_2_31"),
        ("ppc64le", "manylinux_2_28"),
        ("riscv64", "manylinux_2_31"),
        ("loongarch64", "manylinux_2_36"),
        ("aarch64_musl", "musllinux_1_2"),
        ("riscv64_musl", "musllinux_1_2"),
    ],
)
def test_the_default_policy_is_what_zig_builds_and_installers_accept(
    name: str, policy: str
) -> None:
    assert well_known()[name].default_policy == policy


def test_a_linux_target_has_policies_of_its_own_libc_from_old_to_new() -> None:
    for platform in well_known().values():
        if platform.os == "linux":
            assert platform.libc is not None
            versions = [policy_version(policy) for policy in platform.policies]
            assert all(policy.startswith(platform.libc.policy) for policy in platform.policies)
            assert versions, platform.name
            assert versions == sorted(set(versions))


@pytest.mark.parametrize(
    ("policy", "version"),
    [
        ("manylinux1", (2, 5)),
        ("manylinux2010", (2, 12)),
        ("manylinux2014", (2, 17)),
        ("manylinux_2_28", (2, 28)),
        ("musllinux_1_2", (1, 2)),
    ],
)
def test_a_policy_names_its_libc_version(policy: str, version: tuple[int, int]) -> None:
    assert policy_version(policy) == version


@pytest.mark.parametrize(
    "word", ["", "manylinux", "manylinux_2", "linux_2_17", "manylinux_2_17_x86_64"]
)
def test_what_is_no_policy_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="not a platform policy"):
        policy_version(word)


def test_aarch64_is_named_as_each_tool_names_it() -> None:
    platform = well_known()["aarch64"]
    assert platform.docker_platform == "linux/arm64"
    assert platform.machine == "aarch64"
    assert platform.gnu_triple == "aarch64-linux-gnu"
    assert platform.zig_triple == "aarch64-linux-gnu"
    assert platform.rust_triple == "aarch64-unknown-linux-gnu"
    assert platform.debian_arch == "arm64"
    assert platform.qemu == "qemu-aarch64"
    assert platform.github_runner == "ubuntu-24.04-arm"
    assert (platform.endian, platform.bits, platform.libc) == ("little", 64, GLIBC)


def test_s390x_is_the_big_endian_one() -> None:
    big = {platform.name for platform in well_known().values() if platform.endian == "big"}
    assert big == {"s390x", "s390x_musl"}


def test_the_32_bit_targets_are_said_to_be() -> None:
    narrow = {platform.name for platform in well_known().values() if platform.bits == 32}
    assert narrow == {"armv7l", "armv7l_musl", "i686", "i686_musl"}


def test_no_triple_carries_a_libc_version() -> None:
    for platform in well_known().values():
        if platform.os == "linux":
            assert not re.search(r"\d\.\d", platform.zig_triple + platform.gnu_triple)


def test_every_linux_row_is_complete_and_true_to_the_elf_standard() -> None:
    for platform in well_known().values():
        if platform.os == "linux":
            assert ENUM_E_MACHINE[platform.elf_machine] == platform.elf_number
            assert platform.loader is not None
            assert platform.exit_42
            assert platform.qemu
            assert platform.debian_arch
            assert platform.max_align in (8, 16)
            assert platform.cpu_family
            assert policy_version(platform.oldest_policy) <= policy_version(platform.default_policy)


def test_no_module_outside_the_room_writes_a_machines_name() -> None:
    """cpu_probe runs in the target's interpreter, where mpforge is not; x86 is a family in QEMU's lists."""
    words = {*well_known(), *foreign_names()} - {"x86"}
    package = Path(platforms.__file__).parent.parent
    suspected = re.compile(f"""["'](?:{"|".join(map(re.escape, words))})["']""")  # quick to find
    found = [
        f"{path.relative_to(package)}: {node.value}"
        for path in sorted(package.rglob("*.py"))
        if path.name != "cpu_probe.py" and suspected.search(path.read_text())
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in words
    ]
    assert found == []


# --- CPUs ---------------------------------------------------------------------------------------


def test_every_linux_platform_has_an_oldest_cpu_among_those_of_its_machine() -> None:
    for platform in well_known().values():
        if platform.os == "linux":
            assert baseline(platform, platform.default_policy) in cpus_of(platform), platform.name


def test_a_cpu_has_the_extensions_of_those_that_it_is_above() -> None:
    cpus = known_cpus()
    assert {"SSE2", "SSE4_2", "AVX2"} <= cpus["x86-64-v3"].features
    assert "AVX" not in cpus["x86-64-v2"].features
    assert {"lse", "dotprod"} <= cpus["neoverse-n1"].features
    assert not {"neon", "idiv"} & cpus["armv7-a"].features


def test_linux_s_words_for_extensions_are_known() -> None:
    here = "processor\t: 0\nflags\t\t: fpu cx8 cmov fxsr mmx sse sse2 pni ssse3 cx16 sse4_1 sse4_2 popcnt\n"
    cpus = known_cpus()
    assert not lacking_features(cpus["x86-64-v2"], features_of(here))
    assert {"AVX2", "LZCNT"} <= lacking_features(cpus["x86-64-v3"], features_of(here))
    arm = "Features\t: fp asimd aes pmull crc32 atomics asimdrdm lrcpc dcpop asimddp fphp\n"
    assert not lacking_features(cpus["neoverse-n1"], features_of(arm))
    assert features_of("cpu\t: POWER9") == frozenset()


def test_a_cpu_s_name_is_found_by_one_like_it() -> None:
    assert near_names("x86_64_v3", well_known()["x86_64"])[0] == "x86-64-v3"
    assert near_names("Z13", well_known()["s390x"])[0] == "z13"
    assert near_names("haswell", well_known()["aarch64"]) == ()
