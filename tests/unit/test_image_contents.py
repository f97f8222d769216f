"""What an image has is judged rightly: whose compiler it is, where it has the target's packages."""

import pytest

from mpforge.kinds.image_contents import CrossImage, pkg_config_directories
from mpforge.platforms import well_known


@pytest.mark.parametrize(
    ("target", "triple"),
    [
        ("aarch64", "aarch64-linux-gnu"),
        ("aarch64", "aarch64-unknown-linux-gnu\n"),
        ("armv7l", "arm-linux-gnueabihf"),
        ("armv7l", "armv7-unknown-linux-gnueabihf"),
        ("i686", "i386-linux-gnu"),
        ("x86_64", "x86_64-redhat-linux"),
        ("aarch64_musl", "aarch64-linux-musl"),
        ("ppc64le", "powerpc64le-linux-gnu"),
    ],
)
def test_a_compiler_is_for_a_platform_whatever_its_vendor_is_called(
    target: str, triple: str
) -> None:
    assert well_known()[target].is_triple(triple)


@pytest.mark.parametrize(
    ("target", "triple"),
    [
        ("aarch64", "x86_64-linux-gnu"),
        ("aarch64", "aarch64-linux-musl"),
        ("aarch64", "aarch64_be-linux-gnu"),
        ("aarch64", "arm-linux-gnueabihf"),
        ("armv7l", "arm-linux-gnueabi"),
        ("armv7l", "armeb-linux-gnueabihf"),
        ("ppc64le", "powerpc64-linux-gnu"),
        ("x86_64", "x86_64-w64-mingw32"),
        ("x86_64", "cc: error: unrecognized option"),
        ("x86_64", ""),
    ],
)
def test_a_compiler_of_another_machine_or_c_library_is_not(target: str, triple: str) -> None:
    assert not well_known()[target].is_triple(triple)


def test_descriptions_of_libraries_are_looked_for_where_the_target_s_are() -> None:
    platform = well_known()["aarch64"]
    found = pkg_config_directories({"CROSS_ROOT": "/opt/x/", "CROSS_TRIPLE": "a-b-c-d"}, platform)
    assert found.split(":") == [
        *("/opt/x/lib/pkgconfig", "/opt/x/usr/lib/pkgconfig", "/opt/x/usr/share/pkgconfig"),
        *("/usr/lib/a-b-c-d/pkgconfig", "/usr/lib/aarch64-linux-gnu/pkgconfig"),
    ]
    assert pkg_config_directories({}, platform) == "/usr/lib/aarch64-linux-gnu/pkgconfig"


def test_what_is_known_of_an_image_is_kept_for_it_and_what_is_added_to_it() -> None:
    def digest(identifier: str, python: str, added: dict[str, str]) -> str:
        target = well_known()["aarch64"]
        return CrossImage("name", identifier, target, python, {"CC": "x"} | added, added).digest

    found = {
        digest("sha256:a", "cp311", {}),
        digest("sha256:b", "cp311", {}),
        digest("sha256:a", "cp313", {}),
        digest("sha256:a", "cp311", {"CC": "y"}),
    }
    assert len(found) == 4
