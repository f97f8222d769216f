"""ELF files as a loader reads them: facts by program headers, and damage that is told and never met twice."""

import contextlib
import random
import struct
from pathlib import Path

import pytest
from elftools.common.exceptions import ELFError

from mpforge.artifacts import elf
from mpforge.artifacts.binary_format import Symbol, Version
from mpforge.artifacts.elf import facts_of
from mpforge.artifacts.file_parts import anatomy
from mpforge.artifacts.proof import inspected, refuse_damaged
from mpforge.errors import WheelRejected
from tests.unit.elfmaker import AARCH64, ARM, OBJECT, PROGRAM, S390, X86_64, Elf, header


def much(
    *, machine: int = AARCH64, bits: int = 64, little: bool = True, gnu_hash: bool = True
) -> Elf:
    return Elf(
        machine=machine,
        bits=bits,
        little=little,
        gnu_hash=gnu_hash,
        needed=("libm.so.6", "libc.so.6"),
        soname="libthis.so.1",
        rpath="/build/lib:$ORIGIN",
        undefined=("pow@GLIBC_2.29@libm.so.6", "read@GLIBC_2.17@libc.so.6", "forgotten"),
        weak=("__gmon_start__",),
        exported=("PyInit_it", "also"),
        defines=("THIS_1.0",),
    )


POW = Version("libm.so.6", "GLIBC_2.29")
READ = Version("libc.so.6", "GLIBC_2.17")


@pytest.mark.parametrize(
    ("machine", "bits", "little", "gnu_hash"),
    [
        (AARCH64, 64, True, True),
        (AARCH64, 64, True, False),
        (ARM, 32, True, True),
        (ARM, 32, True, False),
        (S390, 64, False, True),  # its other hash table has words of another size
    ],
)
def test_a_library_without_section_headers_says_all_that_a_loader_asks(
    machine: int, bits: int, little: bool, gnu_hash: bool
) -> None:
    data = much(machine=machine, bits=bits, little=little, gnu_hash=gnu_hash).data
    facts = facts_of(data)
    assert (facts.kind, facts.bits, facts.little) == ("library", bits, little)
    assert facts.needed == ("libm.so.6", "libc.so.6")
    assert (facts.soname, facts.rpaths) == ("libthis.so.1", ("/build/lib", "$ORIGIN"))
    assert facts.versions == (READ, POW)
    assert facts.glibc == (2, 29)
    assert facts.undefined == (Symbol("forgotten"), Symbol("pow", POW), Symbol("read", READ))
    assert facts.defines == {"THIS_1.0"}
    assert {"PyInit_it", "also"} <= facts.exported
    assert facts.is_module


def test_packed_relocations_ask_for_the_glibc_that_knows_them() -> None:
    assert facts_of(Elf(relr=True, undefined=("read@GLIBC_2.17@libc.so.6",)).data).glibc == (2, 36)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (Elf(interpreter="/lib/ld-linux-aarch64.so.1").data, "program"),
        (Elf(kind=PROGRAM).data, "program"),
        (Elf().data, "library"),
        (header(AARCH64, OBJECT), "object"),
        (header(AARCH64, 4), "other"),  # a core
    ],
    ids=["interpreter", "fixed", "library", "object", "core"],
)
def test_what_is_linked_is_told_from_what_is_not(data: bytes, kind: str) -> None:
    assert facts_of(data).kind == kind


def test_debug_information_in_a_file_of_its_own_is_nothing_to_load() -> None:
    """`objcopy --only-keep-debug` keeps the program headers, and no bytes of what they point to."""
    data = bytearray(Elf().data)
    for place in (64 + 32, 64 + 56 + 32):  # p_filesz of the first two
        struct.pack_into("<Q", data, place, 0)
    with pytest.raises(ELFError, match="nothing is loaded"):
        facts_of(bytes(data))
    struct.pack_into("<Q", data, 40, len(data))  # e_shoff
    struct.pack_into("<H", data, 60, 2)  # e_shnum
    sections = struct.pack("<II", 0, 8) + bytes(56) + struct.pack("<II", 0, 2) + bytes(56)
    assert facts_of(bytes(data) + sections).kind == "other"


def test_a_table_behind_a_segment_s_end_is_there_if_it_is_on_its_last_page() -> None:
    """patchelf leaves files so: whole pages are mapped, unless a loader clears what follows."""
    made = Elf(needed=("libc.so.6",))
    data = bytearray(made.data)
    sizes = 64 + 32  # p_filesz and p_memsz of the first program header
    struct.pack_into("<QQ", data, sizes, made.places[0], made.places[0])
    assert facts_of(bytes(data)).needed == ("libc.so.6",)
    struct.pack_into("<QQ", data, sizes, made.places[0], len(data))
    with pytest.raises(ELFError, match="nothing is loaded"):
        facts_of(bytes(data))


def _changed(made: Elf, tag: int, offset: int, form: str, *values: int) -> bytes:
    data = bytearray(made.data)
    struct.pack_into("<" + form, data, made.places[tag] + offset, *values)
    return bytes(data)


VERNEED, GNU_HASH, DYNAMIC = 0x6FFFFFFE, 0x6FFFFEF5, 0


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x7fELF", "no ELF header"),
        (Elf().data[:-8], "truncated"),
        (Elf().data[:100], "truncated"),
        (_changed(much(), VERNEED, 12, "I", 1), "string|table|end"),
        (_changed(much(), VERNEED, 12, "I", 0xFFFFFFFF), "nothing is loaded"),
        (_changed(much(), GNU_HASH, 0, "I", 0xFFFFFFFF), "nothing is loaded"),
        (_changed(much(), GNU_HASH, 8, "I", 0xFFFFFFFF), "nothing is loaded"),
        (_changed(much(), DYNAMIC, 8, "Q", 2**63), "string table"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_file_is_told_with_what_is_wrong(data: bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(ELFError, match=why):
        facts_of(data)
    (tmp_path / "it.so").write_bytes(data)
    facts, (reason,) = inspected(tmp_path)
    assert facts == {}
    assert reason.startswith("it.so is damaged: ")
    with pytest.raises(WheelRejected, match="has damaged compiled files") as caught:
        refuse_damaged("it-1-cp311-cp311-linux_s390x.whl", [reason])
    assert "the linker, or a program that the build runs on them" in str(caught.value.hint)


def test_a_dynamic_table_and_tables_of_versions_without_an_end_are_refused() -> None:
    """A loader would read on; the second is as long as it may be, each record an offset of one byte."""
    made = Elf(needed=("libc.so.6",))
    data = bytearray(made.data)
    end = made.places[DYNAMIC]
    for place in range(end, len(data), 16):
        struct.pack_into("<Q", data, place, 1)
    with pytest.raises(ELFError, match="not terminated"):
        facts_of(bytes(data))


def _mutations(data: bytes, count: int, seed: int) -> list[bytes]:
    """Files with some bytes set, some numbers set to odd ones, cut off, or with a part repeated."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        changed = bytearray(data)
        match number % 4:
            case 0:
                for _ in range(draw.choice((1, 2, 5, 50))):
                    changed[draw.randrange(len(data))] = draw.choice((0, 1, 0x7F, 0xFF))
            case 1:
                odd = draw.choice((0, 1, 2**31, 2**40, 2**63, 2**64 - 1, len(data) - 1))
                struct.pack_into("<Q", changed, draw.randrange(len(data) // 8) * 8, odd)
            case 2:
                changed[4 + draw.randrange(200)] = draw.randrange(256)
            case _:
                del changed[draw.randrange(len(data)) :]
        found.append(bytes(changed))
    return found


def test_no_damage_hangs_a_reader_or_ends_in_another_error(tmp_path: Path) -> None:
    """By fixed seeds: 400 files for what is proved, 40 of them for those that look for names and parts."""
    samples = [much().data, much(machine=ARM, bits=32, gnu_hash=False).data]
    place, told = tmp_path / "it.so", set()
    for seed, sample in enumerate(samples):
        for number, data in enumerate(_mutations(sample, 200, seed)):
            try:
                facts_of(data)
            except ELFError as error:
                told.add(str(error))
            if number % 10 == seed:
                anatomy(data)
                place.write_bytes(data)
                with contextlib.suppress(ELFError):
                    elf.code_place(place, 0x200)
    assert len(told) > 20
    assert "" not in told


def test_a_library_for_linkers_is_judged_member_by_member(tmp_path: Path) -> None:
    def member(name: bytes, content: bytes) -> bytes:
        return (
            b"%-16s%-12s%-6s%-6s%-8s%-10d`\n" % (name, b"0", b"0", b"0", b"644", len(content))
            + content
        )

    good, bad = header(AARCH64, OBJECT), header(X86_64, OBJECT)
    table = member(b"//", b"a_very_long_name_of_a_member.o/\n")
    path = tmp_path / "libx.a"
    path.write_bytes(b"!<arch>\n" + table + member(b"a.o/", good) + member(b"/0", bad))
    facts, reasons = inspected(tmp_path)
    assert reasons == []
    assert {name: file.machine for name, file in facts.items()} == {
        "libx.a(a.o)": "EM_AARCH64",
        "libx.a(a_very_long_name_of_a_member.o)": "EM_X86_64",
    }
    path.write_bytes(path.read_bytes()[:-10])
    assert inspected(tmp_path)[1] == ["libx.a is damaged: it is truncated"]
    path.write_bytes(b"!<thin>\n")
    assert "thin archive" in inspected(tmp_path)[1][0]
