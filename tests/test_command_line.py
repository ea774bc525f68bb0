from __future__ import annotations

import re
import shlex

import pytest
from edgebench.cli import _parser, main
from edgebench.command_line import Leaf, leaves, parse_command
from edgebench.nearest import did_you_mean, nearest
from edgebench.run_cli import join_values


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["reprot", "latest"], "unknown command 'reprot': did you mean report?"),
        (["zzz"], "unknown command 'zzz': there are: compare, completion, "),
        (
            ["run", "m", "--thredas", "2"],
            "unrecognized arguments: --thredas 2; did you mean --threads? (see: edgebench",
        ),
        (["run", "m", "--thredas=2"], "unrecognized arguments: --thredas=2; did you mean --threads?"),
        (["report", "x", "--formt", "md"], "unrecognized arguments: --formt md; did you mean --format?"),
        (["report", "x", "--zzzzz"], "unrecognized arguments: --zzzzz (see: edgebench report --help)"),
        (
            ["diagnose", "x", "--device", "pi"],
            "unrecognized arguments: --device pi; this command works on this machine",
        ),
        (["selftest", "--device=pi"], "unrecognized arguments: --device=pi; this command works on this machine only"),
        (["report", "x", "y"], "unrecognized arguments: y (see: edgebench report --help)"),
    ],
)
def test_what_was_probably_meant(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"edgebench: error: {said}")
    assert shown.err.count("\n") == 1


def test_alone_it_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr()
    assert "report" in shown.out
    assert "demo" in shown.out
    assert shown.err == ""


def test_the_nearest_name_is_told_only_where_it_is_near() -> None:
    assert nearest("reprot", ["run", "report"]) == "report"
    assert nearest("zzz", ["run", "report"]) is None
    assert did_you_mean("zzz", ["b", "a"]) == "there are: a, b"


COMMANDS = list(leaves(_parser([])))
#: Of a package that is not installed there is only a note.
WITH_HELP = [command for command in COMMANDS if command.parser.description]


def examples(text: str) -> list[str]:
    """Return the commands among a help's examples, without where their output goes."""
    joined = text.replace(" \\\n", " ")
    return [line.strip().split(" > ")[0] for line in joined.splitlines() if re.match("  edgebench ", line)]


def test_every_command_of_this_project_has_a_help() -> None:
    names = {" ".join(command.names) for command in WITH_HELP}
    assert names >= {"run", "report", "profile", "diagnose", "doctor", "selftest", "train", "export", "demo"}
    assert names >= {"config", "completion"}


@pytest.mark.parametrize("command", WITH_HELP, ids=lambda command: "-".join(command.names))
def test_every_help_has_examples_that_are_commands(command: Leaf) -> None:
    found = examples(command.parser.epilog or "")
    assert found
    for example in found:
        words = shlex.split(example)
        assert tuple(words[1 : 1 + len(command.names)]) == command.names
        parse_command(_parser(words[1:]), join_values(words[1:]))


@pytest.mark.parametrize("command", WITH_HELP, ids=lambda command: "-".join(command.names))
def test_every_help_fits_a_terminal_of_80_columns(command: Leaf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = command.parser.format_help()
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert [" ".join(words.split()) for words in examples(text)] == examples(command.parser.epilog or "")


def test_examples_of_the_program_itself_are_commands() -> None:
    for example in examples(_parser([]).format_help()):
        words = shlex.split(example)
        parse_command(_parser(words[1:]), words[1:])
