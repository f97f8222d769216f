"""Layers of an image are unpacked as by a container runtime; nothing outside their directory is touched."""

import gzip
import io
import os
import stat
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from mpforge.errors import ArchiveRefused, HashMismatch, ImageUnfit, SourceUnreadable
from mpforge.places.containers import image_tree, layers
from mpforge.places.containers.image_root import write_layers
from mpforge.places.containers.registry_session import RegistrySession
from mpforge.plan.pins import ImagePin, ImageRequest
from mpforge.store.tool_store import ToolStore

FOLDER = None
Entry = bytes | str | None
"""The content of a file, the target of a symlink, or a directory."""


def layer(folder: Path, entries: Mapping[str, Entry], *, packed: bool = False) -> Path:
    """An archive with these entries, in this order."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            member.mode = 0o755
            if content is None:
                member.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
            else:
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    path = folder / f"layer-{len(list(folder.iterdir()))}"
    path.write_bytes(gzip.compress(data.getvalue()) if packed else data.getvalue())
    return path


def unpacked(folder: Path, *each: Mapping[str, Entry]) -> Path:
    """The root that layers make."""
    root = folder / "root"
    root.mkdir(exist_ok=True)
    for entries in each:
        layers.unpack(layer(folder, entries, packed=True), root)
    return root


def seen(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def test_a_whiteout_removes_what_a_lower_layer_has_and_not_what_its_own_brings(
    tmp_path: Path,
) -> None:
    lower = {"a": b"1", "d/old": b"1", "d/sub/old": b"1", "e/x": b"1"}
    upper = {"d/new": b"2", ".wh.a": b"", "d/.wh..wh..opq": b"", "e/.wh.x": b"", "e/x": b"2"}
    root = unpacked(tmp_path, lower, upper)
    assert seen(root) == ["d/new", "e/x"]
    assert (root / "e/x").read_bytes() == b"2"


def test_entries_below_a_link_are_unpacked_where_it_leads_in_the_image(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    lower = {
        "usr/lib": FOLDER,
        "lib": "usr/lib",
        "abs": "/usr",
        "away": str(outside),
        "up": "../..",
    }
    root = unpacked(tmp_path, lower, {"lib/a": b"", "abs/b": b"", "away/c": b"", "up/d": b""})
    assert (root / "usr/lib/a").is_file()
    assert (root / "usr/b").is_file()
    assert (root / "d").is_file()
    assert (root / str(outside).lstrip("/") / "c").is_file(), "an absolute link stays in the image"
    assert list(outside.iterdir()) == []


def test_a_link_is_replaced_and_never_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    root = unpacked(
        tmp_path, {"file": str(outside), "folder": "/usr"}, {"file": b"theirs", "folder": FOLDER}
    )
    assert outside.read_bytes() == b"mine"
    assert (root / "file").read_bytes() == b"theirs"
    assert not (root / "folder").is_symlink()


@pytest.mark.parametrize("name", ["../a", "a/../../b", "a/.wh..", ".wh..."])
def test_a_name_that_could_leave_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused):
        unpacked(tmp_path, {name: b""})


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused):
        unpacked(tmp_path, {"a": "b", "b": "a"}, {"a/file": b""})


def special(kind: bytes, name: str = "it", target: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = kind, target, mode
    return member


def of_members(folder: Path, *members: tarfile.TarInfo) -> Path:
    path = folder / "members"
    with tarfile.open(path, "w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    return path


def test_owners_devices_and_set_id_bits_are_left_out_and_hard_links_kept(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    program = special(tarfile.REGTYPE, "su", mode=0o4711)
    program.uid = program.gid = 12345
    hidden = special(tarfile.REGTYPE, "shadow", mode=0)
    each = [
        *(program, hidden, special(tarfile.CHRTYPE, "null"), special(tarfile.FIFOTYPE, "pipe")),
        special(tarfile.LNKTYPE, "again", "su"),
    ]
    layers.unpack(of_members(tmp_path, *each), root)
    assert seen(root) == ["again", "shadow", "su"]
    found = (root / "su").stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (os.getuid(), 0o711)
    assert found.st_ino == (root / "again").stat().st_ino
    assert (root / "shadow").stat().st_mode & 0o777 == 0o400, "the store can read it"


@pytest.mark.parametrize("target", ["../outside", "missing", "/folder"])
def test_a_hard_link_to_no_file_of_the_image_is_refused(target: str, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").touch()
    made = of_members(
        tmp_path, special(tarfile.DIRTYPE, "folder"), special(tarfile.LNKTYPE, "a", target)
    )
    with pytest.raises(ArchiveRefused):
        layers.unpack(made, tmp_path / "root")


def test_a_damaged_layer_is_said_to_be(tmp_path: Path) -> None:
    path = layer(tmp_path, {"a": bytes(100_000)}, packed=True)
    path.write_bytes(path.read_bytes()[:-20])
    (tmp_path / "root").mkdir()
    with pytest.raises(SourceUnreadable):
        layers.unpack(path, tmp_path / "root")


def test_changes_are_written_above_an_image_as_overlayfs_marks_them(tmp_path: Path) -> None:
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    for name in ("kept", "hidden/old", "replaced/inside"):
        (lower / name).parent.mkdir(parents=True, exist_ok=True)
        (lower / name).write_text("lower", "utf-8")
    (upper / "hidden").mkdir(parents=True)
    try:
        os.setxattr(upper / "hidden", "user.overlay.opaque", b"y")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    (upper / "hidden/new").write_text("upper", "utf-8")
    (upper / "hidden/new").chmod(0)
    (upper / "replaced").write_text("upper", "utf-8")
    os.link(upper / "replaced", upper / "twice")
    write_layers([lower, upper], tmp_path / "made")
    assert seen(tmp_path / "made") == ["hidden/new", "kept", "replaced", "twice"]
    assert (tmp_path / "made/replaced").stat().st_ino == (tmp_path / "made/twice").stat().st_ino


# --- from a registry --------------------------------------------------------------------------------

LAYER = f"sha256:{'a' * 64}"
CONFIGURATION = f"sha256:{'c' * 64}"
PIN = ImagePin(
    ImageRequest("127.0.0.1:1/an/image:1", "x86_64"), f"sha256:{'d' * 64}", is_local=False
)


class FakeSession:
    """A registry with an image of one layer; ``architecture`` is what its configuration says."""

    architecture = "amd64"
    sends = b""

    def __init__(self, *_: object) -> None:
        pass

    def document(self, kind: str, _word: str) -> tuple[str, Mapping[str, object]]:
        if kind == "manifests":
            described = {"digest": LAYER, "size": len(self.sends)}
            return "", {"config": {"digest": CONFIGURATION}, "layers": [described]}
        return "", {"os": "linux", "architecture": self.architecture, "config": {"Env": ["A=b"]}}

    def download(self, _digest: str, _size: int, path: Path) -> None:
        path.write_bytes(self.sends)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> type[FakeSession]:
    """A registry for the test alone."""
    fake = type("Fake", (FakeSession,), {})
    monkeypatch.setattr(image_tree, "RegistrySession", fake)
    return fake


def test_an_image_is_downloaded_once_and_keeps_modes(
    tmp_path: Path, session: type[FakeSession]
) -> None:
    session.sends = layer(tmp_path, {"bin/sh": b"#!"}).read_bytes()
    store = ToolStore(tmp_path / "tools")
    found = image_tree.obtain(PIN, store)
    assert (found.id, found.environment) == (CONFIGURATION, {"A": "b"})
    assert stat.S_IMODE((found.root / "bin/sh").stat().st_mode) == 0o755
    session.sends = b"no archive"
    assert image_tree.obtain(PIN, store) == found


def test_an_image_of_another_platform_is_refused(
    tmp_path: Path, session: type[FakeSession]
) -> None:
    session.architecture = "arm64"
    with pytest.raises(ImageUnfit, match="is for linux/arm64, but x86_64 needs linux/amd64"):
        image_tree.obtain(PIN, ToolStore(tmp_path / "tools"))


def test_a_local_image_needs_its_runtime(tmp_path: Path) -> None:
    local = ImagePin(PIN.request, PIN.digest, is_local=True)
    with pytest.raises(ImageUnfit, match="exists only in a container runtime") as caught:
        image_tree.obtain(local, ToolStore(tmp_path / "tools"))
    assert 'runtime = "engine"' in str(caught.value.hint)


def test_a_blob_with_another_digest_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes are written as they come, and checked before anybody reads them."""

    def answered(
        *_: object, target: object = None, **__: object
    ) -> tuple[int, Mapping[str, str], bytes]:
        target.file.write(b"others")  # type: ignore[attr-defined]
        return 200, {}, b""

    monkeypatch.setattr(RegistrySession, "_ask", answered)
    from mpforge.places.containers.registry import parse

    with pytest.raises(HashMismatch, match="does not match its digest"):
        RegistrySession(parse(PIN.request.name), "an/image").download(LAYER, 6, tmp_path / "blob")
