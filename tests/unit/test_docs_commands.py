"""docs/commands.md has every command and every option of the parser."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from mpforge.cli.main import COMMANDS, parser

TEXT = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")


def _subparsers(of: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Each command that does something, as it is called, with its own parser."""
    for name, _ in COMMANDS:
        command = _subparsers(parser(name))[name]
        actions = _subparsers(command)
        yield from ((f"{name} {action}", below) for action, below in actions.items())
        if not actions:
            yield name, command


def _usages() -> dict[str, str]:
    """The usage lines of the page by command: the line below each heading of a command."""
    return dict(re.findall(r"^### mpforge (.+)\n`mpforge \1(.*)`$", TEXT, re.MULTILINE))


def test_every_command_has_a_heading_and_a_usage_line_and_no_other_has() -> None:
    assert set(_usages()) == {name for name, _ in _commands()}
    assert TEXT.count("\n### mpforge ") == len(_usages())


def test_a_usage_line_has_the_options_of_the_parser_and_their_values() -> None:
    for name, command in _commands():
        options = {
            option: action.choices
            for action in command._actions
            for option in action.option_strings
            if option not in {"-h", "--help"}
        }
        usage = _usages()[name]
        assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", usage)) == set(options), name
        for choices in filter(None, options.values()):
            assert f"{{{','.join(choices)}}}" in usage, name


def test_a_usage_line_has_the_arguments_of_the_parser() -> None:
    for name, command in _commands():
        wanted = [action for action in command._actions if not action.option_strings]
        words = re.findall(
            r"\b(SESSION\S*|RECIPE|ARCHIVE|SERVICE)", re.sub(r"\[-[^]]*\]", "", _usages()[name])
        )
        assert len(wanted) == len(words), name
