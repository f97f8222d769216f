"""Packages of the distribution: the parts that read texts and trees."""

import hashlib
import os
import platform
import shutil
import tarfile
import time
from pathlib import Path

import pytest

from mpforge import processes
from mpforge.errors import PinGone
from mpforge.obtain.distro import apt, archive, roots
from mpforge.obtain.distro.archive import Archive
from mpforge.plan.pins import DistroPackage, DistroPin, DistroRequest
from mpforge.processes import Captured


@pytest.mark.parametrize(
    ("release", "found"),
    [
        ({"ID": "debian", "VERSION_CODENAME": "bookworm"}, ("debian", "bookworm")),
        ({"ID": "debian"}, None),
        ({"ID": "mint", "VERSION_CODENAME": "wilma"}, None),
    ],
)
def test_a_distribution_of_ours_has_a_known_id_and_a_codename(
    monkeypatch: pytest.MonkeyPatch, release: dict[str, str], found: tuple[str, str] | None
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: release)
    assert apt.host_distribution() == found


def test_the_distribution_s_own_archive_is_chosen_before_others_and_before_security() -> None:
    lines = [
        "bookworm|main|Vendor|$(SIGNED_BY)||http://vendor.test/debian/",
        "bookworm-security|main|Debian|$(SIGNED_BY)||http://mirror.test/debian-security/",
        "bookworm|contrib|Debian|$(SIGNED_BY)||http://mirror.test/contrib/",
        "bookworm|main|Debian|/usr/share/k.gpg|yes|http://mirror.test/debian/",
    ]
    chosen = archive.choose_archive(lines, "debian")
    assert chosen == Archive("http://mirror.test/debian", "/usr/share/k.gpg", trusted=True)


def test_security_updates_come_from_the_security_archive_alone() -> None:
    plain = "bookworm|main|Debian|||http://mirror.test/debian"
    security = "bookworm-security|main|Debian|||http://mirror.test/debian-security"
    chosen = archive.choose_archive([plain, security], "debian", security=True)
    assert chosen == Archive("http://mirror.test/debian-security")
    assert archive.choose_archive([plain], "debian", security=True) is None


def test_what_a_program_depends_on_is_its_libraries_and_neither_libc_nor_programs() -> None:
    depends = (
        "libc6 (>= 2.34), libcurl4 (>= 7), gcc | clang, libssl3 | libssl1, libc-dev, libz-data"
    )
    assert apt.libraries_among(depends) == ("libcurl4", "libssl3")


def test_an_installation_disc_is_no_archive() -> None:
    line = "bookworm|main|Debian|$(SIGNED_BY)||cdrom://[Debian 12]/"
    assert archive.choose_archive([line], "debian") is None


def test_stanzas_of_apt_cache_are_read_field_by_field() -> None:
    text = "Package: libc6\nVersion: 2.36-9\nSize: 12\n\nPackage: zlib1g\nDescription: x\n more\n"
    assert apt.parse_stanzas(text) == (
        {"package": "libc6", "version": "2.36-9", "size": "12"},
        {"package": "zlib1g", "description": "x"},
    )


def test_a_tree_from_before_the_merge_gets_lib_as_a_link_and_keeps_every_file(
    tmp_path: Path,
) -> None:
    (tmp_path / "lib" / "triple").mkdir(parents=True)
    (tmp_path / "lib" / "triple" / "libc.so").write_text("c")
    (tmp_path / "usr" / "lib" / "triple").mkdir(parents=True)
    (tmp_path / "usr" / "lib" / "triple" / "libz.so").write_text("z")
    roots.merge_lib(tmp_path)
    assert (tmp_path / "lib").is_symlink()
    assert sorted(p.name for p in (tmp_path / "lib" / "triple").iterdir()) == ["libc.so", "libz.so"]


def test_a_merged_tree_gets_the_link_that_its_loader_is_asked_for_by(tmp_path: Path) -> None:
    (tmp_path / "usr" / "lib").mkdir(parents=True)
    roots.merge_lib(tmp_path)
    roots.merge_lib(tmp_path)
    assert (tmp_path / "lib").resolve() == tmp_path / "usr" / "lib"


def test_an_absolute_link_of_a_tree_stays_inside_it(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "conf").write_text("inside")
    (tmp_path / "usr" / "lib").mkdir(parents=True)
    (tmp_path / "usr" / "lib" / "conf").symlink_to("/etc/conf")
    roots.relink(tmp_path)
    assert (tmp_path / "usr" / "lib" / "conf").read_text() == "inside"


def test_what_is_made_from_a_pin_is_known_by_its_packages_and_by_how_it_was_made() -> None:
    request = DistroRequest("debian", "bookworm", "arm64", ("libc6",))
    pin = DistroPin(request, (DistroPackage("libc6", "2.36", "a" * 64, 1),))
    other = DistroPin(request, (DistroPackage("libc6", "2.36", "b" * 64, 1),))
    digests = {
        apt.digest_of(pin),
        apt.digest_of(pin, "compiled"),
        apt.digest_of(other),
    }
    assert len(digests) == 3


# --- the archive's lists --------------------------------------------------------------------------

REQUEST = DistroRequest("debian", "bookworm", "arm64", ("libc6",))
STANZA = f"Package: libc6\nVersion: 2.36\nSHA256: {'ab' * 32}\nSize: 7\n"


class FakeApt:
    """Answers as apt does; ``updates`` counts how often the archive was asked."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.updates = 0
        self._state = root / "state"
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(processes, "capture", self._answer)
        monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
        self.use("http://mirror.test/debian")

    def use(self, mirror: str) -> None:
        self._monkeypatch.setenv(archive.MIRROR_VARIABLE, mirror)

    def _answer(self, argv: list[str], **_: object) -> Captured:
        if argv[-1] == "update":
            self.updates += 1
            lists = self._state / "debian-bookworm-arm64" / "lists"
            (lists / "mirror.test_Packages").write_text("x")
        return Captured(0, STANZA if "show" in argv else "", "")

    def resolve(self, *, newest: bool = False) -> DistroPin:
        return apt.resolve(REQUEST, state=self._state, newest=newest)

    def set_back(self, seconds: float) -> None:
        (stamp,) = self._state.glob("*/fetched")
        then = time.time() - seconds
        os.utime(stamp, (then, then))


@pytest.fixture
def fake_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeApt:
    return FakeApt(tmp_path, monkeypatch)


def test_lists_of_within_the_hour_are_not_fetched_again(fake_apt: FakeApt) -> None:
    assert fake_apt.resolve() == fake_apt.resolve()
    assert fake_apt.updates == 1


def test_the_newest_packages_are_asked_for_where_a_lock_is_made(fake_apt: FakeApt) -> None:
    fake_apt.resolve()
    fake_apt.resolve(newest=True)
    assert fake_apt.updates == 2


@pytest.mark.parametrize("seconds", [4000, -4000])
def test_old_lists_and_those_of_the_future_are_fetched_again(
    fake_apt: FakeApt, seconds: float
) -> None:
    fake_apt.resolve()
    fake_apt.set_back(seconds)
    fake_apt.resolve()
    assert fake_apt.updates == 2


SOURCES = f"""\
Package: zlib
Binary: zlib1g, zlib1g-dev
Version: {{version}}
Checksums-Sha256:
 {"cd" * 32} 2774 zlib_1.3.dsc
 {"ef" * 32} 21 zlib_1.3.orig.tar.gz
 {"ab" * 32} 21 zlib_1.3.orig.tar.gz.asc
Directory: pool/main/z/zlib
"""


def test_a_source_package_is_pinned_by_its_authors_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def answer(argv: list[str], **_: object) -> Captured:
        asked.append(argv)
        stanzas = (SOURCES.format(version=version) for version in ("1:1.3-1", "1:1.3-2"))
        return Captured(0, "\n".join(stanzas) if "showsrc" in argv else "", "")

    monkeypatch.setattr(processes, "capture", answer)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setenv(archive.MIRROR_VARIABLE, "http://mirror.test/debian")
    request = DistroRequest("debian", "trixie", apt.SOURCE, ("zlib",))
    pin = apt.resolve(request, state=tmp_path)
    assert pin.packages == (DistroPackage("zlib", "1:1.3-2", "ef" * 32, 21),)
    (listed,) = tmp_path.glob("*/etc/sources.list")
    assert listed.read_text().startswith("deb-src ")
    assert not any("APT::Architecture" in word for argv in asked for word in argv)


def test_sources_are_unpacked_without_the_directory_that_they_are_in(tmp_path: Path) -> None:
    (tmp_path / "zlib-1.3").mkdir()
    (tmp_path / "zlib-1.3" / "zlib.h").write_text("int z;")
    packed = tmp_path / "packed"
    with tarfile.open(packed, "w:gz") as written:
        written.add(tmp_path / "zlib-1.3", "zlib-1.3")
    digest = hashlib.sha256(packed.read_bytes()).hexdigest()
    kept = tmp_path / "state" / "downloads"
    kept.mkdir(parents=True)
    packed.rename(kept / f"zlib-{digest}.deb")
    request = DistroRequest("debian", "trixie", apt.SOURCE, ("zlib",))
    pin = DistroPin(request, (DistroPackage("zlib", "1:1.3-2", digest, 21),))
    apt.fetch(pin, state=tmp_path / "state", dest=tmp_path / "out")
    assert (tmp_path / "out" / "zlib" / "zlib.h").read_text() == "int z;"


@pytest.mark.usefixtures("fake_apt")
def test_a_pin_of_another_file_of_the_same_version_says_so(tmp_path: Path) -> None:
    pin = DistroPin(REQUEST, (DistroPackage("libc6", "2.36", "cd" * 32, 7),))
    with pytest.raises(PinGone) as gone:
        apt.fetch(pin, state=tmp_path / "state", dest=tmp_path / "tree")
    assert "has another file of libc6 2.36" in gone.value.what
    assert gone.value.why == f"its sha256 is {'ab' * 32}, the lock pins {'cd' * 32}"
    assert "lock --update libc6" in (gone.value.hint or "")


def test_another_mirror_s_lists_are_fetched(fake_apt: FakeApt) -> None:
    fake_apt.resolve()
    fake_apt.use("http://another.test/debian")
    fake_apt.resolve()
    assert fake_apt.updates == 2
