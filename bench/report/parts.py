"""Which sections a report has below its main table, in order; each is absent where the record has nothing for it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ..records import RunRecord
from .agreement import agreement_section
from .calibration import calibration_section
from .cost_section import cost_section
from .costs import compared_results, cost_tables
from .devices import device_section
from .flips import changed_answers, flips_section
from .host_outputs import host_outputs_section, host_outputs_terms
from .memory import memory_section, memory_terms
from .operating import operating_section
from .operators import operator_terms, operators_section
from .recall import RecallTable
from .sections import Section
from .sustained import sustained_section, sustained_terms
from .tables import Table
from .verdicts import verdict_section
from .waits import wait_terms, waits_section


def sections(record: RunRecord, table: Table, *, whole: bool) -> list[Section]:
    """Return the sections: ``whole`` where a glossary follows and space is no matter, else terse."""
    found = (
        verdict_section(record, table.names, whole=whole),
        host_outputs_section(record, table, whole=whole),
        memory_section(table, whole=whole),
        waits_section(table, whole=whole),
        sustained_section(table, whole=whole),
        operators_section(table, whole=whole),
        device_section(record) if whole else None,
    )
    return [section for section in found if section]


def class_sections(
    record: RunRecord,
    table: Table,
    results: Sequence[RecallTable],
    predictions: pd.DataFrame | None,
    *,
    whole: bool,
) -> list[Section]:
    """Return the sections on answers: what each class loses, agreement, operating points, changed images."""
    found = (
        cost_section(cost_tables(record, table.names), whole=whole),
        agreement_section(compared_results(record, table.names), whole=whole),
        operating_section(record, table.names),
        calibration_section(results) if whole else None,
        flips_section(changed_answers(record, table.names, predictions), whole=whole),
    )
    return [section for section in found if section]


def recalls_without_costs(record: RunRecord, table: Table, results: Sequence[RecallTable]) -> list[RecallTable]:
    """Return the recall tables that hold a result which the section on classes does not show."""
    shown = {
        case.case_id
        for costs in cost_tables(record, table.names)
        for result in (costs.base, *(cost.result for cost in costs.costs))
        for case in result.cases
    }
    return [result for result in results if any(row.cases[0].case_id not in shown for row in result.rows)]


def compares_answers(record: RunRecord) -> bool:
    """Return whether any case's answers were compared with another's."""
    return any(case.accuracy_comparison for case in record.cases)


def terms(table: Table) -> list[tuple[str, str]]:
    """Return (term, meaning) of what the sections show, for the glossary."""
    verdicts = [_VERDICT] if any(column.key == "verdict" for column in table.columns) else []
    return [
        *verdicts,
        *host_outputs_terms(table),
        *memory_terms(table),
        *wait_terms(table),
        *sustained_terms(table),
        *operator_terms(table),
    ]


_VERDICT = (
    "verdict",
    "ok: nothing that was looked at speaks against the figures; suspect: something may, look before you rely on them; "
    "INVALID: they describe something else; silenced findings do not count",
)
