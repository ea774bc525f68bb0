"""The run as one self-contained HTML page: no request leaves it, and only its own two scripts may run."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..records import RunRecord
from ..rule import Rule
from . import lines
from .changed import changed_answers
from .charts import Chart, charts
from .details import case_details, result_details
from .glossary import glossary
from .gpu import gpu_lines
from .latency_charts import latency_charts
from .parts import sections, terms
from .recall import RecallTable, recall_tables
from .shipping import shipping_section
from .summary import front_rows, reference, summary
from .tables import Table, build_table, has_accuracy
from .text import clean
from .wait_charts import wait_charts

_CLASSES_SHOWN = 60
_SKIPPED_SHOWN = 50
_RESULTS_OPEN = 4
_BESIDE_HEIGHT = 420


def render_html(
    record: RunRecord, samples: pd.DataFrame, predictions: pd.DataFrame | None, rule: Rule | None = None
) -> str:
    """Return the page as text, to be stored as UTF-8.

    Args:
        record: the run.
        samples: columns case, block, round, start_ns, latency_ns, warmup; may be empty.
        predictions: columns case, image_id, lesion_id, label and ``score:<label>``; None or empty without accuracy.
        rule: what to recommend by; None: the run's.
    """
    table = build_table(record)
    results = recall_tables(record, table.names)
    figures = charts(table, results) + latency_charts(table, samples) + wait_charts(table)
    plotly, starter = (_plotly_js(), _template("report.js")) if figures else ("", "")
    return _environment().get_template("report.html.j2").render(
        policy=_policy([plotly, starter]),
        style=_own(_template("report.css")),
        plotly=_own(plotly),
        starter=_own(starter),
        figures=_own(_json({chart.key: {"data": chart.traces, "layout": chart.layout} for chart in figures})),
        charts={chart.key: chart for chart in figures},
        bars_beside=all(chart.height <= _BESIDE_HEIGHT for chart in figures if chart.key in ("size", "memory")),
        command=" ".join(clean(word) for word in record.command),
        shipping=shipping_section(record, table, rule, whole=True),
        **_main(record, table),
        **_accuracy(table, results, figures, predictions),
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
        "with_how": any(table.names.how.values()),
        "pads": _pads(table),
        "groups": [(title, rows, {row.label for row in front_rows(rows)}) for title, rows in table.groups()],
        "failures": lines.failures(record, table.names),
        "notes": lines.notes(record, table.names),
        "data_line": lines.data_line(record),
    }


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


def _accuracy(
    table: Table, results: Sequence[RecallTable], figures: Sequence[Chart], predictions: pd.DataFrame | None
) -> dict[str, Any]:
    details = [result_details(found, row, table.names) for found in results for row in found.rows]
    return {
        "results": [_recall_grid(found) for found in results],
        "details": details,
        "open_details": len(details) <= _RESULTS_OPEN,
        "changed": [entry for found in results for entry in changed_answers(found.rows, predictions)],
        "recall_charts": [chart.key for chart in figures if chart.key.startswith("recall-")],
    }


def _recall_grid(found: RecallTable) -> dict[str, Any]:
    """Return recall by class with, below each figure, the difference to the float32 result of the same model."""
    shown = found.lowest(_CLASSES_SHOWN)
    rows = []
    for row in found.rows:
        family = [other for other in found.rows if other.cases[0].model == row.cases[0].model]
        base = reference(family)
        cells = []
        for i in shown:
            value, before = row.cells[i].value, base.cells[i].value if base and base is not row else None
            difference = value - before if value is not None and before is not None else None
            cells.append((row.cells[i], f"{difference:+.3f}".replace("-", "−") if difference else ""))
        rows.append((row.name, cells))
    return {
        "title": found.title,
        "heads": [(found.labels[i], found.support[i]) for i in shown],
        "rows": rows,
        "left_out": len(found.labels) - len(shown),
        "absences": found.absences,
    }


def _background(record: RunRecord, table: Table) -> dict[str, Any]:
    data = record.data
    return {
        "delegates": [*lines.delegate_lines(record, table.names), *gpu_lines(record, table.names)],
        "sections": {section.key: section for section in sections(record, table, whole=True)},
        "environment": lines.environment_pairs(record),
        "settings": lines.settings_line(record),
        "cases": [case_details(case, table.names) for case in record.cases],
        "class_counts": lines.class_counts(data.class_counts) if data else "",
        "data_notes": [clean(note) for note in data.notes] if data else [],
        "skipped": lines.skipped_lines(record, _SKIPPED_SHOWN),
        "glossary": [
            *glossary(accuracy=has_accuracy(record), page=True, changed=has_accuracy(record)),
            *terms(table),
        ],
    }


def _environment() -> Environment:
    package = __name__.rpartition(".")[0]
    return Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _template(name: str) -> str:
    package = __name__.rpartition(".")[0]
    return resources.files(package).joinpath("templates", name).read_text(encoding="utf-8")


def _plotly_js() -> str:
    # Imported here: only the HTML page pays for it.
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _policy(scripts: Sequence[str]) -> str:
    """Return a content security policy that admits exactly these inline scripts and no request at all.

    A name that slipped through escaping could still not run: its hash is not listed.
    """
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts if text)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes) or "'none'"
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src {allowed}"


def _own(text: str) -> Markup:
    """Return ``text`` unescaped: only for this package's files, plotly.js and ``_json``'s output."""
    return Markup(text)  # noqa: S704


def _json(value: object) -> str:
    """Return JSON that cannot end its script element: ``<`` and its like are written as escapes."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text
