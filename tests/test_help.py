"""Every command's help: examples that are written rightly, in lines that fit a terminal."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator

import pytest
from edgebench.cli import _parser
from edgebench.command_line import Leaf, leaves, parse_command
from edgebench.run_cli import join_values

PARSER = _parser([])
COMMANDS = list(leaves(PARSER))
#: What a shell does with a command, and is none of edgebench's business.
_SHELL = re.compile(r"\s+(?:[>|]|#).*$")
WIDEST = 120


def _examples(parser: argparse.ArgumentParser) -> Iterator[str]:
    for line in (parser.epilog or "").splitlines():
        text = line.strip()
        if text.startswith("edgebench "):
            yield _SHELL.sub("", text)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.names))
def test_a_command_has_examples_that_it_takes(command: Leaf) -> None:
    examples = list(_examples(command.parser))
    assert examples
    for example in examples:
        words = join_values(shlex.split(example)[1:])
        assert tuple(words[: len(command.names)]) == command.names
        parse_command(PARSER, words)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.names))
def test_help_fits(command: Leaf) -> None:
    assert max(len(line) for line in command.parser.format_help().splitlines()) <= WIDEST
