"""Native libraries: built once for a target, given to the builds that name them, and found there."""

import json
import zipfile

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.e2e.conftest import make_unlike
from tests.e2e.workspace import Workspace

pytestmark = [pytest.mark.cross, pytest.mark.emulation, pytest.mark.network]

# Without DESTDIR, configure script, or -fPIC, as many a small library is.
MAKEFILE = """
CFLAGS = -O1
libdozen.a: dozen.c
	$(CC) $(CFLAGS) -Iinclude -c dozen.c
	$(AR) rcs $@ dozen.o
install:
	mkdir -p $(PREFIX)/lib/pkgconfig $(PREFIX)/include
	cp libdozen.a $(PREFIX)/lib
	cp include/dozen.h $(PREFIX)/include
	printf 'prefix=%s\\nName: dozen\\nDescription: a dozen\\nVersion: 12\\n' $(PREFIX) >dozen.pc
	printf 'Libs: -L$${prefix}/lib -ldozen\\nCflags: -I$${prefix}/include\\n' >>dozen.pc
	cp dozen.pc $(PREFIX)/lib/pkgconfig
"""
DEPS = "deps-aarch64"
PATCH = """
--- a/dozen.c
+++ b/dozen.c
@@ -1,2 +1,2 @@
 #include <dozen.h>
-int dozen(void) { return 13; }
+int dozen(void) { return 12; }
"""
LIBRARY = """
[libraries.dozen]
source = { path = "vendor/dozen" }
kind = "make"
patches = ["dozen.patch"]
license = "0BSD"
"""
SETUP = """
import subprocess

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


class BuildExt(build_ext):
    def build_extensions(self):
        call = ["pkg-config", "--cflags", "--libs", "dozen"]
        words = subprocess.check_output(call, text=True).split()
        assert "-ldozen" in words and not any("/usr/" in word for word in words), words
        self.extensions[0].extra_compile_args += [w for w in words if w.startswith("-I")]
        self.extensions[0].extra_link_args += [w for w in words if w.startswith(("-L", "-l"))]
        build_ext.build_extensions(self)


setup(
    cmdclass={"build_ext": BuildExt}, ext_modules=[Extension("tiny._tiny", ["tiny/_tiny.c"])]
)
"""


@pytest.fixture(name="dozen")
def _dozen(workspace: Workspace, request: pytest.FixtureRequest) -> Workspace:
    """The small package, with a library of which one function is wrong without a patch."""
    make_unlike(workspace, request)
    workspace.write("vendor/dozen/Makefile", MAKEFILE)
    workspace.write("vendor/dozen/dozen.c", "#include <dozen.h>\nint dozen(void) { return 13; }\n")
    workspace.write("vendor/dozen/include/dozen.h", "int dozen(void);\n")
    workspace.write("vendor/dozen/COPYING", "Count what you like.\n")
    workspace.write("dozen.patch", PATCH.lstrip())
    workspace.edit("multiplatform.toml", "environment = {}", 'libraries = ["dozen"]')
    spec = workspace.read("multiplatform.toml")
    (workspace.root / "multiplatform.toml").write_text(f"{spec}\n{LIBRARY}", "utf-8")
    workspace.write("setup.py", SETUP)
    workspace.edit("tiny/_tiny.c", "#include <Python.h>", "#include <Python.h>\n#include <dozen.h>")
    workspace.edit("tiny/_tiny.c", "PyLong_FromLong(42)", "PyLong_FromLong(30 + dozen())")
    return workspace


def test_a_library_is_built_for_the_target_once_and_linked_into_the_wheel(dozen: Workspace) -> None:
    run = dozen.nox("test-aarch64")
    assert run.code == 0, str(run)
    assert "test_answer" in dozen.log("test-aarch64-cp311")
    assert "library-dozen-aarch64" in dozen.steps()
    assert "py_serializable" not in run.output
    (wheel,) = dozen.root.glob("dist/*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (bill,) = (name for name in archive.namelist() if name.endswith("mpforge.cdx.json"))
        told = archive.read(bill).decode()
        text = archive.read(
            bill.replace("sboms/mpforge.cdx.json", "licenses/libraries/dozen/COPYING")
        )
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(told) is None
    (component,) = json.loads(told)["components"]
    assert (component["name"], component["version"]) == ("dozen", "12")
    assert component["licenses"] == [{"expression": "0BSD"}]
    assert text == b"Count what you like.\n"
    again = dozen.nox("test-aarch64")
    assert again.did == set(), str(again)

    # Commands about a session know its libraries.
    assert "== library-dozen-aarch64: dozen for aarch64" in dozen.mpforge("log", DEPS).output
    explained = dozen.mpforge("explain", DEPS).output
    assert "library-dozen-aarch64: dozen for aarch64: cached" in explained
    entered = dozen.mpforge("shell", DEPS, "--", "sh", "-c", "cat dozen.c; ls /usr/include")
    assert "return 12;" not in entered.output  # before its patches
    assert "return 13;" in entered.output
    assert "stdio.h" in entered.output
    assert "deps-aarch64: built twice, identical results" in dozen.mpforge("verify", DEPS).output
    entered = dozen.mpforge("shell", "build-aarch64-cp311", "--", "ls", "/usr/include")
    assert "stdio.h" not in entered.output  # none of this host's

    # Another wheel of the same library.
    dozen.edit("tiny/_tiny.c", "30 + dozen()", "18 + 2 * dozen()")
    run = dozen.nox("build-aarch64-cp311")
    assert run.sessions["deps-aarch64"][0] == "skipped", str(run)
    assert "wheel-aarch64-cp311" in dozen.steps()
    assert "library-dozen-aarch64" not in dozen.steps()

    # A patch of another version is named, with the program's own words.
    dozen.edit("vendor/dozen/dozen.c", "return 13", "return 0xd")
    run = dozen.nox("deps-aarch64")
    assert run.code == 1, str(run)
    assert "patch-refused: dozen for aarch64: patch 1" in run.output
    assert "FAILED" in run.output
