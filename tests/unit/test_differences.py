"""Two files that should be the same: what differs is named, and why, where that shows."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpforge.artifacts.differences import Circumstances, FileDifference, compare_folders

PLACES = ("/build/a", "/build/longer")
KNOWN = Circumstances(PLACES, began=1_700_000_000, ended=1_700_000_100)


def differences(first: bytes, second: bytes, name: str = "file") -> tuple[FileDifference, ...]:
    """Compare contents as files of one name in two directories."""
    with tempfile.TemporaryDirectory() as folder:
        places = Path(folder, "1"), Path(folder, "2")
        for place, data in zip(places, (first, second), strict=True):
            place.mkdir()
            (place / name).write_bytes(data)
        return compare_folders(*places, KNOWN)


def told(first: bytes, second: bytes) -> list[tuple[tuple[str, ...], str]]:
    """Where and what, without how."""
    return [(d.path, d.what) for d in differences(first, second)]


def the_only(first: bytes, second: bytes) -> FileDifference:
    (found,) = differences(first, second)
    return found


def zipped(
    files: Mapping[str, bytes],
    *,
    date: tuple[int, int, int, int, int, int] = (1980, 1, 1, 0, 0, 0),
    mode: int = 0o644,
    compression: int = zipfile.ZIP_DEFLATED,
    level: int = 6,
) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, date)
            entry.external_attr = (stat.S_IFREG | mode) << 16
            entry.compress_type = compression
            archive.writestr(entry, content, compresslevel=level)
    return data.getvalue()


def tarred(files: Mapping[str, bytes], **fields: object) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            for field, value in fields.items():
                setattr(member, field, value)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return data.getvalue()


# --- texts, bytes --------------------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_equal_bytes_have_no_difference_whatever_they_are(data: bytes) -> None:
    assert differences(data, data) == ()


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_different_bytes_have_a_difference_whatever_they_are(first: bytes, second: bytes) -> None:
    assert bool(differences(first, second)) == (first != second)


def test_of_a_text_the_first_line_that_differs_is_shown() -> None:
    found = the_only(b"same\nones\ntail\n", b"same\nother\ntail\n")
    assert (found.what, found.first, found.second, found.hint) == ("line 2", "ones", "other", None)
    assert found.path == ("file",)


def test_of_a_long_line_what_is_around_the_difference_is_shown() -> None:
    found = the_only(b"x" * 500 + b"1" + b"y" * 500, b"x" * 500 + b"2" + b"y" * 500)
    assert "x1y" in found.first
    assert "x2y" in found.second
    assert len(found.first) < 100


def test_a_text_that_goes_on_and_one_with_other_line_ends_differ_visibly() -> None:
    more = the_only(b"one", b"one\ntwo")
    assert (more.what, more.first, more.second) == ("line 2", "the end", "two")
    ends = the_only(b"one\ntwo", b"one\r\ntwo")
    assert (ends.what, ends.first, ends.second) == ("line 1", "one", "one\\r")


def test_of_bytes_the_text_is_shown_that_only_one_has_else_the_first_byte() -> None:
    texts = the_only(b"\0same\0left\0", b"\0same\0right\0")
    assert (texts.what, texts.first, texts.second) == ("bytes", "left", "right")
    plain = the_only(b"\0\1\2\3", b"\0\1\xff\3\4")
    assert plain.first == "at 0x2: 02 03 (4 bytes)"
    assert plain.second == "at 0x2: ff 03 04 (5 bytes)"


# --- causes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "cause"),
    [
        (b"in /build/a/src", b"in /build/longer/src", "the build directory"),
        (b"\0/build/a/src\0", b"\0/build/longer/src\0", "the build directory"),
        (b"at 1700000000.25", b"at 1700000009.5", "time"),
        (b"at 1700000000123", b"at 1700000009123", "time"),
        (b"on Nov 14 2023", b"on Nov 15 2023", "time"),
        (b"on 2023-11-14 22:13:20", b"on 2023-11-14 22:13:21", "time"),
        (b"b=1\na=1\n", b"a=1\nb=1\n", "order"),
        (b"{'x', 'y'}", b"{'y', 'x'}", "order"),
        (b"/tmp/tmpab12cd34/x", b"/tmp/tmp12abcd34/x", "temporary"),
        (
            b"51382d57-dfe7-460b-96ab-29a6c9839d1e",
            b"0844c613-f432-4182-bec6-90877465bcf9",
            "UUID",
        ),
    ],
)
def test_a_cause_that_shows_is_named(first: bytes, second: bytes, cause: str) -> None:
    hint = the_only(first, second).hint
    assert hint is not None
    assert cause in hint


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"one", b"two"),
        (b"at 1600000000", b"at 1600000009"),  # not of these builds
        (b"1.0 of 2023-11-14", b"1.1 of 2023-11-14"),
        (b"in /build/other", b"in /build/another"),
    ],
)
def test_a_cause_that_does_not_show_is_not_made_up(first: bytes, second: bytes) -> None:
    assert the_only(first, second).hint is None


# --- archives ------------------------------------------------------------------------------------


def test_of_archives_each_file_that_differs_or_is_only_in_one_is_named() -> None:
    one = {"pkg/a.py": b"a", "pkg/b.py": b"b", "pkg/old.py": b""}
    two = {"pkg/a.py": b"a", "pkg/b.py": b"c", "pkg/new.py": b""}
    wanted = [
        (("file", "pkg/old.py"), "only in the first"),
        (("file", "pkg/new.py"), "only in the second"),
        (("file", "pkg/b.py"), "line 1"),
    ]
    assert told(zipped(one), zipped(two)) == wanted
    assert told(tarred(one), tarred(two)) == wanted
    assert told(gzip.compress(tarred(one), mtime=0), gzip.compress(tarred(two), mtime=0)) == wanted
    assert told(bz2.compress(tarred(one)), bz2.compress(tarred(two))) == wanted
    assert told(lzma.compress(tarred(one)), lzma.compress(tarred(two))) == wanted


def test_an_archive_within_an_archive_is_looked_into() -> None:
    inner = [zipped({"x.txt": text}) for text in (b"one", b"two")]
    assert told(*(tarred({"inner.zip": data}) for data in inner)) == [
        (("file", "inner.zip", "x.txt"), "line 1")
    ]


@pytest.mark.parametrize(
    ("field", "changed", "what"),
    [
        ("date", (2026, 11, 22, 1, 2, 4), "mtime"),
        ("mode", 0o755, "mode"),
        ("compression", zipfile.ZIP_STORED, "compression"),
        ("level", 1, "compression"),
    ],
)
def test_what_a_zip_archive_says_of_a_file_is_compared(
    field: str, changed: object, what: str
) -> None:
    files = {"a.txt": b"1234567890" * 50 + bytes(range(200)) * 5}
    found = differences(zipped(files), zipped(files, **{field: changed}))  # type: ignore[arg-type]
    assert {(d.path, d.what) for d in found} == {(("file", "a.txt"), what)}


def test_the_times_of_a_zip_archive_are_shown() -> None:
    found = the_only(zipped({"a": b""}), zipped({"a": b""}, date=(2026, 11, 22, 1, 2, 4)))
    assert (found.first, found.second) == ("1980-01-01 00:00:00", "2026-11-22 01:02:04")
    assert found.hint is not None
    assert "SOURCE_DATE_EPOCH" in found.hint


@pytest.mark.parametrize(
    ("field", "changed", "what"),
    [
        ("mtime", 1_700_000_000, "mtime"),
        ("mode", 0o755, "mode"),
        ("uid", 1000, "owner"),
        ("uname", "me", "owner"),
        ("type", tarfile.CONTTYPE, "kind"),
    ],
)
def test_what_a_tar_archive_says_of_a_file_is_compared(
    field: str, changed: object, what: str
) -> None:
    files = {"a.txt": b"text"}
    assert told(tarred(files), tarred(files, **{field: changed})) == [(("file", "a.txt"), what)]


def test_a_link_that_leads_elsewhere_is_named() -> None:
    one, two = (tarred({"a": b""}, type=tarfile.SYMTYPE, linkname=name) for name in ("x", "y"))
    found = the_only(one, two)
    assert (found.path, found.what, found.first, found.second) == (("file", "a"), "link", "x", "y")


def test_the_order_of_an_archive_is_compared() -> None:
    one, two = {"a": b"1", "b": b"2"}, {"b": b"2", "a": b"1"}
    for found in (the_only(zipped(one), zipped(two)), the_only(tarred(one), tarred(two))):
        assert (found.path, found.what, found.first, found.second) == (("file",), "order", "a", "b")


def test_a_gzip_files_own_time_name_and_compression_are_compared() -> None:
    data = b"1234567890" * 50 + bytes(range(200)) * 5
    plain = gzip.compress(data, mtime=0)
    assert told(plain, gzip.compress(data, mtime=1_700_000_000)) == [(("file",), "mtime")]
    named = io.BytesIO()
    with gzip.GzipFile("name.txt", "wb", fileobj=named, mtime=0) as file:
        file.write(data)
    assert told(plain, named.getvalue()) == [(("file",), "name")]
    assert told(plain, gzip.compress(data, 1, mtime=0)) == [(("file",), "compression")]


@pytest.mark.parametrize("whole", [zipped({"a": b"text"}), gzip.compress(b"text", mtime=0)])
def test_a_damaged_archive_is_compared_as_bytes(whole: bytes) -> None:
    assert told(whole, whole[:-6])[0][1] == "bytes"
    assert told(whole[:12] + b"\xff\xff\xff" + whole[15:], whole[:-6])[0][1] == "bytes"


# --- folders -------------------------------------------------------------------------------------


def folders(root: Path) -> tuple[Path, Path]:
    for name in ("1", "2"):
        (root / name).mkdir()
    return root / "1", root / "2"


def test_of_folders_modes_links_and_missing_files_are_named(tmp_path: Path) -> None:
    one, two = folders(tmp_path)
    for folder, mode, target in ((one, 0o755, "a"), (two, 0o644, "b")):
        (folder / "run").write_text("")
        (folder / "run").chmod(mode)
        (folder / "link").symlink_to(target)
        (folder / "same").write_text("same")
    (one / "x").touch()
    (one / "y").touch()
    found = compare_folders(one, two, KNOWN)
    assert [(d.path, d.what) for d in found] == [
        (("x",), "only in the first"),
        (("y",), "only in the first"),
        (("link",), "link"),
        (("run",), "mode"),
    ]


def test_a_file_under_another_name_is_compared_all_the_same(tmp_path: Path) -> None:
    one, two = folders(tmp_path)
    (one / "pkg-1.0.dev1700000000.whl").write_bytes(zipped({"a": b"1"}))
    (two / "pkg-1.0.dev1700000007.whl").write_bytes(zipped({"a": b"2"}))
    found = compare_folders(one, two, KNOWN)
    assert [(d.what, d.path[1:]) for d in found] == [("name", ()), ("line 1", ("a",))]
    assert found[0].hint is not None
    assert "time" in found[0].hint
