"""One figure of each case over time: the runs in order, what changed between them, and where the level shifted."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .analysis.change_points import MIN_VALUES, Shift, find_shifts
from .analysis.comparison import CONFIDENCE, MIN_BLOCKS
from .findings import Code, Verdict
from .index import Estimate, Host, Row
from .metrics import Metric, Unit

_HASH_SHOWN = 8


@dataclass(frozen=True)
class Change:
    """Something that was recorded differently in a later run: ``what`` it is, and how it was called in both."""

    what: str
    before: str
    after: str


@dataclass(frozen=True)
class Point:
    """One run of a case. ``estimate`` is in the metric's unit, None where the run has none.

    ``used`` is False where it takes no part in levels: an INVALID verdict, or no figure. ``changes`` are those against
    the run before.
    """

    row: Row
    estimate: Estimate | None
    used: bool
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class ChangePoint:
    """The level shifts between two runs, next to each other among those used.

    ``by`` is a relative change (0.1 = 10 % more), for shares a difference; ``low`` and ``high`` bound it with 95 %
    confidence. ``p`` is None where the figure is exact and needs no test. ``changes`` were recorded between the two;
    where there are none, ``nearby`` has those one run earlier or later.
    """

    before: Row
    after: Row
    by: float
    low: float | None
    high: float | None
    p: float | None
    changes: tuple[Change, ...]
    nearby: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Trend:
    """The newest run against the runs before it: those at the same level, and with one file among them.

    ``by`` as in :class:`ChangePoint`; ``usual`` is how far a further run of that level would lie from it at most, in 95
    of 100 cases: None where there are fewer than three runs before, or the figure is exact.
    """

    by: float
    usual: float | None

    @property
    def unusual(self) -> bool:
        """Whether the newest run is further off than runs like those before it are."""
        return self.usual is not None and abs(math.log1p(self.by)) > math.log1p(self.usual)


@dataclass(frozen=True)
class Series:
    """All runs of one case on one host, oldest first. ``trend`` is None where the newest run cannot be compared."""

    case_id: str
    host: Host
    points: tuple[Point, ...]
    change_points: tuple[ChangePoint, ...] = ()
    trend: Trend | None = None

    @property
    def newest(self) -> Point:
        """The last run."""
        return self.points[-1]

    @property
    def used(self) -> list[Point]:
        """The runs that levels are made of."""
        return [point for point in self.points if point.used]


@dataclass(frozen=True)
class History:
    """A metric over time, a series for each case on each host, in order of case ids; ``without`` had no figure."""

    metric: Metric
    series: tuple[Series, ...]
    without: tuple[str, ...] = ()

    @property
    def hosts(self) -> list[Host]:
        """The machines, in order of first appearance."""
        return list(dict.fromkeys(series.host for series in self.series))

    @property
    def one_case(self) -> bool:
        """Whether all series are of the same case."""
        return len({series.case_id for series in self.series}) == 1

    @property
    def untested(self) -> list[Series]:
        """The series that are too short for a shift to be told from chance."""
        return [] if self.metric.exact else [item for item in self.series if len(item.used) < MIN_VALUES]


def make_history(rows: Sequence[Row], metric: Metric) -> History:
    """Return the metric over time. ``rows`` are in order of time; those of unlike hosts are never joined."""
    by_series: dict[tuple[str, Host], list[Row]] = {}
    for row in rows:
        by_series.setdefault((row.case_id, row.host), []).append(row)
    ordered = sorted(by_series.items(), key=lambda item: (item[0][0], item[0][1].hostname))
    made = [_series(case_id, host, found, metric) for (case_id, host), found in ordered]
    with_value = [item for item in made if any(point.estimate for point in item.points)]
    known = {item.case_id for item in with_value}
    return History(metric, tuple(with_value), tuple(dict.fromkeys(c for c, _ in by_series if c not in known)))


def _series(case_id: str, host: Host, rows: Sequence[Row], metric: Metric) -> Series:
    points = []
    for place, row in enumerate(rows):
        estimate = metric.of(row)
        changes = changes_between(rows[place - 1], row, metric) if place else ()
        points.append(Point(row, estimate, estimate is not None and _usable(row, estimate, metric), changes))
    used = [point for point in points if point.used]
    found = _steps(used, metric) if metric.exact else _shifts(used, metric)
    return Series(case_id, host, tuple(points), found, _trend(points, found, metric))


def _usable(row: Row, estimate: Estimate, metric: Metric) -> bool:
    if not math.isfinite(estimate.value) or (metric.unit is not Unit.SHARE and estimate.value <= 0):
        return False
    if metric.exact:
        # Verdicts are about time, but for one reason: whoever is disturbed has the same size and the same answers.
        return not {Code.OUTPUTS_DIFFER, Code.DEVICE_DIFFERS}.intersection(row.invalid_codes)
    return row.verdict is not Verdict.INVALID


def changes_between(before: Row, after: Row, metric: Metric | None = None) -> tuple[Change, ...]:
    """Return what was recorded differently in two runs of a case; images only where the metric is about them."""
    read: dict[str, Callable[[Row], str | None]] = {
        "file": lambda row: row.model_sha256[:_HASH_SHOWN],
        "runtime": lambda row: row.runtime_version,
        "Python": lambda row: row.runtime.python if row.runtime else None,
        "kernel": lambda row: row.kernel,
        "edgebench": lambda row: row.edgebench,
    }
    if metric is not None and metric.unit is Unit.SHARE:
        read["images"] = lambda row: None if row.images is None else f"{row.images} of {row.data}"
    return tuple(_different(read, before, after))


def _different(read: dict[str, Callable[[Row], str | None]], before: Row, after: Row) -> Iterable[Change]:
    for what, of in read.items():
        old, new = of(before), of(after)
        if what == "file" and before.model_sha256 == after.model_sha256:
            continue
        # What one of the two does not tell has not been seen to change.
        if old is not None and new is not None and (old != new or what == "file"):
            yield Change(what, old, new)


def _shifts(used: Sequence[Point], metric: Metric) -> tuple[ChangePoint, ...]:
    values = [math.log(point.estimate.value) for point in used if point.estimate is not None]
    return tuple(_change_point(used, shift, metric) for shift in find_shifts(values))


def _change_point(used: Sequence[Point], shift: Shift, metric: Metric) -> ChangePoint:
    before, after = used[shift.first - 1].row, used[shift.first].row
    changes = changes_between(before, after, metric)
    around = used[max(shift.first - 2, 0)].row, used[min(shift.first + 1, len(used) - 1)].row
    return ChangePoint(
        before=before,
        after=after,
        by=math.expm1(shift.by),
        low=None if shift.low is None else math.expm1(shift.low),
        high=None if shift.high is None else math.expm1(shift.high),
        p=shift.p,
        changes=changes,
        nearby=() if changes else changes_between(*around, metric),
    )


def _steps(used: Sequence[Point], metric: Metric) -> tuple[ChangePoint, ...]:
    """Return every change of an exact figure."""
    found = []
    for old, new in itertools.pairwise(used):
        by = _by(old, new, metric)
        if abs(by) > 1e-12:
            changes = changes_between(old.row, new.row, metric)
            found.append(ChangePoint(old.row, new.row, by, None, None, None, changes))
    return tuple(found)


def _by(old: Point, new: Point, metric: Metric) -> float:
    if old.estimate is None or new.estimate is None:
        return 0.0
    if metric.unit is Unit.SHARE:
        return new.estimate.value - old.estimate.value
    return new.estimate.value / old.estimate.value - 1


def _trend(points: Sequence[Point], found: Sequence[ChangePoint], metric: Metric) -> Trend | None:
    used = [point for point in points if point.used]
    if not points[-1].used or len(used) < 2:
        return None
    if metric.exact:
        return Trend(_by(used[-2], used[-1], metric), None)
    first = next((i for i, point in enumerate(used) if found and point.row is found[-1].after), 0)
    level = used[first:-1] or used[-2:-1]
    before = [math.log(point.estimate.value) for point in _of_one_file(level) if point.estimate is not None]
    newest = used[-1].estimate
    if newest is None or not before:
        return None
    return Trend(math.expm1(math.log(newest.value) - math.fsum(before) / len(before)), _usual(before))


def _of_one_file(level: Sequence[Point]) -> list[Point]:
    """Return the runs with the file that the last of them has, back to where it was another."""
    last = level[-1].row.model_sha256
    same = itertools.takewhile(lambda point: point.row.model_sha256 == last, reversed(level))
    return list(same)[::-1]


def _usual(log_values: Sequence[float]) -> float | None:
    """Return the half-width of Student's 95 % prediction interval as a relative change, None from too few values."""
    from scipy import stats

    count = len(log_values)
    if count < MIN_BLOCKS:
        return None
    mean = math.fsum(log_values) / count
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in log_values) / (count - 1))
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1))
    return math.expm1(quantile * spread * math.sqrt(1 + 1 / count))
