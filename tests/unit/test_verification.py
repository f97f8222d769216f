"""What was built against what it promises: names, tags, machines, libraries."""

import shutil
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from mpforge.artifacts.binary_format import Promise
from mpforge.artifacts.elf import ElfFacts
from mpforge.artifacts.proof import (
    format_of,
    inspected,
    machine_reasons,
    reasons_of,
    serves,
    tag_reasons,
)
from mpforge.artifacts.wheels import wheel_name
from mpforge.platforms import glibc_platforms, well_known
from mpforge.platforms.policies import platform_tag, system_policy

ARM = well_known()["aarch64"]
POLICY = "manylinux_2_17"


# --- names ------------------------------------------------------------------------------------


def test_a_wheel_s_name_is_taken_apart_and_compressed_tags_are_told_one_by_one() -> None:
    name = wheel_name(
        "Some_Package-1.0-1-cp39.cp310-abi3-manylinux_2_17_aarch64.manylinux2014_aarch64.whl"
    )
    assert (name.name, name.version) == ("some-package", "1.0")
    assert name.pythons == ("cp310", "cp39")
    assert name.abis == ("abi3",)
    assert name.platforms == ("manylinux2014_aarch64", "manylinux_2_17_aarch64")
    assert not name.pure
    assert wheel_name("p-1-py2.py3-none-any.whl").pure


@pytest.mark.parametrize(
    ("tags", "served"),
    [
        ("cp311-cp311-manylinux_2_17_aarch64", ["cp311"]),
        ("cp39-abi3-manylinux_2_17_aarch64", ["cp39", "cp311", "cp313", "cp315"]),
        ("cp311-abi3-manylinux_2_17_aarch64", ["cp311", "cp313", "cp315"]),
        ("cp313-abi3-manylinux_2_17_aarch64", ["cp313", "cp315"]),
        ("cp39-cp39-manylinux_2_17_aarch64", ["cp39"]),
        ("py3-none-any", ["cp39", "cp311", "cp313", "cp313t", "pp311", "cp315", "cp315t"]),
        ("py2.py3-none-any", ["cp39", "cp311", "cp313", "cp313t", "pp311", "cp315", "cp315t"]),
        ("py311-none-any", ["cp311", "cp313", "cp313t", "pp311", "cp315", "cp315t"]),
        (
            "py3-none-manylinux_2_17_aarch64",
            ["cp39", "cp311", "cp313", "cp313t", "pp311", "cp315", "cp315t"],
        ),
        ("py2-none-any", []),
        ("pp311-pypy311_pp73-manylinux_2_17_aarch64", ["pp311"]),
        ("cp313-cp313-manylinux_2_17_aarch64", ["cp313"]),
        ("cp313-cp313t-manylinux_2_17_aarch64", ["cp313t"]),
        ("cp313-none-manylinux_2_17_aarch64", ["cp313", "cp313t"]),
        ("cp315-abi3t-manylinux_2_17_aarch64", ["cp315t"]),
        ("cp315-abi3.abi3t-manylinux_2_17_aarch64", ["cp315", "cp315t"]),
    ],
)
def test_a_wheel_serves_the_pythons_that_pip_would_install_it_on(
    tags: str, served: list[str]
) -> None:
    pythons = ["cp39", "cp311", "cp313", "cp313t", "pp311", "cp315", "cp315t"]
    assert [python for python in pythons if serves(f"p-1-{tags}.whl", python)] == served


# --- tags -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tags",
    [
        "cp311-cp311-manylinux_2_17_aarch64",
        "cp311-cp311-manylinux2014_aarch64",
        "cp311-cp311-manylinux_2_5_aarch64.manylinux_2_17_aarch64",
        "cp39-abi3-manylinux_2_17_aarch64",
        "py3-none-any",
    ],
)
def test_a_tag_within_the_policy_for_the_machine_is_fine(tags: str) -> None:
    assert list(tag_reasons(f"p-1-{tags}.whl", ARM, POLICY, "cp311")) == []


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ("cp313-cp313-manylinux_2_17_aarch64", "can't be installed on cp311"),
        ("cp311-cp311-manylinux_2_17_x86_64", "is not for aarch64"),
        ("cp311-cp311-win_arm64", "is not for aarch64"),
        ("cp311-cp311-linux_aarch64", "not a manylinux tag"),
        ("cp311-cp311-manylinux_2_28_aarch64", "above the policy manylinux_2_17"),
        ("cp311-cp311-musllinux_1_2_aarch64", "another C library"),
        ("cp311-cp311-manylinux_2_17_aarch64.manylinux_2_17_x86_64", "is not for aarch64"),
    ],
)
def test_a_tag_that_promises_something_else_is_told(tags: str, reason: str) -> None:
    (told,) = tag_reasons(f"p-1-{tags}.whl", ARM, POLICY, "cp311")
    assert reason in told


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        ("musllinux_1_1_aarch64", None),
        ("musllinux_1_2_aarch64", None),
        ("musllinux_1_3_aarch64", "above the policy musllinux_1_2"),
        ("linux_aarch64", "not a musllinux tag"),
        ("manylinux_2_17_aarch64", "another C library"),
    ],
)
def test_a_musl_target_s_tag_is_one_of_musl_s_policies(tag: str, reason: str | None) -> None:
    musl = well_known()["aarch64_musl"]
    told = list(tag_reasons(f"p-1-cp311-cp311-{tag}.whl", musl, "musllinux_1_2", "cp311"))
    assert told == [] if reason is None else reason in told[0]


# --- machines ---------------------------------------------------------------------------------

GOOD = ElfFacts("EM_AARCH64", 64, little=True)


@pytest.mark.parametrize("platform", sorted(p.name for p in glibc_platforms()))
def test_a_file_of_the_platform_s_own_machine_is_fine(platform: str) -> None:
    target = well_known()[platform]
    facts = ElfFacts(target.elf_machine, target.bits, target.endian == "little")
    assert list(machine_reasons(facts, target)) == []


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (replace(GOOD, machine="EM_X86_64"), "is for EM_X86_64, not EM_AARCH64"),
        (replace(GOOD, bits=32), "is 32-bit, not 64-bit"),
        (replace(GOOD, little=False), "has the wrong byte order for aarch64"),
    ],
)
def test_a_file_of_another_machine_is_told(facts: ElfFacts, reason: str) -> None:
    assert list(machine_reasons(facts, ARM)) == [reason]


def _elf(machine: int) -> bytes:
    """The smallest ELF file: a header, no sections (gABI, chapter 4)."""
    identification = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    return identification + struct.pack(
        "<HHIQQQIHHHHHH", 3, machine, 1, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0
    )


def test_every_compiled_file_of_a_result_is_looked_at_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "p/deep").mkdir(parents=True)
    (tmp_path / "p/deep/good.so").write_bytes(_elf(183))
    (tmp_path / "p/data.bin").write_bytes(_elf(62))
    (tmp_path / "p/__init__.py").write_text("")
    (tmp_path / "p/short").write_bytes(b"\x7fE")
    assert format_of(ARM)(tmp_path, Promise(ARM, POLICY))[1] == [
        "p/data.bin: is for EM_X86_64, not EM_AARCH64"
    ]


def test_this_very_interpreter_s_needs_are_read_and_compared(tmp_path: Path) -> None:
    program = shutil.which("true")
    if program is None or Path(program).read_bytes()[:4] != b"\x7fELF":
        pytest.skip("no ELF program on this host")
    shutil.copy(program, tmp_path / "program")
    told = list(reasons_of(inspected(tmp_path)[0], Promise(ARM, "manylinux_1_0"), ()))
    assert any("libc.so.6, which the policy does not allow" in line for line in told)
    assert any("needs GLIBC_2." in line for line in told)
    (tmp_path / "libc.so.6").write_bytes(_elf(183))
    again = list(reasons_of(inspected(tmp_path)[0], Promise(ARM, "manylinux_1_0"), ()))
    assert not any("libc.so.6, which" in line for line in again)


def test_a_policy_allows_libc_and_no_library_of_its_own() -> None:
    for platform in ("aarch64", "x86_64"):
        allowed = system_policy(POLICY, well_known()[platform]).libraries
        assert "libc.so.6" in allowed
        assert "libssl.so.3" not in allowed


def test_a_policy_s_tag_has_the_name_that_older_installers_know() -> None:
    assert platform_tag("manylinux_2_17", ARM) == "manylinux2014_aarch64.manylinux_2_17_aarch64"
    assert platform_tag("manylinux_2_28", ARM) == "manylinux_2_28_aarch64"
    assert platform_tag("musllinux_1_2", ARM) == "musllinux_1_2_aarch64"
