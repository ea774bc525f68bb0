from __future__ import annotations

import sys
from pathlib import Path

import pytest
from edgebench.setup.elf import Elf, read_elf

from .made_packages import make_elf


def test_what_a_library_needs_and_is_called() -> None:
    content = make_elf(["libc.so.6", "libm.so.6"], "libown.so.1")
    assert read_elf(content) == Elf(183, ("libc.so.6", "libm.so.6"), "libown.so.1")
    assert read_elf(make_elf()) == Elf(183)


def test_this_machines_own_python() -> None:
    told = read_elf(Path(sys.executable).resolve().read_bytes())
    assert told is not None
    assert "libc.so.6" in told.needed


@pytest.mark.parametrize("cut", [0, 3, 30, 100, 190])
def test_what_is_none(cut: int) -> None:
    assert read_elf(make_elf(["libc.so.6"], "libown.so.1")[:cut]) is None
    assert read_elf(b"#!/bin/sh\n" * 20) is None
