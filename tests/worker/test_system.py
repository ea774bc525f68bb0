"""What a machine calls its processor and its system."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgebench.worker.system import cpu_model, system_name
from edgebench.worker.tree import Tree, Unreadable
from machine_trees import put

X86 = "processor\t: 0\nmodel\t\t: 1\nmodel name\t: AMD EPYC 9B14\nflags\t\t: fpu\n"
BOARD = "processor\t: 0\nBogoMIPS\t: 108.00\n\nRevision\t: c03112\nModel\t\t: Raspberry Pi 4 Model B Rev 1.2\n"
PHONE = "processor\t: 0\nHardware\t: Qualcomm Technologies, Inc SM8250\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (X86, "AMD EPYC 9B14"),
        (BOARD, "Raspberry Pi 4 Model B Rev 1.2"),
        (PHONE, "Qualcomm Technologies, Inc SM8250"),
        ("model name\t: \nModel\t: Some: Board\n", "Some: Board"),
        ("processor\t: 0\n", None),
        (None, None),
    ],
)
def test_the_processors_name(text: str | None, name: str | None, tmp_path: Path) -> None:
    if text is not None:
        put(tmp_path, "/proc/cpuinfo", text)
    assert cpu_model(Tree(str(tmp_path))) == name


def silent(*words: str) -> str:
    raise Unreadable(f"{words[0]} is not installed")


@pytest.mark.parametrize("path", ["/etc/os-release", "/usr/lib/os-release"])
def test_the_systems_name(path: str, tmp_path: Path) -> None:
    put(tmp_path, path, 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n')
    assert system_name(Tree(str(tmp_path)), silent) == "Debian GNU/Linux 13 (trixie)"


def test_a_system_without_a_release_file_has_no_name(tmp_path: Path) -> None:
    assert system_name(Tree(str(tmp_path)), silent) is None


def test_android_names_itself_or_is_android_at_least(tmp_path: Path) -> None:
    put(tmp_path, "/system/bin/getprop", "")
    told = "[ro.build.id]: [AP1A]\n[ro.build.version.release]: [14]\n[ro.build.version.sdk]: [34]\n"
    assert system_name(Tree(str(tmp_path)), lambda *_: told) == "Android 14 (API 34), build AP1A"
    assert system_name(Tree(str(tmp_path)), silent) == "Android"
