"""The run as one self-contained HTML page: no request leaves it, and only its own scripts may run."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..findings import Verdict
from ..records import CaseResult, RunRecord
from ..rule import Rule
from . import lines
from .answers_page import answers
from .charts import charts
from .cost_charts import cost_charts
from .costs import cost_tables
from .details import case_details
from .device_charts import device_charts
from .doubts import doubts
from .flips import Pictures
from .glossary import glossary
from .gpu import gpu_lines
from .latency_charts import latency_charts
from .operator_charts import operator_charts
from .operators import slowest_nodes
from .page import environment, own, scripts, template
from .parts import compares_answers, sections, terms
from .recall import recall_tables
from .shipping import shipping_section
from .shipping_cards import shipping_cards
from .summary import front_rows, summary
from .sustained_charts import sustained_charts
from .tables import Table, build_table, has_accuracy
from .text import clean, estimate, interval
from .wait_charts import wait_charts

_BESIDE_HEIGHT = 420
#: Sections that the template has a place of their own for; others stand before the environment, in their order.
_PLACED = ("verdicts", "memory", "waits", "operators")
#: Verdicts sort from good to bad, not by their letters.
_VERDICTS = {verdict: place for place, verdict in enumerate(Verdict)}


def render_html(
    record: RunRecord,
    samples: pd.DataFrame,
    predictions: pd.DataFrame | None,
    pictures: Pictures | None = None,
    rule: Rule | None = None,
) -> str:
    """Return the page as text, to be stored as UTF-8.

    Args:
        record: the run.
        samples: columns case, block, round, start_ns, latency_ns, warmup; may be empty.
        predictions: columns case, image_id, lesion_id, label and ``score:<label>``; None or empty without accuracy.
        pictures: of the images that :func:`.flips.pictured_ids` names, or why there are none.
        rule: what to recommend by; None: the run's.
    """
    table = build_table(record)
    results = recall_tables(record, table.names)
    costs = cost_tables(record, table.names)
    figures = charts(table, results) + cost_charts(costs) + latency_charts(table, samples) + wait_charts(table)
    figures += sustained_charts(table) + operator_charts(table) + device_charts(record)
    shipping = shipping_section(record, table, rule, whole=True)
    return environment(estimate=estimate, interval=interval).get_template("report.html.j2").render(
        scripts=scripts(figures, sortable=len(table.rows) > 1),
        style=own(template("report.css")),
        charts={chart.key: chart for chart in figures},
        bars_beside=all(chart.height <= _BESIDE_HEIGHT for chart in figures if chart.key in ("size", "memory")),
        command=" ".join(clean(word) for word in record.command),
        shipping=shipping,
        cards=shipping_cards(record, table, rule) if shipping else [],
        **_main(record, table),
        **answers(record, table, results, costs, figures, predictions, pictures or Pictures()),
        **_background(record, table),
    )  # fmt: skip


def _main(record: RunRecord, table: Table) -> dict[str, Any]:
    return {
        "record": record,
        "run_id": clean(record.run_id),
        "created": clean(record.created_utc),
        "question": lines.question(record),
        "common": table.names.common,
        "summary": summary(record, table),
        "untested": lines.tested(record) if len(table.rows) > 1 else "",
        "notice": lines.notice(record),
        "table": table,
        "minor": [column.title for column in table.columns if column.minor],
        "with_how": any(table.names.how_within.values()),
        "pads": _pads(table),
        "groups": [(title, rows, {row.label for row in front_rows(rows)}) for title, rows in table.groups()],
        "values": _values(table),
        "findings": {row.case.case_id: _findings(row.case) for row in table.rows},
        "failures": lines.failures(record, table.names),
        "data_line": lines.data_line(record),
    }


def _values(table: Table) -> dict[str, dict[str, str]]:
    """Return, by column and case, the number to sort by; empty where there is none."""
    found = {
        column.key: {
            row.case.case_id: "" if (value := row.cells[column.key].value) is None else f"{value:.9g}"
            for row in table.rows
        }
        for column in table.columns
    }
    if "verdict" in found:
        found["verdict"] = {
            row.case.case_id: str(_VERDICTS[row.case.verdict]) if row.case.verdict else "" for row in table.rows
        }
    return found


def _findings(case: CaseResult) -> str:
    """Return the codes and reasons of what counts against a case, for who points at its verdict."""
    return "; ".join(clean(f"{item.code.value}: {item.reason}") for item in case.findings if not item.silenced)


def _pads(table: Table) -> dict[str, dict[str, str]]:
    """Return, by column and case, the digits to leave room for after a number so that decimal points line up."""
    pads: dict[str, dict[str, str]] = {}
    for column in table.columns:
        texts = {row.case.case_id: row.cells[column.key].text for row in table.rows}
        longest = max((len(text.partition(".")[2]) for text in texts.values()), default=0)
        pads[column.key] = {case_id: _pad(text, longest) if column.numeric else "" for case_id, text in texts.items()}
    return pads


def _pad(text: str, decimals: int) -> str:
    digits = text.partition(".")[2]
    return ("." if decimals and "." not in text else "") + "0" * (decimals - len(digits))


def _background(record: RunRecord, table: Table) -> dict[str, Any]:
    data = record.data
    found = sections(record, table, whole=True)
    return {
        "delegates": [*lines.delegate_lines(record, table.names), *gpu_lines(record, table.names)],
        "slowest_nodes": slowest_nodes(table),
        "sections": {section.key: section for section in found if section.key in _PLACED},
        "others": [section for section in found if section.key not in _PLACED],
        "environment": lines.environment_pairs(record),
        "settings": lines.settings_line(record),
        "cases": [case_details(case, table.names) for case in record.cases],
        "class_counts": lines.class_counts(data.class_counts) if data else "",
        "data_notes": lines.data_notes(record),
        "doubts": doubts(record, table),
        "glossary": [
            *glossary(accuracy=has_accuracy(record), page=True, answers=compares_answers(record)),
            *terms(table),
        ],
    }
