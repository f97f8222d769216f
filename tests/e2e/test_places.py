"""This host and a container keep the promises of a place, which unit tests rely on with their fake."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from mpforge.places.containers import connection
from mpforge.places.containers.container import Container
from mpforge.places.containers.container_step import StepContainer
from mpforge.places.sandbox import on_host
from mpforge.places.step import StepDirectory
from tests.unit.fake_place import PROMISES


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return StepDirectory(tmp_path / "step").prepare().root


@pytest.fixture
def log(tmp_path: Path) -> Iterator[BinaryIO]:
    with (tmp_path / "log").open("wb", buffering=0) as file:
        yield file


def test_this_host_keeps_the_promises_of_a_place(root: Path, log: BinaryIO) -> None:
    for promise in PROMISES:
        promise(on_host(root), root, log)


@pytest.mark.docker
def test_a_container_keeps_the_promises_of_a_place(
    root: Path, log: BinaryIO, tiny_x86_64_image: str
) -> None:
    runtime = connection.connect(os.environ)
    with contextlib.closing(Container(runtime, tiny_x86_64_image)) as container:
        for promise in PROMISES:
            promise(StepContainer(container, root), root, log)
