from __future__ import annotations

import io

import pytest
from edgebench.console import ConsoleProgress
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
