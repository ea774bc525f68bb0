"""What a case did under sustained load, as frozen dataclasses: a part of the result schema (:mod:`.records`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from .findings import Finding


class Pace(str, Enum):
    """What the latency did from the beginning of the load to its end."""

    KEEPS = "keeps its speed"
    SLOWS = "slows down"
    SPEEDS_UP = "speeds up"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Windows:
    """Stretches of load, one after the other, as columns of equal length.

    ``start_ns`` is on the device's monotonic clock, ``count`` are the inferences, ``p50_ns`` is their median, and
    ``p90_ns`` is None from too few of them. The last three are of the machine's state right after the window, None
    where it is not told: the hottest zone of the processor, the clock of the slowest CPU that worked meanwhile, and
    whether the clock was being held down for heat or supply.
    """

    start_ns: tuple[int, ...] = ()
    count: tuple[int, ...] = ()
    p50_ns: tuple[float, ...] = ()
    p90_ns: tuple[float | None, ...] = ()
    celsius: tuple[float | None, ...] = ()
    clock_hz: tuple[int | None, ...] = ()
    throttled: tuple[bool | None, ...] = ()


@dataclass(frozen=True)
class Trend:
    """What the windows come to. Latencies are geometric means of windows' medians.

    ``ratio`` is ``end_ns / begin_ns``, above 1 is slower; ``low`` and ``high`` bound it with 95 % confidence.
    ``slowed_after_ns`` is the time from the first window to the first lasting change for the slower, ``steady_ns`` the
    latency since the last change. Temperatures and clocks are medians over the windows of the beginning and of the end.
    ``begin_windows`` and ``end_windows`` are how many these are; ``changes`` are the first windows of new levels.
    """

    pace: Pace
    begin_ns: float
    end_ns: float
    begin_windows: int
    end_windows: int
    changes: tuple[int, ...] = ()
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    slowed_after_ns: int | None = None
    steady_ns: float | None = None
    begin_celsius: float | None = None
    end_celsius: float | None = None
    begin_clock_hz: float | None = None
    end_clock_hz: float | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HeatStart:
    """How warm the device was when a case's load began, and how it came to be so.

    ``celsius`` is the hottest zone of the processor then, ``reference_celsius`` what it was before the first case's
    load. ``rested_ns`` is how long the device rested before; ``cooled`` is whether something else cooled it.
    """

    celsius: float | None = None
    reference_celsius: float | None = None
    rested_ns: int = 0
    cooled: bool = False
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sustained:
    """A case alone, run back to back for ``wanted_ns`` in one fresh, warmed-up worker.

    It was the ``place``-th case, counted from 1. ``lasted_ns`` is from the first window to the end of the last one, of
    which ``busy_ns`` were spent inside the model. ``findings`` are about heat, supply and processor time that others
    took, and count towards no verdict. ``cut_short`` is why it ended before its time, None where it did not.
    """

    wanted_ns: int
    place: int
    windows: Windows
    lasted_ns: int = 0
    busy_ns: int = 0
    start: HeatStart = field(default_factory=HeatStart)
    trend: Trend | None = None
    findings: tuple[Finding, ...] = ()
    cut_short: str | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)
