"""File descriptor 2 in processes of their own, where it leads to each kind of place."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from edgebench.devices.zipapp import worker_file

SCRIPT = """
import os, sys
sys.path.insert(0, sys.argv[1])
from edgebench_worker.overhear import overheard
os.write(2, b"before\\n")
try:
    with overheard() as said:
        os.system("echo from a program >&2")
        os.write(2, b"from a library \\xff\\n")
        if "raise" in sys.argv:
            raise KeyError
        if "abort" in sys.argv:
            os.abort()
except KeyError:
    pass
os.write(2, b"after\\n")
print(ascii(said))
"""
HEARD = "['from a program\\nfrom a library \\ufffd\\n']"
PASSED_ON = [b"before", b"from a program", b"from a library", b"after"]


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [sys.executable, "-c", SCRIPT, str(worker_file(tmp_path_factory.mktemp("worker")))]


def words(said: bytes) -> list[bytes]:
    return [b" ".join(line.split()[:3]) for line in said.splitlines()]


@pytest.mark.parametrize("how", [[], ["raise"]], ids=["done", "raised"])
def test_a_pipe(script: list[str], how: list[str]) -> None:
    done = subprocess.run([*script, *how], capture_output=True, timeout=60, check=True)
    assert done.stdout.decode().strip() == HEARD
    assert words(done.stderr.replace(b"\xef\xbf\xbd", b"")) == PASSED_ON


def test_a_file_that_can_be_read_again_keeps_what_a_crash_would_lose(script: list[str]) -> None:
    for how in ([], ["abort"]):
        with tempfile.TemporaryFile() as place:
            done = subprocess.run([*script, *how], stdout=subprocess.PIPE, stderr=place, timeout=60)
            place.seek(0)
            said = words(place.read().replace(b"\xff", b""))
            if how:
                assert done.returncode < 0
                assert said == PASSED_ON[:-1]
            else:
                assert (done.stdout.decode().strip(), said) == (HEARD, PASSED_ON)


def test_a_file_that_can_only_be_written(script: list[str], tmp_path: Path) -> None:
    place = tmp_path / "errors"
    with place.open("wb") as stream:
        done = subprocess.run(script, stdout=subprocess.PIPE, stderr=stream, timeout=60, check=True)
    assert done.stdout.decode().strip() == HEARD
    assert words(place.read_bytes().replace(b"\xef\xbf\xbd", b"")) == PASSED_ON
