"""Archives that somebody else made: unpacked whole, or refused; never outside their directory."""

import contextlib
import io
import os
import stat
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpforge.artifacts.archives import sole_directory, unpack, unpack_harmless
from mpforge.errors import ArchiveRefused, MpforgeError, SourceUnreadable

Entry = tuple[str, bytes | None, int]


def _tar(path: Path, *members: tarfile.TarInfo, content: bytes = b"data") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            if member.isreg():
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            else:
                tar.addfile(member)
    return path


def _member(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644
) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = kind, link, mode
    return member


def _zip(path: Path, *entries: tuple[str, int], content: bytes = b"data") -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, mode in entries:
            info = zipfile.ZipInfo(name)
            info.filename = name
            info.create_system = 3
            info.external_attr = mode << 16
            file.writestr(info, content)
    return path


def _below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Path:
    """A directory to unpack into, with room around it to see what escapes."""
    place = tmp_path / "around" / "place"
    place.mkdir(parents=True)
    return place


def _assert_nothing_escaped(place: Path) -> None:
    assert [path.name for path in place.parent.iterdir()] == ["place"]


# --- what is fine -----------------------------------------------------------------------------


def test_a_tar_is_unpacked_with_links_and_executable_bits(tmp_path: Path, place: Path) -> None:
    archive = _tar(
        tmp_path / "p-1.tar.gz",
        _member("p-1", tarfile.DIRTYPE, mode=0o755),
        _member("p-1/a.c"),
        _member("p-1/configure", mode=0o755),
        _member("p-1/sub/link", tarfile.SYMTYPE, "../a.c"),
        _member("p-1/hard", tarfile.LNKTYPE, "p-1/a.c"),
    )
    unpack(archive, place)
    root = sole_directory(place)
    assert (root / "sub/link").read_bytes() == b"data"
    assert (root / "hard").read_bytes() == b"data"
    assert os.readlink(root / "sub/link") == "../a.c"
    assert os.access(root / "configure", os.X_OK)
    assert not os.access(root / "a.c", os.X_OK)


def test_a_zip_is_unpacked_with_executable_bits(tmp_path: Path, place: Path) -> None:
    archive = _zip(
        tmp_path / "p-1.zip", ("p-1/", stat.S_IFDIR | 0o755), ("p-1/a.c", 0o644), ("p-1/b", 0o755)
    )
    unpack(archive, place)
    root = sole_directory(place)
    assert not os.access(root / "a.c", os.X_OK)
    assert os.access(root / "b", os.X_OK)


# --- what is refused --------------------------------------------------------------------------

HOSTILE_MEMBERS = [
    _member("/absolute"),
    _member("../escaped"),
    _member("p/../../escaped"),
    _member("p/../inside"),
    _member("p/link", tarfile.SYMTYPE, "/etc/passwd"),
    _member("p/link", tarfile.SYMTYPE, "../../escaped"),
    _member("p/hard", tarfile.LNKTYPE, "/etc/passwd"),
    _member("p/hard", tarfile.LNKTYPE, "../escaped"),
    _member("p/hard", tarfile.LNKTYPE, "p/hard"),
    _member("p/hard", tarfile.LNKTYPE, "p/nothing"),
    _member("p/link", tarfile.SYMTYPE, ""),
    _member("p/null", tarfile.CHRTYPE),
    _member("p/disk", tarfile.BLKTYPE),
    _member("p/pipe", tarfile.FIFOTYPE),
    _member("p/setuid", mode=0o4755),
    _member("p/setgid", mode=0o2755),
]


@pytest.mark.parametrize("member", HOSTILE_MEMBERS, ids=lambda m: f"{m.name}-{m.type!r}")
def test_a_hostile_tar_is_refused_by_name_before_anything_is_written(
    tmp_path: Path, place: Path, member: tarfile.TarInfo
) -> None:
    archive = _tar(tmp_path / "evil.tar.gz", _member("p/innocent"), member)
    with pytest.raises(ArchiveRefused, match=r"evil\.tar\.gz"):
        unpack(archive, place)
    assert _below(place) == []
    _assert_nothing_escaped(place)


@pytest.mark.parametrize(
    "members",
    [
        (
            _member("d/e/s", tarfile.SYMTYPE, "../.."),
            _member("d/e/s/out", tarfile.SYMTYPE, "../escaped"),
            _member("out"),
        ),
        (
            _member("out", tarfile.SYMTYPE, "d/e/s/../escaped"),
            _member("d/e/s", tarfile.SYMTYPE, "../.."),
        ),
    ],
    ids=["through-it", "before-it"],
)
def test_a_link_that_leaves_by_way_of_another_one_is_refused(
    tmp_path: Path, place: Path, members: tuple[tarfile.TarInfo, ...]
) -> None:
    archive = _tar(tmp_path / "evil.tar.gz", *members)
    with pytest.raises(ArchiveRefused):
        unpack(archive, place)
    _assert_nothing_escaped(place)


def test_a_link_in_the_place_of_its_own_directory_is_refused(tmp_path: Path, place: Path) -> None:
    archive = _tar(tmp_path / "evil.tar.gz", _member(".", tarfile.SYMTYPE, "."))
    with pytest.raises(ArchiveRefused):
        unpack(archive, place)
    _assert_nothing_escaped(place)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("", 0o644),
        ("/absolute", 0o644),
        ("../escaped", 0o644),
        ("p/../../escaped", 0o644),
        ("p\\..\\escaped", 0o644),
        ("p/link", stat.S_IFLNK | 0o777),
        ("p/pipe", stat.S_IFIFO | 0o644),
        ("p/device", stat.S_IFCHR | 0o644),
        ("p/setuid", stat.S_IFREG | 0o4755),
        ("p/setgid", stat.S_IFREG | 0o2755),
    ],
)
def test_a_hostile_zip_is_refused_by_name_before_anything_is_written(
    tmp_path: Path, place: Path, name: str, mode: int
) -> None:
    archive = _zip(tmp_path / "evil.zip", ("p/innocent", 0o644), (name, mode))
    with pytest.raises(ArchiveRefused, match=r"evil\.zip"):
        unpack(archive, place)
    assert _below(place) == []
    _assert_nothing_escaped(place)


NAMES = st.lists(
    st.sampled_from(["..", ".", "", "a", "b", "c", "...", "..a", " ", "\\"]), min_size=1, max_size=5
).map("/".join)
KINDS = st.sampled_from(
    [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE]
)


def _unpacked_or_refused(
    folder: Path, name: str, pack: Callable[[Path], Path]
) -> tuple[Path, list[str]]:
    place = folder / "around" / "place"
    place.mkdir(parents=True)
    with contextlib.suppress(MpforgeError):
        unpack(pack(folder / name), place)
    return place, _below(place)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(NAMES, KINDS, NAMES), min_size=1, max_size=4))
def test_whatever_a_tar_holds_nothing_is_written_outside_its_directory(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, bytes, str]]
) -> None:
    folder = tmp_path_factory.mktemp("tar")
    infos = [_member(name, kind, link, 0o755) for name, kind, link in members]
    place, found = _unpacked_or_refused(folder, "x.tar.gz", lambda path: _tar(path, *infos))
    _assert_nothing_escaped(place)
    for name in found:
        assert Path(os.path.realpath(place / name)).is_relative_to(place.resolve())


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(NAMES, st.sampled_from([0o644, 0o755, 0])), min_size=1, max_size=4))
def test_whatever_a_zip_holds_nothing_is_written_outside_its_directory(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("zip")
    unique = tuple(dict(entries).items())
    place, found = _unpacked_or_refused(folder, "x.zip", lambda path: _zip(path, *unique))
    _assert_nothing_escaped(place)
    assert all((place / name).is_file() or (place / name).is_dir() for name in found)


# --- names that no archiver would write -----------------------------------------------------------

ODD = st.lists(
    st.sampled_from(["..", "/", "\\", "C:", "a", "é", "\udcff", "\u202e", "\n", " ", "."]),
    min_size=1,
    max_size=5,
).map("".join)
MODES = st.sampled_from([0o644, 0o755, 0, 0o4755, 0o2755, 0o1777, 0o7777])
ALL_KINDS = st.sampled_from(
    [
        *(tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE),
        *(tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, b"V"),
    ]
)
FORMATS = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
ZIP_KINDS = st.sampled_from(
    [0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK]
)


def _is_plain(place: Path, found: list[str]) -> bool:
    """Whether all that was unpacked are files, directories and links that stay, without privileges."""
    for name in found:
        status = (place / name).lstat()
        kind, mode = stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode)
        if kind not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK) or mode & 0o6000:
            return False
        if not Path(os.path.realpath(place / name)).is_relative_to(place.resolve()):
            return False
    return True


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(ODD, ALL_KINDS, ODD, MODES), min_size=1, max_size=4), FORMATS)
def test_whatever_odd_members_a_tar_has_nothing_escapes_or_gains_privileges(
    tmp_path_factory: pytest.TempPathFactory,
    members: list[tuple[str, bytes, str, int]],
    form: int,
) -> None:
    def pack(path: Path) -> Path:
        with tarfile.open(path, "w:gz", format=form) as tar:
            for name, kind, link, mode in members:
                info = _member(name, kind, link, mode)
                info.devmajor, info.devminor, info.uid = 1, 3, 0
                with contextlib.suppress(
                    ValueError
                ):  # too long, or not to be encoded, in this format
                    tar.addfile(info)
        return path

    place, found = _unpacked_or_refused(tmp_path_factory.mktemp("odd"), "x.tar.gz", pack)
    _assert_nothing_escaped(place)
    assert _is_plain(place, found)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(ODD, ODD, ZIP_KINDS, MODES, st.binary(max_size=9)), min_size=1, max_size=4)
)
def test_whatever_odd_entries_a_zip_has_nothing_escapes_or_gains_privileges(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[str, str, int, int, bytes]]
) -> None:
    def pack(path: Path) -> Path:
        with zipfile.ZipFile(path, "w") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one name twice
            for _, local, kind, mode, content in entries:
                info = zipfile.ZipInfo("x")
                info.create_system, info.external_attr = 3, (kind | mode) << 16
                info.filename = local.encode("utf-8", "replace").decode()
                file.writestr(info, content)
            # The name in the directory at the end may be another one than that before the content.
            for info, (name, *_) in zip(file.filelist, entries, strict=True):
                info.filename = name.encode("utf-8", "replace").decode()
        return path

    place, found = _unpacked_or_refused(tmp_path_factory.mktemp("odd"), "x.zip", pack)
    _assert_nothing_escaped(place)
    assert _is_plain(place, found)
    assert not any((place / name).is_symlink() for name in found)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_file_and_a_directory_of_one_name_are_no_way_out(
    tmp_path: Path, place: Path, kind: str
) -> None:
    names = ["p/a", "p/a/b", "p/a/../../escaped", "p/A"]
    with contextlib.suppress(MpforgeError):
        if kind == "tar":
            unpack(_tar(tmp_path / "x.tar.gz", *map(_member, names)), place)
        else:
            unpack(_zip(tmp_path / "x.zip", *[(name, 0o644) for name in names]), place)
    _assert_nothing_escaped(place)


# --- what is no archive -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tar.xz", "x.zip"])
@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04"])
def test_what_is_no_archive_is_said_to_be_unreadable(
    tmp_path: Path, place: Path, name: str, data: bytes
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceUnreadable, match=name):
        unpack(tmp_path / name, place)


def test_half_an_archive_is_unreadable_not_half_unpacked(tmp_path: Path, place: Path) -> None:
    archive = _tar(
        tmp_path / "x.tar.gz", _member("p/a"), _member("p/b"), content=os.urandom(50_000)
    )
    archive.write_bytes(archive.read_bytes()[:60_000])
    with pytest.raises(SourceUnreadable):
        unpack(archive, place)


def test_an_sdist_has_one_directory_at_its_top(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="nothing"):
        sole_directory(tmp_path)
    (tmp_path / "p-1").mkdir()
    assert sole_directory(tmp_path) == tmp_path / "p-1"
    (tmp_path / "other").touch()
    with pytest.raises(SourceUnreadable, match="other, p-1"):
        sole_directory(tmp_path)


# --- what a container gives, as far as it is harmless ---------------------------------------------


def test_what_could_escape_is_left_out_if_only_harmless_files_are_wanted(place: Path) -> None:
    archive = _tar(
        place.parent / "a.tar",
        _member("src", tarfile.DIRTYPE, mode=0o755),
        _member("src/kept.c"),
        _member("src/own", tarfile.SYMTYPE, "kept.c"),
        _member("src/absolute", tarfile.SYMTYPE, "/etc/passwd"),
        _member("src/above", tarfile.SYMTYPE, "../../../x"),
        _member("src/../../outside"),
        _member("src/device", tarfile.CHRTYPE),
        _member("src/also-kept.c"),
    )
    unpack_harmless(archive, place)
    assert _below(place) == ["src", "src/also-kept.c", "src/kept.c", "src/own"]
    assert _below(place.parent.parent) == [
        *("around", "around/a.tar", "around/place"),
        *(f"around/place/{name}" for name in _below(place)),
    ]


def test_a_broken_off_archive_is_told_even_if_only_harmless_files_are_wanted(place: Path) -> None:
    archive = _tar(place.parent / "a.tar", _member("src/kept.c"), content=os.urandom(100_000))
    archive.write_bytes(archive.read_bytes()[:50_000])
    with pytest.raises(SourceUnreadable):
        unpack_harmless(archive, place)
