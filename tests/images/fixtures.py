"""What container tests ask for: the runtime, an image each, a registry. Imported by tests/e2e/conftest.py.

Where something can't be had the test is skipped with the reason, which CI turns into a failure
(tests/conftest.py).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mpforge.errors import MpforgeError
from tests.images import recipes
from tests.images.container_runtime import ContainerRuntime, why_no_runtime, why_not_emulated
from tests.images.recipes import Recipe
from tests.images.registry import serving, why_no_registry


@pytest.fixture(scope="session")
def runtime() -> ContainerRuntime:
    """The real container runtime."""
    if (reason := why_no_runtime()) is not None:
        pytest.skip(f"docker: {reason}")
    return ContainerRuntime()


@pytest.fixture(scope="session")
def emulating_runtime(runtime: ContainerRuntime, tiny_aarch64_image: str) -> ContainerRuntime:
    """The runtime, which runs images for aarch64 here: on this machine or by an emulator."""
    if (reason := why_not_emulated(runtime, tiny_aarch64_image)) is not None:
        pytest.skip(f"docker: {reason}")
    return runtime


def _provided(runtime: ContainerRuntime, recipe: Recipe, tools: Path) -> str:
    """The image's tag; it is made and loaded by one of the run's workers."""
    try:
        return runtime.provide(recipe, cache=tools)
    except MpforgeError as error:
        pytest.skip(f"docker: the image {recipe.name} can't be made: {error}")


@pytest.fixture(scope="session")
def manylinux_aarch64_image(runtime: ContainerRuntime, tools: Path) -> str:
    """An image like PyPA's for aarch64: gcc, g++, make, CPython 3.11, auditwheel. It says arm64/v8."""
    return _provided(runtime, recipes.MANYLINUX_AARCH64, tools)


@pytest.fixture(scope="session")
def manylinux_x86_64_image(runtime: ContainerRuntime, tools: Path) -> str:
    """The same for x86_64."""
    return _provided(runtime, recipes.MANYLINUX_X86_64, tools)


@pytest.fixture(scope="session")
def cross_aarch64_image(runtime: ContainerRuntime, tools: Path) -> str:
    """An image like dockcross's: on x86_64 it compiles for aarch64."""
    return _provided(runtime, recipes.CROSS_AARCH64, tools)


@pytest.fixture(scope="session")
def tiny_aarch64_image(runtime: ContainerRuntime, tools: Path) -> str:
    """A shell and coreutils for aarch64, that says arm64 without a variant."""
    return _provided(runtime, recipes.TINY_AARCH64, tools)


@pytest.fixture(scope="session")
def tiny_armv7l_image(runtime: ContainerRuntime, tools: Path) -> str:
    """The same for armv7l."""
    return _provided(runtime, recipes.TINY_ARMV7L, tools)


@pytest.fixture(scope="session")
def tiny_x86_64_image(runtime: ContainerRuntime, tools: Path) -> str:
    """The same for x86_64."""
    return _provided(runtime, recipes.TINY_X86_64, tools)


@pytest.fixture
def registry(runtime: ContainerRuntime, tmp_path: Path) -> Iterator[str]:
    """An empty registry's ``127.0.0.1:PORT``; the runtime forgets its names at the end."""
    if (reason := why_no_registry()) is not None:
        pytest.skip(f"docker: {reason}")
    with serving(tmp_path / "registry") as address:
        yield address
        runtime.forget(address)
