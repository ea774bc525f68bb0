"""Which sections a report has below its main table, in order; each is absent where the record has nothing for it."""

from __future__ import annotations

from ..records import RunRecord
from .memory import memory_section, memory_terms
from .sections import Section
from .tables import Table
from .verdicts import verdict_section
from .waits import wait_terms, waits_section


def sections(record: RunRecord, table: Table, *, whole: bool) -> list[Section]:
    """Return the sections: ``whole`` where a glossary follows and space is no matter, else terse."""
    found = (
        verdict_section(record, table.names, whole=whole),
        memory_section(table, whole=whole),
        waits_section(table, whole=whole),
    )
    return [section for section in found if section]


def terms(table: Table) -> list[tuple[str, str]]:
    """Return (term, meaning) of what the sections show, for the glossary."""
    verdicts = [_VERDICT] if any(column.key == "verdict" for column in table.columns) else []
    return [*verdicts, *memory_terms(table), *wait_terms(table)]


_VERDICT = (
    "verdict",
    "ok: nothing that was looked at speaks against the figures; suspect: something may, look before you rely on them; "
    "INVALID: they describe something else; silenced findings do not count",
)
