"""An image is pinned by its platform's manifest and pulled by that pin; only ``mpforge lock`` moves it."""

import base64
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import NATIVE
from tests.e2e.container_project import BUILD, FOREIGN, PYPROJECT
from tests.e2e.workspace import NOXFILE, Cache, Workspace
from tests.images.container_runtime import ContainerRuntime
from tests.images.recipes import LABEL
from tests.images.registry import fetch_manifest, push_image, push_index, serving, why_no_registry
from tests.images.tokens import guarded

pytestmark = pytest.mark.docker

SPEC = f"""
    schema = 1

    [project]
    python = ["cp311"]
    targets = ["{NATIVE}"]

    [build]
    strategy = "emulate"
    image = "IMAGE"

    [test]
    strategy = "skip"
"""
# Nothing is resolved for it: it has all that it needs.
BACKEND = """
    import io
    import tarfile


    def build_sdist(folder, config_settings=None):
        with tarfile.open(f"{folder}/tiny-1.0.tar.gz", "w:gz") as tar:
            for name in ("backend.py", "pyproject.toml"):
                tar.add(name, f"tiny-1.0/{name}")
            data = b"Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n"
            entry = tarfile.TarInfo("tiny-1.0/PKG-INFO")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
        return "tiny-1.0.tar.gz"


    def build_wheel(folder, config_settings=None, metadata_directory=None):
        raise NotImplementedError
"""
DEPS = ("run", f"deps-{NATIVE}")
NO_RUNTIME = {"DOCKER_HOST": "unix:///nowhere.sock"}


@pytest.fixture
def native_image(tiny_x86_64_image: str, tiny_aarch64_image: str) -> str:
    return {"x86_64": tiny_x86_64_image, "aarch64": tiny_aarch64_image}[NATIVE]


@pytest.fixture
def foreign_image(tiny_x86_64_image: str, tiny_aarch64_image: str) -> str:
    return {"x86_64": tiny_x86_64_image, "aarch64": tiny_aarch64_image}[FOREIGN]


@pytest.fixture
def other_image(runtime: ContainerRuntime, native_image: str, tmp_path: Path) -> Iterator[str]:
    """Another image for this machine."""
    name = f"mpforge-test/other-{tmp_path.name.lower().replace('_', '-')}-{NATIVE}"
    container = runtime.call("create", "--label", LABEL, native_image, "true")
    try:
        runtime.call("commit", "--change", f"ENV OTHER={tmp_path}", container, name)
    finally:
        runtime.call("rm", container)
    yield name
    runtime.call("image", "rm", "--force", name)


@pytest.fixture
def project(place: Path) -> Workspace:
    """A project that is built in an image, which its spec does not name yet."""
    workspace = Workspace(place / "project", Cache(place / "cache"))
    workspace.write("noxfile.py", NOXFILE)
    workspace.write("multiplatform.toml", SPEC)
    workspace.write("pyproject.toml", PYPROJECT)
    workspace.write("backend.py", BACKEND)
    return workspace


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """Where a registry that a test itself starts and stops keeps its images."""
    if (reason := why_no_registry()) is not None:
        pytest.skip(f"docker: {reason}")
    return tmp_path / "storage"


def use(workspace: Workspace, image: str, *targets: str) -> None:
    """Name the image, and targets besides this machine's."""
    text = workspace.read("multiplatform.toml").replace("IMAGE", image)
    wanted = json.dumps([NATIVE, *targets])
    workspace.write("multiplatform.toml", text.replace(f'["{NATIVE}"]', wanted))


def pins(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """The lock's images by their platform."""
    lock = workspace.root / "multiplatform.lock"
    found = tomllib.loads(lock.read_text("utf-8")).get("images", []) if lock.exists() else []
    return {entry["platform"]: entry for entry in found}


def test_what_a_name_stands_for_is_pinned_and_pulled_by_that_pin(
    runtime: ContainerRuntime, project: Workspace, native_image: str, registry: str
) -> None:
    digest = push_image(runtime, native_image, registry, "tiny")
    use(project, f"{registry}/tiny:1")
    locked = project.mpforge("lock", env=NO_RUNTIME)  # a registry is asked without one
    assert f"+ {registry}/tiny:1 {digest[:19]} (image, {NATIVE})" in locked.output.splitlines()
    expected = {"name": f"{registry}/tiny:1", "platform": NATIVE, "digest": digest}
    assert pins(project) == {NATIVE: expected}

    made = project.mpforge(*DEPS)
    assert made.code == 0, str(made)
    assert f"pulling the image {registry}/tiny:1" in made.output
    found = runtime.inspect(f"{registry}/tiny@{digest}")
    assert found["Id"] == runtime.inspect(native_image)["Id"]
    again = project.mpforge(*DEPS)
    assert again.code == 0, str(again)
    assert "pulling" not in again.output


def image_of_key(workspace: Workspace) -> tuple[str, str]:
    """The key of the first step in the image, and what of the image is in it.

    What comes before it is made; the step itself fails, as the image has no Python.
    """
    made = workspace.nox(BUILD)
    assert "has no Python for cp311" in made.output, str(made)
    told = workspace.json("explain", BUILD, "--json")["sessions"]
    steps = [step for session in told for step in session["steps"]]
    step = next(step for step in steps if "image" in (step["ingredients"] or {}))
    return step["key"], step["ingredients"]["image"]


def test_a_tag_that_moves_moves_nothing_until_the_lock_is_updated(
    runtime: ContainerRuntime,
    project: Workspace,
    native_image: str,
    other_image: str,
    registry: str,
) -> None:
    name = f"{registry}/tiny:1"
    first = push_image(runtime, native_image, registry, "tiny")
    use(project, name)
    assert project.mpforge(*DEPS).code == 0
    before = project.read("multiplatform.lock")
    key, image = image_of_key(project)
    assert image == first

    second = push_image(runtime, other_image, registry, "tiny")
    assert second != first
    assert project.mpforge(*DEPS).code == 0
    assert "no pin changed" in project.mpforge("lock").output
    assert project.read("multiplatform.lock") == before
    assert image_of_key(project) == (key, first)

    moved = project.mpforge("lock", "--update", name)
    assert f"{name} {first[:19]} -> {second[:19]} (image, {NATIVE})" in moved.output.splitlines()
    assert pins(project)[NATIVE]["digest"] == second
    assert project.mpforge(*DEPS).code == 0
    assert runtime.inspect(f"{registry}/tiny@{second}")["Id"] == runtime.inspect(other_image)["Id"]
    key, image = image_of_key(project)
    assert image == second

    assert push_image(runtime, other_image, registry, "tiny", "2") == second
    project.edit("multiplatform.toml", "/tiny:1", "/tiny:2")
    assert project.mpforge("lock").code == 0
    assert image_of_key(project) == (key, second), "a tag is not in the key"


def test_each_target_has_the_digest_of_its_own_manifest_in_an_index(
    emulating_runtime: ContainerRuntime,
    project: Workspace,
    native_image: str,
    foreign_image: str,
    registry: str,
) -> None:
    runtime = emulating_runtime
    index = push_index(runtime, [native_image, foreign_image], registry, "tiny")
    use(project, f"{registry}/tiny:1", FOREIGN)
    assert project.mpforge("lock").code == 0
    digests = {platform: entry["digest"] for platform, entry in pins(project).items()}
    assert digests.keys() == {NATIVE, FOREIGN}
    assert len({index, *digests.values()}) == 3
    made = project.mpforge(*DEPS, f"deps-{FOREIGN}")
    assert made.code == 0, str(made)
    for platform, image in ((NATIVE, native_image), (FOREIGN, foreign_image)):
        pulled = runtime.inspect(f"{registry}/tiny@{digests[platform]}")
        assert pulled["Id"] == runtime.inspect(image)["Id"]

    project.edit("multiplatform.toml", "/tiny:1", f"/tiny@{index}")
    assert project.mpforge("lock").code == 0
    by_digest = {platform: entry["digest"] for platform, entry in pins(project).items()}
    assert by_digest == digests, "an index that is named by its digest is looked through too"


# --- what can't be had ----------------------------------------------------------------------------


def test_an_image_of_another_platform_is_refused_with_those_that_there_are(
    runtime: ContainerRuntime, project: Workspace, foreign_image: str, registry: str
) -> None:
    push_image(runtime, foreign_image, registry, "single")
    use(project, f"{registry}/single:1")
    run = project.mpforge(*DEPS)
    assert run.code == 4, str(run)
    assert "image-unfit: " in run.output
    foreign = "linux/arm64" if FOREIGN == "aarch64" else "linux/amd64"
    assert f"it has {foreign}" in run.output
    assert pins(project) == {}

    locked = project.mpforge("lock")
    assert f"not pinned: the image {registry}/single:1 for {NATIVE}: " in locked.output


def test_an_index_that_lies_is_found_out_after_the_pull(
    runtime: ContainerRuntime, project: Workspace, foreign_image: str, registry: str
) -> None:
    native = "linux/amd64" if NATIVE == "x86_64" else "linux/arm64"
    push_index(runtime, [foreign_image], registry, "liar", saying=[native])
    use(project, f"{registry}/liar:1")
    assert project.mpforge("lock").code == 0
    run = project.mpforge(*DEPS)
    assert run.code == 4, str(run)
    assert "image-unfit: " in run.output
    assert f"mpforge lock --update {registry}/liar:1" in run.output


def test_an_image_that_nobody_has_is_named_with_the_address(
    project: Workspace, registry: str
) -> None:
    use(project, f"{registry}/nothing:1")
    run = project.mpforge(*DEPS)
    assert run.code == 4, str(run)
    assert "image-unknown: " in run.output
    assert (
        f"{registry} has no image {registry}/nothing:1" in run.output
    )  # the runtime may have one of a similar name

    project.edit("multiplatform.toml", f"{registry}/nothing:1", "https://example.org/Tiny")
    run = project.mpforge(*DEPS)
    assert run.code == 2, str(run)
    assert "image-name-wrong: " in run.output


def test_what_is_pinned_and_pulled_needs_no_registry(
    runtime: ContainerRuntime, project: Workspace, native_image: str, storage: Path
) -> None:
    with serving(storage) as registry:
        digest = push_image(runtime, native_image, registry, "tiny")
        use(project, f"{registry}/tiny:1")
        assert project.mpforge(*DEPS).code == 0
    try:
        run = project.mpforge(*DEPS)
        assert run.code == 0, str(run)
    finally:
        runtime.forget(registry)

    # Now the runtime has it no more; what deps remembers is only told apart by who needs the image.
    run = project.mpforge(*DEPS, env={"MPFORGE_NO_CACHE": "1"})
    assert run.code == 4, str(run)
    assert "registry-unreachable: this container runtime does not have the image" in run.output
    assert digest in run.output

    moved = project.mpforge("lock", "--update", f"{registry}/tiny:1")
    assert f", which stays {digest[:19]}: the registry {registry} can't" in moved.output
    assert pins(project)[NATIVE]["digest"] == digest


def test_a_missing_pin_is_an_error_where_the_lock_is_complete(
    runtime: ContainerRuntime, project: Workspace, native_image: str, registry: str
) -> None:
    digest = push_image(runtime, native_image, registry, "tiny")
    use(project, f"{registry}/tiny:1")
    run = project.mpforge("run", "--locked", f"deps-{NATIVE}")
    assert run.code == 2, str(run)
    assert (
        f"pin-missing: multiplatform.lock has no pin for the image {registry}/tiny:1" in run.output
    )
    assert "mpforge lock" in run.output
    alone = project.nox(BUILD, "--no-dependencies", env={"MPFORGE_LOCKED": "1"})
    assert "pin-missing: " in alone.output, str(alone)
    plan = project.mpforge("plan", BUILD)
    assert "not known" in plan.output
    assert f"pins are missing for the image {registry}/tiny:1" in plan.output
    assert project.mpforge("lock").code == 0
    run = project.mpforge("run", "--locked", f"deps-{NATIVE}")
    assert run.code == 0, str(run)

    project.edit("multiplatform.lock", digest, f"sha256:{'0' * 64}")
    run = project.mpforge(*DEPS)
    assert run.code == 4, str(run)
    assert "pin-gone: " in run.output, "the registry no longer has it"
    assert f"-> mpforge lock --update {registry}/tiny:1" in run.output


def test_what_a_registry_sends_is_verified(
    runtime: ContainerRuntime, project: Workspace, native_image: str, storage: Path
) -> None:
    with serving(storage) as registry:
        digest = push_image(runtime, native_image, registry, "tiny")
        manifest = json.loads(fetch_manifest(registry, "tiny", digest))
        word = manifest["config"]["digest"].removeprefix("sha256:")
        (blob,) = storage.rglob(f"{word}/data")
        blob.write_bytes(blob.read_bytes().replace(b"linux", b"minix"))
        use(project, f"{registry}/tiny:1")
        run = project.mpforge(*DEPS)
        assert run.code == 4, str(run)
        assert "hash-mismatch: " in run.output
        runtime.forget(registry)


# --- images that only a runtime has ---------------------------------------------------------------


def test_an_image_that_only_the_runtime_has_is_pinned_by_its_id(
    runtime: ContainerRuntime, project: Workspace, other_image: str
) -> None:
    use(project, other_image)
    without = project.mpforge("lock", env=NO_RUNTIME)
    assert f"not pinned: the image {other_image} for {NATIVE}: " in without.output
    assert pins(project) == {}

    assert project.mpforge("lock").code == 0
    identifier = runtime.inspect(other_image)["Id"]
    entry = {"name": other_image, "platform": NATIVE, "digest": identifier, "local": True}
    assert pins(project) == {NATIVE: entry}
    run = project.mpforge(*DEPS)
    assert run.code == 0, str(run)

    project.edit("multiplatform.lock", identifier, f"sha256:{'0' * 64}")
    run = project.mpforge(*DEPS)
    assert run.code == 4, str(run)
    assert f"mpforge lock --update {other_image}" in run.output

    project.edit("multiplatform.toml", other_image, identifier)
    run = project.mpforge(*DEPS)
    assert run.code == 0, str(run)
    assert f'name = "{identifier}"' in project.read("multiplatform.lock")


# --- credentials ----------------------------------------------------------------------------------

USER, PASSWORD, IDENTITY = "ana", "open-sesame", "an-identity-token"
# The password by bcrypt, which docker-registry wants: crypt.crypt(PASSWORD, "$2b$05$abcdefghijklmnopqrstuu").
USERS = f"{USER}:$2b$05$abcdefghijklmnopqrstuutXu9KzOt.1yBoZUeFWoT/914/JfszCO\n"


def configured(place: Path, content: object) -> dict[str, str | None]:
    """Docker's configuration as variables."""
    folder = place / "docker"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    return {"DOCKER_CONFIG": str(folder)}


def pair(password: str = PASSWORD) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{USER}:{password}".encode()).decode()}


@pytest.fixture
def closed(
    runtime: ContainerRuntime, project: Workspace, native_image: str, storage: Path
) -> Iterator[str]:
    """A registry that wants the password; the project names its image."""
    with serving(storage) as registry:
        push_image(runtime, native_image, registry, "tiny")
        runtime.forget(registry)
    with serving(storage, users=USERS) as registry:
        use(project, f"{registry}/tiny:1")
        yield registry
        runtime.forget(registry)


@pytest.fixture
def hub(
    runtime: ContainerRuntime, project: Workspace, native_image: str, registry: str
) -> Iterator[str]:
    """A registry that wants tokens; the project names its image."""
    push_image(runtime, native_image, registry, "tiny")
    with guarded(registry, pair=f"{USER}:{PASSWORD}", identity=IDENTITY) as address:
        use(project, f"{address}/tiny:1")
        yield address
        runtime.forget(address)


@pytest.mark.parametrize("which", ["closed", "hub"])
def test_credentials_come_from_dockers_own_configuration(
    which: str, project: Workspace, place: Path, request: pytest.FixtureRequest
) -> None:
    registry = request.getfixturevalue(which)
    for content in ({}, {"auths": {registry: pair("wrong-sesame")}}):
        run = project.mpforge(*DEPS, env=configured(place, content))
        assert run.code == 4, str(run)
        assert "registry-denies: " in run.output
        assert f"docker login {registry}" in run.output
        assert "sesame" not in run.output
        assert pair("wrong-sesame")["auth"] not in run.output

    known = configured(place, {"auths": {registry: pair()}})
    locked = project.mpforge("lock", env=known)
    assert pins(project).keys() == {NATIVE}, str(locked)
    run = project.mpforge(*DEPS, env=known)
    assert run.code == 0, str(run)
    assert "pulling the image" in run.output


def test_an_identity_token_is_given_for_a_token(project: Workspace, place: Path, hub: str) -> None:
    auth = base64.b64encode(f"{USER}:".encode()).decode()
    content = {"auths": {hub: {"auth": auth, "identitytoken": IDENTITY}}}
    run = project.mpforge(*DEPS, env=configured(place, content))
    assert run.code == 0, str(run)


def test_dockers_credential_helpers_are_asked(project: Workspace, place: Path, closed: str) -> None:
    content = {"credHelpers": {closed: "of-a-test"}}
    variables = configured(place, content)
    run = project.mpforge(*DEPS, env=variables)
    assert run.code == 4, str(run)
    assert "docker-credential-of-a-test returned no usable credentials" in run.output

    helper = place / "bin" / "docker-credential-of-a-test"
    helper.parent.mkdir()
    told = json.dumps({"ServerURL": closed, "Username": USER, "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\necho '{told}'\n", encoding="utf-8")
    helper.chmod(0o755)
    path = f"{helper.parent}:{project.environment()['PATH']}"
    run = project.mpforge(*DEPS, env=variables | {"PATH": path})
    assert run.code == 0, str(run)
