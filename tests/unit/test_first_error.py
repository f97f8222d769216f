"""A failed build is told by the line that says why, with its place."""

import pytest

from mpforge.diagnostics.first_error import complaint

GCC = """\
gcc -c src/a.c -o a.o
In file included from src/a.c:3:
src/a.h:7:5: error: unknown type name 'foo_t'
src/a.c:9:1: error: expected ';' before '}' token
error: command '/usr/bin/gcc' failed with exit code 1
"""
LINK = """\
/usr/bin/ld: a.o: in function `f':
a.c:(.text+0x5): undefined reference to `nowhere'
collect2: error: ld returned 1 exit status
"""
RUST = """\
   Compiling demo v1.0.0 (/step/src)
error[E0308]: mismatched types
 --> src/lib.rs:3:18
  |
error: could not compile `demo` (lib) due to 1 previous error
"""
CYTHON = """\
Error compiling Cython file:
pkg/a.pyx:3:11: undeclared name not builtin: nowhere
Traceback (most recent call last):
  File "/step/src/setup.py", line 5, in <module>
    cythonize("pkg/a.pyx")
Cython.Compiler.Errors.CompileError: pkg/a.pyx
"""
PYTHON = """\
Traceback (most recent call last):
  File "/step/env/lib/python3.11/site-packages/setuptools/build_meta.py", line 317, in run_setup
    exec(code, locals())
  File "<string>", line 12, in <module>
  File "/step/src/setup.py", line 12, in version
    return os.environ["VERSION"]
  File "/usr/lib/python3.11/os.py", line 679, in __getitem__
KeyError: 'VERSION'
"""
CMAKE = """\
-- Could NOT find OpenMP_C (missing: OpenMP_C_FLAGS)
CMake Error at CMakeLists.txt:7 (message):
  Boost is wanted
subprocess.CalledProcessError: Command '['cmake']' returned non-zero exit status 1.
"""
PROBE = """\
_configtest.c:1:10: fatal error: no.h: No such file or directory
src/b.c:8: error: bad
"""
MAKE = "make: *** No rule to make target 'gen.c', needed by 'gen.o'.  Stop.\n"
SHELL = "$ sh -c ./build.sh\nthe licence server does not answer\n"


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (GCC, "src/a.h:7:5: error: unknown type name 'foo_t'"),
        (LINK, "a.c:(.text+0x5): undefined reference to `nowhere'"),
        (RUST, "src/lib.rs:3:18: error[E0308]: mismatched types"),
        (CYTHON, "pkg/a.pyx:3:11: undeclared name not builtin: nowhere"),
        (PYTHON, "setup.py:12: KeyError: 'VERSION'"),
        (CMAKE, "CMake Error at CMakeLists.txt:7 (message):\nBoost is wanted"),
        (PROBE, "src/b.c:8: error: bad"),
        (MAKE, MAKE.strip()),
        (SHELL, "the licence server does not answer"),
        ("$ false\n", None),
    ],
)
def test_the_line_that_says_why_is_told_with_its_place(log: str, told: str | None) -> None:
    assert complaint(log.splitlines(), "/step") == told


def test_a_path_of_the_step_is_told_as_the_project_knows_it() -> None:
    line = "/step/src/lib/a.cc:1:2: error: " + "x" * 900
    told = complaint([line], "/step") or ""
    assert told.startswith("lib/a.cc:1:2: error: xxx")
    assert len(told) < 400
