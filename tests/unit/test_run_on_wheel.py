"""The wheel that the user's own repair command leaves."""

from pathlib import Path

import pytest

from mpforge.errors import OutputMissing, WheelRejected
from mpforge.kinds.run_on_wheel import take_made
from tests.released import wheel

BUILT = "tiny-1.0-cp311-cp311-linux_x86_64.whl"
MADE = "tiny-1.0-cp311-abi3-linux_x86_64.whl"


def put(root: Path, files: dict[str, bytes]) -> str:
    """The name of the wheel that is there after a command wrote these files."""
    out, made = root / "out", root / "made"
    out.mkdir()
    made.mkdir()
    (out / BUILT).write_bytes(b"as built")
    for name, content in files.items():
        (made / name).write_bytes(content)
    take_made(out / BUILT, made, root / "unpacked")
    (found,) = out.iterdir()
    return found.name


def test_the_wheel_that_a_command_wrote_goes_on_in_place_of_the_built_one(tmp_path: Path) -> None:
    assert put(tmp_path, {MADE: wheel("cp311-abi3-linux_x86_64"), "notes.txt": b""}) == MADE


@pytest.mark.parametrize("names", [(), (MADE, BUILT)])
def test_a_command_must_write_one_wheel(names: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(OutputMissing, match="must write one wheel") as caught:
        put(tmp_path, dict.fromkeys(names, b""))
    assert "`check`" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("tiny-2.0-py3-none-any.whl", b"", "another project or version"),
        ("other-1.0-py3-none-any.whl", b"", "another project or version"),
        ("tiny.whl", b"", "Invalid wheel filename"),
        (MADE, wheel("cp311-cp311-linux_x86_64"), "WHEEL has the tags cp311-cp311"),
    ],
)
def test_a_command_s_wheel_is_a_valid_one_of_the_same_project_and_version(
    name: str, content: bytes, why: str, tmp_path: Path
) -> None:
    with pytest.raises(WheelRejected) as caught:
        put(tmp_path, {name: content})
    assert f"made {name} from {BUILT}" in str(caught.value)
    assert why in (caught.value.why or "")


def test_a_file_that_is_no_wheel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WheelRejected):
        put(tmp_path, {MADE: b"nonsense"})
