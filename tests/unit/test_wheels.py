"""Wheels that a backend made: what is no wheel is told, whatever it is, and nothing is written outside."""

import io
import random
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from mpforge.artifacts import wheels
from mpforge.artifacts.wheels import format_reasons, record_of, record_reasons, unpack
from mpforge.errors import WheelRejected

NAME = "it-1.0-cp311-cp311-linux_x86_64.whl"
INFO = "it-1.0.dist-info"
METADATA = b"Metadata-Version: 2.1\nName: It\nVersion: 1.0\n"
WHEEL = b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp311-cp311-linux_x86_64\n"
FILES = {"it/__init__.py": b"", f"{INFO}/METADATA": METADATA, f"{INFO}/WHEEL": WHEEL}


def packed(files: dict[str, bytes], *more: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    record = record_of(files, f"{INFO}/RECORD")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in [*files.items(), (f"{INFO}/RECORD", record), *more]:
            archive.writestr(name, content)
    return data.getvalue()


def refused(data: bytes, place: Path) -> str | None:
    """What a wheel is refused for, from its archive to its RECORD; None: it is one."""
    wheel = place / NAME
    wheel.write_bytes(data)
    try:
        unpack(wheel, place / "content")
    except WheelRejected as error:
        return f"{error}"
    reasons = [*format_reasons(NAME, place / "content"), *record_reasons(place / "content")]
    return "\n".join(reasons) or None


def test_a_wheel_passes(tmp_path: Path) -> None:
    assert refused(packed(FILES), tmp_path) is None
    assert wheels.metadata(tmp_path / NAME)["Name"] == "It"
    assert f"{INFO}/WHEEL" in wheels.names(tmp_path / NAME)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("../evil.py", "escapes the wheel's directory"),
        ("it/../../evil.py", "escapes the wheel's directory"),
        ("/evil.py", "escapes the wheel's directory"),
        ("it//evil.py", "has an empty path component"),
        ("..\\evil.py", "escapes the wheel's directory on Windows"),
        ("C:evil.py", "escapes the wheel's directory on Windows"),
        ("it/a\0b.py", "non-printable character"),
        ("n" * 300 + ".py", "more than 255 bytes"),
        ("it/__init__.py/x", "is both a file and a directory"),
    ],
)
def test_an_entry_that_leads_elsewhere_is_told(name: str, told: str, tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("placeholder")
    entry.filename = name  # the constructor would cut it
    assert told in (refused(packed(FILES, (entry, b"x")), tmp_path) or "")
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME]


def test_a_link_a_double_and_what_can_t_be_read_are_told(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("it/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert "is a symlink" in (refused(packed(FILES, (link, b"/etc/passwd")), tmp_path) or "")
    with pytest.warns(UserWarning, match="Duplicate"):
        double = packed(FILES, ("it/__init__.py", b"other"))
    assert "occurs 2 times" in (refused(double, tmp_path) or "")
    plain = packed(FILES)
    assert "is encrypted" in (refused(_headers(plain, 6, 8, 1), tmp_path) or "")
    assert "with a method that Python does not support (99)" in (
        refused(_headers(plain, 8, 10, 99), tmp_path) or ""
    )
    assert "damaged, or not a wheel" in (refused(b"PK nothing", tmp_path) or "")
    bomb = packed(FILES, ("it/zeros", bytes(2**27)))
    assert "MiB, more than 200 times its own size" in (refused(bomb, tmp_path) or "")


def _headers(data: bytes, local: int, central: int, value: int) -> bytes:
    """A zip archive with a number in each of its headers, of both kinds."""
    changed = bytearray(data)
    for mark, offset in ((b"PK\3\4", local), (b"PK\1\2", central)):
        at = data.find(mark)
        while at >= 0:
            struct.pack_into("<H", changed, at + offset, value)
            at = data.find(mark, at + 1)
    return bytes(changed)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({f"{INFO}/METADATA": METADATA.replace(b"It", b"Other")}, "METADATA says name 'Other'"),
        ({f"{INFO}/METADATA": METADATA.replace(b"1.0", b"2")}, "and version '2'"),
        ({f"{INFO}/METADATA": METADATA + b"Author: \xff"}, "METADATA is not UTF-8"),
        ({f"{INFO}/METADATA": None}, "METADATA is missing"),
        ({f"{INFO}/WHEEL": None}, "WHEEL is missing"),
        ({f"{INFO}/WHEEL": b""}, "WHEEL has the tags (none)"),
        ({f"{INFO}/WHEEL": WHEEL.replace(b"1.0", b"3.0")}, "Wheel-Version '3.0'"),
        ({f"{INFO}/WHEEL": WHEEL.replace(b"false", b"maybe")}, "neither true nor false"),
        ({f"{INFO}/WHEEL": WHEEL.replace(b"linux", b"manylinux_2_17")}, "WHEEL has the tags cp311-"),
        ({f"{INFO}/WHEEL": WHEEL + b"Tag: nonsense\n"}, "WHEEL has the tags"),
        ({"other-2.dist-info/METADATA": b""}, "has it-1.0.dist-info and other-2.dist-info"),
    ],
)  # fmt: skip
def test_metadata_of_something_else_are_told(
    changes: dict[str, bytes | None], told: str, tmp_path: Path
) -> None:
    files = {name: data for name, data in (FILES | changes).items() if data is not None}
    assert told in (refused(packed(files), tmp_path) or "")


def test_metadata_of_another_name_in_the_archive_are_told(tmp_path: Path) -> None:
    files = {name.replace("it-1.0.", "odd-1.0."): data for name, data in FILES.items()}
    (tmp_path / NAME).write_bytes(packed(files))
    unpack(tmp_path / NAME, tmp_path / "content")
    (tmp_path / "content" / INFO / "RECORD").unlink()
    (tmp_path / "content" / INFO).rmdir()
    reasons = list(format_reasons(NAME, tmp_path / "content"))
    assert reasons == ["its metadata directory is odd-1.0.dist-info", "RECORD is missing"]


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (f"{INFO}/RECORD,,\n", "it/__init__.py is not in RECORD"),
        (f"gone.py,sha256=x,1\n{INFO}/RECORD,,\n", "RECORD lists 'gone.py', which is missing"),
        ("../../etc/passwd,,\n", "RECORD lists '../../etc/passwd', which is missing"),
        (
            "it/__init__.py,sha256=AAAA,7\n",
            "RECORD has a different hash or size for it/__init__.py",
        ),
        ('"open,,\n', "RECORD can't be read"),
        ("a,b\n", "RECORD can't be read"),
        ('"' + "a" * 200_000 + '",,\n', "RECORD can't be read"),
        ("\udcff", "RECORD can't be read"),
    ],
    ids=["incomplete", "gone", "outside", "hash", "open", "short", "long", "bytes"],
)
def test_a_record_that_is_wrong_is_told(record: str, told: str, tmp_path: Path) -> None:
    assert refused(packed(FILES), tmp_path) is None
    content = tmp_path / "content"
    (content / INFO / "RECORD").write_bytes(record.encode("utf-8", "surrogateescape"))
    assert told in "\n".join([*format_reasons(NAME, content), *record_reasons(content)])


def test_no_damage_ends_in_another_error_and_nothing_is_written_outside(tmp_path: Path) -> None:
    """400 wheels by a fixed seed: bytes set, numbers set in headers, cut off."""
    draw, plain = random.Random(1), packed(FILES | {"it/data": bytes(range(256)) * 8})
    headers = [at for at in range(len(plain) - 4) if plain[at : at + 2] == b"PK"]
    told = set()
    for number in range(400):
        data = bytearray(plain)
        match number % 3:
            case 0:
                for _ in range(draw.choice((1, 3, 40))):
                    data[draw.randrange(len(data))] = draw.randrange(256)
            case 1:
                at = draw.choice(headers) + 4 + draw.randrange(40)
                data[at : at + 2] = draw.choice(
                    (b"\0\0", b"\xff\xff", b"\1\0", b"\x0e\0", b"\x0c\0")
                )
            case _:
                del data[draw.randrange(len(data)) :]
        place = tmp_path / f"{number}"
        place.mkdir()
        told.add((refused(bytes(data), place) or "").partition("\n")[0])
    assert len(told) >= 5
    assert {path.name for path in tmp_path.glob("*/*")} <= {NAME, "content"}
