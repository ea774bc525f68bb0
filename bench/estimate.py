"""How long measuring still takes, as far as that can be said."""

from __future__ import annotations

from dataclasses import dataclass

from .records import Settings

#: Least and most that are nearer to each other than this share are one figure.
_NEAR = 0.1


@dataclass(frozen=True)
class TimeSpan:
    """Seconds that something takes: at least and at most."""

    least_s: float
    most_s: float

    def __add__(self, other: TimeSpan) -> TimeSpan:
        return TimeSpan(self.least_s + other.least_s, self.most_s + other.most_s)

    def times(self, count: float) -> TimeSpan:
        """Return what doing it ``count`` times takes."""
        return TimeSpan(self.least_s * count, self.most_s * count)

    @property
    def exact(self) -> bool:
        """Whether least and most are one figure for a person."""
        return self.most_s - self.least_s <= _NEAR * self.most_s


def timing_left(settings: Settings, blocks_done: int, spent_ns: int, *, compared: bool) -> TimeSpan | None:
    """Return how long timing goes on after so many blocks of all cases, None where nothing can be said yet.

    The blocks so far tell how long one takes. With something to compare, precision decides how many there will be;
    else it is the least number. ``spent_ns`` is all the time of these blocks.
    """
    left_s = None if settings.budget_ns is None else max(0.0, (settings.budget_ns - spent_ns) / 1e9)
    if not blocks_done:
        return None if left_s is None else TimeSpan(0.0, left_s)
    each_s = spent_ns / blocks_done / 1e9
    least_s = max(0, settings.min_blocks - blocks_done) * each_s
    most_s = max(0, settings.max_blocks - blocks_done) * each_s if compared else least_s
    if left_s is not None:
        least_s, most_s = min(least_s, left_s), min(most_s, left_s)
    return TimeSpan(least_s, most_s)


def rough(seconds: float) -> str:
    """Return a duration as precisely as a guess deserves: 0.3 s, 8 s, 40 s, 3 min, 1 h 20 min."""
    if seconds < 0.95:
        return f"{max(seconds, 0.0):.1f} s" if seconds >= 0.05 else "0 s"
    if seconds < 10:
        return f"{seconds:.0f} s"
    if seconds < 90:
        return f"{5 * round(seconds / 5)} s"
    minutes = round(seconds / 60) if seconds < 3600 else 10 * round(seconds / 600)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min".removesuffix(" 0 min")


def time_words(span: TimeSpan) -> str:
    """Return ``about 40 s``, ``at most 3 min`` or ``20 s to 3 min``."""
    if span.exact or rough(span.least_s) == rough(span.most_s):
        return f"about {rough(span.most_s)}"
    return f"{rough(span.least_s)} to {rough(span.most_s)}" if span.least_s >= 1 else f"at most {rough(span.most_s)}"


def left_words(span: TimeSpan) -> str:
    """Return ``about 40 s left`` or ``at most 3 min left``; nothing where the end has come."""
    if span.most_s < 0.05:
        return ""
    return f"{'about' if span.exact else 'at most'} {rough(span.most_s)} left"
