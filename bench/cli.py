"""The command line: parse, call, render. Everything heavy is imported by the command that needs it."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from . import __version__
from .errors import EdgebenchError, UsageError
from .profile_cli import add_profile

if TYPE_CHECKING:
    from .spec import DataSpec, Spec
    from .store import StoredRun

#: Entry points of this group are commands that other packages provide.
COMMANDS_GROUP = "edgebench.commands"

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_CASES_FAILED = 3
EXIT_INTERRUPTED = 130

_RUN_EXAMPLES = """\
examples:
  edgebench run models/sample
  edgebench run skin/float32=a.tflite skin/int8=b.tflite --threads 1,2 --delegate default,none
  edgebench run models/sample --data folder:photos
  edgebench run model.tflite --data ham10000:HAM10000 --normalize -1..1 --limit 500
  edgebench run model_int8.tflite --python .venv/bin/python --python /opt/py39/bin/python
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage text in front."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see: {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 fine, 1 a gate failed, 2 usage or input error (nothing ran), 3 some cases failed to run (the others are stored),
    130 interrupted (what was measured is stored).
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show a sign gets "?", not a trace
    try:
        options = _parser(given).parse_args(_join_values(given))
        command: Callable[[argparse.Namespace, Sequence[str]], int] = options.command
        code = command(options, given)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where a reader that went away can be told from an error
        return code
    except EdgebenchError as error:
        if debug:
            raise
        _say(f"edgebench: error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        _say("edgebench: interrupted, nothing was stored")
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


def _drop_output() -> None:
    """Let what is still buffered for stdout go nowhere, so that Python does not try it again at exit."""
    with contextlib.suppress(OSError, AttributeError):  # no stdout at all, or one without a descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _join_values(arguments: Sequence[str]) -> list[str]:
    """Write ``--normalize -1..1`` as ``--normalize=-1..1``: argparse takes a leading dash for a flag."""
    joined: list[str] = []
    for text in arguments:
        if joined and joined[-1] == "--normalize" and text[:1] == "-" and text[1:2].isdigit():
            joined[-1] = f"--normalize={text}"
        else:
            joined.append(text)
    return joined


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="edgebench",
        description="Which variant of a TFLite model should run on which device, and what does it cost each class?",
    )
    parser.add_argument("--version", action="version", version=f"edgebench {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_report(commands)
    add_profile(commands)
    _add_doctor(commands)
    # Looking for installed commands takes time, so a built-in command does not.
    if not given or given[0] not in commands.choices:
        _add_installed(commands)
    return parser


def _folder(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise argparse.ArgumentTypeError(f"{text}: no such user's home folder; write the path in full") from None


def _add_installed(commands: argparse._SubParsersAction[_Parser]) -> None:
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


def _add_run(commands: argparse._SubParsersAction[_Parser]) -> None:
    run = commands.add_parser(
        "run",
        help="measure latency, memory and accuracy of models",
        description="Measure each variant x engine x delegate x threads in worker processes of its own.",
        epilog=_RUN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.set_defaults(command=_run)
    run.add_argument(
        "models", nargs="+", metavar="MODEL", help="a .tflite file, a folder of them, or MODEL/VARIANT=FILE to name it"
    )
    what = run.add_argument_group("what runs the model")
    what.add_argument("--engine", action="append", metavar="NAME", help="interpreter (default), compiled")
    what.add_argument(
        "--delegate",
        action="append",
        metavar="NAME",
        help="default (what the runtime does by itself), xnnpack, none, external:PATH",
    )
    what.add_argument("--delegate-option", action="append", default=[], metavar="KEY=VALUE", help="for external")
    what.add_argument("--threads", default="1", metavar="N[,N]", help="thread counts (default 1)")
    what.add_argument("--baseline", metavar="VARIANT", help="compare with this variant (default: float32)")
    what.add_argument("--signature", metavar="NAME", help="run this signature of the model")
    what.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="[NAME=]PATH",
        help="run workers under this Python (repeatable)",
    )
    what.add_argument("--runtime", choices=("litert", "tflite", "tf"), help="which runtime of that Python")
    _add_data_flags(run.add_argument_group("accuracy"))
    _add_time_flags(run.add_argument_group("how long"))
    _add_output_flags(run.add_argument_group("output"))


def _add_data_flags(data: argparse._ArgumentGroup) -> None:
    data.add_argument(
        "--data", metavar="SOURCE", help="folder:DIR (one sub-folder per class), ham10000:DIR or phantom (generated)"
    )
    data.add_argument("--metadata", type=Path, metavar="FILE", help="CSV with image_id and dx")
    data.add_argument("--labels", type=Path, metavar="FILE", help="one label a line, in the model's output order")
    data.add_argument(
        "--split",
        choices=("test", "validation", "train", "all"),
        help="part of the card's split to evaluate (test, where a card has a split)",
    )
    data.add_argument("--limit", type=int, metavar="N", help="evaluate N images, drawn by class")
    data.add_argument("--normalize", metavar="HOW", help="-1..1, 0..1, 0..255, imagenet or MEAN/STD")
    data.add_argument("--resize", metavar="HOW", help="stretch (default), crop, pad")
    data.add_argument("--grayscale", metavar="HOW", help="skip (default) or convert, for RGB models")
    data.add_argument("--max-bad", type=float, metavar="SHARE", help="tolerated share of bad images (0.05)")


def _add_time_flags(time: argparse._ArgumentGroup) -> None:
    time.add_argument("--min-runs", type=int, metavar="N", help="at least N samples (64: enough for p90)")
    time.add_argument("--max-runs", type=int, default=20_000, metavar="N", help="at most N samples (20000)")
    time.add_argument("--min-time", metavar="T", help="at least T inside the model (1s)")
    time.add_argument("--max-time", metavar="T", help="at most about T inside the model (30s)")
    time.add_argument(
        "--warmup-time", default="100ms", metavar="T", help="least warm-up of a worker, kept but not counted (100ms)"
    )
    time.add_argument(
        "--blocks", type=int, metavar="N", help="exactly N blocks of fresh workers (6 to 12, as precision needs)"
    )
    time.add_argument("--precision", default="1%", metavar="P", help="stop when ratios are known to P (1%%)")
    time.add_argument("--budget", metavar="T", help="stop timing before T has passed, whatever the precision")
    time.add_argument("--timeout", default="120s", metavar="T", help="a worker that is silent for T is killed (120s)")
    time.add_argument("--seed", type=int, default=0, metavar="N", help="seed of generated inputs (0)")


def _add_output_flags(output: argparse._ArgumentGroup) -> None:
    output.add_argument("--out", type=_folder, default=Path("results"), metavar="DIR", help="where runs go (results/)")
    output.add_argument("--json", action="store_true", help="print the record as JSON on stdout, nothing else")
    output.add_argument("--quiet", action="store_true", help="no progress on stderr")
    output.add_argument("--debug", action="store_true", help="show the trace of an error")


def _add_report(commands: argparse._SubParsersAction[_Parser]) -> None:
    report = commands.add_parser(
        "report",
        help="show a stored run",
        description="Show a stored run as a table, Markdown, an HTML page, CSV or JSON.",
        epilog="examples:\n  edgebench report latest\n  edgebench report latest --format md > report.md\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    report.set_defaults(command=_report)
    report.add_argument("run", metavar="RUN", help="a run's folder, its id, or latest")
    report.add_argument("--format", default="table", choices=("table", "md", "html", "csv", "json"))
    report.add_argument("--out", type=_folder, default=Path("results"), metavar="DIR", help="where runs are (results/)")
    report.add_argument("--debug", action="store_true", help="show the trace of an error")


def _add_doctor(commands: argparse._SubParsersAction[_Parser]) -> None:
    doctor = commands.add_parser(
        "doctor",
        help="say what this machine can run and what would disturb a measurement",
        description="Say what this machine can run and what would disturb a measurement here, with the command that "
        "mends it. Changes nothing; the exit code is 0 whatever is found.",
    )
    doctor.set_defaults(command=_doctor)
    doctor.add_argument(
        "--python", action="append", default=[], metavar="[NAME=]PATH", help="try this Python as well (repeatable)"
    )
    doctor.add_argument("--json", action="store_true", help="print everything as JSON on stdout, nothing else")
    doctor.add_argument("--debug", action="store_true", help="show the trace of an error")


def _run(options: argparse.Namespace, given: Sequence[str]) -> int:
    from .api import run_spec
    from .console import ConsoleProgress
    from .errors import StoreError
    from .progress import Progress
    from .store import StoredRun

    spec = _spec(options, given)
    # A time limit (CI, systemd, timeout(1)) asks with SIGTERM: what was measured is kept then, too.
    signal.signal(signal.SIGTERM, _as_interrupt)
    progress = Progress() if options.quiet or options.json else ConsoleProgress()
    try:
        stored = run_spec(spec, out=options.out, progress=progress)
    except StoreError as error:
        if isinstance(error.run, StoredRun):  # minutes of measuring are worth showing, stored or not
            show_run(error.run, as_json=options.json)
        raise
    finally:
        progress.close()
    show_run(stored, as_json=options.json)
    return exit_code(stored)


def _as_interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _spec(options: argparse.Namespace, given: Sequence[str]) -> Spec:
    from .records import Engine, Settings
    from .spec import (
        DEFAULT_SETTINGS,
        Spec,
        parse_choice,
        parse_delegates,
        parse_duration_ns,
        parse_percent,
        parse_python,
        parse_threads,
    )

    engines = _split(options.engine, "interpreter")
    min_time_ns, max_time_ns = _time_bounds(options)
    return Spec(
        models=tuple(options.models),
        engines=tuple(parse_choice(Engine, name, "--engine") for name in engines),
        delegates=parse_delegates(_split(options.delegate, "default"), options.delegate_option),
        threads=parse_threads(options.threads),
        pythons=tuple(parse_python(text) for text in options.python),
        runtime=options.runtime,
        signature=options.signature,
        baseline=options.baseline,
        data=_data_spec(options),
        settings=Settings(
            seed=options.seed,
            min_runs=min(DEFAULT_SETTINGS.min_runs, options.max_runs) if options.min_runs is None else options.min_runs,
            max_runs=options.max_runs,
            min_time_ns=min_time_ns,
            max_time_ns=max_time_ns,
            warmup_time_ns=parse_duration_ns(options.warmup_time, "--warmup-time"),
            warmup_min_runs=3,
            precision=parse_percent(options.precision, "--precision"),
            budget_ns=None if options.budget is None else parse_duration_ns(options.budget, "--budget"),
            **_blocks(options),
            timeout_s=parse_duration_ns(options.timeout, "--timeout") / 1e9,
        ),
        command=("edgebench", *given),
    )


def _blocks(options: argparse.Namespace) -> dict[str, int]:
    return {} if options.blocks is None else {"min_blocks": options.blocks, "max_blocks": options.blocks}


def _time_bounds(options: argparse.Namespace) -> tuple[int, int]:
    """Return least and most time inside the model; a bound that was not given makes room for the one that was."""
    from .spec import DEFAULT_SETTINGS, parse_duration_ns

    least = None if options.min_time is None else parse_duration_ns(options.min_time, "--min-time")
    most = None if options.max_time is None else parse_duration_ns(options.max_time, "--max-time")
    if least is None:
        least = min(DEFAULT_SETTINGS.min_time_ns, most if most is not None else DEFAULT_SETTINGS.min_time_ns)
    return least, max(DEFAULT_SETTINGS.max_time_ns, least) if most is None else most


def _split(texts: Sequence[str] | None, default: str) -> tuple[str, ...]:
    """Return the values of a flag that may be repeated or hold a comma list; a library's path is left whole."""
    names = [
        name for text in texts or [default] for name in ([text] if text.startswith("external") else text.split(","))
    ]
    return tuple(dict.fromkeys(name.strip() for name in names))


def _data_spec(options: argparse.Namespace) -> DataSpec | None:
    from .images.cache import GrayscalePolicy
    from .images.geometry import ResizeMode
    from .images.unseen import SplitChoice
    from .spec import DataSpec, parse_choice

    if options.data is None:
        needing = ("metadata", "labels", "split", "limit", "normalize", "resize", "grayscale", "max_bad")
        for name in needing:
            if getattr(options, name) is not None:
                raise UsageError(f"--{name.replace('_', '-')} is about images: it needs --data SOURCE")
        return None
    return DataSpec(
        source=options.data,
        metadata=options.metadata,
        labels=options.labels,
        limit=options.limit,
        normalize=options.normalize,
        resize=parse_choice(ResizeMode, options.resize, "--resize") if options.resize else None,
        grayscale=parse_choice(GrayscalePolicy, options.grayscale or "skip", "--grayscale"),
        max_bad_fraction=0.05 if options.max_bad is None else options.max_bad,
        split=SplitChoice(options.split) if options.split else None,
    )


def show_run(stored: StoredRun, *, as_json: bool) -> None:
    """Print a run's table and where it is stored, or with ``as_json`` its record alone."""
    from .report.terminal import render_table
    from .store import PAGE_FILE, to_json

    if as_json:
        print(to_json(stored.record))
        return
    print(render_table(stored.record, width=_width()).rstrip())
    if stored.folder is not None:
        print(f"\nstored in {stored.folder}, page: {stored.folder / PAGE_FILE}")


def _width() -> int | None:
    return shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else None


def exit_code(stored: StoredRun) -> int:
    """What a run's command ends with: 0, 3 where a case or model failed, 130 where it was interrupted."""
    from .records import Status

    record = stored.record
    if record.interrupted:
        return EXIT_INTERRUPTED
    if record.rejected or any(case.status is not Status.OK for case in record.cases):
        return EXIT_CASES_FAILED
    return EXIT_OK


def _report(options: argparse.Namespace, _given: Sequence[str]) -> int:
    from .store import find_run, load, to_json

    stored = load(find_run(options.run, options.out))
    if options.format == "json":
        print(to_json(stored.record))
    elif options.format == "md":
        from .report.markdown import render_markdown

        print(render_markdown(stored.record))
    elif options.format == "csv":
        from .report.csvfile import render_csv

        print(render_csv(stored.record), end="")
    elif options.format == "html":
        from .report.html import render_html

        print(render_html(stored.record, stored.samples, stored.predictions))
    else:
        from .report.terminal import render_table

        print(render_table(stored.record, width=_width()))
    return EXIT_OK


def _doctor(options: argparse.Namespace, _given: Sequence[str]) -> int:
    from .console import ConsoleProgress
    from .devices.local import LocalDevice
    from .doctor import examine, to_json
    from .progress import Progress
    from .report.doctor import render_doctor
    from .spec import parse_python

    pythons = tuple(parse_python(text) for text in options.python)
    progress = Progress() if options.json else ConsoleProgress()
    try:
        found = examine(LocalDevice(), pythons, progress=progress)
    finally:
        progress.close()
    print(to_json(found) if options.json else render_doctor(found, width=_width()), end="\n" if options.json else "")
    return EXIT_OK
