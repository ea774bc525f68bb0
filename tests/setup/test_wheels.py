"""Fetching wheels: what pip is asked, what is kept, and its failures in one line."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from edgebench.errors import DeviceRefused, InputError, UsageError
from edgebench.setup.choice import Choice, choose
from edgebench.setup.wheel_file import read_wheel
from edgebench.setup.wheels import fetch

from .made_wheels import make_wheel
from .test_choice import board, python

ARM = "cp311-cp311-manylinux_2_27_aarch64"


@pytest.fixture
def choice() -> Choice:
    return choose(board(python("3.11.2", "aarch64", "2.36")), "2.3.0")


class MadeUpPip:
    """Has what it is given, by requirement: the wheels, or what it says on its standard error."""

    def __init__(self, has: dict[str, list[tuple[str, str]] | str]) -> None:
        self.has = has
        self.asked: list[Sequence[str]] = []

    def __call__(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        self.asked.append(arguments)
        folder = next(Path(word.removeprefix("--dest=")) for word in arguments if word.startswith("--dest="))
        for requirement in [word for word in arguments[1:] if not word.startswith("--")]:
            found = self.has.get(requirement, f"ERROR: No matching distribution found for {requirement}")
            if isinstance(found, str):
                return subprocess.CompletedProcess([], 1, "", f"WARNING: something\n{found}\n")
            for name, version in found:
                make_wheel(folder, name, version, tag=ARM if name == "ai-edge-litert" else "py3-none-any")
        return subprocess.CompletedProcess([], 0, "", "")


WHOLE: dict[str, list[tuple[str, str]] | str] = {
    "ai-edge-litert==2.3.0": [("ai-edge-litert", "2.3.0"), ("flatbuffers", "25.1")],
    "numpy": [("numpy", "2.4.6")],
    "psutil": [("psutil", "7.2.2")],
    "Pillow": [("pillow", "13.0.0")],
}


def test_it_asks_for_wheels_of_the_board_and_keeps_the_answer(choice: Choice, tmp_path: Path) -> None:
    pip = MadeUpPip(WHOLE)
    found = fetch(choice, cache=tmp_path, pip=pip)
    assert [wheel.name for wheel in found.wheels] == ["ai-edge-litert", "flatbuffers", "numpy", "pillow", "psutil"]
    assert (found.runtime.version, found.kept, dict(found.left_out)) == ("2.3.0", False, {})
    assert found.size_bytes == sum(wheel.path.stat().st_size for wheel in found.wheels)
    first = pip.asked[0]
    assert {"--only-binary=:all:", "--python-version=3.11", "--implementation=cp", "--abi=cp311"} <= set(first)
    assert next(word for word in first if word.startswith("--platform=")) == "--platform=manylinux_2_36_aarch64"
    assert "--no-deps" not in first
    assert all("--no-deps" in words for words in pip.asked[1:])
    again = fetch(choice, cache=tmp_path, pip=MadeUpPip({}))
    assert again.kept
    assert again.wheels == found.wheels


def test_what_is_kept_and_damaged_is_fetched_anew(choice: Choice, tmp_path: Path) -> None:
    found = fetch(choice, cache=tmp_path, pip=MadeUpPip(WHOLE))
    make_wheel(found.runtime.path.parent, "ai-edge-litert", "2.3.0", {"other.py": b"changed"}, tag=ARM)
    again = fetch(choice, cache=tmp_path, pip=MadeUpPip(WHOLE))
    assert not again.kept
    assert again.wheels == found.wheels
    (found.runtime.path).write_bytes(b"no wheel")
    assert not fetch(choice, cache=tmp_path, pip=MadeUpPip(WHOLE)).kept
    assert not list(tmp_path.glob(".fetching-*"))


def test_another_version_where_this_machine_s_has_no_wheel(choice: Choice, tmp_path: Path) -> None:
    has = {**WHOLE, "ai-edge-litert>=2.1.0": [("ai-edge-litert", "2.2.0")]}
    del has["ai-edge-litert==2.3.0"]
    assert fetch(choice, cache=tmp_path, pip=MadeUpPip(has)).runtime.version == "2.2.0"


def test_what_is_only_useful_may_be_missing(choice: Choice, tmp_path: Path) -> None:
    has = {name: wheels for name, wheels in WHOLE.items() if name != "Pillow"}
    found = fetch(choice, cache=tmp_path, pip=MadeUpPip(has))
    reason = "there is no wheel of Pillow for CPython 3.11 on aarch64, glibc 2.36"
    assert found.left_out == {"Pillow": reason}
    assert fetch(choice, cache=tmp_path, pip=MadeUpPip({})).left_out == {"Pillow": reason}


def test_the_board_s_own_numpy_is_not_asked_for(tmp_path: Path) -> None:
    pi = choose(board(python("3.11.2", "armv7l", "2.36", numpy="1.24.2")), "2.3.0")
    pip = MadeUpPip({"tflite-runtime>=2.14,<2.15": [("tflite-runtime", "2.14.0")]})
    found = fetch(pi, cache=tmp_path, pip=pip)
    assert [wheel.name for wheel in found.wheels] == ["tflite-runtime"]
    assert "--no-deps" in pip.asked[0]
    assert set(found.left_out) == {"psutil", "Pillow"}


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError'\n"
            "ERROR: No matching distribution found for ai-edge-litert>=2.1.0",
            "ai-edge-litert>=2.1.0: cannot be fetched, pip reaches no package index; connect this machine to the "
            "network, or name a folder of wheels with --wheels",
        ),
        (
            "ERROR: No matching distribution found for numpy",
            "there is no wheel of numpy for CPython 3.11 on aarch64, glibc 2.36",
        ),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "pip could not fetch ai-edge-litert>=2.1.0 for CPython 3.11 on aarch64, glibc 2.36: Could not install",
        ),
        ("Killed", "pip could not fetch ai-edge-litert>=2.1.0 for CPython 3.11 on aarch64, glibc 2.36: Killed"),
    ],
)
def test_pip_s_failure_in_one_line(choice: Choice, tmp_path: Path, said: str, line: str) -> None:
    pip = MadeUpPip(dict.fromkeys(choice.attempts, said))
    with pytest.raises(DeviceRefused) as caught:
        fetch(choice, cache=tmp_path, pip=pip)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_no_pip_and_no_folder(choice: Choice, tmp_path: Path) -> None:
    pip = MadeUpPip(dict.fromkeys(choice.attempts, "/usr/bin/python3: No module named pip"))
    with pytest.raises(UsageError, match="has no pip to fetch wheels with"):
        fetch(choice, cache=tmp_path, pip=pip)
    with pytest.raises(UsageError, match=r"--wheels .*nowhere: no such folder"):
        fetch(choice, tmp_path / "nowhere", cache=tmp_path, pip=pip)


def test_a_wheel_that_needs_more_than_its_name_says_is_refused(choice: Choice, tmp_path: Path) -> None:
    """The wheels for aarch64 have been labelled for glibc 2.27 while their libraries needed 2.34."""
    library = {"ai_edge_litert/libLiteRt.so": b"\x7fELF GLIBC_2.17\0 GLIBC_2.38\0 GLIBC_PRIVATE\0"}
    assert read_wheel(make_wheel(tmp_path / "one", "ai-edge-litert", "2.3.0", library, tag=ARM)).glibc == (2, 38)

    def pip(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        folder = next(Path(word.removeprefix("--dest=")) for word in arguments if word.startswith("--dest="))
        make_wheel(folder, "ai-edge-litert", "2.3.0", library, tag=ARM)
        return subprocess.CompletedProcess([], 0, "", "")

    with pytest.raises(DeviceRefused, match=r"wheel of ai-edge-litert 2.3.0 needs glibc 2.38, and the board has 2.36"):
        fetch(choice, cache=tmp_path / "cache", pip=pip)


def test_the_real_pip_takes_from_a_folder_alone(tmp_path: Path) -> None:
    choice = choose(board(python("3.11.2", "aarch64", "2.36")), None)
    given = tmp_path / "given"
    make_wheel(given, "ai-edge-litert", "2.3.0", tag="cp311-cp311-manylinux_2_38_aarch64")  # too new a library
    make_wheel(given, "ai-edge-litert", "2.2.0", tag=ARM, needs=("numpy>=1.23",))
    make_wheel(given, "ai-edge-litert", "2.1.9", tag="cp312-cp312-manylinux_2_27_aarch64")
    with pytest.raises(DeviceRefused, match=f"there is no wheel of numpy.* in {given} for CPython 3.11 on aarch64"):
        fetch(choice, given, cache=tmp_path / "cache")
    make_wheel(given, "numpy", "2.4.6")
    found = fetch(choice, given, cache=tmp_path / "cache")  # the folder has changed, so it is another question
    assert [(wheel.name, wheel.version) for wheel in found.wheels] == [("ai-edge-litert", "2.2.0"), ("numpy", "2.4.6")]
    assert set(found.left_out) == {"psutil", "Pillow"}


def test_what_is_no_wheel(tmp_path: Path) -> None:
    for name, reason in (("a.whl", "not named as a wheel"), ("a-1-py3-none-any.whl", "is no whole wheel")):
        (tmp_path / name).write_bytes(b"PK")
        with pytest.raises(InputError, match=reason):
            read_wheel(tmp_path / name)
