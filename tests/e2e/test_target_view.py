"""What a host's Python says, and compiles, inside of the view of a target."""

import json
import sys
from pathlib import Path

import pytest

from mpforge import processes
from mpforge.obtain.pythons import host_python
from mpforge.obtain.pythons.host_python import HostPython
from mpforge.platforms import well_known
from mpforge.store.tool_store import ToolTree
from mpforge.toolchains import target_view
from mpforge.toolchains.target_view import Surroundings, View
from mpforge.toolchains.zig import Zig, private_cache
from tests.e2e.target_compilers import AARCH64, PATH, POLICY, machine_and_glibc

pytestmark = pytest.mark.cross


@pytest.fixture(scope="module")
def host() -> HostPython:
    return host_python.find(f"cp{sys.version_info.major}{sys.version_info.minor}")


@pytest.fixture
def view(tmp_path: Path, host: HostPython) -> Path:
    """A view, used at another place than it was made at, as the tool store does."""
    making = tmp_path / "making"
    making.mkdir()
    target_view.make_view(making, View(AARCH64, POLICY, cross=True, host=host))
    return making.rename(tmp_path / "view")


def hook_environment(
    view: Path, host: HostPython, zig: tuple[Zig, ToolTree], step: Path
) -> dict[str, str]:
    there = Surroundings(
        zig=zig[0].path,
        zig_cache=private_cache([zig[1]], step / "global"),
        scratch=step / "scratch",
        step=step,
        log=step / "notes",
    )
    shown = View(AARCH64, POLICY, cross=True, host=host)
    return {"PATH": PATH} | target_view.view_environment(view, shown, there)


ASK = """
import importlib.machinery, json, os, platform, struct, sys, sysconfig
print(json.dumps({
    "platform": sysconfig.get_platform(),
    "machine": [os.uname().machine, platform.machine(), platform.uname().machine],
    "libc": platform.libc_ver(),
    "suffix": sysconfig.get_config_var("EXT_SUFFIX"),
    "own_suffixes": importlib.machinery.EXTENSION_SUFFIXES,
    "include": sysconfig.get_path("include"),
    "includepy": sysconfig.get_config_var("INCLUDEPY"),
    "cc": sysconfig.get_config_var("CC"),
    "ldshared": sysconfig.get_config_var("LDSHARED"),
    "libdir": sysconfig.get_config_var("LIBDIR"),
    "variables": {k: v for k, v in sysconfig.get_config_vars().items() if isinstance(v, str)},
}))
"""


def test_a_host_python_describes_the_target(
    view: Path, host: HostPython, zig: tuple[Zig, ToolTree], tmp_path: Path
) -> None:
    environment = hook_environment(view, host, zig, tmp_path)
    before = sorted(view.rglob("*"))
    answer = processes.capture([str(host.executable), "-c", ASK], environment=environment)
    assert answer.returncode == 0, answer.stderr
    said = json.loads(answer.stdout)
    number = host.python.removeprefix("cp")
    assert said["platform"] == "linux-aarch64"
    assert said["machine"] == ["aarch64"] * 3
    assert said["libc"] == ["glibc", "2.17"]
    assert said["suffix"] == f".cpython-{number}-aarch64-linux-gnu.so"
    assert f".cpython-{number}-{host.multiarch}.so" in said["own_suffixes"]
    assert said["include"] == said["includepy"] == str(view / "include" / host.headers_name)
    assert said["cc"] == str(view / "bin" / "cc")
    assert said["ldshared"] == f"{view}/bin/cc -shared"
    linking = ("LDFLAGS", "PY_LDFLAGS", "BLDSHARED", "LIBDIR", "CFLAGS", "CONFIGURE_LDFLAGS")
    assert not [name for name in linking if "-rpath" in said["variables"].get(name, "")]
    assert sorted(view.rglob("*")) == before, "a hook wrote into the tool store"


LAYOUT = """
import ctypes, struct, sys
from fractions import Fraction
sizes = [struct.calcsize(form) for form in ("P", "l", "cd", "=l", "3sq")]
print(sys.maxsize, sys.byteorder, sys.hash_info.width, *sizes)
print(ctypes.sizeof(ctypes.c_void_p), ctypes.sizeof(ctypes.c_longdouble))
struct.pack("=I", 1); struct.pack("<Q", 1); struct.pack("l", 1); ctypes.sizeof(ctypes.c_long)
print(hash(Fraction(1, 3)))
"""


@pytest.mark.parametrize(
    ("target", "words", "sizes", "noted"),
    [
        # struct's sizes are those of CPython on that machine, an i686's double has the alignment of 4
        (
            "armv7l",
            "2147483647 little 32 4 4 16 4 16",
            "4 8",
            ["struct.pack('l')", "ctypes.sizeof(c_long)"],
        ),
        (
            "i686",
            "2147483647 little 32 4 4 12 4 12",
            "4 12",
            ["struct.pack('l')", "ctypes.sizeof(c_long)"],
        ),
        (
            "s390x",
            "9223372036854775807 big 64 8 8 16 4 16",
            "8 16",
            ["struct.pack('=I')", "struct.pack('l')"],
        ),
    ],
)
def test_a_host_python_tells_a_target_s_word_size_and_byte_order_to_the_project_s_scripts(
    tmp_path: Path, host: HostPython, target: str, words: str, sizes: str, noted: list[str]
) -> None:
    view, script, notes = tmp_path / "view", tmp_path / "setup.py", tmp_path / "notes"
    view.mkdir()
    platform = well_known()[target]
    shown = View(platform, platform.default_policy, cross=True, host=host)
    target_view.make_view(view, shown)
    script.write_text(LAYOUT, "utf-8")
    told = {"PATH": PATH, "PYTHONPATH": str(view / "site"), "MPFORGE_WRAPPER_LOG": str(notes)}
    answer = processes.capture([str(host.executable), str(script)], environment=told)
    own = processes.capture([str(host.executable), str(script)], environment={"PATH": PATH})
    said = answer.stdout.splitlines()
    assert said[:2] == [words, sizes], answer.stderr
    assert said[2] == own.stdout.splitlines()[2], "the library computes with this machine's numbers"
    rows = [line.split("\t") for line in notes.read_text().splitlines()]
    assert [row[:3] for row in rows] == [["layout", what, "setup.py:7"] for what in noted]


def test_an_extension_module_compiles_against_the_view(
    view: Path, host: HostPython, zig: tuple[Zig, ToolTree], tmp_path: Path
) -> None:
    (tmp_path / "m.c").write_text(
        "#include <Python.h>\n"
        "_Static_assert(SIZEOF_LONG == sizeof(long), "
        '"pyconfig.h is another machine\'s");\n'
        "#ifdef HAVE_GCC_ASM_FOR_X64\n#error the host's pyconfig.h\n#endif\n"
        'static struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "m"};\n'
        "PyMODINIT_FUNC PyInit_m(void) { return PyModule_Create(&m); }\n",
        encoding="utf-8",
    )
    environment = hook_environment(view, host, zig, tmp_path)
    flags = environment["CFLAGS"].split()
    argv = [*environment["LDSHARED"].split(), *flags, "-fPIC", "m.c", "-o", "m.so"]
    answer = processes.capture(argv, environment=environment, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert machine_and_glibc(tmp_path / "m.so")[0] == "EM_AARCH64"
