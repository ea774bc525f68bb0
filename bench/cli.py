"""The command line: parse, call, render. Everything heavy is imported by the command that needs it."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from . import __version__
from .command_line import Parser, leaf, parse_command
from .compare_cli import add_compare
from .completion_cli import add_completion
from .config_cli import add_config
from .data_cli import add_recommend
from .defaults import RESULTS, add_config_flags, apply_defaults, named_by_origin
from .device_argument import add_device, opened_device, python_of
from .device_cli import add_devices
from .diagnose_cli import add_diagnose
from .errors import EdgebenchError, UsageError
from .history_cli import add_history
from .profile_cli import add_profile
from .results_cli import add_results
from .run_cli import add_run, folder_argument, join_values, terminal_width
from .selftest_cli import add_selftest

if TYPE_CHECKING:
    from pathlib import Path

    from .records import RunRecord
    from .report.flips import Pictures
    from .rule import Rule
    from .store import StoredRun

#: Entry points of this group are commands that other packages provide.
COMMANDS_GROUP = "edgebench.commands"

_EXAMPLES = """\
examples:
  edgebench run model.tflite
  edgebench report latest
  edgebench compare BASE NEW

Each command has a --help of its own, with examples.
"""

#: Set by the shells' functions when they ask what could come next.
COMPLETING = "_ARGCOMPLETE"

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 fine, 1 a gate failed, 2 usage or input error (nothing ran), 3 some cases failed to run (the others are stored),
    130 interrupted (what was measured is stored).
    """
    _answer_shell()
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show a sign gets "?", not a trace
    options: argparse.Namespace | None = None
    try:
        parser, words = _parser(given), join_values(given)
        if not given:
            parser.print_help()
            return EXIT_USAGE
        options = parse_command(parser, words)
        apply_defaults(leaf(parser, words), options)
        command: Callable[[argparse.Namespace, Sequence[str]], int] = options.command
        code = command(options, given)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where a reader that went away can be told from an error
        return code
    except EdgebenchError as error:
        if debug:
            raise
        _say(f"edgebench: error: {named_by_origin(str(error), options)}")
        return error.exit_code
    except KeyboardInterrupt as stop:
        _say(f"edgebench: interrupted, {stop if stop.args else 'nothing was stored'}")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`edgebench report | head`): not an error of ours.
        _drop_output()
        return EXIT_OK
    except OSError as error:
        if debug:
            raise
        _drop_output()
        about = f"{error.filename}: " if error.filename else ""
        _say(f"edgebench: error: {about}{error.strerror or error}")
        return EXIT_USAGE


def _answer_shell() -> None:
    """Where a shell asks what the Tab key could complete, say it and end the process."""
    if COMPLETING not in os.environ:
        return
    from .completion import answer_shell

    answer_shell(_parser)


def _drop_output() -> None:
    """Let what is still buffered for stdout go nowhere, so that Python does not try it again at exit."""
    with contextlib.suppress(OSError, AttributeError):  # no stdout at all, or one without a descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = Parser(
        prog="edgebench",
        description="Which variant of a TFLite model should run on which device, and what does it cost each class?",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"edgebench {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_run(commands)
    _add_report(commands)
    add_compare(commands)
    add_history(commands)
    add_results(commands)
    add_profile(commands)
    add_diagnose(commands)
    _add_doctor(commands)
    add_devices(commands)
    add_selftest(commands)
    add_config(commands)
    add_completion(commands)
    # Looking for installed commands takes time, so a built-in command does not.
    if not given or given[0] not in commands.choices:
        _add_installed(commands)
    add_config_flags(parser)
    return parser


def _add_installed(commands: argparse._SubParsersAction[Any]) -> None:
    """Add what other packages provide: objects with ``help``, ``configure(parser)`` and ``run(options, given)``."""
    from importlib.metadata import entry_points

    for entry in sorted(entry_points(group=COMMANDS_GROUP), key=lambda found: found.name):
        if entry.name in commands.choices:
            continue
        try:
            command = entry.load()
        except ImportError as error:
            commands.add_parser(entry.name, help=f"cannot be loaded: {error}").set_defaults(
                command=_unloadable(entry.name, str(error))
            )
            continue
        parser = commands.add_parser(entry.name, help=command.help)
        command.configure(parser)
        parser.set_defaults(command=command.run)


def _unloadable(name: str, reason: str) -> Callable[[argparse.Namespace, Sequence[str]], int]:
    def refuse(_options: argparse.Namespace, _given: Sequence[str]) -> int:
        raise UsageError(f"{name}: its package cannot be loaded ({reason}); install it again")

    return refuse


def _add_report(commands: argparse._SubParsersAction[Any]) -> None:
    report = commands.add_parser(
        "report",
        help="show a stored run",
        description="Show a stored run as a table, Markdown, an HTML page, CSV or JSON; flips-csv lists the images "
        "whose answers changed against the baseline.",
        epilog="examples:\n  edgebench report latest\n  edgebench report latest --format md > report.md\n"
        "  edgebench report latest --format html --no-images > page.html\n",
    )
    report.set_defaults(command=_report)
    report.add_argument("run", metavar="RUN", help="a run's folder, its id, or latest")
    report.add_argument("--format", default="table", choices=("table", "md", "html", "csv", "flips-csv", "json"))
    report.add_argument(
        "--no-images", action="store_true", help="leave pictures of changed images out of --format html"
    )
    report.add_argument(
        "--redact", action="store_true", help="leave out host and user names, devices, paths, addresses and images"
    )
    add_recommend(report)
    report.add_argument("--out", type=folder_argument, default=RESULTS, metavar="DIR", help="where runs are (results/)")
    report.add_argument("--debug", action="store_true", help="show the trace of an error")


def _add_doctor(commands: argparse._SubParsersAction[Any]) -> None:
    doctor = commands.add_parser(
        "doctor",
        help="say what this machine can run and what would disturb a measurement",
        description="Say what this machine can run and what would disturb a measurement here, with the command that "
        "mends it. Changes nothing; the exit code is 0 whatever is found.",
        epilog="examples:\n  edgebench doctor\n  edgebench doctor --python old=/opt/py39/bin/python\n"
        "  edgebench doctor --device ssh://pi@raspberrypi.local\n"
        "  edgebench doctor --json > machine.json\n",
    )
    doctor.set_defaults(command=_doctor)
    doctor.add_argument(
        "--python", action="append", default=[], metavar="[NAME=]PATH", help="try this Python as well (repeatable)"
    )
    add_device(doctor, "examine this device: local, a name of edgebench.toml, ssh://USER@HOST or adb://SERIAL")
    doctor.add_argument("--json", action="store_true", help="print everything as JSON on stdout, nothing else")
    doctor.add_argument("--debug", action="store_true", help="show the trace of an error")


def _report(options: argparse.Namespace, _given: Sequence[str]) -> int:
    from .store import find_run, load, to_json

    asked = _asked_rule(options)
    stored = load(find_run(options.run, options.out))
    _say_unfinished(stored.folder, options.out if options.run == "latest" else None)
    if options.redact:
        stored = _redacted(stored)
    rule = _known_rule(asked, stored.record)
    if options.format == "json":
        print(to_json(stored.record))
    elif options.format == "md":
        from .report.markdown import render_markdown

        print(render_markdown(stored.record, stored.predictions, rule))
    elif options.format == "csv":
        from .report.csvfile import render_csv

        print(render_csv(stored.record), end="")
    elif options.format == "flips-csv":
        from .report.csvflips import render_flips_csv

        print(render_flips_csv(stored.record, stored.predictions), end="")
    elif options.format == "html":
        from .report.html import render_html

        pictures = _pictures(stored, no_images=options.no_images, redact=options.redact)
        print(render_html(stored.record, stored.samples, stored.predictions, pictures, rule))
    else:
        from .report.terminal import render_table

        print(render_table(stored.record, predictions=stored.predictions, width=terminal_width(), rule=rule))
    return EXIT_OK


def _redacted(stored: StoredRun) -> StoredRun:
    """Return the run as it may be shown to others, and say on stderr what was removed."""
    from .redaction import redact_run
    from .whereabouts import secrets_here

    redacted = redact_run(stored, secrets_here())
    _say(f"edgebench: {redacted.line}")
    return redacted.run


def _pictures(stored: StoredRun, *, no_images: bool, redact: bool) -> Pictures:
    from .pictures import REDACTED, no_pictures, stored_pictures

    if redact:
        return no_pictures(REDACTED)
    return no_pictures() if no_images else stored_pictures(stored)


def _asked_rule(options: argparse.Namespace) -> Rule | None:
    """Return what ``--recommend`` asks for. Raises UsageError where it is wrong, or where nothing would show it."""
    from .rule import parse_rule

    rule = parse_rule(options.recommend or ())
    if rule and options.format in ("csv", "json"):
        raise UsageError(f"--recommend: --format {options.format} has figures only; choose table, md or html")
    return rule


def _known_rule(rule: Rule | None, record: RunRecord) -> Rule | None:
    """Return the rule. Raises UsageError where it names a class that no model of the run has."""
    from .analysis.recommendation import unknown_labels

    unknown, there = unknown_labels(record, rule) if rule else ([], [])
    if unknown:
        known = ", ".join(there[:12])
        raise UsageError(f"--recommend recall:{unknown[0]}: no model of this run has such a label ({known})")
    return rule


def _say_unfinished(folder: Path | None, out: Path | None) -> None:
    """Say on stderr that the run can be continued, or where ``out`` is given, that a later one was cut off."""
    from .store import continue_line, cut_off_line, has_journal, newest_unfinished

    later = newest_unfinished(out) if out is not None and folder is not None else None
    if folder is not None and has_journal(folder):
        _say(f"edgebench: {folder.name} was interrupted; {continue_line(folder)}")
    if later is not None and folder is not None and later.name[:15] > folder.name[:15]:
        _say(f"edgebench: {cut_off_line(later)}")


def _doctor(options: argparse.Namespace, _given: Sequence[str]) -> int:
    from .console import ConsoleProgress
    from .doctor import examine, to_json
    from .progress import Progress
    from .report.doctor import render_doctor

    progress = Progress() if options.json else ConsoleProgress()
    with opened_device(options, "edgebench doctor") as device:
        pythons = tuple(python_of(device, text) for text in options.python)
        try:
            found = examine(device, pythons, progress=progress)
        finally:
            progress.close()
    print(
        to_json(found) if options.json else render_doctor(found, width=terminal_width()),
        end="\n" if options.json else "",
    )
    return EXIT_OK
