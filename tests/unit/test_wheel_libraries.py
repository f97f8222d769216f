"""The record of native libraries in a wheel: its SBOM and licence files."""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from mpforge.artifacts import wheels
from mpforge.artifacts.canonical_archives import rewrite_wheel
from mpforge.artifacts.licenses import license_files
from mpforge.errors import OutputMissing
from mpforge.kinds.wheel_libraries import GivenLibrary, given_libraries, record
from mpforge.plan.steps import Identity, OutputOf, RepairWheel
from tests.memory_store import MemoryStore
from tests.unit.elfmaker import Elf

WHEEL = "It-1.0-cp311-cp311-manylinux_2_17_aarch64.whl"
INFO = "it-1.0.dist-info"
SBOM = f"{INFO}/sboms/mpforge.cdx.json"
SHA = "5" * 64
ZLIB = GivenLibrary(
    Identity("1.3", "Zlib", "https://zlib.example/zlib-1.3.tar.gz", SHA, patched=True),
    "1.3",
    {"LICENSE": b"as you like"},
)
XML = GivenLibrary(
    Identity(license="MIT OR Apache-2.0", shared=True, needs=("zlib",)),
    "2.9",
    {"Copyright": b"(c)"},
    archives=False,
)
LIBRARIES = {"zlib": ZLIB, "xml": XML}
OF_XML = "/build/libraries/xml/lib/libxml2.so.2.9"


def put(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Elf().data if ".so" in name else b"")
    return root


def auditwheel_s(path: str) -> bytes:
    """The bill that auditwheel writes for a library of the distribution at a path."""
    wheel = {"type": "library", "bom-ref": "pkg:pypi/It@1.0?file_name=x", "name": "It"}
    digest = hashlib.sha256(path.encode()).hexdigest()
    purl = "pkg:deb/debian/libb@1"
    grafted = {"type": "library", "bom-ref": f"{purl}#{digest}", "name": "libb", "purl": purl}
    tools = [{"name": "auditwheel", "version": "6.8"}]
    return json.dumps(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.4",
            "version": 1,
            "metadata": {"component": wheel, "tools": tools},
            "components": [wheel, grafted],
        }
    ).encode()


def bill(files: dict[str, bytes | None]) -> dict[str, Any]:
    """The SBOM among the files, as JSON; it is valid CycloneDX."""
    data = files[SBOM]
    assert data is not None
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(data.decode()) is None
    found: dict[str, Any] = json.loads(data)
    return found


def component(found: dict[str, Any], name: str) -> dict[str, Any]:
    (one,) = (item for item in found["components"] if item["name"] == name)
    properties = {p["name"]: p["value"] for p in one.pop("properties", [])}
    return {**one, **properties}


def test_a_wheel_lists_a_static_library_that_its_build_was_given(tmp_path: Path) -> None:
    content = put(tmp_path, "it/_it.so", f"{INFO}/METADATA")
    files = record(WHEEL, content, content, {"zlib": ZLIB}, ())
    license_file = f"{INFO}/licenses/libraries/zlib/LICENSE"
    assert files == {license_file: b"as you like", SBOM: files[SBOM]}
    found = bill(files)
    zlib = component(found, "zlib")
    assert zlib["purl"] == f"pkg:generic/zlib@1.3?checksum=sha256:{SHA}"
    assert zlib["licenses"] == [{"expression": "Zlib"}]
    assert (zlib["mpforge:linkage"], zlib["mpforge:license-file"]) == ("static", license_file)
    assert "not known" in zlib["mpforge:evidence"]
    assert zlib["pedigree"] == {"patches": [{"type": "unofficial"}]}
    (source,) = zlib["externalReferences"]
    assert (source["url"], source["hashes"][0]["content"]) == (ZLIB.identity.url, SHA)
    assert {"ref": "pkg:pypi/it@1.0", "dependsOn": ["zlib"]} in found["dependencies"]
    # Nothing of the moment.
    assert not {"serialNumber"} & found.keys()
    assert "timestamp" not in found["metadata"]
    assert record(WHEEL, content, content, {"zlib": ZLIB}, ()) == files


def test_a_source_in_a_repository_is_named_by_its_commit(tmp_path: Path) -> None:
    content = put(tmp_path, "it/_it.so", f"{INFO}/METADATA")
    identity = Identity("1", url="https://x.example/x.git", commit="5" * 40)
    x = component(
        bill(record(WHEEL, content, content, {"x": GivenLibrary(identity, "1")}, ())), "x"
    )
    assert x["purl"].startswith("pkg:generic/x@1?vcs_url=git%2Bhttps://x.example/x.git%40555")
    (source,) = x["externalReferences"]
    assert (source["type"], source["url"]) == ("vcs", "https://x.example/x.git")


def test_a_licence_that_is_no_spdx_expression_is_listed_by_its_name(tmp_path: Path) -> None:
    content = put(tmp_path, "it/_it.so", f"{INFO}/METADATA")
    for licence, listed in {
        "mit or apache-2.0": {"expression": "MIT OR Apache-2.0"},
        "our own": {"license": {"name": "our own"}},
    }.items():
        files = record(WHEEL, content, content, {"x": GivenLibrary(Identity("1", licence))}, ())
        assert component(bill(files), "x")["licenses"] == [listed]


def test_a_wheel_lists_shared_libraries_only_if_they_were_copied_into_it(tmp_path: Path) -> None:
    before = put(tmp_path / "before", "it/_it.so", f"{INFO}/METADATA")
    assert "xml" not in {
        c["name"] for c in bill(record(WHEEL, before, before, LIBRARIES, ()))["components"]
    }
    grafted = "it.libs/libxml2-1a2b3c4d.so.2.9"
    after = put(tmp_path / "after", "it/_it.so", f"{INFO}/METADATA", grafted)
    files = record(WHEEL, before, after, LIBRARIES, (OF_XML, "/build/libraries/xml/lib/libxml2.so"))
    assert f"{INFO}/licenses/libraries/xml/Copyright" in files
    found = bill(files)
    xml = component(found, "xml")
    assert (xml["mpforge:linkage"], xml["version"]) == ("shared", "2.9")
    assert xml["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert {"ref": "xml", "dependsOn": ["zlib"]} in found["dependencies"]


def test_auditwheel_s_own_bill_is_merged_and_no_copied_file_is_left_out(tmp_path: Path) -> None:
    before = put(tmp_path / "before", "it/_it.so", f"{INFO}/METADATA")
    names = ("it.libs/libb-00000000.so.1", "it.libs/libc-11111111.so.1")
    after = put(tmp_path / "after", "it/_it.so", f"{INFO}/METADATA", *names)
    old = f"{INFO}/sboms/auditwheel.cdx.json"
    (after / old).parent.mkdir()
    (after / old).write_bytes(auditwheel_s("/usr/lib/libb.so.1"))
    copied = ("/usr/lib/libb.so.1", "/opt/libc.so.1")
    files = record(WHEEL, before, after, LIBRARIES, copied)
    assert files[old] is None
    found = bill(files)
    assert [c["name"] for c in found["components"]] == ["libb", "libc.so.1", "zlib"]
    assert component(found, "libb")["purl"] == "pkg:deb/debian/libb@1"
    assert "origin" in component(found, "libc.so.1")["mpforge:evidence"]
    tools = {tool["name"] for tool in found["metadata"]["tools"]["components"]}
    assert tools == {"mpforge", "auditwheel"}

    # One that is no bill stays as it is.
    for other in (b"{}[", b"[]", b'{"components": []}'):
        (after / old).write_bytes(other)
        files = record(WHEEL, before, after, LIBRARIES, copied)
        assert old not in files
        assert component(bill(files), "libb.so.1")


def test_a_wheel_without_compiled_code_or_libraries_records_nothing(tmp_path: Path) -> None:
    content = put(tmp_path / "pure", "it.py", f"{INFO}/METADATA")
    assert record(WHEEL, content, content, LIBRARIES, ()) == {}
    content = put(tmp_path / "plain", "it/_it.so", f"{INFO}/METADATA")
    assert record(WHEEL, content, content, {}, ()) == {}


def test_files_added_to_a_wheel_are_in_its_record(tmp_path: Path) -> None:
    archive, folder = tmp_path / WHEEL, tmp_path / "content"
    with zipfile.ZipFile(archive, "w") as new:
        for name in ("it.py", f"{INFO}/METADATA", f"{INFO}/old", f"{INFO}/RECORD"):
            new.writestr(name, b"")
    rewrite_wheel(archive, mtime=0, changes={SBOM: b"{}", f"{INFO}/old": None, "it.py": b"1"})
    wheels.unpack(archive, folder)
    assert [*wheels.record_reasons(folder)] == []
    assert (folder / SBOM).read_bytes() == b"{}"
    assert (folder / "it.py").read_bytes() == b"1"
    assert not (folder / INFO / "old").exists()


def test_a_library_s_version_and_licences_are_read_from_its_files(tmp_path: Path) -> None:
    store, root = MemoryStore(tmp_path / "scratch"), tmp_path / "zlib"
    texts = {
        "lib/pkgconfig/zlib.pc": "Name: zlib\nVersion: 1.2\n",
        "share/licenses/zlib/docs/LICENSE": "free",
        "share/licenses/other/LICENSE": "",
    }
    for name, text in texts.items():
        put(root, name)
        (root / name).write_text(text)
    trees = {"library.zlib": store.put_directory(root)}
    command = RepairWheel(
        OutputOf("wheel"),
        "aarch64",
        "cp311",
        "manylinux_2_17",
        libraries=(("zlib", OutputOf("library")),),
        identities=(("zlib", Identity(shared=True)),),
    )
    found = given_libraries(command, trees, store)["zlib"]
    assert (found.version, found.archives) == ("1.2", False)
    assert found.licenses == {"docs/LICENSE": b"free"}

    put(root, "lib/libz.a")
    (root / "lib/pkgconfig/other.pc").write_text("Version: 2\n")
    trees = {"library.zlib": store.put_directory(root)}
    found = given_libraries(command, trees, store)["zlib"]
    assert (found.version, found.archives) == (None, True)


def test_licence_files_have_the_usual_names_or_match_the_globs_of_the_table(tmp_path: Path) -> None:
    usual = ("COPYING.LIB", "Copyright", "LICENSE.md", "LICENSES/MIT.txt", "NOTICE", "license")
    put(tmp_path, *usual, "licenser.c", "src/LICENSE", "docs/FTL.TXT", "README")
    (tmp_path / "LICENCE").symlink_to("/etc/passwd")

    def found(*globs: str) -> list[str]:
        return [p.relative_to(tmp_path).as_posix() for p in license_files(tmp_path, globs)]

    assert found() == sorted(usual)
    assert found("docs/*.TXT", "src/LICENSE") == ["docs/FTL.TXT", "src/LICENSE"]
    with pytest.raises(OutputMissing, match=r'"LICENSE\.rst"'):
        found("docs/*", "LICENSE.rst")
