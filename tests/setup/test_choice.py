"""Which runtime each kind of board gets. What the wheels need was read from the wheels themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from edgebench.errors import DeviceRefused
from edgebench.setup.board import Board, BoardPython, architecture_of
from edgebench.setup.choice import choose, platform_tags

HERE = "2.3.0"


def python(
    version: str, architecture: str, glibc: str | None, libstdcxx: int | None = 30, **more: object
) -> BoardPython:
    major, minor, micro = (int(part) for part in version.split("."))
    pair = (int(glibc.split(".")[0]), int(glibc.split(".")[1])) if glibc else None
    found = BoardPython(f"/usr/bin/python{major}.{minor}", (major, minor, micro), architecture, glibc=pair)
    return replace(found, libstdcxx=libstdcxx, **more)  # type: ignore[arg-type]


def board(*pythons: BoardPython, **more: object) -> Board:
    found = Board("pi@board", "Linux", "aarch64", root="/home/pi/.cache/edgebench", free_bytes=10**10, pythons=pythons)
    return replace(found, **more)  # type: ignore[arg-type]


SYSTEMS = {
    "Raspberry Pi OS bookworm, 64 bit": (python("3.11.2", "aarch64", "2.36"), "ai-edge-litert==2.3.0", "numpy"),
    "Raspberry Pi OS bookworm, 32 bit": (
        python("3.11.2", "armv7l", "2.36", numpy="1.24.2"),
        "tflite-runtime>=2.14,<2.15",
        None,
    ),
    "Raspberry Pi OS bullseye, 64 bit": (python("3.9.2", "aarch64", "2.31", 28), "ai-edge-litert<=2.1.0", "numpy"),
    "Raspberry Pi OS bullseye, 32 bit, with a newer numpy": (
        python("3.9.2", "armv7l", "2.31", 28, numpy="1.21.6"),
        "tflite-runtime>=2.13,<2.14",
        None,
    ),
    "32-bit ARM with a numpy that is too old for the newest": (
        python("3.10.9", "armv7l", "2.36", numpy="1.21.5"),
        "tflite-runtime>=2.13,<2.14",
        None,
    ),
    "Raspberry Pi OS trixie, 64 bit": (python("3.13.5", "aarch64", "2.41", 33), "ai-edge-litert==2.3.0", "numpy"),
    "Ubuntu 20.04": (python("3.8.10", "aarch64", "2.31", 28), "tflite-runtime>=2.13,<2.14", "numpy<2"),
    "Ubuntu 22.04, as on a Jetson Orin": (python("3.10.12", "aarch64", "2.35"), "ai-edge-litert==2.3.0", "numpy"),
    "Ubuntu 18.04 with a newer Python, as on a Jetson Nano": (
        python("3.8.0", "aarch64", "2.27", 25),
        "tflite-runtime>=2.13,<2.14",
        "numpy<2",
    ),
    "Ubuntu 20.04 with Python 3.10": (python("3.10.9", "aarch64", "2.31", 28), "ai-edge-litert<=2.1.0", "numpy"),
    "a PC": (python("3.11.2", "x86_64", "2.36"), "ai-edge-litert==2.3.0", "numpy"),
    "a PC with Ubuntu 20.04 and Python 3.9": (python("3.9.5", "x86_64", "2.31", 28), "ai-edge-litert<=2.1.0", "numpy"),
    "a PC with Ubuntu 20.04": (python("3.8.10", "x86_64", "2.31", 28), "tflite-runtime>=2.14,<2.15", "numpy<2"),
    "Python 3.14": (python("3.14.0", "aarch64", "2.41", 33), "ai-edge-litert==2.3.0", "numpy"),
    "its C++ library cannot be looked at": (
        python("3.11.2", "aarch64", "2.36", None),
        "ai-edge-litert==2.3.0",
        "numpy",
    ),
    "an old C++ library": (python("3.11.2", "aarch64", "2.36", 28), "ai-edge-litert<=2.1.0", "numpy"),
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_each_system_gets_what_its_wheels_allow(system: str) -> None:
    found, first, numpy = SYSTEMS[system]
    choice = choose(board(found), HERE)
    assert choice.attempts[0] == first
    assert choice.numpy == numpy
    assert choice.python_tag == f"3.{found.version[1]}"


REFUSED = {
    "Raspberry Pi OS bullseye, 32 bit": (
        (python("3.9.2", "armv7l", "2.31", 28, numpy="1.19.5"),),
        "its numpy is 1.19.5, and tflite-runtime needs 1.20 or newer; a newer system there has it, for",
    ),
    "no Python": ((), "has no Python that runs; install one there (on Debian: sudo apt install python3)"),
    "an old Python": (
        (python("3.7.3", "armv7l", "2.28"),),
        "its newest Python is 3.7.3 (/usr/bin/python3.7), and 3.8 is",
    ),
    "32-bit ARM without numpy": (
        (python("3.11.2", "armv7l", "2.36"),),
        "/usr/bin/python3.11 has no numpy, and there are no wheels of it for 32-bit ARM; install it there "
        "(on Debian: sudo apt install python3-numpy)",
    ),
    "32-bit ARM with a numpy that is too new": (
        (python("3.11.2", "armv7l", "2.36", numpy="2.1.0"),),
        "needs one older",
    ),
    "Raspberry Pi OS trixie, 32 bit": (
        (python("3.13.5", "armv7l", "2.41", numpy="2.2.4"),),
        "there is no TFLite runtime for Python 3.13 on 32-bit ARM, only up to 3.11; install a 64-bit system there",
    ),
    "Raspberry Pi 1": ((python("3.11.2", "armv6l", "2.36"),), "ARMv6 (Raspberry Pi 1, Zero)"),
    "RISC-V": (
        (python("3.13.5", "riscv64", "2.41"),),
        "its programs are for riscv64, for which no TFLite runtime exists",
    ),
    "32-bit PC": ((python("3.11.2", "i686", "2.36"),), "its programs are for i686"),
    "Alpine": ((python("3.12.1", "aarch64", None, musl=True),), "its C library is musl; runtimes need glibc"),
    "PyPy": ((python("3.10.12", "aarch64", "2.36", implementation="PyPy"),), "is PyPy; runtimes exist for the usual"),
    "free-threaded": ((python("3.13.5", "aarch64", "2.41", threaded=True),), "is a free-threaded Python"),
    "a part of a Python": (
        (python("3.11.2", "", "2.36", incomplete="zipfile"),),
        "lacks a part of its standard library (zipfile); install the whole there",
    ),
    "an old C library": (
        (python("3.10.1", "aarch64", "2.24", 22),),
        "its C library is glibc 2.24, and runtimes for Python 3.10 on aarch64 need 2.27; a newer system",
    ),
    "no C++ library": ((python("3.13.5", "aarch64", "2.41", 0),), "(on Debian: sudo apt install libstdc++6)"),
    "an old C++ library": ((python("3.12.1", "x86_64", "2.28", 20),), "C++ library is too old (GLIBCXX_3.4.20)"),
}


@pytest.mark.parametrize("system", REFUSED)
def test_what_cannot_be_set_up_says_why_and_what_to_do(system: str) -> None:
    pythons, reason = REFUSED[system]
    with pytest.raises(DeviceRefused) as caught:
        choose(board(*pythons), HERE)
    assert str(caught.value).startswith("pi@board: ")
    assert reason in str(caught.value)


def test_another_system_and_a_disk_for_data_alone_are_refused() -> None:
    found = python("3.11.2", "aarch64", None)
    with pytest.raises(DeviceRefused, match="runs Darwin; only Linux can be set up"):
        choose(board(found, system="Darwin"))
    with pytest.raises(DeviceRefused, match=r"mounted noexec; name a folder on another one as folder = "):
        choose(board(python("3.11.2", "aarch64", "2.36"), noexec=True))


def test_of_several_pythons_the_best_runtime_decides_and_then_the_order() -> None:
    old, new = python("3.8.10", "aarch64", "2.36"), python("3.12.1", "aarch64", "2.36")
    assert choose(board(old, new)).python == new
    assert choose(board(python("3.13.1", "aarch64", "2.36"), new)).python.version == (3, 13, 1)
    assert choose(board(python("3.7.1", "aarch64", "2.36"), old)).python == old


def test_without_a_runtime_here_the_newest_is_asked_for() -> None:
    choice = choose(board(python("3.11.2", "aarch64", "2.36")), None)
    assert choice.attempts == ("ai-edge-litert>=2.1.0",)
    assert choice.sentence("2.3.0", None) == "ai-edge-litert 2.3.0 for CPython 3.11.2 on aarch64, glibc 2.36"


def test_it_says_which_runtime_and_why() -> None:
    pi = SYSTEMS["Raspberry Pi OS bookworm, 32 bit"][0]
    bullseye, focal = SYSTEMS["Raspberry Pi OS bullseye, 64 bit"][0], SYSTEMS["Ubuntu 20.04"][0]
    assert choose(board(pi), HERE).sentence("2.14.0", HERE) == (
        "tflite-runtime 2.14.0 for CPython 3.11.2 on armv7l, glibc 2.36; ai-edge-litert has no wheels for 32-bit ARM; "
        "this machine has ai-edge-litert 2.3.0, so outputs are compared with a tolerance; "
        "numpy is the board's own 1.24.2"
    )
    assert "; a newer ai-edge-litert has no wheels for Python 3.9; " in choose(board(bullseye), HERE).sentence(
        "2.1.0", HERE
    )
    assert "; ai-edge-litert has no wheels for Python 3.8; " in choose(board(focal), HERE).sentence("2.13.0", HERE)
    ten = choose(board(python("3.10.9", "aarch64", "2.31", 28)), HERE)
    assert "; a newer ai-edge-litert needs glibc 2.34; " in ten.sentence("2.1.0", HERE)
    rusty = choose(board(python("3.11.2", "aarch64", "2.36", 28)), HERE)
    assert rusty.why == "a newer ai-edge-litert needs a newer C++ library (libstdc++)"
    same = choose(board(python("3.13.5", "aarch64", "2.41")), HERE).sentence("2.3.0", HERE)
    assert same.endswith("glibc 2.41; the same version as on this machine")


def test_platform_tags_go_from_the_board_s_own_library_to_the_oldest() -> None:
    arm = platform_tags(python("3.11.2", "aarch64", "2.19"))
    assert arm == (
        "manylinux_2_19_aarch64",
        "manylinux_2_18_aarch64",
        "manylinux_2_17_aarch64",
        "manylinux2014_aarch64",
    )
    pc = platform_tags(python("3.11.2", "x86_64", "2.36"))
    assert pc[0] == "manylinux_2_36_x86_64"
    assert pc[-2:] == ("manylinux_2_5_x86_64", "manylinux1_x86_64")
    assert "manylinux2010_x86_64" in pc


@pytest.mark.parametrize(
    ("machine", "bits", "abi", "found"),
    [
        ("aarch64", 64, "cpython-311-aarch64-linux-gnu", "aarch64"),
        ("aarch64", 32, "cpython-311-arm-linux-gnueabihf", "armv7l"),  # a 64-bit kernel, as a Raspberry Pi 4 has
        ("armv7l", 32, "cpython-39-arm-linux-gnueabihf", "armv7l"),
        ("armv7l", 32, "cpython-39-arm-linux-gnueabi", "armel"),
        ("armv6l", 32, "cpython-311-arm-linux-gnueabihf", "armv6l"),
        ("x86_64", 64, "", "x86_64"),
        ("x86_64", 32, "cpython-311-i386-linux-gnu", "i686"),
        ("arm64", 64, "", "aarch64"),
        ("riscv64", 64, "", "riscv64"),
    ],
)
def test_a_python_s_own_architecture_counts(machine: str, bits: int, abi: str, found: str) -> None:
    assert architecture_of(machine, bits, abi) == found
