"""Where a case's memory goes: what its clean worker held at each step, and how much of that is its own."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import CaseResult, Memory
from .sections import Absences, Section, cases_named, grouped
from .tables import Row, Table
from .text import ABSENT, clean, megabytes

#: Field, heading, heading on two lines, meaning.
PARTS: tuple[tuple[str, tuple[str, str], str], ...] = (
    ("rss_before_load_bytes", ("before", "load"), "resident with Python and the runtime, before the model is opened"),
    ("rss_after_load_bytes", ("after", "load"), "resident once inputs can be set"),
    ("rss_after_first_bytes", ("after", "first"), "resident after the first run"),
    ("peak_rss_bytes", ("peak", ""), "the kernel's high-water mark of resident memory (VmHWM)"),
    ("model_adds_bytes", ("model", "adds"), "peak less before load: what it costs an app that has a runtime"),
    ("pss_bytes", ("PSS", ""), "after the last run, a page shared by n processes counted as 1/n"),
    ("uss_bytes", ("USS", ""), "after the last run, only pages that no other process shares"),
    ("anonymous_bytes", ("anon.", ""), "after the last run, pages that no file backs: heap, stacks, packed weights"),
)


def memory_section(table: Table, *, whole: bool) -> Section | None:
    """Return memory by step in MB, with definitions in one sentence unless ``whole``; None where none was recorded.

    A part that no case recorded, and for which none has a reason, is left out.
    """
    cases = [row.case for row in table.rows if row.case.memory]
    memories = [case.memory for case in cases if case.memory]
    shown = [part for part in PARTS if any(_has(memory, part[0]) for memory in memories)]
    if not any(getattr(memory, field) is not None for memory in memories for field, _, _ in shown):
        return None
    absences = Absences(table.names, cases)

    def rows_of(row: Row) -> list[tuple[str, ...]]:
        if row.case.memory is None:
            return []
        return [(row.within, *(_text(row, field, heads, absences) for field, heads, _ in shown))]

    grids = grouped(table, [("variant", ""), *(heads for _, heads, _ in shown)], rows_of)
    other = _other_definitions(table, cases)
    defined = "; ".join(f"{title(heads)}: {meaning}" for _, heads, meaning in shown)
    about = "Of a clean worker process that only loads and runs the model."
    if all(memory.definition is not None for memory in memories):
        about, defined = "", ""
    return Section(
        "memory",
        "Memory, MB",
        about if whole else "",
        grids,
        (*absences.lines(), *(() if whole or not defined else (f"{defined}.",)), *other),
    )


def _other_definitions(table: Table, cases: Sequence[CaseResult]) -> list[str]:
    """Return what the peak is of cases that another program measured, and what it grew by."""
    by_definition: dict[str, list[CaseResult]] = {}
    for case in cases:
        if case.memory is not None and case.memory.definition is not None:
            by_definition.setdefault(clean(case.memory.definition), []).append(case)
    return [
        f"peak of {cases_named(table.names, members, cases)}: {definition}; "
        f"grown since the program's start, MB: {', '.join(_growth(table, case) for case in members)}"
        for definition, members in by_definition.items()
    ]


def _growth(table: Table, case: CaseResult) -> str:
    memory = case.memory or Memory()
    steps = [memory.grown_at_init_bytes, memory.grown_bytes]
    told = [ABSENT if value is None else megabytes(value) for value in steps]
    return f"{table.names.labels[case.case_id]} {told[0]} until the model was initialised, {told[1]} until the end"


def memory_terms(table: Table) -> list[tuple[str, str]]:
    """Return (term, meaning) of the parts that the section shows."""
    memories = [row.case.memory for row in table.rows if row.case.memory]
    return [
        (f"memory, {title(heads)}", meaning)
        for field, heads, meaning in PARTS
        if any(_has(memory, field) for memory in memories if memory.definition is None)
    ]


def title(heads: tuple[str, str]) -> str:
    """Return the two lines of a heading as one."""
    return " ".join(heads).strip()


def _has(memory: Memory, field: str) -> bool:
    # Another program has no such steps at all.
    return getattr(memory, field) is not None or (field in memory.unavailable and memory.definition is None)


def _text(row: Row, field: str, heads: tuple[str, str], absences: Absences) -> str:
    memory = row.case.memory
    value: int | None = getattr(memory, field)
    reasons = memory.unavailable if memory else {}
    reason = reasons.get(field)
    if field == "model_adds_bytes":
        reason = reasons.get("peak_rss_bytes") or reasons.get("rss_before_load_bytes")
    return absences.show(row.case, title(heads), value, megabytes, reason)
