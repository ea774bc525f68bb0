"""The command ``edgebench history``: its flags, and where its output goes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import StoreError
from .filter_cli import add_filters, filters_of
from .run_cli import folder_argument, terminal_width

if TYPE_CHECKING:
    from .history import History

_EXAMPLES = """\
examples:
  edgebench history
  edgebench history 'sample/int8*' --metric peak_rss
  edgebench history --model sample --metric 'recall[mel]' --since 90d
  edgebench history 'sample/int8*' --format html > history.html
"""


def add_history(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    history = commands.add_parser(
        "history",
        help="show stored results over time, and where they shifted",
        description="Show one figure over all stored runs: a line a case, or where CASE matches one case, each of its "
        "runs, what changed between them, and where the level shifted. Runs of unlike hosts are never joined. Times "
        "are UTC.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    history.set_defaults(command=_history)
    history.add_argument(
        "case", nargs="?", metavar="CASE", help="a case's id, or MODEL/VARIANT; * and ? stand for anything"
    )
    add_filters(history)
    history.add_argument(
        "--metric", default="p50", metavar="NAME", help="p50 (default), peak_rss, size, top1, balanced, recall[CLASS]"
    )
    history.add_argument("--format", default="table", choices=("table", "csv", "json", "html"))
    history.add_argument(
        "--out", type=folder_argument, default=Path("results"), metavar="DIR", help="where runs are (results/)"
    )
    history.add_argument("--debug", action="store_true", help="show the trace of an error")


def _history(options: argparse.Namespace, _given: Sequence[str]) -> int:
    from .filters import choose
    from .history import make_history
    from .index import load_index
    from .metrics import parse_metric

    filters = filters_of(options, options.case, datetime.now(timezone.utc))
    index = load_index(options.out)
    for problem in index.problems:
        sys.stderr.write(f"edgebench: {problem}\n")
    if not index.rows:
        raise StoreError(f"{options.out}: holds no run yet; make one with: edgebench run MODEL")
    metric = parse_metric(options.metric, (label for row in index.rows for label in row.recalls))
    history = make_history(choose(index.rows, filters), metric)
    if not history.series:
        raise StoreError(f"--metric {metric.name}: none of the {len(history.without)} chosen cases has one")
    sys.stdout.write(_rendered(history, options.format, index.problems))
    return 0


def _rendered(history: History, form: str, problems: Sequence[str]) -> str:
    if form == "csv":
        from .report.history_data import render_history_csv

        return render_history_csv(history)
    if form == "json":
        from .report.history_data import render_history_json

        return render_history_json(history, problems)
    if form == "html":
        from .report.history_html import render_history_html

        return render_history_html(history)
    from .report.history import render_history

    return render_history(history, whole=history.one_case, width=terminal_width())
