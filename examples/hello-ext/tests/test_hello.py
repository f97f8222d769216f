import platform
import struct
import subprocess
import sys
import sysconfig

import mpforge_hello

# What every CPU of the machine has, by its ABI.
BASELINE = {"x86_64": "sse2", "aarch64": "asimd", "armv7l": "vfpv3"}


def test_compiled_code_and_interpreter_agree_on_the_machine():
    print(mpforge_hello.report())  # noqa: T201 - shown in the log
    assert mpforge_hello.machine() == platform.machine()


def test_compiled_code_and_interpreter_agree_on_the_layout_of_memory():
    assert mpforge_hello.byteorder() == sys.byteorder
    assert mpforge_hello.pointer_bits() == struct.calcsize("P") * 8


def test_the_cpu_has_what_its_abi_promises():
    promised = BASELINE.get(mpforge_hello.machine())
    assert promised is None or promised in mpforge_hello.features()


def test_a_free_threaded_interpreter_stays_one():
    assert not (sysconfig.get_config_var("Py_GIL_DISABLED") and sys._is_gil_enabled())  # noqa: SLF001 - it has no other name


def test_a_child_process_runs_on_the_same_machine():
    code = "import mpforge_hello, platform; print(platform.machine(), mpforge_hello.machine())"
    child = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True
    )
    print("a child process ran on", child.stdout.strip())  # noqa: T201 - shown in the log
    assert child.stdout.split() == [platform.machine(), mpforge_hello.machine()]
