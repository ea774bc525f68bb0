"""How the runner tells what it is doing, without knowing who listens."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .estimate import TimeSpan


class Progress:
    """Hears about steps. This one keeps quiet; the command line shows a bar."""

    def phase(self, name: str, total: int) -> None:
        """A phase of ``total`` steps begins."""

    def advance(self) -> None:
        """One step of the current phase is finished."""

    def skip(self, steps: int) -> None:
        """So many steps of the current phase are not needed: they were done before, or came to be superfluous."""
        for _ in range(steps):
            self.advance()

    def left(self, span: TimeSpan | None) -> None:
        """How long the current phase goes on after the step that is about to be finished, where that is known."""

    def detail(self, text: str) -> None:
        """What is being worked on."""

    def detail_count(self, done: int, total: int, per_s: float | None = None) -> None:
        """How far the current step is, in its own units (images, for instance), and how many of them a second."""

    def sending(self, done_bytes: int, total_bytes: int) -> None:
        """How far a file is that goes to a device for the current step; it is there when both are the same."""

    def tell(self, line: str) -> None:
        """Something that is worth a line of its own."""

    def side_by_side(self, names: Sequence[str]) -> Sequence[Progress]:
        """Return one for each of several devices that are measured at the same time, each in a thread of its own."""
        return [self for _ in names]

    def close(self) -> None:
        """Nothing more will come."""


class ThreadsProgress:
    """Passes on how far something is that devices share, to the progress of the one whose thread does it."""

    def __init__(self, otherwise: Progress) -> None:
        self._otherwise = otherwise
        self._own = threading.local()

    def here(self, progress: Progress) -> None:
        """What this thread does is told to ``progress``."""
        self._own.progress = progress

    def detail_count(self, done: int, total: int) -> None:
        """Tell how far it is."""
        progress: Progress = getattr(self._own, "progress", self._otherwise)
        progress.detail_count(done, total)
