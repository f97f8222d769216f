"""Archives written again in the one way: the same bytes, and nothing lost."""

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from mpforge.artifacts.archives import unpack
from mpforge.artifacts.canonical_archives import epoch_of, rewrite_tar_gz, rewrite_wheel
from mpforge.errors import SourceUnreadable, WrongInput

TIME = 1_700_000_000
LONG = "pkg-1.0/" + "deep/" * 40 + "naïve.txt"


def member(
    name: str, kind: bytes = tarfile.REGTYPE, *, mode: int, link: str = ""
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname = kind, mode, link
    return info


def sdist(path: Path, members: Sequence[tarfile.TarInfo], *, level: int = 9, **owner: str) -> Path:
    """An sdist as one user's machine writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz", compresslevel=level, format=tarfile.GNU_FORMAT) as tar:
        for number, info in enumerate(members):
            info.mtime = 1_000_000_000 + number + level
            info.uid, info.uname = 1000 + level, owner.get("name", "")
            content = f"content of {info.name}".encode() if info.isreg() else b""
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def members(umask: int) -> list[tarfile.TarInfo]:
    return [
        member("pkg-1.0", tarfile.DIRTYPE, mode=0o777 & ~umask),
        member("pkg-1.0/run.sh", mode=0o777 & ~umask),
        member("pkg-1.0/b.py", mode=0o666 & ~umask),
        member("pkg-1.0/a.py", mode=0o666 & ~umask),
        member("pkg-1.0/link.py", tarfile.SYMTYPE, mode=0o777, link="a.py"),
        member(LONG, mode=0o666 & ~umask),
    ]


def test_sdists_of_the_same_files_become_the_same_bytes(tmp_path: Path) -> None:
    one = sdist(tmp_path / "one" / "pkg-1.0.tar.gz", members(0o022), name="me")
    listed = members(0o077)
    two = sdist(tmp_path / "two" / "pkg-1.0.tar.gz", [listed[0], *listed[:0:-1]], level=1)
    assert one.read_bytes() != two.read_bytes()
    for archive in (one, two):
        rewrite_tar_gz(archive, mtime=TIME)
    assert one.read_bytes() == two.read_bytes()


def test_a_rewritten_sdist_holds_what_it_held(tmp_path: Path) -> None:
    archive = sdist(tmp_path / "pkg-1.0.tar.gz", members(0o077), name="me")
    unpack(archive, tmp_path / "before")
    rewrite_tar_gz(archive, mtime=TIME)
    unpack(archive, tmp_path / "after")
    before, after = (
        {
            str(path.relative_to(root)): os.readlink(path)
            if path.is_symlink()
            else (path.read_bytes() if path.is_file() else None)
            for path in root.rglob("*")
        }
        for root in (tmp_path / "before", tmp_path / "after")
    )
    assert before == after
    assert after["pkg-1.0/link.py"] == "a.py"
    assert after[LONG] == f"content of {LONG}".encode()


def test_a_rewritten_sdist_says_nothing_of_who_made_it_and_when(tmp_path: Path) -> None:
    archive = sdist(tmp_path / "pkg-1.0.tar.gz", members(0o077), name="me")
    rewrite_tar_gz(archive, mtime=TIME)
    assert archive.read_bytes()[3:8] == bytes(5), "gzip's flags (a name) and its time"
    with tarfile.open(archive) as tar:
        found = tar.getmembers()
    assert {(info.mtime, info.uid, info.gid, info.uname, info.gname) for info in found} == {
        (TIME, 0, 0, "", "")
    }
    modes = {info.name: info.mode for info in found}
    assert (modes["pkg-1.0"], modes["pkg-1.0/run.sh"], modes["pkg-1.0/a.py"]) == (
        *(0o755, 0o755, 0o644),
    )
    assert [info.name for info in found if info.pax_headers] == [LONG], "where they are needed"


def test_a_hard_link_in_an_sdist_becomes_a_file_and_the_last_of_two_counts(tmp_path: Path) -> None:
    listed = [
        member("pkg-1.0/z.py", mode=0o644),
        member("pkg-1.0/a.py", tarfile.LNKTYPE, mode=0o644, link="pkg-1.0/z.py"),
        member("pkg-1.0/z.py", mode=0o755),
    ]
    archive = sdist(tmp_path / "pkg-1.0.tar.gz", listed)
    rewrite_tar_gz(archive, mtime=TIME)
    with tarfile.open(archive) as tar:
        assert [(info.name, info.isreg(), info.mode) for info in tar] == [
            ("pkg-1.0/a.py", True, 0o644),
            ("pkg-1.0/z.py", True, 0o755),
        ]
        file = tar.extractfile("pkg-1.0/a.py")
        assert file is not None
        assert file.read() == b"content of pkg-1.0/z.py"


def test_a_broken_sdist_is_left_as_it_is(tmp_path: Path) -> None:
    archive = sdist(tmp_path / "pkg-1.0.tar.gz", members(0o022))
    half = archive.read_bytes()[:-40]
    archive.write_bytes(half)
    with pytest.raises(SourceUnreadable):
        rewrite_tar_gz(archive, mtime=TIME)
    assert [(path, path.read_bytes()) for path in tmp_path.iterdir()] == [(archive, half)]


# --- wheels --------------------------------------------------------------------------------------

INFO = "pkg-1.0.dist-info"
RECORD = f"pkg/b.py,sha256=B,1\npkg/a.so,sha256=A,2\n{INFO}/RECORD,,\n"


def wheel(path: Path, names: Sequence[str], *, mode: int, level: int = 6, date: int = 2001) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            entry = zipfile.ZipInfo(name, (date, 1, 2, 3, 4, 6))
            entry.external_attr = (stat.S_IFREG | (mode | 0o111 if name[-1] == "o" else mode)) << 16
            entry.extra = b"UT\x05\x00\x03" + date.to_bytes(4, "little")
            entry.compress_type = zipfile.ZIP_DEFLATED if level else zipfile.ZIP_STORED
            record = RECORD if date == 2001 else "".join(sorted(RECORD.splitlines(keepends=True)))
            content = record if name.endswith("RECORD") else f"content of {name}"
            archive.writestr(entry, content, compresslevel=level)
    return path


def test_wheels_of_the_same_files_become_the_same_bytes(tmp_path: Path) -> None:
    names = [f"{INFO}/RECORD", "pkg/b.py", f"{INFO}/METADATA", "pkg/a.so"]
    one = wheel(tmp_path / "one" / "pkg.whl", names, mode=0o600)
    two = wheel(tmp_path / "two" / "pkg.whl", names[::-1], mode=0o664, level=0, date=2026)
    for archive in (one, two):
        rewrite_wheel(archive, mtime=TIME)
    assert one.read_bytes() == two.read_bytes()
    with zipfile.ZipFile(one) as archive_:
        entries = archive_.infolist()
        assert archive_.read("pkg/a.so") == b"content of pkg/a.so"
        lines = archive_.read(f"{INFO}/RECORD").decode().splitlines()
    assert [entry.filename for entry in entries] == [
        *("pkg/a.so", "pkg/b.py", f"{INFO}/METADATA", f"{INFO}/RECORD")
    ]
    assert [oct(entry.external_attr >> 16) for entry in entries[:2]] == ["0o100755", "0o100644"]
    assert {(entry.date_time, entry.extra) for entry in entries} == {
        ((2023, 11, 14, 22, 13, 20), b"")
    }
    assert lines == [  # written anew: what a backend says of other content is not kept
        "pkg-1.0.dist-info/METADATA,sha256=PNci9JSXPIFbTGoXEC--C4uied5QR1O4eUO_8AG3lw0,37",
        "pkg-1.0.dist-info/RECORD,,",
        "pkg/a.so,sha256=e9p8IETf1CPyKT6Gyy8Ml5ZuUGoE4yiD7Zi72nP8r_k,19",
        "pkg/b.py,sha256=pIpimPFsLql74P43aYGyw0UZ_QFv8xiI-m9elNkpBBs,19",
    ]


def test_the_record_of_a_signed_wheel_stays_as_it_was_signed(tmp_path: Path) -> None:
    names = [f"{INFO}/RECORD", f"{INFO}/RECORD.jws", "pkg/b.py"]
    archive = wheel(tmp_path / "pkg.whl", names, mode=0o644)
    rewrite_wheel(archive, mtime=TIME)
    with zipfile.ZipFile(archive) as file:
        assert file.read(f"{INFO}/RECORD").decode() == RECORD


def test_a_time_that_a_zip_archive_cannot_hold_becomes_the_nearest_one(tmp_path: Path) -> None:
    archive = wheel(tmp_path / "pkg.whl", ["pkg/b.py"], mode=0o644)
    for mtime, year in ((0, 1980), (10**11, 2107)):
        rewrite_wheel(archive, mtime=mtime)
        with zipfile.ZipFile(archive) as file:
            assert [entry.date_time[0] for entry in file.infolist()] == [year]


@pytest.mark.parametrize("text", ["now", "-1", "1.5", ""])
def test_a_source_date_that_is_no_number_of_seconds_is_named(text: str) -> None:
    with pytest.raises(WrongInput, match="SOURCE_DATE_EPOCH"):
        epoch_of({"SOURCE_DATE_EPOCH": text})
