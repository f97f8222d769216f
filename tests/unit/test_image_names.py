"""Images' names and platforms, and what registries answer, taken apart: values in, values out."""

import pytest

from mpforge.errors import ImageNameWrong
from mpforge.places.containers import registry, registry_session
from mpforge.platforms import image_name
from mpforge.platforms.image_name import Parts

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("debian", Parts("debian", "docker.io", "library/debian", "latest", None)),
        ("debian:12", Parts("debian", "docker.io", "library/debian", "12", None)),
        (
            "dockcross/linux-arm64",
            Parts("dockcross/linux-arm64", "docker.io", "dockcross/linux-arm64", "latest", None),
        ),
        (
            "docker.io/library/debian",
            Parts("docker.io/library/debian", "docker.io", "library/debian", "latest", None),
        ),
        (
            "quay.io/pypa/manylinux2014_x86_64:2025.01.01-1",
            Parts(
                "quay.io/pypa/manylinux2014_x86_64",
                "quay.io",
                "pypa/manylinux2014_x86_64",
                "2025.01.01-1",
                None,
            ),
        ),
        (
            "127.0.0.1:5000/a",
            Parts("127.0.0.1:5000/a", "127.0.0.1:5000", "a", "latest", None),
        ),
        (f"localhost/a@{A}", Parts("localhost/a", "localhost", "a", "latest", A)),
        (f"ghcr.io/a/b:1@{A}", Parts("ghcr.io/a/b", "ghcr.io", "a/b", "1", A)),
    ],
)
def test_a_name_is_taken_apart_as_docker_does(name: str, expected: Parts) -> None:
    assert registry.parse(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-",
        "Debian",
        "a//b",
        "a:",
        "a:b:c",
        "https://x/y",
        "a@sha256:1",
        "a b",
        "a/../b",
        "sha256:abc",
    ],
)
def test_what_can_be_no_name_is_refused(name: str) -> None:
    with pytest.raises(ImageNameWrong):
        registry.parse(name)


def test_docker_hub_answers_at_an_address_of_its_own() -> None:
    assert registry_session.address_of("docker.io") == "registry-1.docker.io"
    assert registry_session.address_of("quay.io") == "quay.io"


def test_an_id_is_the_whole_digest() -> None:
    assert image_name.is_id(A)
    assert not image_name.is_id(f"debian@{A}")
    assert not image_name.is_id("sha256:abc")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost:5000", True),
        ("127.0.0.1", True),
        ("127.9.9.9:1", True),
        ("[::1]:5000", True),
        ("127.0.0.1.example.org", False),
        ("10.0.0.1:5000", False),
        ("quay.io", False),
    ],
)
def test_only_this_machine_is_spoken_to_without_tls(host: str, expected: bool) -> None:
    assert registry_session.is_loopback(host) is expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/amd64/v1", "linux/amd64"),
    ],
)
def test_a_platform_has_one_spelling(one: str, other: str) -> None:
    assert registry.normal(one) == registry.normal(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("linux/arm/v6", "linux/arm/v7"),
        ("linux/amd64/v3", "linux/amd64"),
        ("windows/amd64", "linux/amd64"),
        ("linux/arm64", "linux/arm"),
    ],
)
def test_other_platforms_stay_others(one: str, other: str) -> None:
    assert registry.normal(one) != registry.normal(other)


def entry(digest: str, system: str, architecture: str, variant: str = "") -> dict[str, object]:
    platform = {"os": system, "architecture": architecture, "variant": variant}
    return {"digest": digest, "platform": platform}


def test_an_index_has_a_manifest_for_each_platform_and_attestations_are_none() -> None:
    index = {
        "manifests": [
            entry(A, "linux", "arm64", "v8"),
            entry(B, "linux", "arm", "v7"),
            entry(C, "linux", "arm64"),
            entry(C, "unknown", "unknown"),
            {"digest": C},
        ]
    }
    assert registry.manifests(index) == {"linux/arm64": A, "linux/arm/v7": B}


def test_a_challenge_is_taken_apart() -> None:
    header = (
        'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="a:b:pull"'
    )
    fields = {"realm": "https://auth.docker.io/token", "service": "registry.docker.io"}
    assert registry_session.challenge(header) == ("bearer", fields | {"scope": "a:b:pull"})
    assert registry_session.challenge('Basic realm="Registry Realm"') == (
        "basic",
        {"realm": "Registry Realm"},
    )
    assert registry_session.challenge("") == ("", {})
