"""What an image's Python is spared is no condition of a build."""

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpforge.errors import ImageUnfit, Interrupted, MpforgeError, NoHostPython, RuntimeLost
from mpforge.kinds import image_contents
from mpforge.kinds.container_runtime import Containers
from mpforge.kinds.image_place import ProvidedImage
from mpforge.places.containers.images import Image
from mpforge.plan.pins import ImageRequest
from mpforge.plan.places import InImage

PLACE = InImage(ImageRequest("an/image", "aarch64"), (), network=False)


def unused() -> contextlib.AbstractContextManager[Any]:
    raise AssertionError("no container is needed")


class Scene:
    """Containers of a runtime that runs aarch64 by ``how``; ``failing`` is raised by what is asked."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch, how: str = "QEMU 7.2") -> None:
        self.failing: Exception | None = None
        self.no_python = False
        self.warnings: list[str] = []
        toolbox = SimpleNamespace(
            host_python=self._python,
            store=None,
            reporter=SimpleNamespace(
                working=lambda _: contextlib.nullcontext(), warn_once=self.warnings.append
            ),
        )
        workspace: Any = SimpleNamespace(cache=place)
        containers = Containers(workspace, cast("Any", None), cast("Any", toolbox))
        monkeypatch.setattr(containers, "how", lambda _: how)
        monkeypatch.setattr(image_contents, "bytecode", self._provide)
        self._place = ProvidedImage(PLACE, containers, cast("Any", toolbox), cast("Any", None))

    def _python(self, word: str) -> str:
        if self.no_python:
            raise NoHostPython(f"no {word}")
        return word

    def _provide(self, *_: object) -> Path:
        if self.failing is not None:
            raise self.failing
        return Path("bytecode.tar")

    def bytecode(self) -> Path | None:
        return self._place._bytecode(cast("Any", Image("sha256:1", {})), "cp311", unused)


def test_an_emulated_python_is_given_bytecode_and_a_native_one_needs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Scene(tmp_path, monkeypatch).bytecode() is not None
    assert Scene(tmp_path, monkeypatch, "native").bytecode() is None


def test_a_host_without_that_python_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, monkeypatch)
    scene.no_python = True
    assert scene.bytecode() is None
    assert scene.warnings == []


def test_an_image_without_that_python_is_told_by_the_step_that_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, monkeypatch)
    scene.failing = ImageUnfit("it has none")
    assert scene.bytecode() is None
    assert scene.warnings == []


@pytest.mark.parametrize("error", [OSError("no space left"), RuntimeLost("it is gone")])
def test_what_can_t_be_compiled_beforehand_is_a_warning(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, monkeypatch)
    scene.failing = error
    assert scene.bytecode() is None
    why = error.what if isinstance(error, MpforgeError) else error
    said = "the library of cp311 in the image an/image is compiled in each container"
    assert scene.warnings == [f"{said}: {why}"]


def test_an_interrupt_is_none_of_its_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, monkeypatch)
    scene.failing = Interrupted("interrupted")
    with pytest.raises(Interrupted):
        scene.bytecode()
