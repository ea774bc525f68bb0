"""How command lines are read: mistakes in one line with what was probably meant, and which flags were given."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

from .errors import UsageError
from .nearest import did_you_mean, nearest

#: Commands whose flags may have defaults in the environment and in edgebench.toml.
WITH_DEFAULTS = ("run", "compare")

_FLAG_AND_VALUE = re.compile(r"(--[a-z-]+) (?!--)")


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Fills paragraphs, and keeps lists of examples as they are but for lines that are too long for the terminal."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" not in text.strip():
            return argparse.HelpFormatter._fill_text(self, text, width, indent)
        return "".join(_folded(line, width) for line in text.splitlines(keepends=True))


def _folded(line: str, width: int) -> str:
    """Return an example's line as a shell takes it over several lines; a flag stays with its value."""
    if len(line) <= width or not line.startswith("  edgebench "):
        return line
    import textwrap

    glued = _FLAG_AND_VALUE.sub("\\1\0", line)
    rows = textwrap.wrap(glued, width - 2, subsequent_indent=" " * 6, break_long_words=False, break_on_hyphens=False)
    return " \\\n".join(["  " + rows[0].lstrip(), *rows[1:]]).replace("\0", " ") + "\n"


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage text in front."""

    def _get_formatter(self) -> argparse.HelpFormatter:
        self.formatter_class = HelpFormatter
        return super()._get_formatter()

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see: {self.prog} --help)")


def parse_command(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Return what a command line says.

    Raises:
        UsageError: something in it is wrong; for a mistyped command or flag it says the nearest one.
    """
    names = command_names(parser)
    if arguments and not arguments[0].startswith("-") and arguments[0] not in names:
        raise UsageError(f"unknown command {arguments[0]!r}: {did_you_mean(arguments[0], names)}")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        command = leaf(parser, arguments).parser
        command.error(f"unrecognized arguments: {' '.join(unknown)}{_hint(command, unknown)}")
    return options


def _hint(command: argparse.ArgumentParser, unknown: Sequence[str]) -> str:
    """Return which flag the first unknown one was probably meant to be; --device is meant, where others take it."""
    flag = unknown[0].partition("=")[0]
    if flag == "--device":
        return "; this command works on this machine only"
    near = nearest(flag, command._option_string_actions) if flag.startswith("--") else None
    return f"; did you mean {near}?" if near else ""


def command_names(parser: argparse.ArgumentParser) -> tuple[str, ...]:
    """Return the names of a parser's commands."""
    return tuple(name for action in _branches(parser) for name in action.choices)


def _branches(parser: argparse.ArgumentParser) -> Iterator[argparse._SubParsersAction[Any]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield action


class Leaf(NamedTuple):  # not a dataclass: --help need not wait for what they import
    """The parser that reads the last part of a command line, its command's name, and what is left to it."""

    parser: argparse.ArgumentParser
    names: tuple[str, ...]
    rest: tuple[str, ...]


def leaf(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Leaf:
    """Return the parser of the innermost command that a command line names."""
    names: list[str] = []
    rest = list(arguments)
    while True:
        choices = {name: found for action in _branches(parser) for name, found in action.choices.items()}
        place = next((place for place, text in enumerate(rest) if text in choices), None)
        if place is None:
            return Leaf(parser, tuple(names), tuple(rest))
        parser = choices[rest[place]]
        names.append(rest[place])
        rest = rest[place + 1 :]


def leaves(parser: argparse.ArgumentParser, names: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Yield every command's parser that has no commands of its own."""
    branches = list(_branches(parser))
    for action in branches:
        for name, found in action.choices.items():
            yield from leaves(found, (*names, name))
    if not branches:
        yield Leaf(parser, names, ())


def given_names(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> dict[str, Any]:
    """Return what was given on a command line, by destination; what has only its default is not in it."""
    destinations = dict.fromkeys(action.dest for action in parser._actions)
    # An argument that is set on this already is not given its default, so what is set afterwards was given.
    found = vars(parser.parse_known_args(list(arguments), argparse.Namespace(**destinations))[0])
    return {name: found[name] for name in destinations if found.get(name) not in (None, [])}
