"""What an illegal instruction is called, by its first bytes."""

import pytest

from mpforge.diagnostics import instructions


@pytest.mark.parametrize(
    ("word", "name"),
    [
        (0xF8280008, "ldadd needs lse"),  # ldadd x8, x8, [x0]
        (0xB8E18000, "swp needs lse"),  # swpal w1, w0, [x0]
        (0x88E17C02, "cas needs lse"),  # casal? w1, w2, [x0]
        (0x48207C82, "casp needs lse"),  # casp x0, x1, x2, x3, [x4]
        (0x4E829420, "sdot needs dotprod"),  # sdot v0.4s, v1.16b, v2.16b
        (0x04A00000, "SVE needs sve"),  # add z0.s, z0.s, z0.s
        (0xD503201F, None),  # nop
        (0x8B010000, None),  # add x0, x0, x1
        (0xC85F7C00, None),  # ldxr x0, [x0]
        (0xF8400400, None),  # ldr x0, [x0], #0
    ],
)
def test_an_arm_instruction_is_named_by_its_extension(word: int, name: str | None) -> None:
    found = instructions.describe("EM_AARCH64", word.to_bytes(4, "little"))
    assert found is not None
    assert (found.name is None) if name is None else (name in (found.name or ""))
    assert found.digits == f"{word:08x}"
    assert not found.trap


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("c4e1f96ec0", "AVX2"),
        ("c5f877", "AVX2"),
        ("62f1fd48d4c0", "AVX-512"),
        ("660f3800c0", "x86-64-v2"),
        ("66410f38dcc0", "x86-64-v2"),
        ("f3480fb8c0", "popcnt"),
        ("90", None),
        ("66", None),
    ],
)
def test_an_x86_instruction_is_named_by_its_encoding(code: str, name: str | None) -> None:
    found = instructions.describe("EM_X86_64", bytes.fromhex(code))
    assert found is not None
    assert (found.name is None) if name is None else (name in (found.name or ""))
    assert not found.trap


def test_a_trap_is_told_from_an_instruction_of_another_cpu() -> None:
    for machine, code in (("EM_X86_64", "0f0b"), ("EM_AARCH64", "01000000")):
        found = instructions.describe(machine, bytes.fromhex(code))
        assert found is not None
        assert found.trap
    vector = instructions.describe("EM_S390", bytes.fromhex("e70020000006 07fe"))
    assert str(vector) == "e7 00 20 00 00 06, vl needs z13"
    assert instructions.describe("EM_ARM", bytes.fromhex("90fbf1f0")) is None
    assert instructions.describe("EM_AARCH64", b"\0") is None
