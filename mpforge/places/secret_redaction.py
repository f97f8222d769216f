"""Read secrets from this process's variables, and remove their values from the output of programs.

Knows nothing of steps.
"""

import os
from collections.abc import Iterable, Mapping
from typing import BinaryIO

STRUCK_OUT = "***"
_SHORTEST = 4  # characters: a shorter word stands in logs for other reasons


def values(names: Iterable[str]) -> dict[str, str]:
    """Return those of the named variables that this process has."""
    return {name: os.environ[name] for name in names if name in os.environ}


def struck_out(text: bytes, secrets: Mapping[str, str]) -> bytes:
    """Return a text without secret values; values of less than four characters stay.

    A value of several lines is found line by line.
    """
    lines = {line.strip() for value in secrets.values() for line in value.splitlines()}
    for word in sorted((line for line in lines if len(line) >= _SHORTEST), key=len, reverse=True):
        text = text.replace(word.encode("utf-8", "surrogateescape"), STRUCK_OUT.encode())
    return text


def strike_out(log: BinaryIO, begin: int, secrets: Mapping[str, str]) -> None:
    """Remove secret values from an open log in append mode, from the position ``begin`` on."""
    if not secrets:
        return
    log.flush()
    with open(log.name, "rb") as file:
        file.seek(begin)
        said = file.read()
    hidden = struck_out(said, secrets)
    if hidden != said:
        log.truncate(begin)
        log.write(hidden)
        log.flush()
        log.seek(0, os.SEEK_END)
