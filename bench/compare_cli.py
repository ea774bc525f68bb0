"""The command ``edgebench compare``: its flags, where the comparison comes from, and how it is shown."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .conditions_cli import add_condition_flags
from .data_cli import add_accuracy_flags, add_image_flags
from .errors import UsageError
from .gates_cli import add_gate_flags, apply_gates, gates_of
from .run_cli import add_time_flags, add_way_flags, end_as_interrupted, exit_code, folder_argument, terminal_width

if TYPE_CHECKING:
    from .changes import RunChange
    from .interleave import Side
    from .spec import Spec
    from .store import StoredRun

_EXAMPLES = """\
examples:
  edgebench compare BASE latest
  edgebench compare results/20260101-090000-net latest --only-changed
  edgebench compare BASE NEW --format html > changes.html
  edgebench compare BASE NEW --interleave --budget 60s
  edgebench compare BASE models/new --interleave --data folder:photos
  edgebench compare BASE models/new --interleave --device pi
  edgebench compare BASE NEW --interleave --gate 'p50 <= 1.05x' --gate 'size <= 3MB'
"""
_FORMATS = ("table", "md", "json", "csv", "html")
_MEASURING = "measuring both sides now"


def add_compare(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    compare = commands.add_parser(
        "compare",
        usage="%(prog)s [options] BASE NEW [NEW ...]",
        help="say what changed between two runs, stored or measured side by side now",
        description="Say what changed from one stored run to another, case by case: latency, memory, size and "
        "accuracy, each with an interval that holds how far two runs differ for no reason, and everything around them "
        "that is not the same. With --interleave both sides are measured again now, in turns: the fair way, and the "
        "one that finds small differences.",
        epilog=_EXAMPLES,
    )
    compare.set_defaults(command=functools.partial(_compare, compare))
    compare.add_argument(
        "base", metavar="BASE", help="a run's folder, its id, or latest; with --interleave also a MODEL as run takes it"
    )
    compare.add_argument("new", nargs="+", metavar="NEW", help="the same; each is compared with BASE")
    compare.add_argument("--format", default="table", choices=_FORMATS)
    compare.add_argument(
        "--only-changed", action="store_true", help="leave out cases of which nothing is shown to have changed"
    )
    compare.add_argument(
        "--cross-device",
        action="store_true",
        help="compare runs of unlike devices, case by case without the device's name; with --interleave, measure on "
        "another --device than BASE's",
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
    compare.add_argument("--quiet", action="store_true", help="with --format table: the sentences alone; no progress")
    compare.add_argument("--debug", action="store_true", help="show the trace of an error")
    add_gate_flags(compare.add_argument_group("gates"))
    _add_interleave_flags(compare)


def _add_interleave_flags(compare: argparse.ArgumentParser) -> None:
    about = "these go with --interleave; by default each case runs as it did in the stored run"
    turns = compare.add_argument_group(_MEASURING, about)
    turns.add_argument("--interleave", action="store_true", help="measure both sides again now, taking turns")
    turns.add_argument(
        "--device",
        action="append",
        metavar="DEVICE[,DEVICE]",
        help="measure on these, as run takes them; by default on all that BASE was measured on",
    )
    turns.add_argument("--silence", action="append", metavar="CODE[,CODE]", help="findings that shall not count")
    add_way_flags(turns)
    add_image_flags(turns)
    add_accuracy_flags(turns)
    add_time_flags(turns)
    add_condition_flags(turns)
    compare.set_defaults(
        threads=None, baseline=None, waits=None, gap=None, batches=None, workers=None, profile=False, sustain=None
    )


def _compare(parser: argparse.ArgumentParser, options: argparse.Namespace, given: Sequence[str]) -> int:
    gates = gates_of(options, measuring=False)
    if options.interleave:
        changes, runs = _interleaved(options, given)
    else:
        changes, runs = _changes(parser, options), []
    print(_rendered(changes, options), end="")
    if runs and runs[-1].record.interrupted:  # not judged: a gate must not hold because nothing was measured
        _say_how_to_go_on(runs[-1])
        return exit_code(runs[-1])
    judged = apply_gates(options, gates, changes, to_stderr=options.format != "table")
    return judged or max(map(exit_code, runs), default=0)


def _say_how_to_go_on(run: StoredRun) -> None:
    from .store import continue_line, has_journal

    if run.folder is not None and has_journal(run.folder):
        print(continue_line(run.folder), file=sys.stderr)


def _interleaved(options: argparse.Namespace, given: Sequence[str]) -> tuple[list[RunChange], list[StoredRun]]:
    """Return what changed, each NEW measured in turns with BASE now, and the runs; an interrupt ends with that run."""
    from .console import ConsoleProgress
    from .interleave import interleave, open_side
    from .open_devices import device_opener
    from .progress import Progress
    from .spec import parse_percent

    if options.cross_device and not options.device:
        raise UsageError("--cross-device: --interleave measures both sides on one device; name another with --device")
    noise = None if options.noise is None else parse_percent(options.noise, "--noise")
    base, sides = open_side(options.base, options.out), [open_side(new, options.out) for new in options.new]
    specs = _specs(options, given, base, sides)
    end_as_interrupted()
    progress = Progress() if options.quiet else ConsoleProgress()
    opener = device_opener("edgebench compare --interleave", options.config, progress.tell)
    changes: list[RunChange] = []
    runs: list[StoredRun] = []
    try:
        for side, spec in zip(sides, specs, strict=True):
            change, run = interleave(
                base, side, spec, out=options.out, noise=noise, open_device=opener, progress=progress
            )
            changes.append(change)
            runs.append(run)
            if run.record.interrupted:
                break
    finally:
        progress.close()
    return changes, runs


def _specs(options: argparse.Namespace, given: Sequence[str], base: Side, sides: Sequence[Side]) -> list[Spec]:
    """Return what to measure for each new side."""
    from .config import load_config
    from .interleave import interleaved_spec
    from .interleaved_devices import choose_places
    from .run_cli import spec_of
    from .spec import parse_devices

    own_ways = not any(
        (options.engine, options.delegate, options.threads, options.cpus, options.python, options.runtime)
    )
    options.threads = options.threads or "1"
    named, config = parse_devices(options.device or ()), load_config(options.config)
    if options.device and not named:
        raise UsageError("--device: names nothing; leave it out for what the stored run was measured on")
    specs = []
    for side in sides:
        places = choose_places(base, side, named, config, cross_device=options.cross_device)
        options.device = places.texts
        asked = spec_of(options, given, (options.base,))
        specs.append(interleaved_spec(base, side, asked, own_ways=own_ways, devices=places.names))
    return specs


def _changes(parser: argparse.ArgumentParser, options: argparse.Namespace) -> list[RunChange]:
    """Return what changed between stored runs, one comparison for each NEW."""
    from .comparing import compare_stored
    from .spec import parse_percent

    _refuse_measuring(parser, options)
    noise = None if options.noise is None else parse_percent(options.noise, "--noise")
    for name in (options.base, *options.new):
        if Path(name).expanduser().suffix == ".tflite":
            raise UsageError(f"{name}: is a model and no stored run; --interleave measures it now")
    return [
        compare_stored(options.base, new, options.out, noise=noise, cross_device=options.cross_device)
        for new in options.new
    ]


def _refuse_measuring(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Raise UsageError where a flag is about measuring, and stored runs are not measured."""
    for group in parser._action_groups:
        for action in group._group_actions:
            given = getattr(options, action.dest, None) != parser.get_default(action.dest)
            by_default = action.dest in getattr(options, "defaults", {})  # of edgebench.toml, for when it is needed
            if group.title == _MEASURING and given and not by_default:
                raise UsageError(f"{action.option_strings[-1]}: is about measuring; it needs --interleave")


def _rendered(changes: Sequence[RunChange], options: argparse.Namespace) -> str:
    from .report.compare import only_changed

    alone = options.only_changed
    shown = [only_changed(change) for change in changes] if alone else changes  # of formats without sentences
    if options.format == "json":
        from .report.compare_data import render_compare_json

        return render_compare_json(shown) + "\n"
    if options.format == "csv":
        from .report.compare_data import render_compare_csv

        return render_compare_csv(shown)
    if options.format == "md":
        from .report.compare_text import render_compare_markdown

        return render_compare_markdown(changes, changed_alone=alone)
    if options.format == "html":
        from .report.compare_html import render_compare_html

        return render_compare_html(changes, changed_alone=alone) + "\n"
    from .report.compare_text import render_compare_table

    return render_compare_table(changes, width=terminal_width(), quiet=options.quiet, changed_alone=alone)
