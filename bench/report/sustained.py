"""Latency under sustained load, as a table and lines that all formats share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..analysis.load_state import HOLDS_DOWN
from ..analysis.sustained import MARGIN, Ranking, ranking
from ..records import CaseResult
from ..sustain import NEAR_CELSIUS
from ..sustained_records import Pace, Sustained, Trend
from .sections import Absences, Section, cases_named, grouped
from .tables import Row, Table
from .text import clean, count, joined, milliseconds

#: Below this share of the time inside the model the load was not one without pauses.
_BUSY_SHARE = 0.9
_HEADS = [("variant", ""), ("begin", "ms"), ("end", "ms"), ("change", "% (95 %)"), ("slower", "after"),
          ("heat", "°C"), ("clock", "GHz")]  # fmt: skip
TERMS: tuple[tuple[str, str], ...] = (
    ("under load", "each case alone, back to back, in one fresh, warmed-up worker; the main table is about short "
                   "bursts in turns instead"),
    ("begin, end", "the first minute or tenth of the load, whichever is shorter, and the last tenth: geometric means "
                   "of the medians of short windows"),
    ("change", "from begin to end, with its 95 % interval: Student's t with the autocorrelation of neighbouring "
               f"windows taken into account; “keeps its speed” where all of it is within {100 * MARGIN:g} %"),
    ("slower after", "time to the first lasting change for the slower, by change points of the windows' medians"),
    ("heat, clock", "the hottest zone of the processor before the load and at its end; the clock of the slowest CPU "
                    "that worked, at the beginning and at the end; both are read between windows"),
)  # fmt: skip


def sustained_section(table: Table, *, whole: bool) -> Section | None:
    """Return what the load did to each case and to their order; None where none was asked for."""
    asked = [row.case for row in table.rows if row.case.sustained or "sustained" in row.case.unavailable]
    measured = [row for row in table.rows if row.case.sustained]
    if not asked:
        return None
    absences = Absences(table.names, [row.case for row in measured])
    grids = grouped(table, _HEADS, lambda row: _cells(row, absences))
    answers = [line for _, rows in table.groups() for line in _answers(rows)]
    lines = [*answers, *_doubts(measured), *absences.lines(), *_not_measured(table, asked)]
    if not whole:
        lines += [f"{term}: {meaning}." for term, meaning in TERMS if measured]
    return Section("sustained", _title(measured), _about(measured), grids, tuple(lines), len(answers))


def sustained_terms(table: Table) -> list[tuple[str, str]]:
    """Return (term, meaning) for the section where there is one."""
    return list(TERMS) if any(row.case.sustained for row in table.rows) else []


def duration(nanoseconds: float) -> str:
    """Return a time as a person says it: 8 s, 45 s, 3.5 min, 10 min, 2 h."""
    seconds = nanoseconds / 1e9
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.{1 if seconds < 570 else 0}f}".removesuffix(".0") + " min"
    return f"{seconds / 3600:.1f}".removesuffix(".0") + " h"


def pace_words(found: Trend) -> str:
    """Return ``slows down by 18 % after 3.5 min``, ``keeps its speed``, or what is not known."""
    if found.ratio is None or found.low is None or found.high is None:
        return f"undecided: {clean(found.unavailable.get('ratio', 'not recorded'))}"
    if found.pace is Pace.KEEPS:
        return f"keeps its speed ({_signed(found.ratio)} %)"
    if found.pace is Pace.UNDECIDED:
        return f"undecided: between {_signed(found.low)} and {_signed(found.high)} %"
    after = "" if found.slowed_after_ns is None else f" after {duration(found.slowed_after_ns)}"
    return f"{found.pace.value} by {_percent(found.ratio)} %{after}"


def _title(measured: Sequence[Row]) -> str:
    times = sorted({row.case.sustained.wanted_ns for row in measured if row.case.sustained})
    return f"Under load for {' and '.join(duration(wanted) for wanted in times)}" if times else "Under load"


def _about(measured: Sequence[Row]) -> str:
    if not measured:
        return ""
    devices = dict.fromkeys(row.case.device for row in measured)
    orders = []
    for device in devices:
        placed = sorted((_of(row).place, row.label) for row in measured if row.case.device == device)
        orders.append(joined([name for _, name in placed]))
    order = f", in this order: {'; '.join(orders)}" if len(measured) > len(devices) else ""
    return (
        f"Each case alone, back to back, in one fresh worker{order}. The verdict is about the timing before, not this."
    )


def _of(row: Row) -> Sustained:
    found = row.case.sustained
    if found is None:
        raise ValueError(f"{row.case.case_id} was not under load")
    return found


def _cells(row: Row, absences: Absences) -> list[tuple[str, ...]]:
    found = row.case.sustained
    if found is None or found.trend is None:
        return []
    trend, case = found.trend, row.case

    def pair(title: str, begin: float | None, end: float | None, show: Callable[[float], str], name: str) -> str:
        reason = found.unavailable.get(name)
        texts = [absences.show(case, title, value, show, reason) for value in (begin, end)]
        return texts[0] if begin is None and end is None else f"{texts[0]} → {texts[1]}"

    later = "–" if trend.slowed_after_ns is None else duration(trend.slowed_after_ns)
    return [(
        row.within,
        milliseconds(trend.begin_ns),
        milliseconds(trend.end_ns),
        absences.show(case, "change", trend.ratio, lambda _: _change(trend), trend.unavailable.get("ratio")),
        "" if trend.pace is not Pace.SLOWS else later,
        pair("heat", found.start.celsius, trend.end_celsius, lambda value: f"{value:.0f}", "celsius"),
        pair("clock", trend.begin_clock_hz, trend.end_clock_hz, lambda value: f"{value / 1e9:.2f}", "clock_hz"),
    )]  # fmt: skip


def _change(trend: Trend) -> str:
    text = _signed(trend.ratio or 1.0)
    if trend.low is None or trend.high is None:
        return text
    return f"{text} ({_signed(trend.low)} to {_signed(trend.high)})"


def _signed(ratio: float) -> str:
    percent = 100 * (ratio - 1)
    shown = f"{percent:+.{1 if abs(percent) < 9.95 else 0}f}".replace("-", "−")
    return "0" if shown in ("+0.0", "−0.0") else shown


def _percent(ratio: float) -> str:
    percent = abs(100 * (ratio - 1))
    return f"{percent:.{1 if percent < 9.95 else 0}f}".removesuffix(".0")


def _answers(rows: Sequence[Row]) -> list[str]:
    """Return what a hurried reader needs of the cases of one model on one device."""
    members = [row for row in rows if row.case.sustained and row.case.sustained.trend]
    lines = [f"{row.label}: {pace_words(trend)}." for row in members if (trend := _of(row).trend)]
    if len(members) < 2:
        return lines
    found = ranking([_of(row) for row in members])
    swaps = [
        f"{members[swap.first].label} is faster than {members[swap.second].label} for the first "
        f"{duration(swap.after_ns)}, slower afterwards."
        for swap in found.swaps
    ]
    return [*swaps, *lines, _orders([row.label for row in members], found)]


def _orders(names: Sequence[str], found: Ranking) -> str:
    begin, end = (
        ", ".join(" ≈ ".join(names[place] for place in group) for group in groups)
        for groups in (found.begin, found.end)
    )
    told = f"fastest first: {begin}, at the beginning and at the end" if begin == end else (
        f"fastest first, at the beginning: {begin}; at the end: {end}"
    )  # fmt: skip
    swaps = "" if found.swaps else ". No two are shown to swap"
    return f"The order, {told}{swaps}. ≈: not shown to differ. They did not take turns here, as for “against base”."


def _doubts(measured: Sequence[Row]) -> list[str]:
    """Return what to know before the figures are relied on."""
    lines = []
    for row in measured:
        found = _of(row)
        held = [state for state in found.windows.throttled if state is not None]
        often = f", in {sum(held)} of {count(len(held), 'window')}" if any(held) else ""
        for item in found.findings:
            told = item.code.value + (often if item.code in HOLDS_DOWN else "")
            lines.append(f"{row.label}: {clean(item.reason)} ({told}).")
        if found.cut_short:
            lines.append(f"{row.label}: ended after {duration(found.lasted_ns)}: {clean(found.cut_short)}.")
        if found.lasted_ns and found.busy_ns < _BUSY_SHARE * found.lasted_ns:
            share = found.busy_ns / found.lasted_ns
            lines.append(f"{row.label}: ran {share:.0%} of the time; between windows the device could cool.")
    return [*lines, *dict.fromkeys(_warmth(measured))]


def _warmth(measured: Sequence[Row]) -> list[str]:
    """Say where cases did not begin equally warm, or nobody knows."""
    by_device: dict[str, list[Row]] = {}
    for row in measured:
        by_device.setdefault(row.case.device, []).append(row)
    lines = []
    for rows in (rows for rows in by_device.values() if len(rows) > 1):
        untold = [row for row in rows if _of(row).start.celsius is None]
        if untold and not all(_of(row).start.cooled for row in untold):
            reason = clean(_of(untold[0]).start.unavailable.get("celsius", "not recorded"))
            lines.append(
                f"No temperature is told ({reason}), so the device did not rest between cases: the order may matter."
            )
            continue
        warmth = {row.label: celsius for row in rows if (celsius := _of(row).start.celsius) is not None}
        if warmth and max(warmth.values()) - min(warmth.values()) > NEAR_CELSIUS:
            coldest, hottest = (pick(warmth, key=lambda name: warmth[name]) for pick in (min, max))
            lines.append(
                f"{hottest} began at {warmth[hottest]:.0f} °C, {coldest} at {warmth[coldest]:.0f}: the warmer one may "
                "have slowed down sooner for that."
            )
    return lines


def _not_measured(table: Table, asked: Sequence[CaseResult]) -> list[str]:
    found: dict[str, list[CaseResult]] = {}
    for case in asked:
        if case.sustained is None:
            found.setdefault(clean(case.unavailable["sustained"]), []).append(case)
    return [f"Not measured: {reason} ({cases_named(table.names, members, asked)})" for reason, members in found.items()]
