"""Instructions that the oldest CPU lacks: which files are refused for them, and which choose at run time."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from mpforge.artifacts.binary_format import Binary, Promise, Symbol
from mpforge.artifacts.instructions import Newer, newer_instructions
from mpforge.artifacts.proof import prove_files
from mpforge.errors import NewerCpuNeeded
from mpforge.platforms import well_known

TEXT = 0x1000
# Each machine's instructions, as its assembler writes them.
AVX2 = bytes.fromhex("c5f5fed0")  # vpaddd %ymm0, %ymm1, %ymm2
OLD_X86 = bytes.fromhex(
    "f30f1efa 660fefc0 f30fbcc0 f390 0f1f4000"
)  # endbr64, pxor, tzcnt, pause, nop
CPUID, RET = bytes.fromhex("0fa2"), b"\xc3"
VL = bytes.fromhex("e70020000006")  # vl %v0, 0(%r2)
OLD_Z = bytes.fromhex("b9f84011 07fe")  # ark, br %r14
LDADD = bytes.fromhex("400021f8")
HINTS = bytes.fromhex("3f2303d5 5f2403d5 bf2303d5 c0035fd6")  # paciasp, bti c, autiasp, ret
SDIV, SDIV_THUMB = bytes.fromhex("10f110e7"), bytes.fromhex("90fbf1f0")
VADD, BX = bytes.fromhex("400820f2"), bytes.fromhex("1eff2fe1")
NOPS = 16 * bytes.fromhex("0000a0e1")
LDR_POOL = bytes.fromhex("00487047 1234ffef")  # ldr r0, [pc, #0]; bx lr; a word like NEON
NOPS_THUMB = 32 * bytes.fromhex("00bf")
MODSW = bytes.fromhex("1626637c")
SH1ADD, C_RET = bytes.fromhex("3325b520"), bytes.fromhex("8280")


def elf_with(
    target: str, functions: Mapping[str, bytes], *, markers: Sequence[tuple[str, int]] = ()
) -> bytes:
    """Return an ELF file with section headers, the functions one after the other, and their symbols.

    A function whose name ends with ``@t`` is in Thumb; ``markers`` are further symbols and their offsets.
    """
    platform = well_known()[target]
    end, wide = "<" if platform.endian == "little" else ">", platform.bits == 64
    code, names, rows = b"", b"\0", []
    for full, body in functions.items():
        name, _, mode = full.partition("@")
        rows.append((len(names), 0x12, TEXT + len(code) + (mode == "t"), len(body)))
        names += name.encode() + b"\0"
        code += body
    for name, offset in markers:
        rows.append((len(names), 0x00, TEXT + offset, 0))
        names += name.encode() + b"\0"
    form = end + ("IBBHQQ" if wide else "IIIBBH")
    table = bytes(struct.calcsize(form))
    for name_at, info, address, size in rows:
        row = (name_at, info, 0, 1, address, size) if wide else (name_at, address, size, info, 0, 1)
        table += struct.pack(form, *row)
    head = 64 if wide else 52
    contents = [b"", code, table, names, b"\0.text\0"]
    kinds = [(0, 0, 0, 0), (1, 6, TEXT, 0), (2, 0, 0, 3), (3, 0, 0, 0), (3, 0, 0, 0)]
    data, headers = bytes(head), b""
    for content, (kind, flags, address, link) in zip(contents, kinds, strict=True):
        name_at = 1 if flags else 0
        values = (name_at, kind, flags, address, len(data), len(content), link, 0, 1)
        entry = struct.calcsize(form) if kind == 2 else 0
        headers += struct.pack(end + ("IIQQQQIIQQ" if wide else "10I"), *values, entry)
        data += content
    ident = b"\x7fELF" + bytes([platform.bits // 32, 1 if end == "<" else 2, 1]) + bytes(9)
    fixed = (3, platform.elf_number, 1, 0, 0, len(data), 0, head, 0, 0, 64 if wide else 40, 5, 4)
    return (
        ident
        + struct.pack(end + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"), *fixed)
        + (data[head:] + headers)
    )


def found(
    tmp_path: Path,
    target: str,
    functions: Mapping[str, bytes],
    *,
    calls: Sequence[str] = (),
    cpu: str | None = None,
    newer: tuple[str, ...] = (),
    markers: Sequence[tuple[str, int]] = (),
) -> Newer:
    (tmp_path / "m.so").write_bytes(elf_with(target, functions, markers=markers))
    platform = well_known()[target]
    promise = Promise(platform, platform.default_policy, raised=cpu, newer=newer)
    file = Binary(undefined=tuple(Symbol(name) for name in calls))
    return newer_instructions(tmp_path, {"m.so": file}, promise)


@pytest.mark.parametrize(
    ("target", "old", "new", "text", "cpu"),
    [
        ("x86_64", OLD_X86 + RET, AVX2, "vpaddd %ymm0,%ymm1,%ymm2 needs AVX2", "x86-64-v3"),
        ("s390x", OLD_Z, VL, "vl (e7 00 20 00 00 06) needs z13", "z13"),
        ("aarch64", HINTS, LDADD, "ldadd (f8210040) needs lse", "armv8.1-a"),
        ("armv7l", NOPS + BX, 3 * VADD, "NEON (f2200840) needs neon (and 2 more)", "cortex-a9"),
        ("armv7l", NOPS + BX, SDIV, "sdiv (e710f110) needs idiv", "cortex-a7"),
        ("ppc64le", bytes.fromhex("2000804e"), MODSW, "modsw (7c632616) needs power9", "power9"),
    ],
)
def test_a_file_that_asks_nothing_is_refused_with_function_and_instruction_unless_cpu_is_raised(
    tmp_path: Path, target: str, old: bytes, new: bytes, text: str, cpu: str
) -> None:
    code = {"plain": old, "kernel": new + old}
    result = found(tmp_path, target, code)
    assert result.refused == (f"m.so: kernel+0x0: {text}",)
    assert found(tmp_path, target, code, cpu=cpu) == Newer((), (), frozenset())


def test_code_of_the_oldest_cpu_passes(tmp_path: Path) -> None:
    for target, code in (
        *(("x86_64", OLD_X86 + RET), ("s390x", OLD_Z), ("aarch64", HINTS)),
        *(("armv7l", NOPS + BX), ("riscv64", C_RET), ("i686", bytes.fromhex("660fefc0"))),
    ):
        assert found(tmp_path, target, {"plain": code}).refused == (), target


def test_a_stripped_function_that_returns_as_a32_does_is_not_read_as_thumb(tmp_path: Path) -> None:
    """Of Rust's __ashldi3: `bxne lr` is like NEON's instructions in Thumb."""
    conditional = bytes.fromhex("1f100212 101100a0 1000a013 1eff2f11 1f300212")
    result = found(tmp_path, "armv7l", {"PyInit_m": NOPS + BX, "": 3 * conditional})
    assert result.refused == ()


def test_what_libunwind_runs_only_in_frames_that_have_sve_or_sme_is_passed_over(
    tmp_path: Path,
) -> None:
    """LLVM's Registers.hpp reads the vector length for a frame whose unwind table asks for it (VG).

    UnwindRegistersSave.S adds the streaming one where SME "has been confirmed to be available". Zig links
    both into every C++ extension, and neither asks by itself.
    """
    cntd, addsvl = bytes.fromhex("e0e3e004"), bytes.fromhex("30583004")
    ptrue = bytes.fromhex("e0e3d825")
    unwinder = {"getReg": cntd + HINTS, "za_disable": addsvl + HINTS}
    assert found(tmp_path, "aarch64", unwinder) == Newer((), (), frozenset())
    result = found(tmp_path, "aarch64", {**unwinder, "kernel": cntd + ptrue + HINTS})
    assert result.refused == ("m.so: kernel+0x4: SVE (25d8e3e0) needs sve",)


def test_atomics_that_a_library_guards_and_jump_tables_are_passed_over(tmp_path: Path) -> None:
    """GCC writes jump tables of ppc64le, offsets that are often negative, between its instructions."""
    guarded = bytes.fromhex("50000034") + LDADD + HINTS  # cbz w16, …
    assert not found(tmp_path, "aarch64", {"__aarch64_ldadd8": guarded}).refused
    assert found(tmp_path, "aarch64", {"add": HINTS + LDADD + guarded}).refused == (
        "m.so: add+0x10: ldadd (f8210040) needs lse",
    )
    assert not found(tmp_path, "ppc64le", {"parse": bytes.fromhex("48fcffff")}).refused


def test_riscv_s_instructions_of_two_and_four_bytes_are_told_apart(tmp_path: Path) -> None:
    result = found(tmp_path, "riscv64", {"kernel": C_RET + SH1ADD + C_RET})
    assert result.refused == ("m.so: kernel+0x2: sh1add (20b52533) needs zba",)


def test_a_thumb_function_is_read_as_thumb_and_its_literals_are_data(tmp_path: Path) -> None:
    thumb = {"kernel@t": NOPS_THUMB + SDIV_THUMB + NOPS_THUMB, "load@t": LDR_POOL + NOPS_THUMB}
    result = found(tmp_path, "armv7l", thumb)
    assert result.refused == ("m.so: kernel+0x40: sdiv (fb90f0f1) needs idiv",)
    marked = [("$t", 0), ("$d", 4), ("$t", 8)]
    assert not found(tmp_path, "armv7l", {"load@t": LDR_POOL}, markers=marked).refused


@pytest.mark.parametrize(
    ("functions", "calls", "how"),
    [
        ({"ask": CPUID + RET}, (), "it reads the CPU's identification"),
        ({}, ("getauxval",), "it calls getauxval"),
        ({}, ("_ZN2cv20checkHardwareSupportEi",), "it calls _ZN2cv20checkHardwareSupportEi"),
    ],
)
def test_a_file_that_asks_for_features_may_choose_at_run_time(
    tmp_path: Path, functions: Mapping[str, bytes], calls: Sequence[str], how: str
) -> None:
    result = found(tmp_path, "x86_64", {"kernel": AVX2 + RET, **functions}, calls=calls)
    assert result.refused == ()
    assert result.chosen == (
        f"m.so: instructions of AVX2 are assumed to be selected at run time ({how})",
    )


def test_what_an_import_runs_is_refused_even_in_a_file_that_asks(tmp_path: Path) -> None:
    code = {"PyInit_m": AVX2 + RET, "kernel": AVX2 + CPUID + RET}
    result = found(tmp_path, "x86_64", code)
    assert result.refused == ("m.so: PyInit_m+0x0: vpaddd %ymm0,%ymm1,%ymm2 needs AVX2",)
    assert found(tmp_path, "x86_64", code, newer=("m.*",)).refused == ()
    thumb = {"PyInit_m@t": SDIV_THUMB + NOPS_THUMB, "kernel@t": SDIV_THUMB + NOPS_THUMB}
    for markers in ([], [("$t", 0)]):
        result = found(tmp_path, "armv7l", thumb, calls=["getauxval"], markers=markers)
        assert result.refused == ("m.so: PyInit_m+0x0: sdiv (fb90f0f1) needs idiv",)


def test_a_file_named_for_an_extension_is_taken_to_be_loaded_only_where_it_is(
    tmp_path: Path,
) -> None:
    promise = Promise(well_known()["x86_64"], "manylinux_2_17")
    refused = set()
    for name in ("kernels_avx2.so", "Crypto/_raw_aesni.abi3.so", "_SHA1_shani.abi3.so", "raw.so"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(elf_with("x86_64", {"PyInit_kernels": AVX2 + RET}))
        result = newer_instructions(tmp_path, {name: Binary()}, promise)
        refused |= {name for _ in result.refused}
    assert refused == {"raw.so"}


def test_the_oldest_cpu_of_a_policy_is_the_one_that_its_images_compile_for(tmp_path: Path) -> None:
    (tmp_path / "m.so").write_bytes(elf_with("s390x", {"kernel": VL + OLD_Z}))
    for policy, refused in (("manylinux_2_17", True), ("manylinux_2_34", False)):
        promise = Promise(well_known()["s390x"], policy)
        result = newer_instructions(tmp_path, {"m.so": Binary()}, promise)
        assert bool(result.refused) == refused, policy


def test_data_beside_the_functions_is_no_instruction(tmp_path: Path) -> None:
    data = elf_with("x86_64", {"kernel": OLD_X86 * 4 + RET}).replace(RET, AVX2[:1])
    (tmp_path / "m.so").write_bytes(data)
    promise = Promise(well_known()["x86_64"], "manylinux_2_17")
    assert newer_instructions(tmp_path, {"m.so": Binary()}, promise).refused == ()


def test_the_error_names_the_oldest_cpu_that_has_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.so").write_bytes(elf_with("s390x", {"kernel": VL + OLD_Z}))
    promise = Promise(well_known()["s390x"], "manylinux_2_17")
    files = {"m.so": Binary()}
    monkeypatch.setattr("mpforge.artifacts.proof.format_of", lambda _: lambda *_: (files, []))
    with pytest.raises(NewerCpuNeeded, match="a newer CPU than z196") as refused:
        prove_files(tmp_path, promise)
    assert refused.value.why == "m.so: kernel+0x0: vl (e7 00 20 00 00 06) needs z13"
    assert 'set `cpu = "z13"` in [build]' in str(refused.value.hint)
