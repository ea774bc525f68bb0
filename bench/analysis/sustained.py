"""Latency over time under load: the beginning against the end, when it changed, and which variant is ahead when.

A window's value is the logarithm of its median latency, so a disturbance shorter than half a window does not count. The
beginning and the end are means of neighbouring windows, and neighbours resemble each other: their interval is Student's
t with the noise's autocorrelations taken into account (:mod:`.autocorrelation`). A bootstrap of blocks (Künsch, Annals
of Statistics 17, 1989) needs blocks that are longer than the noise remembers, and many of them; the dozen windows of a
beginning have neither. The noise is that around the levels between changes: else a device that slows down would look
noisy, and never be known to. In simulations of steady devices the interval leaves 1 out in fewer than one in twenty
(``tests/analysis/test_sustained.py``; larger ones: ``tests/proofs/sustained.py``).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..sustained_records import Pace, Sustained, Trend, Windows
from .autocorrelation import level_variance, noise_of
from .change_points import find_shifts

Floats = np.ndarray[Any, np.dtype[np.float64]]

#: The beginning is over after this long, or after this share of the time.
BEGIN_NS = 60_000_000_000
SHARE = 0.1
#: Of beginning and end, however short: windows to have a mean of, and inferences as many as a median takes elsewhere.
PART_WINDOWS = 3
PART_RUNS = 11
#: From fewer windows neither noise nor changes can be told.
MIN_WINDOWS = 10
#: A change that is surely smaller is none that anyone would choose another variant for. Chosen.
MARGIN = 0.05
CONFIDENCE = 0.95
#: A level counts as one of its own where it differs from its neighbour by this many standard deviations of the noise,
#: and more in short series (by a share of this many windows / their number). Autocorrelated noise wanders by one or two
#: of them all the time, and what wanders is noise. Both chosen so that steady devices are called steady in simulations.
_STANDS_OUT = 2.5
_SHORT = 12
#: Stricter than elsewhere: what is promised there holds for values in an order of chance.
_FALSE_ALARMS = 0.002
#: Changes are looked for among at most so many values, then placed to the window.
_VALUES = 60
#: The first change for the slower is one that has this share of the whole slow-down behind it. Chosen.
_FIRST_SHARE = 0.2
#: Standard deviation of the offset that a process has for good, as a logarithm: identical models in single pairs of
#: processes differ by about a percent. It hits what compares two cases, not a case's own beginning and end.
PROCESS_SD = 0.01


@dataclass(frozen=True)
class Known:
    """A logarithm of a ratio with its standard error and the degrees of freedom of that."""

    value: float
    error: float
    freedom: float

    @property
    def half(self) -> float:
        """Half the width of its 95 % interval."""
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, (1 + CONFIDENCE) / 2)) * self.error

    @property
    def sign(self) -> int:
        """-1 or 1 where the interval lies on one side of 0, else 0."""
        return 0 if abs(self.value) <= self.half else (1 if self.value > 0 else -1)


@dataclass(frozen=True)
class Swap:
    """``first`` is the faster one at the beginning, for ``after_ns``, and the slower one at the end."""

    first: int
    second: int
    after_ns: int


@dataclass(frozen=True)
class Ranking:
    """Cases from fast to slow, at the beginning and at the end, by their places.

    Those that stand together are not shown to differ from their neighbours, or cannot be compared.
    """

    begin: tuple[tuple[int, ...], ...]
    end: tuple[tuple[int, ...], ...]
    swaps: tuple[Swap, ...]


def trend(windows: Windows, lasted_ns: int) -> Trend | None:
    """Return what the windows come to; None without any.

    ``lasted_ns`` is from the first window's start to the end of the last one. From fewer than :data:`MIN_WINDOWS`
    windows there are only the two latencies, and a reason.
    """
    if not windows.p50_ns:
        return None
    begin, end = _parts(windows, lasted_ns)
    values = _logs(windows)
    found = _heat(windows, begin, end)
    first, last = (math.exp(float(values[part].mean())) for part in (begin, end))
    if values.size < MIN_WINDOWS:
        reason = f"{values.size} windows, {MIN_WINDOWS} needed; sustain the load for longer"
        untold = dict.fromkeys(("ratio", "steady_ns"), reason)
        return Trend(Pace.UNDECIDED, first, last, _size(begin), _size(end), unavailable=untold, **found)
    shifts = _changes(values)
    change = _difference(values, begin, end, shifts)
    low, high = math.exp(change.value - change.half), math.exp(change.value + change.half)
    pace = _pace(low, high)
    levels = [0, *shifts, values.size]
    return Trend(
        pace,
        first,
        last,
        _size(begin),
        _size(end),
        changes=tuple(shifts),
        ratio=math.exp(change.value),
        low=low,
        high=high,
        slowed_after_ns=_slowed_after(windows, values, shifts, change.value) if pace is Pace.SLOWS else None,
        steady_ns=math.exp(float(values[levels[-2] :].mean())),
        **found,
    )


def ranking(cases: Sequence[Sustained]) -> Ranking:
    """Return who is ahead when, by the places of the cases."""
    sides = [_sides(case) for case in cases]
    found = []
    for first, second in itertools.combinations(range(len(cases)), 2):
        begin, end = (_known_between(sides, first, second, at_end=at_end) for at_end in (False, True))
        if begin is None or end is None or begin.sign * end.sign >= 0:
            continue
        ahead, behind = (first, second) if begin.sign > 0 else (second, first)
        found.append(Swap(ahead, behind, _crossing(cases[ahead].windows, cases[behind].windows)))
    return Ranking(_order(cases, sides, at_end=False), _order(cases, sides, at_end=True), tuple(found))


_Sides = tuple[Known, Known]


def _order(cases: Sequence[Sustained], sides: Sequence[_Sides | None], *, at_end: bool) -> tuple[tuple[int, ...], ...]:
    trends = [case.trend for case in cases]
    figures = [math.inf if found is None else found.end_ns if at_end else found.begin_ns for found in trends]
    ranked: list[list[int]] = []
    for place in sorted(range(len(cases)), key=lambda place: figures[place]):
        known = _known_between(sides, ranked[-1][-1], place, at_end=at_end) if ranked else None
        if ranked and (known is None or known.sign == 0):
            ranked[-1].append(place)
        else:
            ranked.append([place])
    return tuple(map(tuple, ranked))


def _known_between(sides: Sequence[_Sides | None], one: int, other: int, *, at_end: bool) -> Known | None:
    """Return log(other / one) at the beginning or at the end; None where either has too few windows."""
    first, second = sides[one], sides[other]
    if first is None or second is None:
        return None
    found = _minus(second[at_end], first[at_end])
    return Known(found.value, math.sqrt(found.error**2 + 2 * PROCESS_SD**2), found.freedom)


def _sides(case: Sustained) -> _Sides | None:
    if case.trend is None or case.trend.ratio is None:
        return None
    values = _logs(case.windows)
    count = values.size
    begin, end = slice(0, case.trend.begin_windows), slice(count - case.trend.end_windows, count)
    return _side(values, begin, case.trend.changes), _side(values, end, case.trend.changes)


def _parts(windows: Windows, lasted_ns: int) -> tuple[slice, slice]:
    """Return which windows are the beginning and which the end."""
    count = len(windows.start_ns)
    origin_ns = windows.start_ns[0]
    begin_until = origin_ns + min(BEGIN_NS, SHARE * lasted_ns)
    end_from = origin_ns + (1 - SHARE) * lasted_ns
    begin = sum(start < begin_until for start in windows.start_ns)
    end = sum(start >= end_from for start in windows.start_ns)
    most = max(1, count // 3)
    begin = _enough(windows.count, begin, most)
    end = _enough(windows.count[::-1], end, most)
    return slice(0, begin), slice(count - end, count)


def _enough(counts: Sequence[int], wanted: int, most: int) -> int:
    """Return how many windows to take: those wanted, and more until there are enough of them and of inferences."""
    taken = max(1, wanted, min(PART_WINDOWS, most))
    while taken < most and sum(counts[:taken]) < PART_RUNS:
        taken += 1
    return taken


def _logs(windows: Windows) -> Floats:
    return np.log(np.maximum(np.array(windows.p50_ns, np.float64), 1.0))


def _size(part: slice) -> int:
    return int(part.stop - part.start)


def _heat(windows: Windows, begin: slice, end: slice) -> dict[str, Any]:
    return {
        "begin_celsius": _median(windows.celsius[begin]),
        "end_celsius": _median(windows.celsius[end]),
        "begin_clock_hz": _median(windows.clock_hz[begin]),
        "end_clock_hz": _median(windows.clock_hz[end]),
    }


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _pace(low: float, high: float) -> Pace:
    """Return the verdict: a change is told where it is shown and may matter, none where it surely does not."""
    if low > 1 - MARGIN and high < 1 + MARGIN:
        return Pace.KEEPS
    if low > 1:
        return Pace.SLOWS
    return Pace.SPEEDS_UP if high < 1 else Pace.UNDECIDED


def _changes(values: Floats) -> list[int]:
    """Return the first window of each new level, of those levels that stand out from the noise."""
    batch = -(-values.size // _VALUES)
    cuts = range(0, values.size, batch)
    batched = np.array([float(np.median(values[start : start + batch])) for start in cuts])
    places = [shift.first * batch for shift in find_shifts(batched, false_alarms=_FALSE_ALARMS)]
    if batch > 1:
        places = _placed(values, places, 2 * batch)
    enough = _STANDS_OUT * (1 + _SHORT / values.size)
    while places:
        steps = np.abs(np.diff([part.mean() for part in _levels(values, places)]))
        weakest = int(steps.argmin())
        if steps[weakest] >= enough * _spread(values, places):
            break
        del places[weakest]
    return places


def _placed(values: Floats, places: Sequence[int], reach: int) -> list[int]:
    """Return the places moved by less than ``reach`` to where the squares around the two levels are least."""
    bounds = [0, *places, values.size]
    for _ in range(2):  # each depends on where its neighbours are
        for number, place in enumerate(places, 1):
            left, right = bounds[number - 1], bounds[number + 1]
            choices = [at for at in range(place - reach + 1, place + reach) if left < at < right]
            squares = {at: _squares(values[left:at]) + _squares(values[at:right]) for at in choices}
            bounds[number] = min(squares, key=lambda at: squares[at])
    return bounds[1:-1]


def _squares(values: Floats) -> float:
    return float(((values - values.mean()) ** 2).sum())


def _levels(values: Floats, places: Sequence[int]) -> list[Floats]:
    return [part for part in np.split(values, list(places)) if part.size]


def _spread(values: Floats, places: Sequence[int]) -> float:
    parts = _levels(values, places)
    return math.sqrt(sum(_squares(part) for part in parts) / max(1, values.size - len(parts)))


def _difference(values: Floats, begin: slice, end: slice, shifts: Sequence[int]) -> Known:
    """Return log(end / beginning) of one case."""
    first, last = _side(values, begin, shifts), _side(values, end, shifts)
    return _minus(last, first)


def _side(values: Floats, part: slice, shifts: Sequence[int]) -> Known:
    """Return the mean of a part, with the noise of the half of the series that it is in: a hot device may be noisier.

    How far the noise remembers is taken from the whole series, which has more to tell it from.
    """
    parts = _levels(values, shifts)
    noise = noise_of(parts)
    middle = values.size // 2
    half = slice(0, middle) if part.start < middle else slice(middle, values.size)
    here = _levels(values[half], [place - half.start for place in shifts if half.start < place < half.stop])
    size = _size(part)
    error = math.sqrt(level_variance(here, noise) * noise.inflation(size) / size)
    return Known(float(values[part].mean()), error, max(1.0, noise.freedom / 2))


def _minus(one: Known, other: Known) -> Known:
    """Return the difference of two, with Satterthwaite's degrees of freedom (Biometrics Bulletin 2, 1946)."""
    squares = (one.error**2, other.error**2)
    error = math.sqrt(sum(squares))
    below = sum(square**2 / known.freedom for square, known in zip(squares, (one, other), strict=True))
    freedom = sum(squares) ** 2 / below if below else min(one.freedom, other.freedom)
    return Known(one.value - other.value, error, max(1.0, freedom))


def _slowed_after(windows: Windows, values: Floats, shifts: Sequence[int], whole: float) -> int | None:
    """Return when the first change came that has a good share of the slow-down behind it, None without a clear one."""
    means = [float(part.mean()) for part in _levels(values, shifts)]
    for place, before, after in zip(shifts, means, means[1:], strict=False):
        if after > before and after - means[0] >= _FIRST_SHARE * whole:
            return windows.start_ns[place] - windows.start_ns[0]
    return None


def _crossing(ahead: Windows, behind: Windows) -> int:
    """Return the time that splits the load best into one in which ``ahead`` is the faster and one in which it is not.

    That is where the sum of log(behind / ahead) so far is largest.
    """
    times = [np.array(windows.start_ns, np.float64) - windows.start_ns[0] for windows in (ahead, behind)]
    other = np.interp(times[0], times[1], _logs(behind))
    sums = np.cumsum(other - _logs(ahead))
    place = min(int(sums.argmax()) + 1, times[0].size - 1)
    return int(times[0][place])
