"""What build scripts ask of the machine that builds."""

from dataclasses import replace
from pathlib import Path

import pytest

from mpforge.diagnostics.host_leaks import asked
from mpforge.platforms import well_known

HERE = well_known()["x86_64"]
FAR = replace(well_known()["armv7l"], endian="big")


@pytest.mark.parametrize(
    ("name", "line", "told"),
    [
        ("setup.py", "with open('/proc/cpuinfo') as f:", "(/proc/cpuinfo) gets this machine's CPU"),
        ("build.py", "from cpuinfo import get_cpu_info", "(from cpuinfo import) gets this machine"),
        (
            "setup.py",
            "if ctypes.util.find_library('z'):",
            "(find_library() gets this machine's lib",
        ),
        (
            "setup.py",
            "a = check_output(['uname', '-m'])",
            "('uname', '-m) gets this machine's name",
        ),
        ("Makefile", "ARCH := $(shell uname -m)", "(uname -m) gets this machine's name"),
        (
            "setup.py",
            "if numpy.dtype('p').itemsize == 8:",
            "(dtype('p') gets this machine's word size",
        ),
        (
            "setup.py",
            "table.astype('u4').tofile('src/table.bin')",
            "(.tofile() gets bytes in this machine's byte order, unless",
        ),
        ("Makefile", "BITS := $(shell getconf LONG_BIT)", "(getconf LONG_BIT) gets this machine's"),
        (
            "CMakeLists.txt",
            "if(CMAKE_HOST_SYSTEM_PROCESSOR MATCHES x86)",
            "(CMAKE_HOST_SYSTEM_PROCESSOR) gets this machine's processor",
        ),
    ],
)
def test_a_question_is_told_with_its_line(tmp_path: Path, name: str, line: str, told: str) -> None:
    (tmp_path / name).write_text(f"# {line}\n{line}\n{line}\n", encoding="utf-8")
    (found,) = asked(tmp_path, HERE, FAR)
    assert found.startswith(f"{name}:2 {told}")


def test_a_layout_that_is_the_target_s_too_is_no_question(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text("wide = dtype('p').itemsize == 8\nx.tofile('y')\n", "utf-8")
    assert asked(tmp_path, HERE, well_known()["aarch64"]) == []
    (order,) = asked(tmp_path, HERE, well_known()["s390x"])
    assert order.startswith("setup.py:2 (.tofile()")


def test_what_the_view_answers_is_no_question(tmp_path: Path) -> None:
    text = "platform.machine() == 'x86_64' and sys.maxsize and os.uname()[4] and sysconfig.get_platform()\n"
    (tmp_path / "setup.py").write_text(text, encoding="utf-8")
    assert asked(tmp_path, HERE, FAR) == []
