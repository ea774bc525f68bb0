from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from edgebench.devices.adb_line import Way, finished, open_line, run_line
from edgebench.devices.ssh_command import new_mark
from edgebench.devices.transport import Finished

from .test_ssh_command import HOSTILE

MARKED = [Way.CLIENT, Way.MERGED]


def said(line: str, given: bytes = b"", **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Return what this machine's shell makes of a line."""
    environment = {**os.environ, **variables}
    return subprocess.run(["sh", "-c", line], input=given, capture_output=True, check=False, env=environment)


@pytest.mark.parametrize("way", list(Way))
@pytest.mark.parametrize("given", [b"", b"two\nlines"])
def test_the_end_of_a_program_comes_back(way: Way, given: bytes) -> None:
    mark = new_mark()
    script = "cat; echo no newline | tr -d '\\n'; echo said >&2; exit 3"

    done = said(run_line(way, ["sh", "-c", script], mark, len(given)), given)
    found = finished(way, mark, done.returncode, done.stdout, done.stderr)

    assert found is not None
    assert (found.status, found.stdout, found.stderr.strip()) == (3, given + b"no newline", b"said")


def test_a_head_that_counts_no_bytes_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "head").write_text("#!/bin/sh\necho 'Unknown option c' >&2; exit 1\n")
    (tmp_path / "head").chmod(0o755)
    line = run_line(Way.MERGED, ["cat"], "mark", 5)

    done = said(line, b"given and more", PATH=f"{tmp_path}:{os.environ['PATH']}")

    assert finished(Way.MERGED, "mark", None, done.stdout, b"") == Finished(0, b"given", b"")


@pytest.mark.parametrize("way", list(Way))
def test_hostile_words_are_words(way: Way) -> None:
    mark = new_mark()
    done = said(run_line(way, ["printf", "%s\\0", *HOSTILE], mark))
    found = finished(way, mark, done.returncode, done.stdout, done.stderr)

    assert found is not None
    assert found.stdout == b"".join(word.encode("utf-8", "surrogateescape") + b"\0" for word in HOSTILE)


def test_a_program_whose_name_looks_like_an_option_is_a_file() -> None:
    assert b"not found" in said(open_line(Way.FRAMED, ["-c", "id"], "mark")).stderr
    for line in (run_line, open_line):
        with pytest.raises(ValueError, match="no command"):
            line(Way.FRAMED, [], "mark")
        with pytest.raises(ValueError, match="NUL"):
            line(Way.FRAMED, ["a\0b"], "mark")


@pytest.mark.parametrize("way", MARKED)
def test_an_output_that_ends_early_is_no_end(way: Way) -> None:
    whole = b"mark\noutput\nmark 0\n"

    for size in range(len(whole)):
        assert finished(way, "mark", 0, whole[:size], b"") is None
    assert finished(way, "mark", 1, whole, b"") == Finished(0, b"output", b"")
    assert finished(Way.FRAMED, "mark", None, b"output", b"") is None


@pytest.mark.parametrize("way", MARKED)
def test_a_stream_begins_with_the_mark_and_has_no_errors(way: Way) -> None:
    done = said(open_line(way, ["sh", "-c", "echo told >&2; cat"], "mark"), b"given")

    assert (done.stdout, done.stderr) == (b"mark\ngiven", b"")
