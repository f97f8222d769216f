"""What a build read of this host: strace's notes, the packages of files, and the words for people."""

import pytest

from mpforge import processes
from mpforge.diagnostics import file_traces
from mpforge.engine.trace import Traced, lines
from mpforge.obtain.distro import owners
from mpforge.processes import Captured

TRACE = """\
3 execve("/usr/bin/cc", ["cc", "a.c"], 0x7ffd /* 9 vars */) = 0
3 openat(AT_FDCWD</build/src>, "x.h", O_RDONLY) = -1 ENOENT (No such file or directory)
3 openat(AT_FDCWD</build/src>, "../../usr/include/x.h", O_RDONLY <unfinished ...>
4 execve("/usr/bin/as", ["as"], 0x7ffd /* 9 vars */ <unfinished ...>
3 <... openat resumed>) = 3</usr/include/x.h>
4 <... execve resumed>) = 0
4 execve("/usr/local/bin/ld", ["ld"], 0x7ffd /* 9 vars */) = -1 ENOENT (No such file or directory)
4 openat(AT_FDCWD</build/src>, "a.o", O_RDWR|O_CREAT|O_TRUNC, 0666) = 4</build/src/a.o>
4 open("/tmp/gone", O_RDONLY) = 5</tmp/gone> (deleted)
4 openat(5</opt/data>, "\\303\\244", O_RDONLY) = 6</opt/data/a b>
4 +++ exited with 0 +++
"""


def test_opened_and_started_files_are_read_from_a_trace() -> None:
    assert list(file_traces.paths(TRACE.splitlines())) == [
        *("/usr/bin/cc", "/usr/bin/as", "/usr/include/x.h", "/build/src/a.o", "/opt/data/a b"),
    ]


def test_a_file_s_package_is_found_by_its_path_before_usr_was_merged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = (
        "diversion by dash from: /bin/sh\nlibc6:amd64, libc6:i386: /lib/x/libc.so.6\n"
        "libc6-dev: /usr/include/stdio.h\n"
    )
    monkeypatch.setattr(processes, "capture", lambda _: Captured(1, said, ""))
    monkeypatch.setattr("shutil.which", lambda name: name if name == "dpkg-query" else None)
    asked = ["/usr/lib/x/libc.so.6", "/usr/include/stdio.h", "/opt/x"]
    assert owners.owners(asked) == {asked[0]: "libc6:amd64", asked[1]: "libc6-dev"}


def test_files_that_the_key_does_not_have_are_listed_by_package() -> None:
    told = "\n".join(
        lines(Traced("wheel", 5, 2, {"/etc/x": "", "/usr/a": "tool", "/usr/b": "tool"}))
    )
    assert told.endswith(
        ": 3 files\n  tool\n    /usr/a\n    /usr/b\n  not in a package\n    /etc/x"
    )
    assert "read no other file" in "\n".join(lines(Traced("wheel", 5, 2, {})))
