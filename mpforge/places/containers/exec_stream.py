"""A connection to a program in a container: its output, in the frames of Docker's API.

"Attach to a container", stream format. The SDK's own reader waits for the descriptor before it reads, and
reads past the buffer of the response's header: data already received, decoded by TLS or with the header,
would block or be lost.
"""

import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

_HEADER = struct.Struct(">B3xI")  # the stream, and the number of bytes that follow


def said(connection: Any) -> Iterator[bytes]:
    """Yield a program's output as it arrives, until the connection ends."""
    _socket(connection).settimeout(None)
    stream: BinaryIO = connection._response.raw._fp.fp  # noqa: SLF001 (what the SDK took it from)
    while len(header := stream.read(_HEADER.size)) == _HEADER.size:
        _, size = _HEADER.unpack(header)
        yield stream.read(size)


def send(connection: Any, data: bytes) -> None:
    """Write to a program's input. Raises ``OSError`` if it is closed."""
    _socket(connection).sendall(data)


def break_off(connection: Any) -> None:
    """Shut down a connection: its reader sees the end. Does nothing if it is closed already."""
    raw = _socket(connection)
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.shutdown(socket.SHUT_RDWR)


def hang_up(connection: Any) -> None:
    """Close a connection by the response that it belongs to."""
    # Its buffers are closed in an order of their own.
    with contextlib.suppress(OSError, ValueError):
        connection._response.close()  # noqa: SLF001 (as above)
    with contextlib.suppress(OSError, ValueError):
        connection.close()


def _socket(connection: Any) -> Any:
    """Return the socket of the SDK's connection: itself with TLS, else inside a file object."""
    return getattr(connection, "_sock", connection)
