"""Progress of several devices that are measured at the same time: a line for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.table import Column

from .estimate import TimeSpan
from .pace import Pace, rate_words, sending_words
from .progress import Progress


class Beside:
    """The lines of several devices, each with its name. Without ``bars``, one plain line a device and phase.

    ``lines`` are in the order of the names; each may be told things by another thread. Nothing refreshes by itself.
    """

    def __init__(
        self,
        console: Console,
        names: Sequence[str],
        *,
        bars: bool,
        verbose: bool = False,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._verbose = verbose
        self.clock_s = clock_s
        self._bars = _bars(console) if bars else None
        if self._bars is not None:
            self._bars.start()
        self.lines = [_Line(self, name, self._added(name)) for name in names]

    def _added(self, name: str) -> TaskID:
        if self._bars is None:
            return TaskID(0)
        return self._bars.add_task("waiting", total=None, device=escape(name), left="")

    def begin(self, task: TaskID, name: str, phase: str, total: int) -> None:
        """A device's phase begins."""
        if self._bars is None:
            self._print(f"{name}: {phase} ({total})")
            return
        self._bars.reset(task, total=total, description=escape(phase), device=escape(name), left="")
        self._bars.refresh()

    def show(self, task: TaskID, *, done: int | None = None, text: str | None = None, left: str | None = None) -> None:
        """Change what a device's line says."""
        if self._bars is None:
            return
        if left is not None:
            self._bars.update(task, left=left)
        self._bars.update(task, completed=done, description=text)
        self._bars.refresh()

    def step(self, line: str) -> None:
        """A step was done; only who asked for it is told."""
        if self._verbose:
            self._print(line)

    def close(self) -> None:
        """Take the lines away. May be called twice."""
        if self._bars is not None:
            self._bars.stop()

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class _Line(Progress):
    """One device's line."""

    def __init__(self, beside: Beside, name: str, task: TaskID) -> None:
        self._beside = beside
        self._name = name
        self._task = task
        self._phase = self._detail = ""
        self._pace = Pace()

    def phase(self, name: str, total: int) -> None:
        self._phase, self._detail, self._pace = name, "", Pace(total, self._beside.clock_s)
        self._beside.begin(self._task, self._name, name, total)

    def advance(self) -> None:
        self._pace.advance()
        self._beside.show(self._task, done=self._pace.done, left=self._pace.left)
        parts = (f"{self._name}: {self._phase}: {self._pace.done} of {self._pace.total}", self._detail, self._pace.left)
        self._beside.step(", ".join(part for part in parts if part))

    def skip(self, steps: int) -> None:
        self._pace.skip(steps)
        self._beside.show(self._task, done=self._pace.done, left="")

    def left(self, span: TimeSpan | None) -> None:
        self._pace.tell(span)
        self._beside.show(self._task, left=self._pace.left)

    def detail(self, text: str) -> None:
        self._detail = text
        self._beside.show(self._task, text=f"{escape(self._phase)}: [dim]{escape(text)}[/dim]")

    def detail_count(self, done: int, total: int, per_s: float | None = None) -> None:
        text = f"{escape(self._phase)}: [dim]{done}/{total} images{rate_words(per_s)}[/dim]"
        self._beside.show(self._task, text=text)

    def sending(self, done_bytes: int, total_bytes: int) -> None:
        words = sending_words(self._detail, done_bytes, total_bytes)
        self._beside.show(self._task, text=f"{escape(self._phase)}: [dim]{escape(words)}[/dim]")


def _bars(console: Console) -> RichProgress:
    """Return bars in columns; what a device does is cut where the terminal ends, so that each keeps to its line."""
    return RichProgress(
        SpinnerColumn(),
        TextColumn("[bold]{task.fields[device]}", table_column=Column(no_wrap=True)),
        TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", table_column=Column(no_wrap=True)),
        console=console,
        transient=True,
        auto_refresh=False,
        expand=True,
    )
