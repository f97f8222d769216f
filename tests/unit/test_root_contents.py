"""The contents of a sandbox."""

from pathlib import Path

from mpforge.places.root_contents import without_headers


def test_the_host_s_headers_can_be_left_out_except_for_pythons(tmp_path: Path) -> None:
    root, empty = tmp_path / "root", tmp_path / "empty"
    for name in ("include/zlib.h", "include/python3.11/Python.h", "include/x/python3.11/p.h"):
        (root / "usr" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "usr" / name).touch()
    operations = without_headers(root, empty)
    mounted = dict(zip(operations[2::3], operations[1::3], strict=True))
    headers = Path(mounted.pop("/usr/include"))
    assert mounted == {
        "/usr/include/python3.11": f"{root}/usr/include/python3.11",
        "/usr/include/x/python3.11": f"{root}/usr/include/x/python3.11",
    }
    # The launcher mounts on directories that are there.
    assert {p for p in headers.rglob("*") if p.is_dir() and not any(p.iterdir())} == {
        headers / "python3.11",
        headers / "x/python3.11",
    }
