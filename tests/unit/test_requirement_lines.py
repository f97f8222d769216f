"""Entries of `requires`, which are lines of pip's requirements files."""

import pytest

from mpforge.spec.requirement_lines import FileLine, Line, PathLine, lines_of, parse_line

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("numpy>=2", "numpy>=2"),
        ("a[x] ; python_version < '3.9'", "a[x] ; python_version < '3.9'"),
        ("a @ https://x/a-1-py3-none-any.whl", "a @ https://x/a-1-py3-none-any.whl"),
        ("-r requirements/test.txt", FileLine("requirements/test.txt", constrains=False)),
        ("--requirement=a.txt", FileLine("a.txt", constrains=False)),
        ("-ca.txt", FileLine("a.txt", constrains=True)),
        ("--constraint a.txt", FileLine("a.txt", constrains=True)),
        ("./plugin", PathLine("./plugin")),
        ("-e .[test,docs]", PathLine(".", ("docs", "test"))),
        ("../x ; sys_platform == 'linux'", PathLine("../x", marker="sys_platform == 'linux'")),
        ("vendor/a-1-py3-none-any.whl", PathLine("vendor/a-1-py3-none-any.whl")),
        ("a[x] @ file:vendor/a%20b.whl#sha256=1", PathLine("vendor/a b.whl", ("x",), "a")),
        ("a @ file:///abs/a", PathLine("/abs/a", (), "a")),
        (f"six==1 --hash={B} --hash={A}", f"six==1 --hash={A} --hash={B}"),
        ("numpy --config-settings=setup-args=-Dx", "numpy"),
        ("--prefer-binary", None),
        ("--require-hashes", None),
    ],
)
def test_an_entry_is_a_requirement_a_file_or_a_path(text: str, line: Line | None) -> None:
    assert parse_line(text) == line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (">>a", "expected a requirement"),
        ("git+https://x/y", "expected a requirement"),
        ("-r", "expected a file name after -r"),
        ("--pre", "the option --pre is not supported here"),
        (
            "--index-url https://me:secret@x",
            r"--index-url is not supported here: use \[index\] in the spec",
        ),
        ("a --editable", "the option --editable is not supported"),
        ("a --hash=sha256:1", "expected a hash"),
        ("a --hash=sha512:ff", "expected a sha256 among the hashes"),
        ("./a ; nonsense", "expected a requirement"),
    ],
)
def test_what_an_entry_cannot_be_is_told(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse_line(text)
    assert "secret" not in str(caught.value)


def test_a_file_s_lines_are_joined_and_lose_their_comments() -> None:
    text = "# all\r\nsix==1 \\\n  --hash=a # why\n\n  -r b.txt\na#b\nlast \\"
    assert lines_of(text) == [
        (2, 1, "six==1    --hash=a"),
        (5, 3, "-r b.txt"),
        (6, 1, "a#b"),
        (7, 1, "last"),
    ]
