"""The command ``edgebench results``: list what is stored, remove what is old, export it all."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import StoreError, UsageError
from .filter_cli import add_filters, filters_of
from .run_cli import folder_argument

if TYPE_CHECKING:
    from .housekeeping import Pruning

_WHAT = ("cases", "samples", "predictions")
_LIST_EXAMPLES = """\
examples:
  edgebench results list
  edgebench results list --format json
"""
_PRUNE_EXAMPLES = """\
examples:
  edgebench results prune --keep 10
  edgebench results prune --older-than 90d --protect 20261125-072653-sample
  edgebench results prune --keep 10 --older-than 90d --yes
"""
_EXPORT_EXAMPLES = """\
examples:
  edgebench results export --to all.parquet
  edgebench results export 'sample/int8*' --to int8.csv --since 30d
  edgebench results export --to samples.parquet --what samples --last 5
"""


def add_results(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its three sub-commands to the parser."""
    results = commands.add_parser(
        "results",
        help="list, remove or export stored runs",
        description="List stored runs, remove old ones, or export all of them to one file.",
    )
    actions = results.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_list(actions)
    _add_prune(actions)
    _add_export(actions)


def _action(
    actions: argparse._SubParsersAction[Any], name: str, short: str, description: str, examples: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name, help=short, description=description, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=folder_argument, default=Path("results"), metavar="DIR", help="where runs are (results/)"
    )
    parser.add_argument("--debug", action="store_true", help="show the trace of an error")


def _add_list(actions: argparse._SubParsersAction[Any]) -> None:
    about = "List everything that belongs to a run, oldest first, with its size. Times are UTC."
    listing = _action(actions, "list", "list what is stored", about, _LIST_EXAMPLES)
    listing.set_defaults(command=_list)
    listing.add_argument("--format", default="table", choices=("table", "json"))
    _common(listing)


def _add_prune(actions: argparse._SubParsersAction[Any]) -> None:
    about = (
        "Remove old runs. Without --yes it only says what would go. Never removed: the newest run, protected ones, "
        "runs that are being measured, links, folders with other files in them, and what cannot be read."
    )
    prune = _action(actions, "prune", "remove old runs", about, _PRUNE_EXAMPLES)
    prune.set_defaults(command=_prune)
    prune.add_argument(
        "--keep", type=int, metavar="N", help="keep the newest N runs of the same cases, images and host"
    )
    prune.add_argument("--older-than", metavar="AGE", help="remove only what is older: 12h, 90d, 8w")
    prune.add_argument(
        "--protect", action="append", default=[], metavar="RUN", help="never remove this run (repeatable)"
    )
    how = prune.add_mutually_exclusive_group()
    how.add_argument("--yes", action="store_true", help="remove it")
    how.add_argument("--dry-run", action="store_true", help="only say what would go (the default)")
    _common(prune)


def _add_export(actions: argparse._SubParsersAction[Any]) -> None:
    about = (
        "Write all stored runs into one tidy table: docs/history.md names its columns. An existing file is replaced."
    )
    export = _action(actions, "export", "write all runs into one Parquet or CSV file", about, _EXPORT_EXAMPLES)
    export.set_defaults(command=_export)
    export.add_argument("case", nargs="?", metavar="CASE", help="only this case: an id, or MODEL/VARIANT; * and ? work")
    export.add_argument("--to", type=Path, required=True, metavar="FILE", help="a name that ends in .parquet or .csv")
    export.add_argument("--what", default="cases", choices=_WHAT, help="one row a case (default), sample or image")
    add_filters(export)
    _common(export)


def _list(options: argparse.Namespace, _given: Sequence[str]) -> int:
    from .housekeeping import list_folders
    from .report.housekeeping import folder_records, render_folders

    folders = list_folders(options.out)
    if options.format == "json":
        sys.stdout.write(json.dumps(folder_records(folders), indent=1) + "\n")
    else:
        sys.stdout.write(render_folders(folders, options.out))
    return 0


def _prune(options: argparse.Namespace, _given: Sequence[str]) -> int:
    from .filters import parse_age
    from .housekeeping import Wanted, list_folders, plan_pruning
    from .report.housekeeping import render_pruning

    if options.keep is not None and options.keep < 1:
        raise UsageError(f"--keep {options.keep}: must be at least 1; the newest run always stays")
    older_than = None if options.older_than is None else parse_age(options.older_than, "--older-than")
    wanted = Wanted(options.keep, older_than, tuple(options.protect))
    pruning = plan_pruning(list_folders(options.out), wanted, datetime.now(timezone.utc))
    sys.stdout.write(render_pruning(pruning, removing=options.yes))
    return _remove(pruning) if options.yes else 0


def _remove(pruning: Pruning) -> int:
    """Remove the folders. Raises StoreError where one is left, once all others are gone."""
    from .housekeeping import remove

    failed = []
    for folder in pruning.remove:
        try:
            remove(folder)
        except StoreError as error:
            failed.append(str(error))
    for line in failed[:-1]:
        sys.stderr.write(f"edgebench: error: {line}\n")
    if failed:
        raise StoreError(failed[-1])
    return 0


def _export(options: argparse.Namespace, _given: Sequence[str]) -> int:
    from .export import What, check_target, export
    from .filters import choose
    from .index import load_index

    check_target(options.to)
    filters = filters_of(options, options.case, datetime.now(timezone.utc))
    index = load_index(options.out)
    if not index.rows:
        raise StoreError(f"{options.out}: holds no run yet; make one with: edgebench run MODEL")
    done = export(choose(index.rows, filters), What(options.what), options.to)
    for problem in (*index.problems, *done.problems):
        sys.stderr.write(f"edgebench: {problem}\n")
    print(f"{done.path}: {done.rows:,} rows, {options.what} of {done.runs:,} {'run' if done.runs == 1 else 'runs'}")
    return 0
