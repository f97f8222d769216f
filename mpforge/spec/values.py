"""The value types of the spec, with their parsers: texts, durations, commands, settings.

Errors are raised as ``PydanticCustomError`` whose type is the problem's kebab-case code and
whose message says what was expected. This module knows no table and no key.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, PlainValidator, Strict, StringConstraints, Tag
from pydantic_core import PydanticCustomError

DURATION = r"^(?=.)(\d+h)?(\d+m)?(\d+s)?$"
_EXPECTED_DURATION = 'a duration such as "2h", "30m", "90s" or "1h30m"'
_EXPECTED_COMMAND = "a shell line, or a list of a program and its arguments, all strings"
_EXPECTED_SETTING = "a string or a list of strings"


def parse_duration(value: object) -> int:
    """Return a duration in seconds: ``"1h30m"`` → 5400. Raises wrong-type or bad-value."""
    if not isinstance(value, str):
        raise PydanticCustomError("wrong-type", _EXPECTED_DURATION)
    match = re.fullmatch(DURATION, value)
    hours, minutes, seconds = (
        (int(part[:-1]) if part else 0 for part in match.groups()) if match else (0, 0, 0)
    )
    total = hours * 3600 + minutes * 60 + seconds
    if total == 0:
        raise PydanticCustomError("bad-value", _EXPECTED_DURATION)
    return total


def _setting(value: object, *, expected: str = _EXPECTED_SETTING) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(word, str) for word in value):
        return tuple(value)
    raise PydanticCustomError("wrong-type", expected)


def _command(value: object) -> str | tuple[str, ...]:
    command = _setting(value, expected=_EXPECTED_COMMAND)
    program = command.strip() if isinstance(command, str) else command and command[0]
    if not program:
        raise PydanticCustomError("bad-value", _EXPECTED_COMMAND)
    return command


def _listed(value: object) -> object:
    """Return a single string as a list of it."""
    return [value] if isinstance(value, str) else value


def _command_kind(value: object) -> str:
    return "import" if value == "import" else "commands"


Flag = Annotated[bool, Strict()]
AnyText = Annotated[str, Strict()]
Text = Annotated[str, Strict(), StringConstraints(min_length=1)]
Texts = tuple[Text, ...]
Globs = Annotated[Texts, BeforeValidator(_listed, json_schema_input_type=str | list[str])]
Environment = Mapping[str, AnyText]

Seconds = Annotated[int, PlainValidator(parse_duration, json_schema_input_type=str)]

Command = Annotated[
    str | tuple[str, ...], PlainValidator(_command, json_schema_input_type=str | list[str])
]
Commands = Annotated[
    tuple[Command, ...],
    BeforeValidator(_listed, json_schema_input_type=str | list[str | list[str]]),
]
TestCommand = Annotated[
    Annotated[Literal["import"], Tag("import")] | Annotated[Commands, Tag("commands")],
    Discriminator(_command_kind),
]
Setting = Annotated[
    str | tuple[str, ...], PlainValidator(_setting, json_schema_input_type=str | list[str])
]
Settings = Mapping[str, Setting]
