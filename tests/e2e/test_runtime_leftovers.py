"""What mpforge leaves with a container runtime has labels; no user's container is taken for it."""

import os
import sys
import uuid
from collections.abc import Iterator

import pytest

from mpforge import processes
from mpforge.places.containers import connection, runtime_probe
from mpforge.places.containers.labels import reap
from tests.images.container_runtime import ContainerRuntime

pytestmark = pytest.mark.docker

MAKING = """
import os, sys
from mpforge.places.containers import connection, images
from mpforge.places.containers.container import Container
image, key = sys.argv[1:]
runtime = connection.connect(os.environ)
base = images.Image(image, {})
print(images.layer(runtime, base, key, lambda: Container(runtime, image)).id)
"""


@pytest.fixture
def layer(runtime: ContainerRuntime, tiny_x86_64_image: str) -> Iterator[str]:
    """The id of an image that a process of mpforge's, which has ended, made of a container."""
    key = uuid.uuid4().hex
    made = processes.capture([sys.executable, "-c", MAKING, tiny_x86_64_image, key])
    assert made.returncode == 0, made.stderr
    yield made.stdout.strip()
    runtime.call("image", "rm", f"mpforge-layer:{key}")


def labelled(runtime: ContainerRuntime, label: str) -> list[str]:
    found = runtime.call("image", "ls", "-q", "--no-trunc", "--filter", f"label={label}")
    return found.split()


def test_a_layer_has_a_label(runtime: ContainerRuntime, layer: str) -> None:
    assert layer in labelled(runtime, "mpforge.image=layer")


def test_the_image_of_a_probe_has_a_label(runtime: ContainerRuntime) -> None:
    assert runtime_probe.ask(connection.connect(os.environ), "x86_64")
    assert labelled(runtime, "mpforge.image=probe")


def test_a_user_s_container_of_a_layer_is_not_taken_for_a_dead_process_s(
    runtime: ContainerRuntime, layer: str
) -> None:
    container = runtime.call("create", "--network", "none", layer, "/bin/true")
    try:
        reap(connection.connect(os.environ))
        assert runtime.call("container", "inspect", "--format", "{{.Id}}", container) == container
    finally:
        runtime.call("rm", "--force", container)
