"""Answering a compiler's call, by an object that is kept or by the compiler."""

from __future__ import annotations

import os
import sys

from .calls import SOURCES, key_of, parse
from .files import read, write
from .objects import keep, reuse
from .places import NotReusable, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .calls import Call


def tell(what: str, key: str, source: str) -> None:
    """A line for the step's log: ``reused``, ``compiled``, or why neither; the key; the file."""
    line = f"{what}\t{key}\t{source}\n".encode("utf-8", "surrogateescape")
    descriptor = os.open(os.environ["MPFORGE_OBJECTS_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line)
    os.close(descriptor)


def compiled(words: list[str], call: Call, place: Place, key: str) -> int:
    """Let the compiler do it, and keep what it gave; its exit status."""
    path = os.path.join(os.environ["MPFORGE_OBJECTS"], key)
    own = f"{path}.{os.getpid()}"
    said, headers = f"{own}.said", f"{own}.headers"
    environment = dict(os.environ)
    if call.is_zig:
        # With -MD zig makes another object than without: its clang lists what it reads as well.
        environment |= {"CC_PRINT_HEADERS": "1", "CC_PRINT_HEADERS_FILE": headers}
    elif call.tells_headers:
        headers = call.depfile
    else:
        words = [*words, "-MD", "-MF", headers]
    try:
        write(said, b"")
        begun = os.stat(said).st_ctime_ns
        status = _run(words, environment, said)
        told = read(said)
        sys.stderr.buffer.write(told)
        if status == 0:
            try:
                keep(path, call, place, told=told, headers_file=headers, begun=begun)
                tell("compiled", key, call.source)
            except (NotReusable, OSError) as error:
                tell(f"not kept: {error}", "", call.source)
        return status
    finally:
        for left in (said, f"{own}.headers", own):
            if os.path.exists(left):
                os.unlink(left)


def _run(words: list[str], environment: dict[str, str], said: str) -> int:
    """Run the compiler; what it says for people goes to a file."""
    errors = (os.POSIX_SPAWN_OPEN, 2, said, os.O_WRONLY | os.O_APPEND, 0o600)
    child = os.posix_spawn(words[0], words, environment, file_actions=[errors])
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(words: list[str]) -> int:
    """Answer a compiler's call; the exit status, negative for a signal."""
    fixed = os.environ["MPFORGE_OBJECTS_FIXED"]
    place = Place(os.environ["MPFORGE_STEP_DIR"], fixed, os.getcwd())
    try:
        call = parse(words[1:], place)
        key = key_of(call, place)
        if not reuse(os.path.join(os.environ["MPFORGE_OBJECTS"], key), call, place):
            return compiled(words, call, place, key)
        tell("reused", key, call.source)
    except NotReusable as error:
        source = next((word for word in words if word.endswith(SOURCES)), "")
        tell(f"not kept: {error}", "", source)
        become(words)
    except OSError:  # whatever it was, the compiler will say it, or do without us
        become(words)
    return 0


def become(words: list[str]) -> NoReturn:
    """Be the compiler from now on."""
    sys.stderr.flush()
    os.execv(words[0], words)  # noqa: S606


def run() -> NoReturn:
    """Answer the call that this process is, and end as it ended."""
    try:
        status = main(sys.argv[1:])
    except KeyboardInterrupt:
        status = -2
    sys.stderr.flush()
    if status < 0:
        os.kill(os.getpid(), -status)
    os._exit(status if status >= 0 else 128 - status)
