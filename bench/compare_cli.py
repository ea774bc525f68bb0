"""The command ``edgebench compare``: its flags, where the comparison comes from, and how it is shown."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .run_cli import folder_argument, terminal_width

if TYPE_CHECKING:
    from .changes import RunChange

_EXAMPLES = """\
examples:
  edgebench compare BASE latest
  edgebench compare results/20260101-090000-net latest --only-changed
  edgebench compare BASE NEW --format html > changes.html
"""
_FORMATS = ("table", "md", "json", "csv", "html")
_EXIT_OK = 0


def add_compare(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    compare = commands.add_parser(
        "compare",
        help="say what changed between two stored runs",
        description="Say what changed from one stored run to another, case by case: latency, memory, size and "
        "accuracy, each with an interval that holds how far two runs differ for no reason, and everything around them "
        "that is not the same.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    compare.set_defaults(command=_compare)
    compare.add_argument("base", metavar="BASE", help="a run's folder, its id, or latest")
    compare.add_argument("new", nargs="+", metavar="NEW", help="the same; each is compared with BASE")
    compare.add_argument("--format", default="table", choices=_FORMATS)
    compare.add_argument(
        "--only-changed", action="store_true", help="leave out cases of which nothing is shown to have changed"
    )
    compare.add_argument(
        "--cross-device",
        action="store_true",
        help="compare runs of unlike devices, case by case without the device's name",
    )
    compare.add_argument(
        "--noise",
        metavar="P",
        help="how far times of one run differ from a repeat's (standard deviation, 10%%), instead of what repeated "
        "runs in --out show",
    )
    compare.add_argument(
        "--out", type=folder_argument, default=Path("results"), metavar="DIR", help="where runs are (results/)"
    )
    compare.add_argument("--quiet", action="store_true", help="with --format table: the sentences alone")
    compare.add_argument("--debug", action="store_true", help="show the trace of an error")


def _compare(options: argparse.Namespace, _given: Sequence[str]) -> int:
    changes = _changes(options)
    print(_rendered(changes, options), end="")
    return _judge(changes, options)


def _changes(options: argparse.Namespace) -> list[RunChange]:
    """Return what changed, one comparison for each NEW: the one place where comparisons come from."""
    from .comparing import compare_stored
    from .spec import parse_percent

    noise = None if options.noise is None else parse_percent(options.noise, "--noise")
    return [
        compare_stored(options.base, new, options.out, noise=noise, cross_device=options.cross_device)
        for new in options.new
    ]


def _judge(_changes: Sequence[RunChange], _options: argparse.Namespace) -> int:
    """Return the exit code that the comparisons come to: the one place for what judges them."""
    return _EXIT_OK


def _rendered(changes: Sequence[RunChange], options: argparse.Namespace) -> str:
    from .report.compare import only_changed

    shown = [only_changed(change) for change in changes] if options.only_changed else changes
    if options.format == "json":
        from .report.compare_data import render_compare_json

        return render_compare_json(shown) + "\n"
    if options.format == "csv":
        from .report.compare_data import render_compare_csv

        return render_compare_csv(shown)
    if options.format == "md":
        from .report.compare_text import render_compare_markdown

        return render_compare_markdown(shown)
    if options.format == "html":
        from .report.compare_html import render_compare_html

        return render_compare_html(shown) + "\n"
    from .report.compare_text import render_compare_table

    return render_compare_table(shown, width=terminal_width(), quiet=options.quiet)
