"""The progress bar on stderr."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from .progress import Progress


class ConsoleProgress(Progress):
    """One bar for the current phase. Where stderr is no terminal, one plain line a phase.

    The bar refreshes only when something is reported: a refreshing thread would take processor time from the very
    measurement that it shows.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bar: RichProgress | None = None
        self._task = TaskID(0)
        self._phase = ""

    def phase(self, name: str, total: int) -> None:
        self.close()
        self._phase = name
        if not self._console.is_terminal:
            self._console.print(f"{name} ({total})", markup=False, highlight=False)
            return
        self._bar = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            auto_refresh=False,
        )
        self._bar.start()
        self._task = self._bar.add_task(name, total=total)
        self._bar.refresh()

    def advance(self) -> None:
        if self._bar is not None:
            self._bar.advance(self._task)
            self._bar.refresh()

    def detail(self, text: str) -> None:
        self._describe(f"{self._phase}: [dim]{escape(text)}[/dim]")

    def detail_count(self, done: int, total: int, per_s: float | None = None) -> None:
        rate = "" if per_s is None else f", {per_s:.3g}/s" if per_s < 100 else f", {per_s:.0f}/s"
        self._describe(f"{self._phase}: [dim]{done}/{total} images{rate}[/dim]")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _describe(self, text: str) -> None:
        if self._bar is not None:
            self._bar.update(self._task, description=text)
            self._bar.refresh()
