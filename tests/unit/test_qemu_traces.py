"""Where a program met an illegal instruction, by QEMU's traces of system calls (of 7.2)."""

from mpforge.diagnostics import qemu_traces
from mpforge.diagnostics.qemu_traces import Fault

MAPPED = """\
7 openat(AT_FDCWD,"/lib/libc.so.6",O_RDONLY|O_CLOEXEC) = 4
7 mmap(0x0000005500c70000,1612032,PROT_READ|PROT_EXEC,MAP_PRIVATE|MAP_FIXED,4,0) = 0x0000005500c70000
7 close(4) = 0
7 openat(AT_FDCWD,"/env/pkg/_ext.so",O_RDONLY|O_CLOEXEC) = 4
7 mmap(NULL,200704,PROT_NONE,MAP_PRIVATE|MAP_ANONYMOUS,-1,0) = 0x0000005500e95000
7 mmap(0x0000005500ea0000,4096,PROT_READ,MAP_PRIVATE|MAP_FIXED,4,0) = 0x0000005500ea0000
7 mmap(0x0000005500eb0000,4096,PROT_EXEC|PROT_READ,MAP_PRIVATE|MAP_FIXED,4,0x1000) = 0x0000005500eb0000
7 close(4) = 0
7 rt_sigaction(SIGILL,0x00000055007ffe58,0x00000055007ffef0) = 0
"""
FAULT = "--- SIGILL {si_signo=SIGILL, si_code=2, si_addr=0x0000005500eb0300} ---\n"
RAISED = "--- SIGILL {si_signo=SIGILL, si_code=SI_TKILL, si_pid=7, si_uid=0} ---\n"


def _last(text: str) -> Fault | None:
    return qemu_traces.last_fault(text.splitlines())


def test_the_file_and_the_offset_in_it_are_those_of_the_mapping_with_the_address() -> None:
    found = Fault(0x5500EB0300, "/env/pkg/_ext.so", 0x1300)
    assert _last(MAPPED + FAULT) == found
    assert _last(MAPPED + FAULT + "7 tgkill(7,7,SIGILL) = 0\n" + RAISED) == found


def test_a_later_mapping_hides_an_earlier_one_and_memory_is_no_file() -> None:
    memory = "7 mmap(NULL,4096,PROT_EXEC,MAP_ANONYMOUS,-1,0) = 0x0000005500eb0000\n"
    assert _last(MAPPED + memory + FAULT) == Fault(0x5500EB0300)
    assert _last(FAULT) == Fault(0x5500EB0300)


def test_a_vector_instruction_on_a_z900_is_told_from_a_division_by_zero() -> None:
    vector = FAULT.replace("SIGILL", "SIGFPE").replace("si_code=2", "si_code=SI_USER")
    assert _last(MAPPED + vector) == Fault(0x5500EB0300, "/env/pkg/_ext.so", 0x1300)
    assert (
        _last(MAPPED + FAULT.replace("SIGILL", "SIGFPE").replace("si_code=2", "si_code=1")) is None
    )
    assert _last(MAPPED + RAISED.replace("SIGILL", "SIGFPE").replace("TKILL", "USER")) is None


def test_an_instruction_that_was_only_tried_out_is_no_fault_unless_a_fork_met_it() -> None:
    assert _last(MAPPED) is None
    assert _last(MAPPED + FAULT + "7 exit_group(0)\n") is None
    assert _last(MAPPED + "8 getpid() = 8\n" + FAULT + "7 exit_group(0)\n") is not None
    assert _last(MAPPED + RAISED) is None
