"""Whole projects as people have them, with the habits that broke builds or emptied wheels elsewhere.

One project has all the habits that must go well together, because each session of nox costs seconds.
"""

import shlex
import shutil
import zipfile
from io import BytesIO

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tests.e2e.workspace import Cache, Workspace

pytestmark = [pytest.mark.network, pytest.mark.cross, pytest.mark.emulation]

WORDS = shlex.split("""
    -flto -static-libgcc -Wl,--version-script=exports.map -Wl,--exclude-libs,ALL -Wl,-Bsymbolic
    -Wl,--as-needed -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--gc-sections -Wl,--build-id=sha1
    -Wl,--hash-style=gnu -Wl,--sort-common -Wl,--export-dynamic-symbol-list=list.txt
    -Wl,--start-group -Wl,--end-group -Wl,--enable-new-dtags -Wl,--allow-shlib-undefined
    -Wl,-rpath,$ORIGIN/lib -Wl,--defsym=foo_abs=42 -Wl,--no-undefined-version
    -Wl,--dynamic-list=list.txt -Wl,-Bstatic -Wl,-Bdynamic -fuse-ld=gold
""")
FLAGS = shlex.split("""
    -std=c++17 -fvisibility=hidden -fno-plt -fno-semantic-interposition -ffat-lto-objects
    -Wno-maybe-uninitialized -fstack-clash-protection -fno-gnu-unique -flto -fno-tree-vectorize
""")
SETUP = f"""
    import os, subprocess
    import docopt
    from setuptools import Extension, setup

    compiler = os.environ["CC"].split()
    triple = subprocess.check_output([*compiler, "-dumpmachine"], text=True).strip()
    assert triple.split("-")[0] in ("aarch64", "x86_64"), triple
    setup(
        packages=["field", "field.tests"],
        data_files=[("share/field", ["data/field.cfg"])],
        entry_points={{"console_scripts": ["field-says=field:main"]}},
        ext_modules=[
            Extension(
                "field._words",
                ["csrc/words.c"],
                libraries=["m", "pthread", "dl", "rt", "util", "gcc_s"],
                extra_compile_args={FLAGS!r},
                extra_link_args={WORDS!r},
            ),
            Extension("field._fortests", ["tests/fortests.c"]),
        ],
    )
"""
MODULE = """
    #define PY_SSIZE_T_CLEAN
    #include <Python.h>
    int hidden(void) {{ return 1; }}
    static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "{name}", 0, -1, 0}};
    PyMODINIT_FUNC PyInit_{name}(void) {{ hidden(); return PyModule_Create(&module); }}
"""
PYPROJECT = """
    [build-system]
    requires = ["setuptools>=77", "docopt==0.6.2"]
    build-backend = "setuptools.build_meta"
    [project]
    name = "field"
    version = "1.0"
    dynamic = ["scripts"]
    [dependency-groups]
    Unit_Tests = [{include-group = "Base.Deps"}]
    base-deps = ["six"]
"""
SPEC = """
    schema = 1
    [project]
    python = ["cp311"]
    targets = ["aarch64"]
    [test]
    groups = ["unit-tests"]
    sources = ["tests", "field/conftest.py", "field/tests", "field/__init__.py"]
    command = ["{python} tests/check.py", "field-says"]
"""
CHECK = """
    import pathlib, sys
    import six
    import field, field.conftest, field.tests, field._fortests, field._words
    config = pathlib.Path(sys.prefix, "share", "field", "field.cfg")
    assert config.read_text() == "there", config
    assert pathlib.Path(field.__file__).is_relative_to(sys.prefix), field.__file__
"""


def test_a_project_with_old_habits_is_built_whole_and_tested_as_it_is_installed(
    quick: Workspace, empty_cache: Cache, built: Workspace
) -> None:
    """Its ``setup.py`` asks $CC at its top, links with many words, compiles what lies in ``tests``,
    installs ``data_files`` and a script; test sources lie in the package; groups have other spellings; what
    it requires to build (docopt 0.6.2) has an sdist only.
    """
    quick.cache = empty_cache
    shutil.copy2(built.root / "multiplatform.lock", quick.root)
    quick.write("setup.py", SETUP)
    quick.write("pyproject.toml", PYPROJECT)
    quick.write("MANIFEST.in", "include *.map *.txt\nrecursive-include tests *\n")
    quick.write("exports.map", "{ global: PyInit_*; local: *; };")
    quick.write("list.txt", "{ PyInit__words; };")
    quick.write("data/field.cfg", "there")
    quick.write("field/__init__.py", "def main():\n    print('the script ran')")
    quick.write("field/conftest.py", "")
    quick.write("field/tests/__init__.py", "")
    quick.write("csrc/words.c", MODULE.format(name="_words"))
    quick.write("tests/fortests.c", MODULE.format(name="_fortests"))
    quick.write("tests/check.py", CHECK)
    quick.write("multiplatform.toml", SPEC)

    run = quick.nox("test")
    assert run.code == 0, str(run)
    assert "the script ran" in quick.log("test-aarch64-cp311")
    with zipfile.ZipFile(quick.wheel()) as wheel:
        names = {name for name in wheel.namelist() if name.startswith("field/")}
        module = wheel.read("field/_words.cpython-311-aarch64-linux-gnu.so")
        sections = list(ELFFile(BytesIO(module)).iter_sections())
        (symbols,) = (s for s in sections if isinstance(s, SymbolTableSection))
        exported = {s.name for s in symbols.iter_symbols() if s["st_shndx"] != "SHN_UNDEF"} - {""}
        (dynamic,) = (s for s in sections if isinstance(s, DynamicSection))
        flags = {tag.entry.d_tag for tag in dynamic.iter_tags()}
    assert names == {
        "field/__init__.py",
        "field/_fortests.cpython-311-aarch64-linux-gnu.so",
        "field/_words.cpython-311-aarch64-linux-gnu.so",
        "field/conftest.py",
        "field/tests/__init__.py",
    }, "test sources are shipped like any other file"
    assert exported == {"PyInit__words"}
    assert {"DT_FLAGS", "DT_RUNPATH"} <= flags

    shipped = {path: entry["digest"] for path, entry in quick.record().items()}
    quick.edit("multiplatform.toml", 'sources = ["tests", ', 'sources = ["tests/check.py"] # ')
    assert quick.nox("build").code == 0
    assert {path: e["digest"] for path, e in quick.record().items()} == shipped, (
        "which sources are tests changes nothing that is shipped"
    )
