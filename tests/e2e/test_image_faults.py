"""What an image lacks, or is wrong with it, has a message of its own, and nothing is left."""

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.container_project import (
    BUILD,
    FOREIGN,
    SPEC,
    boxed,
    build_in,
    builds,
    failed,
    native_image,
    tiny_image,
)
from tests.e2e.workspace import PROGRAMS, Workspace
from tests.images.container_runtime import ContainerRuntime
from tests.images.recipes import LABEL

__all__ = ["boxed", "native_image", "tiny_image"]  # fixtures
pytestmark = pytest.mark.docker


@contextmanager
def imported(runtime: ContainerRuntime, name: str, place: Path, *files: Path) -> Iterator[str]:
    """An image for this machine that has nothing but these files, in ``/bin``."""
    archive, tag = place / f"{name}.tar", f"mpforge-test-{name}:{os.getpid()}"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(tarfile.TarInfo("empty"), io.BytesIO())
        for file in files:
            tar.add(file, f"bin/{file.name}")
    platform = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[NATIVE]
    change = f"LABEL {LABEL}=fault"
    runtime.call("import", "--platform", platform, "--change", change, str(archive), tag)
    try:
        yield tag
    finally:
        runtime.call("image", "rm", "--force", tag)


def test_an_image_without_any_program_is_told_of(
    boxed: Workspace, runtime: ContainerRuntime, place: Path
) -> None:
    with imported(runtime, "scratch", place) as image:
        build_in(boxed, image)
        said = failed(boxed, boxed.mpforge("run", BUILD), "image-unfit", 4)
        assert f"the image {image} has no `cat` that runs, so no step can run in it" in said
        assert "exec cat failed: No such file or directory" in said
        assert "-> name another image in [build] image" in said


@pytest.mark.gcc
def test_an_image_without_a_shell_is_told_of(
    boxed: Workspace, runtime: ContainerRuntime, place: Path
) -> None:
    source = place / "cat.c"
    source.write_text(
        "#include <unistd.h>\n"
        "int main(void) { char c; while (read(0, &c, 1) == 1) write(1, &c, 1); return 0; }\n",
        encoding="utf-8",
    )
    subprocess.run(["gcc", "-w", "-static", "-o", place / "cat", source], check=True)
    with imported(runtime, "shell-less", place, place / "cat") as image:
        build_in(boxed, image)
        said = failed(boxed, boxed.mpforge("run", BUILD), "image-unfit", 4)
        assert f"the image {image} has no shell: /bin/sh can't be started in it" in said


def test_an_image_whose_programs_are_of_another_kind_than_it_says_is_told_of(
    boxed: Workspace, runtime: ContainerRuntime, place: Path
) -> None:
    cat = place / "cat"
    cat.write_bytes(b"\x7fELF" + bytes(60))
    cat.chmod(0o755)
    with imported(runtime, "liar", place, cat) as image:
        build_in(boxed, image)
        said = failed(boxed, boxed.mpforge("run", BUILD), "image-unfit", 4)
        assert f"the image {image} has no `cat` that runs" in said


def test_an_image_without_the_python_is_told_of_with_those_that_it_has(
    boxed: Workspace, runtime: ContainerRuntime, tiny_image: str
) -> None:
    name, tag = f"mpforge-pythons-{os.getpid()}", f"mpforge-test-pythons:{os.getpid()}"
    folders = ("/opt/python/cp312-cp312", "/opt/python/cp313-cp313t")
    label = f"{LABEL}=fault"
    words = ("--name", name, "--network", "none", "--label", label, tiny_image)
    runtime.call("run", *words, "mkdir", "-p", *folders)
    runtime.call("commit", name, tag)
    runtime.call("rm", name)
    try:
        build_in(boxed, tag)
        said = failed(boxed, boxed.mpforge("run", BUILD), "image-unfit", 4)
    finally:
        runtime.call("image", "rm", tag)
    assert f"the image {tag} has no Python for cp311" in said
    assert "neither /opt/python/cp311-cp311 nor python3.11 on its PATH" in said
    assert "/opt/python has cp312-cp312 cp313-cp313t" in said


def test_an_image_of_another_platform_and_one_that_is_nowhere_are_told_of(
    boxed: Workspace, request: pytest.FixtureRequest
) -> None:
    build_in(boxed, request.getfixturevalue(f"tiny_{FOREIGN}_image"))
    said = failed(boxed, boxed.mpforge("run", BUILD), "image-unfit", 4)
    assert f", but {NATIVE} needs linux/" in said
    build_in(boxed, f"sha256:{64 * '0'}")
    said = failed(boxed, boxed.mpforge("run", BUILD), "image-unknown", 4)
    assert f"the container runtime has no image sha256:{64 * '0'}" in said
    build_in(boxed, "127.0.0.1:9/none:1")
    said = failed(boxed, boxed.mpforge("run", BUILD), "registry-unreachable", 4)
    assert "127.0.0.1:9" in said


def test_a_misspelt_name_is_told_with_the_one_that_the_runtime_knows(
    boxed: Workspace, runtime: ContainerRuntime, tiny_image: str
) -> None:
    name = f"127.0.0.1:9/mine-{os.getpid()}:1"
    runtime.call("tag", tiny_image, name)
    try:
        build_in(boxed, name.replace("mine", "mien"))
        said = failed(boxed, boxed.mpforge("run", BUILD), "image-unknown", 4)
    finally:
        runtime.call("image", "rm", name)
    assert f"-> did you mean {name}?" in said
    assert "the registry 127.0.0.1:9 can't be reached" in said


def test_a_layer_whose_tag_was_moved_is_made_again(
    boxed: Workspace, runtime: ContainerRuntime, native_image: str, tiny_image: str
) -> None:
    mark = f"{os.getpid()}-{boxed.root.parent.name}"
    build_in(boxed, native_image, f'before-all = "echo {mark} > /mark"')
    builds(boxed)
    listed = runtime.call("image", "ls", "mpforge-layer", "--format", "{{.Repository}}:{{.Tag}}")

    def marked(image: str) -> bool:
        words = ("run", "--rm", "--network", "none", image, "sh", "-c", "cat /mark || :")
        return runtime.call(*words) == mark

    (layer,) = filter(marked, listed.split())
    try:
        # One that anybody made of the same image, and one of another image.
        for command in (("commit", made := f"mpforge-moved-{os.getpid()}"), ("tag", tiny_image)):
            if command[0] == "commit":
                runtime.call("create", "--name", made, native_image, "cat")
            runtime.call(*command, layer)
            boxed.write("tiny.c", f"/* {command} */ void *PyInit_tiny(void) {{ return 0; }}\n")
            builds(boxed)
            assert marked(layer)
    finally:
        runtime.call("rm", made)
        runtime.call("image", "rm", layer)


@pytest.mark.parametrize("line", ['"frobnicate --now"', '["frobnicate", "--now"]'])
def test_a_program_that_the_image_lacks_is_named_with_what_puts_it_there(
    boxed: Workspace, native_image: str, line: str
) -> None:
    build_in(boxed, native_image, f"before-build = [{line}]")
    said = failed(boxed, boxed.nox(BUILD), "tool-not-declared")
    assert f"the image {native_image} has no program frobnicate" in said
    assert "-> install it by before-all in [build]" in said
    assert "to [build], which puts it on" not in said


def test_a_declared_tool_must_be_in_the_image_as_it_was_declared(
    boxed: Workspace, native_image: str
) -> None:
    def declare(tools: str) -> None:  # not in the top-level table: those the host has for the sdist
        build_in(boxed, native_image, spec=f"{SPEC}\n[targets.{NATIVE}.build]\ntools = {tools}\n")

    declare('["frobnicate"]')
    said = failed(boxed, boxed.mpforge("run", BUILD), "tool-unavailable", 4)
    assert f"there is no frobnicate in the image {native_image}" in said
    assert "-> install it by before-all in [build]" in said
    declare('["gcc>=99"]')
    said = failed(boxed, boxed.mpforge("run", BUILD), "tool-unavailable", 4)
    assert f"gcc>=99 was declared, but the image {native_image} has gcc 1" in said
    declare('["gcc>=1", "make"]')
    builds(boxed)
    declare('["gcc>=98"]')
    assert boxed.mpforge("run", BUILD).code == 4, "what was built with another one is no hit"


def test_a_program_that_only_the_host_has_is_named_too(
    boxed: Workspace, tiny_image: str, place: Path
) -> None:
    only = place / "bin" / "hostonly"
    only.parent.mkdir()
    only.write_text("#!/bin/sh\n", encoding="utf-8")
    only.chmod(0o755)
    boxed.variables["PATH"] = f"{PROGRAMS}:{only.parent}:{os.environ['PATH']}"
    build_in(boxed, tiny_image, 'before-all = "hostonly"')
    said = failed(boxed, boxed.nox(BUILD), "tool-not-declared")
    assert f"the image {tiny_image} has no program hostonly" in said
    assert "-> name an image that has it in [build] image" in said


ASKS = """
    import sys
    import urllib.request

    try:
        urllib.request.urlopen("http://a.test/x")
    except OSError as error:
        sys.exit(f"fetching http://a.test/x: {error}")
"""


def test_a_build_in_a_container_that_wants_an_address_is_told_how_to_get_the_network(
    boxed: Workspace, native_image: str
) -> None:
    boxed.write("ask.py", ASKS)
    boxed.edit("backend.py", '"tiny.c")', '"tiny.c", "ask.py")')
    build_in(boxed, native_image, 'before-build = ["{python} ask.py"]')
    said = failed(boxed, boxed.nox(BUILD), "network-refused")
    assert "it tried to reach http://a.test/x" in said
    assert "the step has no network; set [build] network = true if it needs one" in said
