"""How far a phase is, and how long it still takes at the pace of its steps so far."""

from __future__ import annotations

from collections.abc import Callable

from .estimate import TimeSpan, left_words


class Pace:
    """Counts the steps of one phase. ``clock_s`` measures how long they take."""

    def __init__(self, total: int = 0, clock_s: Callable[[], float] = lambda: 0.0) -> None:
        self.total = total
        self.done = 0
        self._clock_s = clock_s
        self._began_s = clock_s()
        self._skipped = 0
        self._left: TimeSpan | None = None
        self._told = False  # whether somebody who knows better has said how long this phase goes on

    def advance(self) -> None:
        """Count a step that was done."""
        self.done += 1
        if not self._told:
            self._left = self._from_steps()

    def skip(self, steps: int) -> None:
        """Count steps that took no time."""
        self.done += steps
        self._skipped += steps

    def tell(self, span: TimeSpan | None) -> None:
        """Take somebody's word for how long the phase goes on."""
        self._told, self._left = True, span

    @property
    def left(self) -> str:
        """How long the phase goes on, in words; empty where nobody knows, or it is over."""
        return left_words(self._left) if self._left and self.done < self.total else ""

    def _from_steps(self) -> TimeSpan:
        """Return how long the steps that are left take, at the pace of those that are done."""
        each_s = (self._clock_s() - self._began_s) / max(1, self.done - self._skipped)
        left_s = each_s * (self.total - self.done)
        return TimeSpan(left_s, left_s)


def rate_words(per_s: float | None) -> str:
    """Return ``, 12.5/s``, nothing where that is unknown."""
    return "" if per_s is None else f", {per_s:.3g}/s" if per_s < 100 else f", {per_s:.0f}/s"


def sending_words(otherwise: str, done_bytes: int, total_bytes: int) -> str:
    """Return ``sending 1.3 of 14.0 MB``, or what is shown otherwise where all of it is there."""
    return otherwise if done_bytes >= total_bytes else f"sending {done_bytes / 1e6:.1f} of {total_bytes / 1e6:.1f} MB"
