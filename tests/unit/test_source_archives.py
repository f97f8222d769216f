"""Archives of sources, fetched from several addresses and verified."""

import hashlib
from pathlib import Path

import pytest

from mpforge.errors import HashMismatch, IndexUnreachable, ToolUnavailable
from mpforge.obtain import source_archives
from mpforge.obtain.distro import archive

DATA = b"an archive"
SHA = hashlib.sha256(DATA).hexdigest()


def _served(folder: Path, name: str, data: bytes = DATA) -> str:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return (folder / name).as_uri()


def test_the_first_address_with_the_right_content_is_used(tmp_path: Path) -> None:
    urls = (
        (tmp_path / "gone.tar.gz").as_uri(),
        _served(tmp_path / "a", "z.tar.gz", b"replaced"),
        _served(tmp_path / "b", "z+1.tar.gz"),
    )
    (tmp_path / "step").mkdir()
    found = source_archives.fetch(urls, SHA, tmp_path / "step", "the source of z")
    assert (found.name, found.read_bytes()) == ("z+1.tar.gz", DATA)


def test_a_wrong_checksum_names_both_digests_and_every_address(tmp_path: Path) -> None:
    urls = (_served(tmp_path / "a", "z.tar.gz", b"replaced"), "ftp://example.org/z.tar.gz")
    with pytest.raises(HashMismatch) as caught:
        source_archives.fetch(urls, SHA, tmp_path, "the source of z")
    assert SHA in caught.value.what
    why = caught.value.why or ""
    assert hashlib.sha256(b"replaced").hexdigest() in why
    assert all(url in why for url in urls)


def test_if_no_address_answers_all_are_named_without_their_passwords(tmp_path: Path) -> None:
    urls = (
        (tmp_path / "gone.tar.gz").as_uri(),
        f"file://me:secret@{tmp_path}/gone.tar.gz",  # a host's name in a file address is refused
    )
    with pytest.raises(IndexUnreachable) as caught:
        source_archives.fetch(urls, SHA, tmp_path, "the source of z")
    assert "its 2 addresses" in caught.value.what
    assert urls[0] in (caught.value.why or "")
    assert "secret" not in (caught.value.why or "")


def test_a_mirror_of_the_environment_is_asked_first_and_needs_no_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = _served(tmp_path / "a", "z.tar.gz")
    monkeypatch.setenv(source_archives.MIRROR_VARIABLE, str(tmp_path / "mirror"))
    (tmp_path / "step").mkdir()
    assert source_archives.fetch((url,), SHA, tmp_path / "step", "z").read_bytes() == DATA
    _served(tmp_path / "mirror", "z.tar.gz")
    (tmp_path / "a" / "z.tar.gz").unlink()
    assert source_archives.fetch((url,), SHA, tmp_path / "step", "z").read_bytes() == DATA


def test_a_path_in_debian_s_archive_is_fetched_from_this_host_s_mirror(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    _served(mirror / "pool", "z.tar.gz")
    monkeypatch.setenv(archive.MIRROR_VARIABLE, mirror.as_uri())
    found = source_archives.fetch(("debian:pool/z.tar.gz",), SHA, tmp_path, "z")
    assert (found.name, found.read_bytes()) == ("z.tar.gz", DATA)


def test_no_mirror_of_debian_s_archive_is_told_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_: str) -> archive.Archive:
        raise ToolUnavailable("the host's apt has no archive", hint="set MPFORGE_DISTRO_MIRROR")

    monkeypatch.setattr(archive, "host_archive", none)
    with pytest.raises(IndexUnreachable, match="z could not be fetched") as caught:
        source_archives.fetch(("debian:pool/z.tar.gz",), SHA, tmp_path, "z")
    assert "debian:pool/z.tar.gz: the host's apt has no archive" in (caught.value.why or "")
    assert "MPFORGE_DISTRO_MIRROR" in (caught.value.why or "")
