"""A setup.py that calls a library's configure script without --host, as those of gevent and pynacl do."""

import pytest

from mpforge import processes
from tests.e2e.workspace import Workspace

pytestmark = [pytest.mark.autotools, pytest.mark.cross, pytest.mark.emulation, pytest.mark.network]

CONFIGURE_AC = """\
AC_INIT([answer], [1])
AM_INIT_AUTOMAKE([foreign])
AC_CONFIG_HEADERS([config.h])
AC_CANONICAL_HOST
AC_PROG_CC
AC_FUNC_MALLOC
AC_CHECK_SIZEOF([long])
AC_DEFINE_UNQUOTED([HOST_CPU], ["$host_cpu"], [Whom it is for])
AC_CONFIG_FILES([Makefile])
AC_OUTPUT
"""
SETUP = """
    import subprocess
    from setuptools import Extension, setup
    from setuptools.command.build_ext import build_ext

    class Configured(build_ext):
        def run(self):
            subprocess.check_call(["sh", "./configure"])
            subprocess.check_call(["make", "check"])
            super().run()

    setup(
        ext_modules=[Extension("tiny._tiny", ["tiny/_tiny.c"], include_dirs=["."])],
        cmdclass={"build_ext": Configured},
    )
"""
ANSWER = """
free(malloc(SIZEOF_LONG));
        return PyLong_FromLong(strcmp(HOST_CPU, "aarch64") == 0 ? 42 : 0);
"""

MAKEFILE_AM = """\
check_PROGRAMS = answer
answer_SOURCES = answer.c
TESTS = answer script
"""
ANSWER_C = """
    int main(void)
    {
    #ifdef __aarch64__
        return 0;
    #else
        return 1;
    #endif
    }
"""


def _autoreconf(place: Workspace) -> None:
    path = {"PATH": "/usr/bin:/bin"}
    made = processes.capture(["autoreconf", "--install"], environment=path, cwd=place.root)
    assert made.returncode == 0, made.stderr


def test_a_configure_script_that_is_not_told_of_the_target_builds_and_checks_for_it(
    unbuilt: Workspace,
) -> None:
    unbuilt.write("configure.ac", CONFIGURE_AC)
    unbuilt.write("Makefile.am", MAKEFILE_AM)
    unbuilt.write("answer.c", ANSWER_C)
    unbuilt.write("script", "#!/bin/sh\nexit 0\n").chmod(0o755)
    _autoreconf(unbuilt)
    unbuilt.write("setup.py", SETUP)
    unbuilt.write("MANIFEST.in", "graft tests\nglobal-include *\n")
    unbuilt.edit("multiplatform.toml", "environment = {}", 'environment.LOG_COMPILER = "{run}"')
    unbuilt.edit("tiny/_tiny.c", "#define PY", '#include "config.h"\n#define PY')
    unbuilt.edit("tiny/_tiny.c", "return PyLong_FromLong(42);", ANSWER.strip())
    run = unbuilt.nox("test-aarch64-cp311")
    assert run.code == 0, str(run)
    log = unbuilt.log("build-aarch64-cp311")
    assert "PASS: answer" in log
    assert "PASS: script" in log
