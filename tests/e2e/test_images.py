"""The images that the container tests use are what they claim to be, and the registry serves them."""

import json

import pytest

from tests.images.archives import digest_of
from tests.images.container_runtime import ContainerRuntime
from tests.images.recipes import LABEL, RECIPES, Recipe
from tests.images.registry import fetch_manifest, push_image, push_index

pytestmark = pytest.mark.docker

PLATFORMS = {
    "cross-aarch64": "linux/amd64",
    "manylinux-aarch64": "linux/arm64/v8",
    "manylinux-x86_64": "linux/amd64",
    "tiny-aarch64": "linux/arm64",
    "tiny-armv7l": "linux/arm/v7",
    "tiny-x86_64": "linux/amd64",
}
MACHINE = "import platform; print(platform.machine())"


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: str(recipe.name))
def test_an_image_says_the_platform_that_its_programs_are_for(
    recipe: Recipe, runtime: ContainerRuntime, request: pytest.FixtureRequest
) -> None:
    image = request.getfixturevalue(f"{recipe.name.replace('-', '_')}_image")
    assert image == recipe.tag
    assert runtime.platform_of(image) == PLATFORMS[recipe.name]
    assert runtime.inspect(image)["Config"]["Labels"] == {LABEL: digest_of(recipe)}


def test_the_python_of_the_aarch64_image_runs_on_aarch64(
    emulating_runtime: ContainerRuntime, manylinux_aarch64_image: str
) -> None:
    python = "/opt/python/cp311-cp311/bin/python3.11"
    assert emulating_runtime.run(manylinux_aarch64_image, python, "-c", MACHINE) == "aarch64"


def test_the_aarch64_image_compiles_c_and_cpp_with_its_own_compilers(
    emulating_runtime: ContainerRuntime, manylinux_aarch64_image: str
) -> None:
    script = """
        cd /tmp
        printf '#include <Python.h>\\nint main(void) { puts("C"); return 0; }\\n' > a.c
        printf '#include <iostream>\\nint main() { std::cout << "C++" << std::endl; }\\n' > a.cc
        gcc -I/opt/python/cp311-cp311/include/python3.11 a.c -o a && ./a
        g++ a.cc -o b && ./b
        make --version > /dev/null && auditwheel --version > /dev/null && patchelf --version > /dev/null
        echo "$AUDITWHEEL_PLAT"
    """
    said = emulating_runtime.run(manylinux_aarch64_image, "sh", "-ec", script)
    assert said.split() == ["C", "C++", "manylinux_2_36_aarch64"]


def test_the_cross_image_compiles_an_extension_for_aarch64(
    runtime: ContainerRuntime, cross_aarch64_image: str
) -> None:
    script = """
        cd /tmp
        printf '#include <Python.h>\\nint PyInit_a(void) { return sizeof(PyObject); }\\n' > a.c
        $CC $CFLAGS -shared a.c -o a.so
        od -An -tx1 -j18 -N2 a.so
        /opt/python/cp311-cp311/bin/python -c 'import sysconfig as s; print(s.get_config_var("EXT_SUFFIX"))'
        uname -m
    """
    em_aarch64 = ["b7", "00"]  # elf(5): e_machine, 183
    suffix = ".cpython-311-aarch64-linux-gnu.so"
    said = runtime.run(cross_aarch64_image, "sh", "-ec", script)
    assert said.split() == [*em_aarch64, suffix, "x86_64"]


def test_an_image_comes_back_from_the_registry_by_its_digest(
    runtime: ContainerRuntime, tiny_x86_64_image: str, registry: str
) -> None:
    digest = push_image(runtime, tiny_x86_64_image, registry, "tiny")
    reference = f"{registry}/tiny@{digest}"
    runtime.call("pull", "--quiet", reference)
    assert runtime.inspect(reference)["Id"] == runtime.inspect(tiny_x86_64_image)["Id"]
    assert runtime.run(reference, "uname", "-m") == "x86_64"


def test_an_index_gives_each_platform_its_image(
    runtime: ContainerRuntime, tiny_x86_64_image: str, tiny_aarch64_image: str, registry: str
) -> None:
    images = {"linux/amd64": tiny_x86_64_image, "linux/arm64": tiny_aarch64_image}
    digest = push_index(runtime, list(images.values()), registry, "tiny")
    entries = json.loads(fetch_manifest(registry, "tiny", digest))["manifests"]
    assert [entry["platform"]["architecture"] for entry in entries] == ["amd64", "arm64"]
    for platform, image in images.items():
        runtime.call("pull", "--quiet", "--platform", platform, f"{registry}/tiny:1")
        assert runtime.inspect(f"{registry}/tiny:1")["Id"] == runtime.inspect(image)["Id"]
