"""What is read of a program in a container: frames, however they arrive."""

import io
import socket
import struct
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from mpforge.places.containers import exec_stream


def frame(data: bytes, stream: int = 1) -> bytes:
    return struct.pack(">B3xI", stream, len(data)) + data


class Connection:
    """What the SDK gives: a file of the socket, which was taken from under the answer's buffer."""

    def __init__(self, raw: socket.socket) -> None:
        self._sock = raw
        self.buffer = io.BufferedReader(socket.SocketIO(raw, "rb"))
        self._response = SimpleNamespace(raw=SimpleNamespace(_fp=SimpleNamespace(fp=self.buffer)))


@pytest.fixture
def ends() -> Iterator[tuple[Any, socket.socket]]:
    """A connection, and the runtime's end of it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Connection(ours), theirs


def test_what_came_with_the_header_of_the_answer_is_not_lost(
    ends: tuple[Any, socket.socket],
) -> None:
    connection, runtime = ends
    runtime.sendall(b"HTTP/1.1 101 UPGRADED\r\n\r\n" + frame(b"first\n") + frame(b"x" * 100_000, 2))
    runtime.shutdown(socket.SHUT_WR)
    assert connection.buffer.readline() == b"HTTP/1.1 101 UPGRADED\r\n"
    assert connection.buffer.readline() == b"\r\n"
    assert list(exec_stream.said(connection)) == [b"first\n", b"x" * 100_000]


def test_a_frame_is_there_before_the_next_one_comes(ends: tuple[Any, socket.socket]) -> None:
    connection, runtime = ends
    said = exec_stream.said(connection)
    for word in (b"one\n", b"two\n"):
        runtime.sendall(frame(word)[:5])
        runtime.sendall(frame(word)[5:])
        assert next(said) == word


def test_a_reader_is_released_when_the_connection_is_broken_off(
    ends: tuple[Any, socket.socket],
) -> None:
    connection, runtime = ends
    runtime.sendall(frame(b"still there\n"))
    said = exec_stream.said(connection)
    assert next(said) == b"still there\n"
    breaker = threading.Thread(target=exec_stream.break_off, args=(connection,))
    breaker.start()
    assert list(said) == []
    breaker.join()


def test_what_is_closed_already_can_be_broken_off() -> None:
    exec_stream.break_off(SimpleNamespace(_sock=None))
