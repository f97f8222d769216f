"""What container tests ask for: the engine, an image each, a registry. Imported by tests/e2e/conftest.py.

Where something can't be had the test is skipped with the reason, which CI turns into a failure
(tests/conftest.py).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mpforge.errors import MpforgeError
from tests.images import recipes
from tests.images.engine import Engine, why_no_engine, why_not_emulated
from tests.images.recipes import Recipe
from tests.images.registry import serving, why_no_registry


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The real container engine."""
    if (reason := why_no_engine()) is not None:
        pytest.skip(f"docker: {reason}")
    return Engine()


@pytest.fixture(scope="session")
def emulating_engine(engine: Engine, tiny_aarch64_image: str) -> Engine:
    """The engine, which runs images for aarch64 here: on this machine or by an emulator."""
    if (reason := why_not_emulated(engine, tiny_aarch64_image)) is not None:
        pytest.skip(f"docker: {reason}")
    return engine


def _provided(engine: Engine, recipe: Recipe, tools: Path) -> str:
    """The image's tag; it is made and loaded by one of the run's workers."""
    try:
        return engine.provide(recipe, cache=tools)
    except MpforgeError as error:
        pytest.skip(f"docker: the image {recipe.name} can't be made: {error}")


@pytest.fixture(scope="session")
def manylinux_aarch64_image(engine: Engine, tools: Path) -> str:
    """An image like PyPA's for aarch64: gcc, g++, make, CPython 3.11, auditwheel. It says arm64/v8."""
    return _provided(engine, recipes.MANYLINUX_AARCH64, tools)


@pytest.fixture(scope="session")
def manylinux_x86_64_image(engine: Engine, tools: Path) -> str:
    """The same for x86_64."""
    return _provided(engine, recipes.MANYLINUX_X86_64, tools)


@pytest.fixture(scope="session")
def cross_aarch64_image(engine: Engine, tools: Path) -> str:
    """An image like dockcross's: on x86_64 it compiles for aarch64."""
    return _provided(engine, recipes.CROSS_AARCH64, tools)


@pytest.fixture(scope="session")
def tiny_aarch64_image(engine: Engine, tools: Path) -> str:
    """A shell and coreutils for aarch64, that says arm64 without a variant."""
    return _provided(engine, recipes.TINY_AARCH64, tools)


@pytest.fixture(scope="session")
def tiny_armv7l_image(engine: Engine, tools: Path) -> str:
    """The same for armv7l."""
    return _provided(engine, recipes.TINY_ARMV7L, tools)


@pytest.fixture(scope="session")
def tiny_x86_64_image(engine: Engine, tools: Path) -> str:
    """The same for x86_64."""
    return _provided(engine, recipes.TINY_X86_64, tools)


@pytest.fixture
def registry(engine: Engine, tmp_path: Path) -> Iterator[str]:
    """An empty registry's ``127.0.0.1:PORT``; the engine forgets its names at the end."""
    if (reason := why_no_registry()) is not None:
        pytest.skip(f"docker: {reason}")
    with serving(tmp_path / "registry") as address:
        yield address
        engine.forget(address)
