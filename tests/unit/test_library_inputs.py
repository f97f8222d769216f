"""Native libraries in a step's directory, and what builds are told of them."""

from pathlib import Path

from mpforge.kinds import library_inputs
from mpforge.store.trees import Directory, FileNode, from_entries
from mpforge.toolchains.ready import ReadyCompilers
from tests.memory_store import MemoryStore


def _tree(store: MemoryStore, *paths: str) -> Directory:
    node = FileNode(store.put_bytes(b"x"), 1, False)
    tree = from_entries(dict.fromkeys(paths, node))
    store.put_tree(tree)
    return tree


def test_a_build_finds_its_libraries_and_none_of_the_host(tmp_path: Path) -> None:
    store = MemoryStore(tmp_path)
    given = {
        "source": _tree(store, "setup.py"),
        "library.zlib": _tree(store, "include/zlib.h", "lib/libz.a", "lib/pkgconfig/zlib.pc"),
        "library.xml": _tree(store, "include/xml.h", "lib64/libxml.a", "bin/xml-config"),
    }
    step = tmp_path / "step"
    found = library_inputs.put(given, store, step)
    zlib, xml = step / "libraries/zlib", step / "libraries/xml"
    assert found == {"zlib": zlib, "xml": xml}
    ready = library_inputs.joined(
        ReadyCompilers(
            {"CC": "cc", "PKG_CONFIG_LIBDIR": "/nowhere"}, {"LDFLAGS": "-Wl,-s"}, ("/view",)
        ),
        found,
    )
    assert ready.path == ("/view", f"{xml}/bin")
    for variables in (ready.variables, ready.hooks):
        assert variables["PKG_CONFIG_LIBDIR"] == f"{zlib}/lib/pkgconfig"
        assert variables["LDFLAGS"] == f"-Wl,-s -L{xml}/lib64 -L{zlib}/lib"
        assert variables["C_INCLUDE_PATH"] == f"{xml}/include:{zlib}/include"
        assert variables["CMAKE_PREFIX_PATH"] == f"{xml}:{zlib}"
    assert ready.variables["CC"] == "cc"
    assert ready.variables["MPFORGE_LIBRARIES"] == f"{zlib}/lib/libz.a {xml}/lib64/libxml.a"
    assert library_inputs.placeholders(step) == {
        "prefix:zlib": str(zlib),
        "prefix:xml": str(xml),
    }


def test_a_build_without_libraries_is_told_nothing(tmp_path: Path) -> None:
    ready = ReadyCompilers({"CC": "cc"}, {})
    given = {"source": Directory()}
    assert (
        library_inputs.joined(ready, library_inputs.put(given, MemoryStore(tmp_path), tmp_path))
        is ready
    )
    assert library_inputs.placeholders(tmp_path) == {}
    assert [*tmp_path.iterdir()] == []


def test_a_library_that_needs_the_runtime_of_cplusplus_brings_it(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    for symbol, needs in ((b"deflate", False), (b"_ZNSt3__16vectorE", True), (b"_Znwm", True)):
        (tmp_path / "lib/liba.a").write_bytes(b"!<arch>\n" + symbol)
        assert library_inputs.is_cplusplus({"a": tmp_path}) == needs
        ready = library_inputs.joined(ReadyCompilers({}, {}), {"a": tmp_path})
        assert ready.variables["MPFORGE_LIBRARIES"].endswith(" -lstdc++") == needs
