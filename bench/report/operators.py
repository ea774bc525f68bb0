"""Which operators the time goes to, for cases that were profiled after timing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..operators import OperatorProfile, TypeTime
from ..records import CaseResult
from ..summaries import is_summary
from .profile import microseconds, node_cell, runs_on, share_cells, too_quick, without_common_folders
from .sections import Section, cases_named, grouped
from .tables import Row, Table
from .text import ABSENT, clean, shortened

_TYPES_SHOWN = 5
_NODES_SHOWN = 10
#: Of each of many cases only so many.
_FEW_SHOWN, _MANY_CASES = 3, 8
_NAME_WIDTH = 48
_DELEGATE = "delegate"
_ABOUT = (
    "Shares of a run with LiteRT's profiler, measured through its C API after timing, in a process of its own: "
    "no latencies."
)
#: Term and meaning, in the order of the section.
TERMS: tuple[tuple[str, str], ...] = (
    ("share, range", "of the time of all operators; the range holds the 95 % interval over runs and what XNNPACK may "
                     "have cut off, which tells whole microseconds only"),
    ("on", "XNNPACK, or CPU kernel for an operator that it left to the runtime's own kernels"),
)  # fmt: skip


def operators_section(table: Table, *, whole: bool) -> Section | None:
    """Return the operator types with most time of each case, and why some have none; None where nobody asked."""
    cases = profiled_cases(table)
    if not cases:
        return None
    shown = _shown(cases, _TYPES_SHOWN)
    heads = [("variant", ""), ("operator", "type"), ("on", ""), ("count", ""), ("share", "%"), ("range", "%")]
    lines = [*_reported(table, cases), *_too_quick(table), *_unavailable(table, cases)]
    if not whole and _has_ranges(cases):
        lines += [f"{term}: {meaning}." for term, meaning in TERMS]
    return Section(
        "operators",
        "Where the time goes",
        _ABOUT if _has_ranges(cases) else "",
        grouped(table, heads, lambda row: _type_rows(row, shown)),
        tuple(lines),
    )


def slowest_nodes(table: Table) -> Section | None:
    """Return the operators with most time of each case, one by one, with their nodes; None where there are none."""
    heads = [("variant", ""), ("operator", ""), ("on", ""), ("share", "%"), ("range", "%"), ("time", "us a run"),
             ("node", ""), ("output", "")]  # fmt: skip
    shown = _shown(profiled_cases(table), _NODES_SHOWN)
    grids = grouped(table, heads, lambda row: _node_rows(row, shown))
    if not grids:
        return None
    about = "A node is its index in the file and its operator; ~: matched by its place in XNNPACK's order."
    return Section("nodes", "Slowest nodes", about, grids, _notes(table))


def operator_terms(table: Table) -> list[tuple[str, str]]:
    """Return (term, meaning) for the section where there is one."""
    cases = profiled_cases(table)
    return list(TERMS) if cases and _has_ranges(cases) else []


def profiled_cases(table: Table) -> list[CaseResult]:
    """Return the cases that were to be profiled."""
    return [row.case for row in table.rows if row.case.operators or "operators" in row.case.unavailable]


def _shown(cases: Sequence[CaseResult], most: int) -> int:
    return most if len(cases) <= _MANY_CASES else _FEW_SHOWN


def _type_rows(row: Row, shown: int) -> list[tuple[str, ...]]:
    found = row.case.operators
    if found is None:
        return []
    rows = [_type_row(row, found, item) for item in found.types[:shown]]
    rest = found.types[shown:]
    if rest:
        share = f"{100 * sum(item.share for item in rest):.1f}" if found.tells_shares else ABSENT
        rows.append((row.within, f"{len(rest)} more", "", str(sum(item.count for item in rest)), share, ""))
    return rows


def _type_row(row: Row, found: OperatorProfile, item: TypeTime) -> tuple[str, ...]:
    name = shortened(clean(item.tag), _NAME_WIDTH)
    return (row.within, name, _on(found, item.delegated), str(item.count), *share_cells(found, item))


def _on(found: OperatorProfile, delegated: bool) -> str:
    """Return who runs an operator: another program's profile does not tell which delegate it is."""
    return _DELEGATE if delegated and found.reported_by is not None else runs_on(delegated)


def _node_rows(row: Row, shown: int) -> list[tuple[str, ...]]:
    found = row.case.operators
    if found is None:
        return []
    leaves = [item for item in found.operators if item.share is not None]
    ranked = sorted(leaves, key=lambda item: -item.time_us)[:shown]
    outputs = without_common_folders([", ".join(item.output_names) for item in ranked])
    return [
        (
            row.within,
            shortened(clean(item.key.tag), _NAME_WIDTH),
            _on(found, item.key.delegated),
            *share_cells(found, item),
            microseconds(item.time_us),
            node_cell(item),
            shortened(clean(output), _NAME_WIDTH) or ABSENT,
        )
        for item, output in zip(ranked, outputs, strict=True)
    ]


def _has_ranges(cases: Sequence[CaseResult]) -> bool:
    """Return whether any profile, had or missed, is one of ours: another program's tells neither ranges nor XNNPACK."""
    return not all(is_summary(case) for case in cases)


def _reported(table: Table, cases: Sequence[CaseResult]) -> list[str]:
    """Return the line on profiles that another program reported."""
    said = {
        case.case_id: (f"as {case.operators.reported_by} reports it, in a process of its own: no ranges, no latencies",)
        if case.operators and case.operators.reported_by
        else ()
        for case in cases
    }
    return _by_reason(table, cases, said, "")


def _too_quick(table: Table) -> list[str]:
    return [
        f"{row.short}: {too_quick(row.case.operators)}"
        for row in table.rows
        if row.case.operators and not row.case.operators.tells_shares
    ]


def _unavailable(table: Table, cases: Sequence[CaseResult]) -> list[str]:
    return _by_reason(table, cases, {case.case_id: _reasons(case) for case in cases}, "Not profiled: ")


def _reasons(case: CaseResult) -> Sequence[str]:
    return () if case.operators else (case.unavailable["operators"],)


def _notes(table: Table) -> tuple[str, ...]:
    cases = [row.case for row in table.rows if row.case.operators]
    said = {case.case_id: case.operators.notes if case.operators else () for case in cases}
    return tuple(_by_reason(table, cases, said, ""))


def _by_reason(table: Table, cases: Sequence[CaseResult], said: Mapping[str, Sequence[str]], before: str) -> list[str]:
    """Return one line for each thing that is said, with the cases that it is said of."""
    found: dict[str, list[CaseResult]] = {}
    for case in cases:
        for text in said[case.case_id]:
            found.setdefault(clean(text).rstrip("."), []).append(case)
    return [f"{before}{text} ({cases_named(table.names, members, cases)})" for text, members in found.items()]
