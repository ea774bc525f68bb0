"""The progress bar on stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from .console_beside import Beside
from .estimate import TimeSpan, left_words
from .pace import Pace, rate_words, sending_words
from .progress import Progress

#: A count is shown so often at most: to draw it takes longer than to read a small image.
_REDRAW_S = 0.1


class ConsoleProgress(Progress):
    """One bar for the current phase, with the time that is left. Where stderr is no terminal, one plain line a phase.

    ``verbose`` adds a line a step. ``clock_s`` measures how long steps take.

    The bar refreshes only when something is reported: a refreshing thread would take processor time from the very
    measurement that it shows.
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        verbose: bool = False,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console or _console()
        # A terminal that cannot move its cursor (TERM=dumb) would show a bar only when it is over.
        self._bars = self._console.is_terminal and not self._console.is_dumb_terminal
        self._verbose = verbose
        self._clock_s = clock_s
        self._bar: RichProgress | None = None
        self._beside: Beside | None = None
        self._task = TaskID(0)
        self._phase = ""
        self._detail = ""
        self._pace = Pace()
        self._drawn_s = -_REDRAW_S

    def phase(self, name: str, total: int) -> None:
        self.close()
        self._phase, self._detail, self._pace = name, "", Pace(total, self._clock_s)
        if not self._bars:
            self._line(f"{name} ({total})")
            return
        self._bar = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            transient=True,
            auto_refresh=False,
        )
        self._bar.start()
        self._task = self._bar.add_task(name, total=total, left="")
        self._bar.refresh()

    def advance(self) -> None:
        self._pace.advance()
        left = self._pace.left
        if self._bar is not None:
            self._bar.update(self._task, advance=1, left=left)
            self._bar.refresh()
        if self._verbose:
            parts = (f"{self._phase}: {self._pace.done} of {self._pace.total}", self._detail, left)
            self._line(", ".join(part for part in parts if part))

    def skip(self, steps: int) -> None:
        self._pace.skip(steps)
        if self._bar is not None:
            self._bar.update(self._task, advance=steps, left="")
            self._bar.refresh()

    def left(self, span: TimeSpan | None) -> None:
        self._pace.tell(span)
        if self._bar is not None and span is not None:
            self._bar.update(self._task, left=left_words(span))
            self._bar.refresh()

    def detail(self, text: str) -> None:
        self._detail = text
        self._describe(f"{self._phase}: [dim]{escape(text)}[/dim]")

    def detail_count(self, done: int, total: int, per_s: float | None = None) -> None:
        now_s = self._clock_s()
        if done == total or now_s - self._drawn_s >= _REDRAW_S:
            self._drawn_s = now_s
            self._describe(f"{self._phase}: [dim]{done}/{total} images{rate_words(per_s)}[/dim]")

    def sending(self, done_bytes: int, total_bytes: int) -> None:
        words = sending_words(self._detail, done_bytes, total_bytes)
        self._describe(f"{self._phase}: [dim]{escape(words)}[/dim]")

    def tell(self, line: str) -> None:
        self._line(f"edgebench: {line}")

    def side_by_side(self, names: Sequence[str]) -> Sequence[Progress]:
        self.close()
        self._beside = Beside(self._console, names, bars=self._bars, verbose=self._verbose, clock_s=self._clock_s)
        return self._beside.lines

    def close(self) -> None:
        if self._beside is not None:
            self._beside.close()
            self._beside = None
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _describe(self, text: str) -> None:
        if self._bar is not None:
            self._bar.update(self._task, description=text)
            self._bar.refresh()

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _console() -> Console:
    """Return stderr as it is: a log that a pipe or a file keeps gets neither a bar nor colours, whatever is forced.

    ``NO_COLOR`` is the terminal library's own affair, ``CLICOLOR=0`` is not.
    """
    terminal = sys.stderr is not None and sys.stderr.isatty()
    return Console(stderr=True, force_terminal=terminal, no_color=True if os.environ.get("CLICOLOR") == "0" else None)
