from __future__ import annotations

import io
import re

import pytest
from edgebench.console import ConsoleProgress
from edgebench.estimate import TimeSpan
from edgebench.progress import Progress
from rich.console import Console


def play(progress: Progress) -> None:
    progress.phase("timing", 2)
    progress.detail("a[b]/c@local")
    progress.advance()
    progress.detail_count(3, 10)
    progress.advance()
    progress.close()


def test_without_a_terminal_each_phase_is_one_plain_line() -> None:
    stream = io.StringIO()
    play(ConsoleProgress(Console(file=stream, force_terminal=False)))
    assert stream.getvalue() == "timing (2)\n"


def test_on_a_terminal_details_are_shown_as_they_are_written() -> None:
    """Case ids may hold brackets, which the terminal library would take for markup."""
    stream = io.StringIO()
    play(ConsoleProgress(Console(file=stream, force_terminal=True, width=120)))
    shown = stream.getvalue()
    assert "a[b]/c@local" in shown
    assert "3/10 images" in shown
    assert "2/2" in shown


@pytest.mark.parametrize(("per_s", "shown"), [(0.25, "0.25/s"), (12.34, "12.3/s"), (1234.5, "1234/s")])
def test_images_a_second(per_s: float, shown: str) -> None:
    stream = io.StringIO()
    progress = ConsoleProgress(Console(file=stream, force_terminal=True, width=120))
    progress.phase("classifying images", 1)
    progress.detail_count(3, 10, per_s)
    progress.close()
    assert f"3/10 images, {shown}" in stream.getvalue()


def test_a_count_that_runs_is_drawn_ten_times_a_second_and_at_its_end() -> None:
    stream, now_s = io.StringIO(), iter(range(1000))
    console = Console(file=stream, force_terminal=True, width=120)
    progress = ConsoleProgress(console, clock_s=lambda: 5.0 + next(now_s) / 100)
    progress.phase("reading images", 1)
    for done in range(1, 101):
        progress.detail_count(done, 100)
    progress.close()
    drawn = sorted({int(done) for done in re.findall(r"(\d+)/100 images", stream.getvalue())})
    assert (drawn[0], drawn[-1]) == (1, 100)
    assert 5 <= len(drawn) <= 15


def test_a_file_on_its_way_is_shown_until_it_is_there() -> None:
    stream = io.StringIO()
    progress = ConsoleProgress(Console(file=stream, force_terminal=True, width=120))
    progress.phase("measuring memory", 1)
    progress.detail("case@pi")
    progress.sending(1_300_000, 14_000_000)
    assert stream.getvalue().rindex("measuring memory: ") < stream.getvalue().rindex("sending 1.3 of 14.0 MB")
    progress.sending(14_000_000, 14_000_000)
    assert stream.getvalue().rindex("case@pi") > stream.getvalue().rindex("sending")
    progress.close()


def test_nothing_refreshes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refreshing thread would take processor time from the measurement."""
    import threading

    before = threading.active_count()
    progress = ConsoleProgress(Console(file=io.StringIO(), force_terminal=True))
    progress.phase("timing", 2)
    assert threading.active_count() == before
    progress.close()


def test_closing_twice_and_details_before_a_phase_are_harmless() -> None:
    progress = ConsoleProgress(Console(file=io.StringIO(), force_terminal=True))
    progress.detail("x")
    progress.advance()
    progress.phase("one", 1)
    progress.phase("two", 1)
    progress.close()
    progress.close()


def test_the_quiet_progress_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    play(Progress())
    assert capsys.readouterr() == ("", "")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def shown_on(*, terminal: bool, verbose: bool) -> str:
    """Play a phase of three steps of 20 s, then one whose end somebody knows better; return what is shown."""
    stream, clock = io.StringIO(), Clock()
    console = Console(file=stream, force_terminal=terminal, width=120, no_color=True, legacy_windows=False)
    progress = ConsoleProgress(console, verbose=verbose, clock_s=clock)
    progress.phase("checking", 3)
    for name in "abc":
        progress.detail(name)
        clock.now_s += 20
        progress.advance()
    progress.phase("timing", 12)
    progress.left(TimeSpan(0, 60))
    clock.now_s += 10
    progress.left(TimeSpan(50, 52))
    progress.advance()
    progress.skip(11)
    progress.close()
    return stream.getvalue()


def test_a_terminal_shows_the_time_that_is_left() -> None:
    shown = shown_on(terminal=True, verbose=False)
    for words in ("about 40 s left", "about 20 s left", "at most 60 s left", "about 50 s left"):
        assert words in shown


def test_verbose_says_each_step_in_a_plain_line() -> None:
    assert shown_on(terminal=False, verbose=True).splitlines() == [
        "checking (3)",
        "checking: 1 of 3, a, about 40 s left",
        "checking: 2 of 3, b, about 20 s left",
        "checking: 3 of 3, c",
        "timing (12)",
        "timing: 1 of 12, about 50 s left",
    ]


def test_without_verbose_there_is_one_line_a_phase() -> None:
    assert shown_on(terminal=False, verbose=False).splitlines() == ["checking (3)", "timing (12)"]


def test_steps_that_were_done_before_say_nothing_about_the_pace() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = ConsoleProgress(Console(file=stream, force_terminal=False), verbose=True, clock_s=clock)
    progress.phase("checking", 4)
    progress.skip(2)
    clock.now_s = 7
    progress.advance()
    assert stream.getvalue().splitlines()[-1] == "checking: 3 of 4, about 7 s left"


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def played_on(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, **environment: str) -> str:
    """Return what goes to a stderr under variables of the environment."""
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr("sys.stderr", stream)
    play(ConsoleProgress())
    return stream.getvalue()


def colours(text: str) -> set[str]:
    """Return the colours in a terminal's text; moving the cursor, bold and dim are none."""
    codes = {code for found in re.findall(r"\x1b\[([\d;]*)m", text) for code in found.split(";")}
    return {code for code in codes if code.isdigit() and 30 <= int(code) <= 107}


def test_a_terminal_has_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    assert colours(played_on(monkeypatch, Terminal()))


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"CLICOLOR": "0"}])
def test_a_terminal_has_no_colours_where_none_are_wanted(
    monkeypatch: pytest.MonkeyPatch, variable: dict[str, str]
) -> None:
    shown = played_on(monkeypatch, Terminal(), **variable)
    assert "2/2" in shown
    assert not colours(shown)


@pytest.mark.parametrize("variable", [{}, {"FORCE_COLOR": "1"}, {"TTY_COMPATIBLE": "1"}])
def test_a_log_has_neither_bar_nor_colours(monkeypatch: pytest.MonkeyPatch, variable: dict[str, str]) -> None:
    assert played_on(monkeypatch, io.StringIO(), **variable) == "timing (2)\n"


def test_a_dumb_terminal_has_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert played_on(monkeypatch, Terminal(), TERM="dumb") == "timing (2)\n"
