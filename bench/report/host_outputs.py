"""How far a device's outputs are from the host's: a line where they are equal, figures where they are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..device_outputs import DeviceParity, inputs_text, steps_text
from ..findings import Code
from ..records import CaseResult, RunRecord
from .naming import Names
from .sections import Absences, Section, cases_named, grouped
from .tables import Row, Table
from .text import clean, count

_HEADS = (("variant", ""), ("inputs", ""), ("values", ""), ("differ", "%"), ("largest", "difference"),
          ("largest", "steps"), ("allowed", "difference"), ("another", "top-1"), ("agree", ""))  # fmt: skip
_TERM = (
    "host",
    "the machine that edgebench ran on; before a device is timed, its outputs on a few golden inputs are laid beside "
    "the host's. A step is the distance of two integers of a quantized output",
)


def host_outputs_section(record: RunRecord, table: Table, *, whole: bool) -> Section | None:
    """Return what was compared with the host's outputs, with all figures where ``whole``; None where nothing was."""
    cases = [case for case in record.cases if case.device_parity or Code.DEVICE_DIFFERS.value in case.unchecked]
    if not cases:
        return None
    absences = Absences(table.names, cases)
    grids = grouped(table, _HEADS, lambda row: _figures(row, absences)) if whole else ()
    lines = [*_equal(cases, table.names), *_others(cases, table.names, whole)]
    lines += [*_reasons(cases, table.names), *absences.lines()] if whole else []
    return Section("host", "Outputs against the host's", _about(cases), grids, (*lines, *_lost(cases, table.names)))


def host_outputs_terms(table: Table) -> list[tuple[str, str]]:
    """Return (term, meaning) for the section where there is one."""
    return [_TERM] if any(row.case.device_parity for row in table.rows) else []


def _about(cases: Sequence[CaseResult]) -> str:
    found = [case.device_parity for case in cases if case.device_parity]
    if not found:
        return ""
    inputs = " and ".join(dict.fromkeys(map(inputs_text, found)))
    hosts = " and ".join(dict.fromkeys(clean(parity.against) for parity in found))
    return f"On {inputs}, before any time was taken; the host is {hosts}."


def _equal(cases: Sequence[CaseResult], names: Names) -> list[str]:
    compared = [case for case in cases if case.device_parity]
    equal = [case for case in compared if case.device_parity and case.device_parity.bit_equal]
    if not equal:
        return []
    which = "" if len(equal) == len(compared) else f": {cases_named(names, equal, compared)}"
    return [f"outputs equal the host's bit for bit ({len(equal)} of {count(len(compared), 'case')}{which})"]


def _others(cases: Sequence[CaseResult], names: Names, whole: bool) -> list[str]:
    """Return a line for each way of differing; why so much is allowed stands in lines of its own where ``whole``."""
    found = [(case, case.device_parity) for case in cases if case.device_parity and not case.device_parity.bit_equal]
    said = _grouped([(difference(parity, why=not whole), case) for case, parity in found])
    return [f"{cases_named(names, group, cases)}: {text}" for text, group in said.items()]


def difference(parity: DeviceParity, *, why: bool) -> str:
    """Return how outputs that are not equal differ, and with ``why`` the reason for what is allowed."""
    by = f"{parity.max_abs_difference:.2g}"
    by += f" ({steps_text(parity.max_steps)})" if parity.max_steps else ""
    allowed = f"{parity.allowed_difference:.2g}" + (f": {clean(parity.allowed)}" if why else "")
    text = f"{parity.differing_share:.0%} of {count(parity.values, 'value')} differ by at most {by} (allowed {allowed})"
    if parity.top1_differing:
        text += f"; another top-1 answer on {parity.top1_differing} of {parity.inputs}"
    if parity.not_finite:
        text += f"; {count(parity.not_finite, 'value')} infinite or NaN on one side only"
    return text if parity.agrees else f"OUTPUTS DO NOT AGREE: {text}"


def _reasons(cases: Sequence[CaseResult], names: Names) -> list[str]:
    said = _grouped([(clean(case.device_parity.allowed), case) for case in cases if case.device_parity])
    return [f"allowed for {cases_named(names, group, cases)}: {text}" for text, group in said.items()]


def _lost(cases: Sequence[CaseResult], names: Names) -> list[str]:
    """Return what was run on the host in another way, and what was not compared."""
    notes = [(clean(note), case) for case in cases if case.device_parity for note in case.device_parity.notes]
    unchecked = [
        (f"not compared with the host: {clean(case.unchecked[Code.DEVICE_DIFFERS.value])}", case)
        for case in cases
        if Code.DEVICE_DIFFERS.value in case.unchecked
    ]
    said = _grouped([*notes, *unchecked])
    return [f"{cases_named(names, group, cases)}: {text}" for text, group in said.items()]


def _grouped(said: Sequence[tuple[str, CaseResult]]) -> dict[str, list[CaseResult]]:
    found: dict[str, list[CaseResult]] = {}
    for text, case in said:
        found.setdefault(text, []).append(case)
    return found


def _figures(row: Row, absences: Absences) -> list[tuple[str, ...]]:
    parity = row.case.device_parity
    if parity is None:
        return []
    optional: tuple[tuple[str, str, float | None, Callable[[float], str]], ...] = (
        ("max_steps", "largest difference in steps", parity.max_steps, "{:.3g}".format),
        ("top1_differing", "another top-1", parity.top1_differing, "{:.0f}".format),
    )
    steps, top1 = (
        absences.show(row.case, title, value, show, parity.unavailable.get(name))
        for name, title, value, show in optional
    )
    share, largest = f"{100 * parity.differing_share:.1f}", f"{parity.max_abs_difference:.2g}"
    allowed = f"{parity.allowed_difference:.2g}"
    figures = (str(parity.inputs), f"{parity.values:,}", share, largest, steps, allowed, top1)
    return [(row.short, *figures, "yes" if parity.agrees else "NO")]
