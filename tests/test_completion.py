"""Completion in real shells, and what it offers."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from edgebench import completion
from edgebench.cli import _parser, main
from edgebench.command_line import leaves
from edgebench.completion import add_completers, completer_of, results_folder
from edgebench.completion_cli import SHELLS
from edgebench.images.cache import GrayscalePolicy
from edgebench.images.geometry import ResizeMode
from edgebench.records import DelegateKind

#: In each shell: load the script, ask what completes the line in $LINE, print one a line.
_BASH = """
eval "$SCRIPT"
complete -p edgebench > /dev/null
COMP_LINE=$LINE COMP_POINT=${#LINE} COMP_TYPE=9
_python_argcomplete edgebench "" ""
printf '%s\\n' "${COMPREPLY[@]}"
"""
#: The line editor itself works on a terminal only, so what it is given is caught instead.
_ZSH = """
autoload -Uz compinit && compinit -u -D
eval "$SCRIPT"
[[ $_comps[edgebench] == _python_argcomplete ]] || exit 9
_describe() { print -rl -- "${(@P)2}" }
BUFFER=$LINE CURSOR=${#LINE} words=(edgebench)
_python_argcomplete
"""
_FISH = """
echo $SCRIPT | source
complete --do-complete $LINE
"""
_PROGRAMS = {"bash": ["bash", "--norc", "-c", _BASH], "zsh": ["zsh", "-f", "-c", _ZSH], "fish": ["fish", "-c", _FISH]}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models, photos and runs, and the command on the search path."""
    folder = tmp_path_factory.mktemp("place")
    for name in ("models/a.tflite", "models/b.tflite", "models/notes.txt", "photos/x/1.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    for run in ("20260101-000000-a", "20260102-000000-b"):
        (folder / "results" / run).mkdir(parents=True)
        (folder / "results" / run / "run.json").touch()
    cut_off = folder / "results" / "20260103-000000-c.unfinished"
    cut_off.mkdir()
    (cut_off / "journal.jsonl").touch()
    (folder / "bin").mkdir()
    launcher = folder / "bin" / "edgebench"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m edgebench "$@"\n')
    launcher.chmod(0o755)
    return folder


def offered(shell: str, line: str, place: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what a shell offers for a line; fish and zsh add what it means, which is left out."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith("EDGEBENCH_")},
        "PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(place),
        "SCRIPT": script,
        "LINE": line,
    }
    done = subprocess.run(
        _PROGRAMS[shell], cwd=place, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    words = [text.split("\t")[0].rstrip() for text in done.stdout.splitlines()]
    return [word.split(":")[0] if shell == "zsh" and "\\:" not in word else word for word in words if word]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("edgebench rep", ["report"]),
        ("edgebench run --eng", ["--engine"]),
        ("edgebench run --split v", ["validation"]),
        ("edgebench run m --waits idle-gap,co", ["idle-gap,cold-start"]),
        ("edgebench run models/", ["models/a.tflite", "models/b.tflite"]),
        ("edgebench report ", ["latest", "20260102-000000-b", "20260101-000000-a"]),
        ("edgebench run --resume 2", ["20260103-000000-c"]),
        ("edgebench export --calib", ["--calibration-images"]),
    ],
)
def test_the_shell_offers(
    shell: str, line: str, expected: list[str], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sorted(offered(shell, line, place, capsys)) == sorted(expected)


def completions(line: str, place: Path, monkeypatch: pytest.MonkeyPatch, **environment: str) -> list[str]:
    """Return what completes a line, without a shell."""
    from argcomplete.finders import CompletionFinder

    monkeypatch.chdir(place)
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    words = line.split(" ")
    parser = _parser(words[1:2])
    add_completers(parser)
    nothing: Any = completion._nothing
    finder: Any = CompletionFinder(parser, always_complete_options=False, default_completer=nothing)
    return list(finder._get_completions(words[:-1], words[-1], "", None))


def strip(found: list[str]) -> list[str]:
    return [text.rstrip() for text in found]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("edgebench run --data ", ["folder:", "ham10000:", "images:", "phantom"]),
        ("edgebench run --data folder:ph", ["folder:photos/"]),
        ("edgebench run --data nothing:", []),
        ("edgebench run skin/int8=models/a", ["skin/int8=models/a.tflite"]),
        ("edgebench run ./mo", ["./models/"]),
        ("edgebench run --delegate de", ["default"]),
        ("edgebench run --delegate default,no", ["default,none"]),
        ("edgebench run --engine comp", ["compiled"]),
        ("edgebench run --python old=bin/e", ["old=bin/edgebench"]),
        ("edgebench run --silence thr", ["throttled"]),
        ("edgebench run --out ", ["bin/", "models/", "photos/", "results/"]),
        ("edgebench run --budget ", []),
        ("edgebench run --labels models/n", ["models/notes.txt"]),
        ("edgebench report latest --format fl", ["flips-csv"]),
        ("edgebench report resu", ["results/"]),
        ("edgebench report 20260101", ["20260101-000000-a"]),
        ("edgebench completion f", ["fish"]),
        ("edgebench conf", ["config"]),
        ("edgebench train --da", ["--data"]),
        ("edgebench run nowhere/x", []),
    ],
)
def test_values(line: str, expected: list[str], place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert strip(completions(line, place, monkeypatch)) == expected


def test_runs_are_looked_for_where_they_are(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "run.json").touch()
    assert strip(completions(f"edgebench report --out {tmp_path} o", place, monkeypatch)) == ["one"]
    assert strip(completions("edgebench report o", place, monkeypatch, EDGEBENCH_OUT=str(tmp_path))) == ["one"]


def test_a_broken_file_leaves_completion_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGEBENCH_OUT", raising=False)
    (tmp_path / "edgebench.toml").write_text("[run")
    assert results_folder(argparse.Namespace(out=Path("results"))) == Path("results")
    (tmp_path / "edgebench.toml").write_text("[run]\nout = 'runs'")
    assert results_folder(argparse.Namespace(out=Path("results"))) == Path("runs")


def test_lists_that_are_written_out_are_those_of_the_program() -> None:
    """They are copies, so that completion need not import what knows them."""
    from edgebench_training.cli import _VARIANTS

    assert [name.rstrip(":") for name in completion._DELEGATES] == [item.value for item in DelegateKind]
    assert set(completion._RESIZES) == {item.value for item in ResizeMode}
    assert set(completion._GRAYSCALE) == {item.value for item in GrayscalePolicy}
    assert ",".join(completion._VARIANTS) == _VARIANTS


def test_every_flag_that_names_a_file_completes_it() -> None:
    for command in leaves(_parser([])):
        for action in command.parser._actions:
            if action.metavar in ("FILE", "DIR", "PATH", "[NAME=]PATH"):
                assert completer_of(action) is not None, (command.names, action.option_strings)


def test_completing_imports_nothing_heavy(place: Path) -> None:
    from test_public import HEAVY

    script = f"""
import os, sys
from edgebench.cli import main
def end(code):
    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
    sys.stderr.flush()
    real(code)
real, os._exit = os._exit, end
import argcomplete, functools
argcomplete.autocomplete = functools.partial(argcomplete.autocomplete, exit_method=end)
main()
"""
    for line in ("edgebench report ", "edgebench run --silence ", "edgebench run --engine ", "edgebench "):
        done = subprocess.run(
            ["bash", "-c", 'exec "$@" 8>&1 9>&2', "-", sys.executable, "-c", script],
            cwd=place,
            env={**os.environ, "_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line))},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "[]\n"), line
        assert done.stdout.split("\v")[0]


def test_an_unknown_shell_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "invalid choice: 'tcsh'" in capsys.readouterr().err
