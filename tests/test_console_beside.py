from __future__ import annotations

import io
import re
import threading
from collections.abc import Sequence

import pytest
from edgebench.console import ConsoleProgress
from edgebench.console_beside import Beside
from edgebench.estimate import TimeSpan
from edgebench.progress import Progress
from rich.console import Console

NAMES = ("pi", "phone[2]")
CASE = "skin_lesions/int8_with_a_long_name@pi/interpreter.litert+default/t1"


def play(lines: Sequence[Progress]) -> None:
    pi, phone = lines
    pi.phase("timing", 4)
    phone.phase("checking", 1)
    pi.detail(f"loading {CASE}")
    phone.detail("a[b]")
    pi.skip(1)
    pi.advance()
    pi.left(TimeSpan(8.0, 8.0))
    phone.advance()
    phone.detail_count(3, 10, 12.34)


def shown(stream: io.StringIO) -> list[str]:
    """Return the last frame's lines, as a terminal shows them."""
    last = stream.getvalue().rpartition("\x1b[1A")[2]  # the cursor went up to the first line before each frame
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", last)
    return [line for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("width", [80, 140])
def test_each_device_keeps_to_a_line_with_its_name(width: int) -> None:
    stream = io.StringIO()
    beside = Beside(Console(file=stream, force_terminal=True, width=width), NAMES, bars=True, clock_s=lambda: 0.0)
    play(beside.lines)
    one, other = shown(stream)
    assert re.search(r"pi +timing: .*2/4 .*about 8 s left", one)
    assert re.search(r"phone\[2\] +checking: .*1/1", other)
    assert max(len(one), len(other)) <= width
    if width == 140:
        assert "3/10 images, 12.3/s" in other
    beside.close()
    beside.close()


def test_a_file_on_its_way_is_shown_on_its_devices_line() -> None:
    stream = io.StringIO()
    beside = Beside(Console(file=stream, force_terminal=True, width=140), NAMES, bars=True, clock_s=lambda: 0.0)
    play(beside.lines)
    beside.lines[0].sending(1_300_000, 14_000_000)
    assert "timing: sending 1.3 of 14.0 MB" in shown(stream)[0]
    beside.lines[0].sending(14_000_000, 14_000_000)
    assert f"timing: loading {CASE}"[:40] in shown(stream)[0]
    beside.close()


def test_without_a_terminal_each_phase_of_each_device_is_one_plain_line() -> None:
    stream = io.StringIO()
    progress = ConsoleProgress(Console(file=stream, force_terminal=False))
    play(progress.side_by_side(NAMES))
    progress.close()
    assert stream.getvalue() == "pi: timing (4)\nphone[2]: checking (1)\n"


def test_verbose_is_a_line_a_step() -> None:
    stream = io.StringIO()
    progress = ConsoleProgress(Console(file=stream, force_terminal=False), verbose=True, clock_s=lambda: 0.0)
    play(progress.side_by_side(NAMES))
    assert stream.getvalue().splitlines()[2:] == [
        f"pi: timing: 2 of 4, loading {CASE}",
        "phone[2]: checking: 1 of 1, a[b]",
    ]


def test_what_is_worth_a_line_is_told_above() -> None:
    stream = io.StringIO()
    progress = ConsoleProgress(Console(file=stream, force_terminal=False))
    progress.side_by_side(NAMES)
    progress.tell("pi: the connection was lost; trying again in 1 s")
    assert stream.getvalue() == "edgebench: pi: the connection was lost; trying again in 1 s\n"


def test_threads_may_tell_at_the_same_time() -> None:
    stream = io.StringIO()
    progress = ConsoleProgress(Console(file=stream, force_terminal=True, width=120))
    lines = progress.side_by_side([f"device-{number}" for number in range(4)])

    def work(line: Progress) -> None:
        line.phase("timing", 20)
        for _ in range(20):
            line.detail("loading")
            line.advance()

    threads = [threading.Thread(target=work, args=(line,)) for line in lines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = shown(stream)
    progress.close()
    assert [re.search(r"device-(\d) .* 20/20", line) is not None for line in last] == [True] * 4
