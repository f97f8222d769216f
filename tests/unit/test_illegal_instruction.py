"""The report of an illegal instruction: what it says where much, little or nothing could be found."""

import dataclasses
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from mpforge.artifacts import elf
from mpforge.errors import IllegalInstruction, StepFailed
from mpforge.kinds import illegal_instruction
from mpforge.kinds.illegal_instruction import Culprit, Found, Surroundings

KNOWN = Surroundings(
    cpu="cortex-a53",
    machine="aarch64",
    sysroot=Path("/tools/root"),
    directory=Path("/step/src"),
    wheel=Path("/step/p-1.whl"),
    site=Path("/step/env/site"),
)
ERROR = IllegalInstruction("it failed", why="qemu: uncaught target signal 4")
LDADD = bytes.fromhex("080028f8")
PLACE = elf.CodePlace("EM_AARCH64", 0x490, LDADD, "newer", 4, in_symbol=True)
STACK = """\
Fatal Python error: Illegal instruction

Current thread 0x0000005500b51420 (most recent call first):
  File "/step/env/site/pkg/core.py", line 3 in add
  File "/step/src/tests/test_a.py", line 12 in test_add
  File "/tools/root/usr/lib/python3.11/unittest/case.py", line 579 in _callTestMethod
  File "<frozen runpy>", line 88 in _run_code

Extension modules: pkg._ext (total: 1)
  File "/no/frame.py", line 1 in any
"""


def report(found: Found, known: Surroundings = KNOWN) -> str:
    return str(illegal_instruction.report(ERROR, "tests of p", known, found))


def test_the_object_the_place_the_instruction_and_python_s_stack_are_told() -> None:
    culprit = Culprit("the wheel's pkg/_ext.so", True, PLACE)
    text = report(Found(culprit, ("tests/test_a.py:12, in test_add",)))
    first, *rows = text.splitlines()[:-1]
    assert first.startswith("illegal-instruction: tests of p failed: an instruction in the wheel's")
    assert first.endswith("pkg/_ext.so that a cortex-a53 does not have")
    assert rows == [
        "  at 0x490, in newer+0x4",
        "  the instruction: f8280008, ldadd needs lse",
        "  Python was at",
        "    tests/test_a.py:12, in test_add",
    ]
    assert text.splitlines()[-1].startswith("  -> Compile for the oldest CPU")


def test_a_function_whose_symbol_was_stripped_is_said_to_have_none() -> None:
    beyond = dataclasses.replace(PLACE, symbol="PyInit__ext", beyond=0x84, in_symbol=False)
    nameless = dataclasses.replace(PLACE, symbol=None)
    for place, near in ((beyond, "PyInit__ext, 0x84 bytes away"), (nameless, "stripped")):
        text = report(Found(Culprit("the wheel's pkg/_ext.so", True, place)))
        assert "in a function without a name: symbols are stripped" in text
        assert near in text


def test_a_floating_point_exception_is_suspected_under_qemu_only() -> None:
    for what, why in (
        ("failed (signal 8)", None),
        ("failed", "died with <Signals.SIGFPE: 8>"),
        ("failed", "Fatal Python error: Floating point exception"),
    ):
        found = illegal_instruction.suspected(StepFailed(what, why=why), emulated=True)
        assert found is not None
        assert found.code == "tests-failed"
        assert "division by zero" in str(found.hint)
        assert illegal_instruction.suspected(StepFailed(what, why=why), emulated=False) is None
    assert illegal_instruction.suspected(StepFailed("failed (signal 11)"), emulated=True) is None
    assert illegal_instruction.suspected(ERROR, emulated=False) is ERROR


def test_what_was_not_found_is_said_with_what_the_log_has() -> None:
    text = report(Found(lost="the second run ended otherwise"))
    assert "the second run ended otherwise" in text
    assert "qemu: uncaught target signal 4" in text
    assert "its location could not be found" in report(Found())


def test_the_remedy_fits_the_cpu_and_whose_object_it_is() -> None:
    culprit = Culprit("the wheel's pkg/_ext.so", True, PLACE)
    newer = dataclasses.replace(KNOWN, cpu="cortex-a72")
    native = dataclasses.replace(KNOWN, cpu=None)
    assert "leave cortex-a72 out" in report(Found(culprit), newer)
    assert "this host's CPU does not have" in report(Found(culprit), native)
    other = Culprit("numpy/core.so (of a package that the tests need)", False, PLACE)
    assert "does not come from the tested wheel" in report(Found(other))


def test_a_trap_is_no_instruction_of_another_cpu() -> None:
    trap = dataclasses.replace(PLACE, code=bytes(4))
    text = report(Found(Culprit("the wheel's pkg/_ext.so", True, trap)))
    assert "it reached a trap in the wheel's pkg/_ext.so" in text
    assert "__builtin_trap" in text


def test_python_s_stack_is_that_of_the_tests_without_python_s_own_library() -> None:
    assert list(illegal_instruction.python_stack(f"…\n{STACK}", KNOWN)) == [
        "pkg/core.py:3, in add",
        "tests/test_a.py:12, in test_add",
    ]
    assert list(illegal_instruction.python_stack("no stack", KNOWN)) == []


def test_a_place_in_a_file_is_its_address_and_the_function_around_it() -> None:
    maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    library = next(Path(line.split()[-1]) for line in maps if "/libc.so" in line)
    with library.open("rb") as file:
        found = ELFFile(file)
        table = found.get_section_by_name(".dynsym")
        assert isinstance(table, SymbolTableSection)
        address = next(s.entry.st_value for s in table.iter_symbols() if s.name == "qsort")
        (offset,) = found.address_offsets(address)
    place = elf.code_place(library, offset + 1)
    assert place is not None
    assert (place.address, place.symbol, place.beyond) == (address + 1, "qsort", 1)
    assert place.in_symbol
    assert elf.code_place(library, library.stat().st_size + 1) is None
