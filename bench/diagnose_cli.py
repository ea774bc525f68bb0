"""The command ``edgebench diagnose``: its flags, and where its output goes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .data_cli import add_image_flags, data_spec
from .errors import UsageError
from .outputs import make_folder, show_at_once, show_together
from .run_cli import folder_argument, terminal_width
from .verbosity import add_verbosity, make_progress

if TYPE_CHECKING:
    from .diagnose import DiagnoseSpec
    from .layer_data import Diagnosis, FailedDiagnosis

_EXAMPLES = """\
examples:
  edgebench diagnose models/sample --data phantom
  edgebench diagnose models/sample --data folder:photos --variant int8 --format html --out diagnosis
  edgebench diagnose net/float32=a.tflite net/int8=b.tflite --data folder:photos --normalize 0..1
"""
_SUFFIXES = {
    "table": ".txt",
    "csv": ".csv",
    "json": ".json",
    "html": ".html",
    "model-explorer": ".model-explorer.json",
}
#: One file of these is about one variant.
_SINGLE = ("html", "model-explorer")
_EXIT_OK, _EXIT_FAILED = 0, 3


def add_diagnose(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    diagnose = commands.add_parser(
        "diagnose",
        help="say at which layers a quantized variant parts from its float model",
        description="Say why a variant answers otherwise than its float model: the error of every layer, on images.",
        epilog=_EXAMPLES,
    )
    diagnose.set_defaults(command=_diagnose)
    diagnose.add_argument(
        "models", nargs="+", metavar="MODEL", help="a .tflite file, a folder of them, or MODEL/VARIANT=FILE to name it"
    )
    diagnose.add_argument(
        "--variant", action="append", default=[], metavar="NAME", help="diagnose this variant (default: all others)"
    )
    diagnose.add_argument("--against", metavar="NAME", help="the float variant to compare with (the float32 one)")
    diagnose.add_argument("--top", type=int, default=15, metavar="K", help="show the K layers with most error (15)")
    diagnose.add_argument("--format", default="table", choices=tuple(_SUFFIXES))
    diagnose.add_argument(
        "--out", type=folder_argument, metavar="DIR", help="write one file a variant into DIR instead"
    )
    diagnose.add_argument("--python", metavar="PATH", help="run the worker under this Python")
    diagnose.add_argument(
        "--timeout", default="120s", metavar="T", help="a worker that is silent for T is killed (120s)"
    )
    add_verbosity(diagnose)
    add_image_flags(diagnose.add_argument_group("images"), images="70")


def _diagnose(options: argparse.Namespace, _given: Sequence[str]) -> int:
    from .devices.local import LocalDevice
    from .diagnose import diagnose_models
    from .layer_data import Diagnosis, FailedDiagnosis

    spec = _spec(options)
    if options.out is not None:
        make_folder(options.out)
    done: list[Diagnosis] = []
    failed: list[FailedDiagnosis] = []
    complaints = 0
    progress = make_progress(options)
    try:
        for result in diagnose_models(spec, LocalDevice(), progress):
            progress.close()
            if isinstance(result, Diagnosis):
                done.append(result)
                show_at_once(
                    result, _renderers(options)[options.format], options.format, options.out, _SUFFIXES[options.format]
                )
                continue
            complaints += 1
            reason = str(result)
            if isinstance(result, FailedDiagnosis):
                failed.append(result)
                name, reason = f"{result.model}/{result.variant}", result.failure.message
                reason = reason if reason.startswith(f"{name}:") else f"{name}: {reason}"
            sys.stderr.write(f"edgebench: error: {reason}\n")
    finally:
        progress.close()
    _show_together(done, failed, options)
    return _EXIT_FAILED if complaints else _EXIT_OK


def _spec(options: argparse.Namespace) -> DiagnoseSpec:
    from dataclasses import replace

    from .diagnose import DEFAULT_IMAGES, DiagnoseSpec
    from .spec import parse_duration_ns, parse_python

    if options.top < 1:
        raise UsageError(f"--top {options.top}: must be at least 1")
    data = data_spec(options)
    if data is None:
        raise UsageError("diagnose needs images: --data folder:DIR (one sub-folder per class), ham10000:DIR or phantom")
    spec = DiagnoseSpec(
        models=tuple(options.models),
        data=replace(data, limit=DEFAULT_IMAGES if data.limit is None else data.limit, balanced=True),
        variants=tuple(name for text in options.variant for name in text.split(",") if name),
        against=options.against,
        python=parse_python(options.python).path if options.python else None,
        timeout_s=parse_duration_ns(options.timeout, "--timeout") / 1e9,
    )
    _check_single(spec, options)
    return spec


def _check_single(spec: DiagnoseSpec, options: argparse.Namespace) -> None:
    from .diagnose import choose_variants
    from .plan import find_variants

    if options.format not in _SINGLE or options.out is not None:
        return
    found = find_variants(spec.models)[0]
    if found and len(choose_variants(found, spec)[1]) > 1:
        raise UsageError(
            f"--format {options.format}: one file is about one variant; choose it with --variant, or write several "
            "with --out DIR"
        )


def _show_together(done: Sequence[Diagnosis], failed: Sequence[FailedDiagnosis], options: argparse.Namespace) -> None:
    """Write what was not shown at once; JSON has the failures, too."""
    if options.format == "json" and options.out is None:
        from .report.diagnosis import render_diagnoses_json

        sys.stdout.write(render_diagnoses_json(done, failed) + "\n")
        return
    show_together(done, _renderers(options)[options.format], options.format, options.out)


def _renderers(options: argparse.Namespace) -> dict[str, Callable[[Sequence[Diagnosis]], str]]:
    from .report.diagnosis import (
        render_diagnoses_csv,
        render_diagnoses_json,
        render_diagnosis,
        render_diagnosis_explorer,
    )
    from .report.diagnosis_html import render_diagnosis_html

    width = terminal_width() if options.out is None else None
    return {
        "table": lambda found: render_diagnosis(found[0], options.top, width=width),
        "csv": render_diagnoses_csv,
        "json": lambda found: render_diagnoses_json(found, []) + "\n",
        "html": lambda found: render_diagnosis_html(found[0]),
        "model-explorer": lambda found: render_diagnosis_explorer(found[0]) + "\n",
    }
