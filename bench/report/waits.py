"""What a user waits for beside pure inference, as tables that all formats share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..records import CaseResult, Latency, Part, Throughput, Wait, Waits, Whole
from .sections import Absences, Grid, Section, cases_named, grouped
from .tables import Row, Table
from .text import clean, megabytes, milliseconds, significant

_TITLES = {
    Wait.END_TO_END.value: "end to end",
    Wait.COLD_START.value: "cold start",
    Wait.IDLE_GAP.value: "idle gap",
    Wait.WEIGHT_CACHE.value: "weight cache",
    Wait.BATCHES.value: "batches",
    Wait.WORKERS.value: "workers",
}
#: Term and meaning of each wait, in the order of the section.
TERMS: tuple[tuple[str, str], ...] = (
    ("end to end", "from an image file to its scores; each part's median and its share of the medians' sum"),
    ("cold start", "from starting a process to its first answer, in fresh processes, files in the page cache; parts "
                   "likewise"),
    ("idle gap", "latency of one inference now and then, as an app does, against runs back to back: 1.8x takes 1.8 "
                 "times as long; ± is half the width of its 95 % interval, ≈ no difference shown"),
    ("weight cache", "load and first answer together, in fresh processes: plain, while XNNPACK's weight cache is "
                     "written, and reading it; peak is resident memory"),
    ("items/s", "inputs answered a second, with its 95 % interval: for batches by the median run, for processes by the "
                "clock, so that what other programs take is missing there; speedup is against the first row of the "
                "case, in turns"),
)  # fmt: skip


def waits_section(table: Table, *, whole: bool) -> Section | None:
    """Return every wait that was measured, and why others were not; None where none was asked for."""
    cases = [row.case for row in table.rows if row.case.waits]
    if not cases:
        return None
    absences = Absences(table.names, cases)
    grids = [
        *_wholes(table, "End to end", lambda waits: waits.end_to_end, absences, whole),
        *_wholes(table, "Cold start", lambda waits: waits.cold_start, absences, whole),
        *_titled("Idle gap", grouped(table, _GAP, lambda row: _gap(row, absences))),
        *_titled("Weight cache: load and first answer", grouped(table, _CACHE, lambda row: _cache(row, absences))),
        *_rates(table, "Throughput by batch size", "batch", lambda waits: waits.batches, absences),
        *_rates(table, "Throughput by processes at once", "workers", lambda waits: waits.workers, absences),
    ]
    lines = [*absences.lines(), *_unavailable(table, cases)]
    if not whole and grids:
        shown = {title for grid in grids for title in _terms_of(grid)}
        lines += [f"{term}: {meaning}." for term, meaning in TERMS if term in shown]
    return Section("waits", "What a user waits for", "", tuple(grids), tuple(lines))


def wait_terms(table: Table) -> list[tuple[str, str]]:
    """Return (term, meaning) for the section where there is one."""
    return list(TERMS) if any(row.case.waits for row in table.rows) else []


def _terms_of(grid: Grid) -> Sequence[str]:
    return [term for term, _ in TERMS if grid.title.lower().startswith(term) or (term, "") in grid.heads]


def _titled(title: str, grids: Sequence[Grid]) -> list[Grid]:
    return [Grid(f"{title}, {grid.title}" if grid.title else title, grid.heads, grid.rows) for grid in grids]


def _wholes(
    table: Table, title: str, pick: Callable[[Waits], Whole | None], absences: Absences, with_times: bool
) -> list[Grid]:
    found = [whole for row in table.rows if row.case.waits and (whole := pick(row.case.waits))]
    parts = list(dict.fromkeys(part.name for whole in found for part in whole.parts))
    # A dozen processes never give a p90: a column of dashes would say so at length.
    has_p90 = any(whole.total.p90_ns is not None for whole in found)

    def rows_of(row: Row) -> list[tuple[str, ...]]:
        whole = pick(row.case.waits) if row.case.waits else None
        if whole is None:
            return []
        known = {part.name: part for part in whole.parts}
        cells = [_part(known[name], with_times) if name in known else "" for name in parts]
        figures = _percentiles(row.case, title.lower(), whole.total, absences, with_p90=has_p90)
        return [(row.within, *figures, *cells)]

    unit = "ms (share)" if with_times else "share"
    percentiles = [("p50", "ms"), ("p90", "ms")][: 2 if has_p90 else 1]
    heads = [("variant", ""), *percentiles, *((clean(name), unit) for name in parts)]
    return _titled(title, grouped(table, heads, rows_of))


def _part(part: Part, with_time: bool) -> str:
    percent = 100 * part.share
    share = "<1 %" if 0 < percent < 0.5 else f"{percent:.0f} %"
    return f"{milliseconds(part.p50_ns)} ({share})" if with_time else share


def _percentiles(
    case: CaseResult, title: str, found: Latency, absences: Absences, *, with_p90: bool = True
) -> list[str]:
    wanted = [("p50", found.p50_ns), ("p90", found.p90_ns)][: 2 if with_p90 else 1]
    return [
        absences.show(case, f"{title} {name}", value, milliseconds, found.unavailable.get(f"{name}_ns"))
        for name, value in wanted
    ]


_GAP = [("variant", ""), ("gap", "ms"), ("p50", "ms"), ("p90", "ms"), ("of back-to-back", "")]


def _gap(row: Row, absences: Absences) -> list[tuple[str, ...]]:
    found = row.case.waits.idle_gap if row.case.waits else None
    if found is None:
        return []
    figures = _percentiles(row.case, "idle gap", found.latency, absences)
    reason = found.unavailable.get("ratio")
    text = absences.show(row.case, "of back-to-back", found.ratio, _times(found.low, found.high), reason)
    return [(row.within, milliseconds(found.gap_ns), *figures, text)]


def _times(low: float | None, high: float | None) -> Callable[[float], str]:
    """Return what shows a multiple with half the width of its interval, where it has one."""
    if not low or not high:
        return lambda value: f"{significant(value)}x"
    percent = 100 * (math.sqrt(high / low) - 1)
    mark = "≈" if low <= 1 <= high else ""
    return lambda value: f"{significant(value)}x ±{percent:.{1 if percent < 9.95 else 0}f}%{mark}"


_CACHE = [("variant", ""), ("plain", "ms"), ("writing", "ms"), ("reading", "ms"), ("cache", "MB"),
          ("peak", "plain MB"), ("peak", "reading MB")]  # fmt: skip


def _cache(row: Row, absences: Absences) -> list[tuple[str, ...]]:
    found = row.case.waits.weight_cache if row.case.waits else None
    if found is None:
        return []
    times = [
        absences.show(row.case, f"weight cache, {name}", part.p50_ns, milliseconds, part.unavailable.get("p50_ns"))
        for name, part in (("plain", found.plain), ("writing", found.cold), ("reading", found.warm))
    ]
    peaks = [
        absences.show(row.case, f"weight cache, peak {name}", value, megabytes, None)
        for name, value in (("plain", found.plain_peak_rss_bytes), ("reading", found.warm_peak_rss_bytes))
    ]
    return [(row.within, *times, megabytes(found.cache_bytes), *peaks)]


def _rates(
    table: Table, title: str, key: str, pick: Callable[[Waits], Sequence[Throughput]], absences: Absences
) -> list[Grid]:
    def rows_of(row: Row) -> list[tuple[str, ...]]:
        return [_rate(row, key, found, absences) for found in (pick(row.case.waits) if row.case.waits else ())]

    heads = [("variant", ""), (key, ""), ("items/s", ""), ("95 %", "interval"), ("speedup", "")]
    return _titled(title, grouped(table, heads, rows_of))


def _rate(row: Row, key: str, found: Throughput, absences: Absences) -> tuple[str, ...]:
    number = found.batch if key == "batch" else found.workers
    title = f"{key} {number}"
    reason = found.unavailable.get("items_per_s")
    rate = absences.show(row.case, f"{title} items/s", found.items_per_s, significant, reason)
    interval = speedup = ""
    if found.items_per_s is not None:
        if found.low is not None and found.high is not None:
            interval = f"{significant(found.low)} to {significant(found.high)}"
        else:
            interval = absences.show(row.case, f"{title} interval", None, significant, found.unavailable.get("low"))
        speedup = absences.show(
            row.case,
            f"{title} speedup",
            found.speedup,
            _times(found.speedup_low, found.speedup_high),
            found.unavailable.get("speedup"),
        )
    return (row.within, f"{number:,}", rate, interval, speedup)


def _unavailable(table: Table, cases: Sequence[CaseResult]) -> list[str]:
    found: dict[tuple[str, str], list[CaseResult]] = {}
    for case in cases:
        for wait, reason in case.waits.unavailable.items() if case.waits else ():
            found.setdefault((_TITLES.get(wait, clean(wait)), clean(reason)), []).append(case)
    return [
        f"Not measured: {title}: {reason} ({cases_named(table.names, members, cases)})"
        for (title, reason), members in found.items()
    ]
