"""Programs in an image's root of this host: as in a container, and without a way out of it."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpforge import processes
from mpforge.compiler.typed_commands import commands
from mpforge.errors import ArchiveRefused, RuntimeRefuses
from mpforge.kinds.before_all import BeforeAll
from mpforge.places.containers import root_probe
from mpforge.places.containers.image_root import ImageRoot
from mpforge.places.containers.image_tree import ImageTree
from mpforge.places.containers.runtime_probe import NAMELESS, program
from mpforge.places.isolation import isolation
from mpforge.places.place import NotStarted
from mpforge.plan.pins import ImageRequest
from mpforge.plan.places import InImage
from mpforge.platforms import well_known
from tests.e2e.conftest import NATIVE
from tests.memory_store import MemoryStore

PROGRAMS = ("sh", "cat", "cp", "chown", "id", "ln", "ls", "mkdir", "rm", "touch", "uname")

pytestmark = pytest.mark.skipif(not isolation().has_root, reason="this host gives no roots")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> ImageTree:
    """An image of this host's shell and a few of its programs."""
    root = tmp_path_factory.mktemp("image")
    for name in PROGRAMS:
        program = shutil.which(name, path="/bin:/usr/bin")
        assert program is not None, name
        told = processes.capture(["ldd", program]).stdout
        for path in (program, *re.findall(r"(/\S+) \(0x", told)):
            copy = root / path.lstrip("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
    (root / "etc").mkdir()
    (root / "etc/kept").write_text("kept\n", "utf-8")
    (root / "tmp").mkdir()
    return ImageTree("sha256:1", {"OF_IMAGE": "yes"}, root)


@pytest.fixture(params=["overlay", "copy"])
def root(request: pytest.FixtureRequest, tree: ImageTree, tmp_path: Path) -> Iterator[ImageRoot]:
    """A root with a directory that it shares; once where overlayfs is refused."""
    (tmp_path / "step").mkdir()
    with ImageRoot(tree, tmp_path / "root", shared=(tmp_path / "step", "/mpforge/step")) as made:
        if request.param == "copy":
            refused = NotStarted("no such device", refused="mount overlay")
            assert made._retry(refused)
        yield made
    assert not (tmp_path / "root").exists()


def sh(root: ImageRoot, line: str) -> str:
    code, said = root.ask(["sh", "-e", "-c", line])
    assert code == 0, said
    return said


def test_changes_last_as_long_as_the_root_and_are_not_the_image_s(
    root: ImageRoot, tree: ImageTree, tmp_path: Path
) -> None:
    sh(root, "echo new > /tmp/new; rm /etc/kept; mkdir -p /etc/dir; echo made > /mpforge/step/made")
    assert sh(root, "cat /tmp/new; ls /etc; echo $OF_IMAGE $HOME").split() == [
        *("new", "dir", "hosts"),
        *("yes", "/root"),
    ]
    assert (tmp_path / "step/made").read_text("utf-8") == "made\n"
    assert (tree.root / "etc/kept").exists()
    root.write_to(tmp_path / "written")
    assert (tmp_path / "written/tmp/new").read_text("utf-8") == "new\n"
    assert not (tmp_path / "written/etc/kept").exists()


def test_the_project_that_before_all_sees_is_not_in_the_layer(
    root: ImageRoot, tmp_path: Path
) -> None:
    (tmp_path / "ci").mkdir()
    (tmp_path / "ci/version").write_text("1.2\n", "utf-8")
    store = MemoryStore(tmp_path)
    place = InImage(ImageRequest("an/image", NATIVE), commands("cp {project}/ci/version /tmp"))
    files = store.put_directory(tmp_path, ["ci/version"])
    before = BeforeAll(place, well_known()[NATIVE], files, cast("Any", store))
    with (tmp_path / "log").open("w+b") as log:
        step = SimpleNamespace(timeout=60)
        task = SimpleNamespace(log=log, directory=SimpleNamespace(root=tmp_path), step=step)
        before.run(root, cast("Any", task))
    root.write_to(tmp_path / "written")
    assert (tmp_path / "written/tmp/version").read_text("utf-8") == "1.2\n"
    assert not (tmp_path / "written/project/ci").exists()


def test_the_kernel_names_the_32_bit_machine_for_programs_of_one(
    tree: ImageTree, tmp_path: Path
) -> None:
    with ImageRoot(tree, tmp_path / "root", emulator=root_probe.LINUX32) as root:
        assert sh(root, "uname -m").strip() in ("i686", "armv8l")


def test_its_user_is_0_and_may_seem_to_give_files_away(root: ImageRoot) -> None:
    said = sh(root, "id -u; touch /owned; chown 33:44 /owned; ls -n /owned")
    assert said.split()[0] == "0"
    assert said.split()[3:5] == ["0", "0"]


def test_links_that_a_program_makes_do_not_lead_the_next_start_out(
    root: ImageRoot, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (tmp_path / "text").write_text("text", "utf-8")
    for name, place in {"host": victim, "launcher": Path("/old", *victim.parts[1:])}.items():
        sh(root, f"mkdir -p /mpforge; ln -s {place} /mpforge/{name}")
        root.put(tmp_path, f"/mpforge/{name}/0", only=["text"])
        assert sh(root, f"cat /mpforge/{name}/0/text") == "text"
    assert list(victim.iterdir()) == []


def test_an_image_whose_proc_is_a_link_starts_nothing(tree: ImageTree, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    shutil.copytree(tree.root, linked, symlinks=True)
    (linked / "proc").symlink_to("/old/proc")
    with (
        ImageRoot(ImageTree("sha256:2", {}, linked), tmp_path / "root", called="evil") as root,
        pytest.raises(RuntimeRefuses, match="can't run programs of the image evil"),
    ):
        root.ask(["id"])


def test_files_come_back_and_links_that_leave_do_not(root: ImageRoot, tmp_path: Path) -> None:
    sh(root, "mkdir -p /opt/out/sub; echo a > /opt/out/sub/a; ln -s sub/a /opt/out/inner")
    root.get("/opt/out", tmp_path / "out")
    assert (tmp_path / "out/inner").read_text("utf-8") == "a\n"
    sh(root, "ln -s /etc/passwd /opt/out/away")
    with pytest.raises(ArchiveRefused):
        root.get("/opt/out", tmp_path / "refused")
    root.get("/opt/out", tmp_path / "harmless", harmless=True)
    assert sorted(os.listdir(tmp_path / "harmless")) == ["inner", "sub"]
    with pytest.raises(RuntimeRefuses):
        root.get("/opt/nothing", tmp_path / "nothing")


def test_a_missing_program_is_reported_as_by_a_runtime(root: ImageRoot) -> None:
    code, said = root.ask(["absent-program"])
    assert (code, said) == (127, 'exec: "absent-program": executable file not found in $PATH\n')


def test_foreign_programs_are_started_by_a_handler_of_our_own(tmp_path: Path) -> None:
    """Here the emulator is a program that only exits: the kernel's own handlers would run another."""
    emulator = tmp_path / "emulator"
    emulator.write_bytes(program(well_known()[NATIVE]))
    emulator.chmod(0o755)
    foreign = well_known()["s390x"]
    told = root_probe.ask(foreign, root_probe.emulator(emulator, foreign))
    if not told:
        pytest.skip("this kernel has no handlers for a user namespace (Linux 6.7)")
    assert told == NAMELESS
