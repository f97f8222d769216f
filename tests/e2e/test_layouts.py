"""A target with another byte order: what setup.py is told of it, and code that is wrong on it."""

import pytest

from tests.e2e.conftest import make_unlike
from tests.e2e.workspace import Workspace

pytestmark = [pytest.mark.cross, pytest.mark.emulation, pytest.mark.network]

SETUP = """
    import ctypes, struct, sys
    from setuptools import Extension, setup

    bits = 8 * struct.calcsize("P")
    assert bits == 8 * ctypes.sizeof(ctypes.c_void_p) == sys.maxsize.bit_length() + 1
    told = [("BITS", str(bits)), ("BIG", str(int(sys.byteorder == "big")))]
    magic = struct.pack("=I", 42)
    setup(ext_modules=[Extension("tiny._tiny", ["tiny/_tiny.c"], define_macros=told)])
"""
ASSERTIONS = """#include <stdint.h>
_Static_assert(BITS == 8 * sizeof(void *), "setup.py was told another word size");
_Static_assert(BIG == (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__), "and another byte order");
static const unsigned char bytes[4] = {42, 0, 0, 0};
"""
WRONG = "*(const uint32_t *)bytes"  # little-endian bytes, read in the machine's own order
RIGHT = "bytes[0] | bytes[1] << 8 | bytes[2] << 16 | bytes[3] << 24"


def test_code_that_is_wrong_on_a_big_endian_machine_fails_its_tests_there(
    workspace: Workspace, request: pytest.FixtureRequest
) -> None:
    make_unlike(workspace, request)
    workspace.edit("multiplatform.toml", '["aarch64"]', '["aarch64", "s390x"]')
    workspace.write("setup.py", SETUP)
    workspace.edit("tiny/_tiny.c", "#include <Python.h>", f"#include <Python.h>\n{ASSERTIONS}")
    workspace.edit("tiny/_tiny.c", "PyLong_FromLong(42)", f"PyLong_FromLong({WRONG})")
    done = workspace.mpforge("run", "test-s390x-cp311")
    assert done.code == 1, str(done)
    assert done.reason("test-s390x-cp311").startswith("tests-failed"), str(done)
    assert f"AssertionError: {42 << 24} != 42" in workspace.log("test-s390x-cp311")
    assert "setup.py:7: struct.pack('=I') gets this machine's sizes and byte order" in done.output

    workspace.edit("tiny/_tiny.c", WRONG, RIGHT)
    done = workspace.mpforge("run", "test-s390x-cp311")
    assert done.code == 0, str(done)
    assert "1 tested (1 emulated)" in done.output
