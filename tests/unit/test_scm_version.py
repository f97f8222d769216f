"""Which versions that were taken from git are told to be doubtful."""

import pytest

from mpforge.diagnostics.scm_version import doubts

SCM = ("setuptools-scm",)
# As setuptools-scm and dunamai print them.
SAID_SHALLOW = 'git.py:163: UserWarning: "/build/src" is shallow and may cause errors\n'
SAID_NO_VERSION = "version.py:9: UserWarning: tag 'release-x' no version found\n"


@pytest.mark.parametrize(
    ("sdist", "tools", "cut_off", "log", "words"),
    [
        ("p-0.1.dev1.tar.gz", SCM, True, "", "setuptools-scm counts its commits"),
        ("p-0.1.dev1.tar.gz", (), True, SAID_SHALLOW, "is a shallow clone; run `git fetch"),
        ("p-1.0.tar.gz", SCM, False, SAID_NO_VERSION, "tag 'release-x' no version found"),
        ("p-0+unknown.tar.gz", ("versioneer",), False, "", "versioneer found no version"),
        ("p-0.0.0.tar.gz", SCM, False, "", "fetch git's tags"),
    ],
)
def test_a_version_that_may_be_wrong_is_told_with_the_reason(
    sdist: str, tools: tuple[str, ...], cut_off: bool, log: str, words: str
) -> None:
    (told,) = doubts(sdist, tools=tools, cut_off=cut_off, log=log)
    assert told.startswith(f"the version of {sdist} may be wrong: ")
    assert words in told


@pytest.mark.parametrize(
    ("sdist", "tools", "cut_off", "log"),
    [
        ("p-1.0.tar.gz", (), True, ""),  # its version is written down
        ("p-1.0.tar.gz", SCM, False, SAID_SHALLOW),  # HEAD has a tag: nothing is counted
        ("p-1.1.dev2+gdbf76c6.tar.gz", SCM, False, "copying shallow/clone.py\n"),
        ("p-0.0.0.tar.gz", (), False, ""),
        ("p-10.0.0.tar.gz", SCM, False, ""),
    ],
)
def test_a_version_that_is_right_is_not_told(
    sdist: str, tools: tuple[str, ...], cut_off: bool, log: str
) -> None:
    assert doubts(sdist, tools=tools, cut_off=cut_off, log=log) == []
