from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from edgebench.devices.ssh_command import AfterMark, new_mark, shell_line

#: Words that a shell would like to read as something else.
HOSTILE = [
    "",
    " ",
    "two words",
    "it's",
    '"double"',
    "`id`",
    "$(touch hacked)",
    "$HOME",
    "${HOME}",
    "; touch hacked",
    "& touch hacked &",
    "| touch hacked",
    "> hacked",
    "a\nb\n",
    "\n",
    "tab\there",
    "back\\slash",
    "\\'",
    "\\\\",
    "%s%n",
    "*",
    "~",
    "{a,b}",
    "[x]",
    "!!",
    "!id",
    "#no",
    "-n",
    "--",
    "A=b",
    "ünïcode ✓",
    "\x1b[31m",
    "\x7f",
    "\udcff",  # a byte that is no UTF-8, as Python reads file names
]
SHELLS = ["sh", "bash", "dash", "zsh", "fish", "tcsh", "busybox"]


def _read_by(shell: str, line: str, folder: Path) -> bytes:
    command = ["busybox", "sh", "-c", line] if shell == "busybox" else [shell, "-c", line]
    done = subprocess.run(command, capture_output=True, check=True, cwd=folder, stdin=subprocess.DEVNULL)
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_no_word_means_anything_to_any_login_shell(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    # printf ends a word with a NUL, which none can hold. Groups, because a NUL-free word each would start many shells.
    for words in (HOSTILE, [word for word in HOSTILE if word.isascii() and not set(word) & set("\\!\n\x1b\x7f\t")]):
        output = _read_by(shell, shell_line(["printf", "%s\\0", *words], "MARK"), tmp_path)

        expected = b"".join(word.encode("utf-8", "surrogateescape") + b"\0" for word in words)
        assert output == b"MARK\n" + expected
    assert list(tmp_path.iterdir()) == []


def test_a_program_cannot_be_an_option_of_the_shell(tmp_path: Path) -> None:
    line = shell_line(["-a", "name", "touch", "hacked"], "MARK")

    done = subprocess.run(["bash", "-c", line], capture_output=True, check=False, cwd=tmp_path)

    assert (done.returncode, list(tmp_path.iterdir())) == (127, [])


@pytest.mark.parametrize("command", [[], ["a\0b"]])
def test_what_no_program_can_be_given_is_an_error(command: list[str]) -> None:
    with pytest.raises(ValueError, match=r"NUL|no command"):
        shell_line(command, "MARK")


def test_marks_differ() -> None:
    assert new_mark() != new_mark()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_what_comes_before_the_mark_is_dropped_however_it_is_cut(size: int) -> None:
    text = b"Welcome! MAR\nMARK no\nLast login MARK\nMARK\nanswer\n"
    after = AfterMark("MARK")

    pieces = [after.feed(text[begin : begin + size]) for begin in range(0, len(text), size)]

    assert (b"".join(pieces), after.found) == (b"MARK\nanswer\n", True)


def test_of_noise_without_a_mark_the_end_is_kept_for_the_error() -> None:
    after = AfterMark("MARK")

    for _ in range(1000):
        assert after.feed(b"x" * 99 + b"\n") == b""
    after.feed(b"This account is not available.\n")

    assert not after.found
    assert len(after.noise) < 10_000
    assert after.noise.endswith(b"This account is not available.\n")
