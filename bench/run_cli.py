"""The command ``edgebench run``: its flags, and what it prints."""

from __future__ import annotations

import argparse
import functools
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from .command_line import given_names
from .conditions_cli import add_condition_flags, condition_options
from .data_cli import add_accuracy_flags, add_image_flags, data_spec
from .defaults import BESIDE_RESUME, RESULTS, default_lines, written_out
from .errors import UsageError
from .gates_cli import add_gate_flags, apply_gates, gates_of, without_changes
from .verbosity import add_verbosity, make_progress

if TYPE_CHECKING:
    from .gates import Gate
    from .open_devices import OpenDevice
    from .progress import Progress
    from .spec import Spec, WaitSpec
    from .store import StoredRun

#: What goes with --resume: where the run is, and what is shown of it.
_BESIDE_RESUME = BESIDE_RESUME | {"help", "resume", "config", "debug"}
_EXIT_OK, _EXIT_CASES_FAILED, _EXIT_INTERRUPTED = 0, 3, 130
_WHOLE = "the run's other files are whole, share the page alone"

_RUN_EXAMPLES = """\
examples:
  edgebench run models/sample
  edgebench run skin/float32=a.tflite skin/int8=b.tflite --threads 1,2 --delegate default,none
  edgebench run models/sample --data folder:photos
  edgebench run model.tflite --data ham10000:HAM10000 --normalize -1..1 --limit 500
  edgebench run model_int8.tflite --python .venv/bin/python --python /opt/py39/bin/python
  edgebench run models/sample --device local,ssh://pi@raspberrypi.local
  edgebench run --resume latest
"""


def add_run(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    run = commands.add_parser(
        "run",
        usage="%(prog)s [options] MODEL [MODEL ...]",
        help="measure latency, memory and accuracy of models",
        description="Measure each variant x engine x delegate x threads in worker processes of its own.",
        epilog=_RUN_EXAMPLES,
    )
    run.set_defaults(command=functools.partial(_run, run))
    run.add_argument(
        "models", nargs="*", metavar="MODEL", help="a .tflite file, a folder of them, or MODEL/VARIANT=FILE to name it"
    )
    what = run.add_argument_group("what runs the model")
    what.add_argument(
        "--device",
        action="append",
        metavar="DEVICE[,DEVICE]",
        help="local (default), a name of edgebench.toml, ssh://USER@HOST or adb://SERIAL; several at the same time",
    )
    what.add_argument(
        "--device-cache", metavar="SIZE", help="models and images kept on a device take at most so much (2GB)"
    )
    add_way_flags(what)
    what.add_argument(
        "--benchmark-model",
        metavar="FILE",
        help="for --engine benchmark_model: its binary for the device, which is sent there (default: the one in the "
        "device's folder)",
    )
    what.add_argument("--baseline", metavar="VARIANT", help="compare with this variant (default: float32)")
    accuracy = run.add_argument_group("accuracy")
    add_image_flags(accuracy)
    add_accuracy_flags(accuracy)
    add_time_flags(run.add_argument_group("how long"))
    add_condition_flags(run.add_argument_group("the device's state"))
    _add_wait_flags(run.add_argument_group("what a user waits for"))
    _add_sustain_flag(run.add_argument_group("under load for long"))
    _add_profile_flag(run.add_argument_group("where the time goes"))
    add_gate_flags(run.add_argument_group("gates, against the baseline variant of the same run"))
    _add_output_flags(run.add_argument_group("output"))


def add_way_flags(what: argparse._ArgumentGroup) -> None:
    """Add the flags that say by what a model is run."""
    what.add_argument(
        "--engine",
        action="append",
        metavar="NAME",
        help="interpreter (default), compiled, or benchmark_model: the official tool on a device over SSH or adb, "
        "which reports summaries",
    )
    what.add_argument(
        "--delegate",
        action="append",
        metavar="NAME",
        help="default (what the runtime does by itself), xnnpack, none, gpu (with --engine compiled or "
        "benchmark_model), nnapi (with benchmark_model), external:PATH",
    )
    what.add_argument("--require-full", action="store_true", help="a delegate that leaves operators to the CPU fails")
    what.add_argument("--delegate-option", action="append", default=[], metavar="KEY=VALUE", help="for external")
    what.add_argument("--threads", default="1", metavar="N[,N]", help="thread counts (default 1)")
    what.add_argument(
        "--cpus",
        action="append",
        metavar="CPUS",
        help="run on these CPUs alone: big, little, 0-3 (repeatable, for a case with each)",
    )
    what.add_argument("--signature", metavar="NAME", help="run this signature of the model")
    what.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="[NAME=]PATH",
        help="run workers under this Python (repeatable)",
    )
    what.add_argument("--runtime", choices=("litert", "tflite", "tf"), help="which runtime of that Python")


def add_time_flags(time: argparse._ArgumentGroup) -> None:
    """Add the flags that say how long and how precisely to measure."""
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
    time.add_argument("--memory-limit", metavar="SIZE", help="a worker that holds more memory is killed (500MB, 2GB)")
    time.add_argument("--seed", type=int, default=0, metavar="N", help="seed of generated inputs (0)")


def _add_wait_flags(waits: argparse._ArgumentGroup) -> None:
    waits.add_argument(
        "--waits",
        action="append",
        metavar="NAME[,NAME]",
        help="end-to-end (needs --data), cold-start, idle-gap, weight-cache, batches, workers, or all",
    )
    waits.add_argument("--gap", metavar="T", help="for idle-gap: one inference every T (100ms)")
    waits.add_argument("--batches", metavar="N[,N]", help="for batches: items a run (1,2,4,8)")
    waits.add_argument("--workers", metavar="N[,N]", help="for workers: processes at once (1,2)")


def _add_sustain_flag(load: argparse._ArgumentGroup) -> None:
    load.add_argument(
        "--sustain",
        metavar="T",
        help="after timing, run each case alone for T (10m): latency over time with temperature and clock, not within "
        "--budget",
    )


def _add_profile_flag(where: argparse._ArgumentGroup) -> None:
    where.add_argument(
        "--profile", action="store_true", help="after timing, say which operators each case's time goes to"
    )


def _add_output_flags(output: argparse._ArgumentGroup) -> None:
    output.add_argument("--out", type=folder_argument, default=RESULTS, metavar="DIR", help="where runs go (results/)")
    output.add_argument("--resume", metavar="RUN", help="go on with a run that was cut off: a folder, an id or latest")
    output.add_argument(
        "--keep-models",
        action="store_true",
        help="keep a copy of each model beside the runs, to measure it again later",
    )
    output.add_argument(
        "--silence", action="append", metavar="CODE[,CODE]", help="findings that shall not count towards the verdict"
    )
    output.add_argument("--no-images", action="store_true", help="no small pictures of changed images in the page")
    output.add_argument(
        "--redact",
        action="store_true",
        help="no host and user names, paths or images in the page; run.json and what is printed stay whole",
    )
    output.add_argument("--json", action="store_true", help="print the record as JSON on stdout, nothing else")
    output.add_argument(
        "--dry-run", action="store_true", help="say what would be measured and about how long it takes; measure nothing"
    )
    add_verbosity(output)


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace, given: Sequence[str]) -> int:
    from .errors import StoreError
    from .store import StoredRun

    if options.verbose:
        for line in default_lines(options):
            print(f"edgebench: {line}", file=sys.stderr)
    gates = without_changes(gates_of(options, measuring=options.resume is None))
    if options.dry_run:
        return _dry_run(parser, options, given)
    measure = _what_to_do(parser, options, given)
    end_as_interrupted()
    progress = make_progress(options)
    try:
        stored = measure(progress)
    except StoreError as error:
        if isinstance(error.run, StoredRun):  # minutes of measuring are worth showing, stored or not
            show_run(error.run, as_json=options.json)
        raise
    finally:
        progress.close()
    show_run(stored, as_json=options.json)
    if options.redact:
        _say_redacted(stored)
    return _judged(options, gates, stored) or exit_code(stored)


def _judged(options: argparse.Namespace, gates: Sequence[Gate], stored: StoredRun) -> int:
    """Apply the gates to a run's cases, each against its baseline. An interrupted run is not judged."""
    from .analysis.in_turns import changes_within
    from .analysis.machines import environments
    from .repeats import stored_repeats

    if stored.record.interrupted or not (gates or options.github_benchmark):
        return 0
    repeats = stored_repeats(options.out, *environments(stored.record).values()).records if gates else ()
    return apply_gates(options, gates, [changes_within(stored, repeats)], to_stderr=options.json)


def _dry_run(parser: argparse.ArgumentParser, options: argparse.Namespace, given: Sequence[str]) -> int:
    from .dry_run import dry_run
    from .open_devices import device_opener, opened_devices
    from .report.dry_run import dry_runs_json, render_dry_runs

    if options.resume is not None:
        raise UsageError("--dry-run: --resume goes on with a run as it was asked for; leave one of them out")
    if not options.models:
        parser.error("the following arguments are required: MODEL")
    spec = spec_of(options, given, options.models)
    with opened_devices(spec.devices, device_opener("edgebench run --dry-run", options.config, _say)) as devices:
        found = {device.name: dry_run(spec, options.out, device) for device in devices}
    print(dry_runs_json(found) if options.json else render_dry_runs(found).rstrip())
    return _EXIT_OK


def _say(line: str) -> None:
    print(f"edgebench: {line}", file=sys.stderr)


def _say_redacted(stored: StoredRun) -> None:
    from .redaction import redact_run
    from .whereabouts import secrets_here

    print(f"edgebench: the page is {redact_run(stored, secrets_here()).line}; {_WHOLE}", file=sys.stderr)


def _what_to_do(
    parser: argparse.ArgumentParser, options: argparse.Namespace, given: Sequence[str]
) -> Callable[[Progress], StoredRun]:
    """Return what measures: a new run, or with ``--resume`` the rest of an old one, which knows all but its output."""
    from .open_devices import device_opener
    from .spec import parse_size

    page = {"page_images": not options.no_images, "redact_page": options.redact}

    def opener(progress: Progress) -> OpenDevice:
        cache_bytes = None if options.device_cache is None else parse_size(options.device_cache, "--device-cache")
        return device_opener("edgebench run", options.config, progress.tell, cache_bytes=cache_bytes)

    if options.resume is not None:
        _refuse_others(parser, given)
        from .api import resume_run

        return lambda progress: resume_run(
            options.resume, options.out, progress=progress, open_device=opener(progress), **page
        )
    if not options.models:
        parser.error("the following arguments are required: MODEL")
    spec = spec_of(options, given, options.models)
    from .api import run_spec

    return lambda progress: run_spec(
        spec,
        out=options.out,
        progress=progress,
        keep=options.keep_models,
        open_device=opener(progress),
        **page,
    )


def _refuse_others(parser: argparse.ArgumentParser, given: Sequence[str]) -> None:
    """Raise UsageError where anything stands beside ``--resume`` that a run under way has decided already."""
    names = {action.dest: action.option_strings[-1:] for action in parser._actions}
    for name, value in given_names(parser, join_values(given[1:])).items():
        if name not in _BESIDE_RESUME:
            what = names[name][0] if names[name] else value[0]
            raise UsageError(f"{what}: --resume goes on with a run as it was asked for; leave {what} out")


def join_values(arguments: Sequence[str]) -> list[str]:
    """Write ``--normalize -1..1`` as ``--normalize=-1..1``: argparse takes a leading dash for a flag."""
    joined: list[str] = []
    for text in arguments:
        if joined and joined[-1] == "--normalize" and text[:1] == "-" and text[1:2].isdigit():
            joined[-1] = f"--normalize={text}"
        else:
            joined.append(text)
    return joined


def end_as_interrupted() -> None:
    """Take SIGTERM for Ctrl-C: a time limit (CI, systemd, timeout(1)) asks so, and what was measured is kept then."""
    signal.signal(signal.SIGTERM, _as_interrupt)


def _as_interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def spec_of(options: argparse.Namespace, given: Sequence[str], models: Sequence[str]) -> Spec:
    """Return what the flags ask for. Raises UsageError where one of them is wrong."""
    from .records import Engine, Settings
    from .spec import (
        DEFAULT_SETTINGS,
        LOCAL,
        Spec,
        parse_choice,
        parse_codes,
        parse_cpus,
        parse_delegates,
        parse_devices,
        parse_duration_ns,
        parse_percent,
        parse_python,
        parse_size,
        parse_threads,
    )

    engines = _split(options.engine, "interpreter")
    devices = parse_devices(getattr(options, "device", None) or [LOCAL])
    min_time_ns, max_time_ns = _time_bounds(options)
    return Spec(
        models=tuple(models),
        engines=tuple(parse_choice(Engine, name, "--engine") for name in engines),
        delegates=parse_delegates(_split(options.delegate, "default"), options.delegate_option),
        threads=parse_threads(options.threads),
        cpus=parse_cpus(options.cpus or ()),
        pythons=tuple(parse_python(text, here=devices == (LOCAL,)) for text in options.python),
        runtime=options.runtime,
        signature=options.signature,
        baseline=options.baseline,
        data=data_spec(options),
        waits=_wait_spec(options),
        profile=options.profile,
        sustain_ns=None if options.sustain is None else parse_duration_ns(options.sustain, "--sustain"),
        benchmark_model=getattr(options, "benchmark_model", None),
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
            require_full=options.require_full,
            memory_limit_bytes=None if options.memory_limit is None else parse_size(options.memory_limit),
            silenced=parse_codes(_split(options.silence, "")),
            timeout_s=parse_duration_ns(options.timeout, "--timeout") / 1e9,
            **condition_options(options),
        ),
        command=("edgebench", *written_out(options, given)),
        devices=devices,
    )


def check_run_options(options: argparse.Namespace) -> None:
    """Raise UsageError where flags, or defaults in their place, have values that no run can have."""
    spec_of(options, (), options.models)


def _blocks(options: argparse.Namespace) -> dict[str, Any]:
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
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))


def _wait_spec(options: argparse.Namespace) -> WaitSpec | None:
    from .spec import make_wait_spec

    names = _split(options.waits, "")
    if options.waits is not None and not names:
        raise UsageError("--waits: names nothing; leave it out, or name all or some of the waits that --help lists")
    return make_wait_spec(
        names,
        gap=options.gap,
        batches=options.batches,
        workers=options.workers,
        with_data=options.data is not None,
    )


def show_run(stored: StoredRun, *, as_json: bool) -> None:
    """Print a run's table and where it is stored, or with ``as_json`` its record alone."""
    from .report.terminal import render_table
    from .store import PAGE_FILE, continue_line, has_journal, to_json

    if as_json:
        print(to_json(stored.record))
        if stored.folder is not None and has_journal(stored.folder):
            print(continue_line(stored.folder), file=sys.stderr)
        return
    print(render_table(stored.record, predictions=stored.predictions, width=terminal_width()).rstrip())
    if stored.folder is not None:
        print(f"\nstored in {stored.folder}, page: {stored.folder / PAGE_FILE}")
        if has_journal(stored.folder):
            print(continue_line(stored.folder))


def terminal_width() -> int | None:
    """Return how many characters a line may have, None where it is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else None


def folder_argument(text: str) -> Path:
    """Return the folder that an argument names; a home folder is written out."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise argparse.ArgumentTypeError(f"{text}: no such user's home folder; write the path in full") from None


def exit_code(stored: StoredRun) -> int:
    """What a run's command ends with: 0, 3 where a case, model or device failed, 130 where it was interrupted."""
    from .analysis.endings import stopped_by_hand
    from .records import Status

    record = stored.record
    if stopped_by_hand(record):
        return _EXIT_INTERRUPTED
    if record.rejected or any(case.status is not Status.OK for case in record.cases):
        return _EXIT_CASES_FAILED
    return _EXIT_OK
