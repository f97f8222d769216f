"""What build scripts ask of the machine that builds."""

from pathlib import Path

import pytest

from mpforge.diagnostics.host_leaks import asked


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
            "if ctypes.sizeof(c_void_p) == 8:",
            "(sizeof(c_void_p) gets this Python's word",
        ),
        (
            "CMakeLists.txt",
            "if(CMAKE_HOST_SYSTEM_PROCESSOR MATCHES x86)",
            "(CMAKE_HOST_SYSTEM_PROCESSOR) gets this machine's processor",
        ),
    ],
)
def test_a_question_is_told_with_its_line(tmp_path: Path, name: str, line: str, told: str) -> None:
    (tmp_path / name).write_text(f"# {line}\n{line}\n{line}\n", encoding="utf-8")
    (found,) = asked(tmp_path, same_bits=False)
    assert found.startswith(f"{name}:2 {told}")


def test_a_word_size_that_is_the_target_s_too_is_no_question(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text(
        "wide = ctypes.sizeof(ctypes.c_void_p) == 8\n", encoding="utf-8"
    )
    assert asked(tmp_path, same_bits=True) == []


def test_what_the_view_answers_is_no_question(tmp_path: Path) -> None:
    text = "platform.machine() == 'x86_64' and sys.maxsize and os.uname()[4] and sysconfig.get_platform()\n"
    (tmp_path / "setup.py").write_text(text, encoding="utf-8")
    assert asked(tmp_path, same_bits=False) == []
