"""A connection to a program in a container: what it writes, by the frames of Docker's API.

"Attach to a container", stream format. The SDK's own reader waits for the descriptor before it reads, and
reads past the buffer of the answer's header: what has come already, decoded by TLS or with the header, would
be waited for, or lost.
"""

import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

_HEADER = struct.Struct(">B3xI")  # which stream, and how many bytes follow


def said(connection: Any) -> Iterator[bytes]:
    """What programs write, as it comes, until the connection ends."""
    _socket(connection).settimeout(None)
    stream: BinaryIO = connection._response.raw._fp.fp  # noqa: SLF001 (what the SDK took it from)
    while len(header := stream.read(_HEADER.size)) == _HEADER.size:
        _, size = _HEADER.unpack(header)
        yield stream.read(size)


def send(connection: Any, data: bytes) -> None:
    """Write to a program's input. Raises ``OSError`` where nobody reads it any more."""
    _socket(connection).sendall(data)


def break_off(connection: Any) -> None:
    """End a connection that somebody reads: for that one it has ended. Nothing where it is closed already."""
    raw = _socket(connection)
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.shutdown(socket.SHUT_RDWR)


def hang_up(connection: Any) -> None:
    """Close a connection by the answer that it was taken from."""
    # Its buffers are closed in an order of their own.
    with contextlib.suppress(OSError, ValueError):
        connection._response.close()  # noqa: SLF001 (as above)
    with contextlib.suppress(OSError, ValueError):
        connection.close()


def _socket(connection: Any) -> Any:
    """What the SDK's connection is: by TLS itself, else in a file of Python's."""
    return getattr(connection, "_sock", connection)
