"""The firmware's tool, as a real program on PATH that says what is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest
from edgebench.worker import programs, truth, vcgencmd
from edgebench.worker.tree import Unreadable
from machine_trees import lay_out


class Install(Protocol):
    def __call__(self, script: str, mode: int = 0o755) -> None: ...


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a shell script called vcgencmd first on PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def write(script: str, mode: int = 0o755) -> None:
        program = tmp_path / "vcgencmd"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(mode)

    return write


@pytest.fixture
def board(tmp_path: Path) -> Path:
    return lay_out("raspberry-pi-4", tmp_path / "board")


@pytest.mark.parametrize(
    ("bit", "when", "cause"),
    [
        (0, "now", "under-voltage"),
        (1, "now", "clock capped"),
        (2, "now", "throttled"),
        (3, "now", "soft temperature limit"),
        (16, "since_boot", "under-voltage"),
        (17, "since_boot", "clock capped"),
        (18, "since_boot", "throttled"),
        (19, "since_boot", "soft temperature limit"),
    ],
)
def test_each_bit(bit: int, when: str, cause: str) -> None:
    decoded = vcgencmd.decode_throttled(1 << bit)
    assert decoded[when] == [cause]
    assert decoded["since_boot" if when == "now" else "now"] == []


def test_its_answers_are_understood(install: Install, board: Path) -> None:
    install('[ "$1" = get_throttled ] && echo "throttled=0x50005" || echo "frequency(48)=1500398464"')
    found = truth.firmware(str(board))
    assert found["firmware_throttling"] == {
        "raw": 0x50005,
        "now": ["under-voltage", "throttled"],
        "since_boot": ["under-voltage", "throttled"],
    }
    assert found["measured_clock_hz"] == 1_500_398_464
    assert found["claimed_clock_hz"] == 1_500_000_000
    assert found["unavailable"] == {}


def test_of_two_claims_around_the_measuring_the_lower_one_counts(install: Install, board: Path) -> None:
    claims = " ".join(str(path) for path in board.glob("sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq"))
    install(f'for file in {claims}; do echo 600000 > "$file"; done; echo "frequency(48)=600000000"')
    found = truth.firmware(str(board))
    assert (found["measured_clock_hz"], found["claimed_clock_hz"]) == (600_000_000, 600_000_000)


def test_a_kernel_that_tells_no_clock_has_its_reason(install: Install, tmp_path: Path) -> None:
    install('echo "frequency(48)=600000000"')
    found = truth.firmware(str(tmp_path))
    assert "claimed_clock_hz" not in found
    assert "scaling_governor" in found["unavailable"]["claimed_clock_hz"]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo 'VCHI initialization failed'; exit 255", "ended with 255: 'VCHI initialization failed'"),
        ("echo throttled=0xzz", "not understood: 'throttled=0xzz'"),
        ("true", "not understood: ''"),
        ("printf '\\377\\376\\n\\n'", "not understood"),
    ],
)
def test_other_answers_are_passed_on(install: Install, script: str, why: str) -> None:
    install(script)
    with pytest.raises(Unreadable) as caught:
        vcgencmd.firmware_throttling()
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_tool_that_hangs_is_ended(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_TIMEOUT_S", 0.1)
    install("exec sleep 60")
    with pytest.raises(Unreadable, match=r"no answer within 0\.1 s"):
        vcgencmd.measured_clock_hz()


def test_without_the_tool_the_reason_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "not installed" in truth.firmware()["unavailable"]["firmware_throttling"]


def test_a_tool_that_is_no_program_has_its_reason(install: Install, tmp_path: Path) -> None:
    (tmp_path / "vcgencmd").write_bytes(b"\x7fELF of another machine")
    (tmp_path / "vcgencmd").chmod(0o755)
    with pytest.raises(Unreadable, match="Exec format error"):
        vcgencmd.firmware_throttling()
