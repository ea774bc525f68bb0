"""How the runner tells what it is doing, without knowing who listens."""

from __future__ import annotations

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

    def close(self) -> None:
        """Nothing more will come."""
