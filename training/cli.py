"""The commands train, export and demo. Imported by ``edgebench`` when one of them is asked for, or for its help.

This module must stay cheap to import: TensorFlow and everything above it is imported by the command that runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgebench.errors import UsageError

if TYPE_CHECKING:
    from edgebench.progress import Progress

    from .export import VariantReport
    from .pipeline import ExportRequest

_VARIANTS = "float32,float16,dynamic,int8,int16x8"
_EXIT_INTERRUPTED = 130
_TRAIN_EXAMPLES = """\
examples:
  edgebench train --data ham10000:HAM10000 --out models/ham10000
  edgebench train --data folder:photos --alpha 0.35 --size 96 --recipe recipe.toml --out models/photos
  edgebench train --data phantom --weights none --alpha 0.35 --size 96 --out models/generated
"""
_EXPORT_EXAMPLES = """\
examples:
  edgebench export models/ham10000/model.keras --data ham10000:HAM10000 --out models/again
  edgebench export saved_model --labels labels.txt --normalize 0..1 --data folder:photos --out models/mine
  edgebench export model.keras --labels labels.txt --normalize -1..1 --variants float32,float16 --out models/mine
  edgebench export models/ham10000/model.keras --search --data ham10000:HAM10000 --out models/searched --budget 20m
"""
_DEMO_EXAMPLES = """\
examples:
  edgebench demo
  edgebench demo --count 600 --epochs 5 --out results/demo
"""


@dataclass(frozen=True)
class Command:
    """A sub-command of ``edgebench``: its one-line help, its flags, and what it does (returning the exit code)."""

    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Sequence[str]], int]


def _configure_train(parser: argparse.ArgumentParser) -> None:
    parser.description = "Train MobileNetV2 on labelled images and export its TFLite variants."
    parser.epilog = _TRAIN_EXAMPLES
    parser.add_argument("--data", required=True, metavar="SOURCE", help="folder:DIR, ham10000:DIR or phantom")
    parser.add_argument("--metadata", type=Path, metavar="FILE", help="CSV with image_id and dx")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the model's folder, models/NAME")
    parser.add_argument("--overwrite", action="store_true", help="replace what is in the folder")
    parser.add_argument("--arch", metavar="NAME", help="mobilenet_v2 (default)")
    parser.add_argument("--alpha", type=float, metavar="A", help="width of the network (1.0)")
    parser.add_argument("--size", type=int, metavar="PX", help="width and height of the input (224)")
    parser.add_argument("--weights", metavar="W", help="imagenet (default, downloaded by Keras), none, or a file")
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="TOML file that changes any part of the recipe")
    parser.add_argument("--epochs", type=int, metavar="N", help="epochs of the main phase")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of split, start and order (0)")
    parser.add_argument("--variants", default=_VARIANTS, metavar="LIST", help=f"{_VARIANTS} (default: all)")
    _add_output(parser)


def _configure_export(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Make TFLite variants of a Keras model or SavedModel, run each and compare it with the original. "
        "Labels, normalisation and split are taken from a card beside the model where there is one."
    )
    parser.epilog = _EXPORT_EXAMPLES
    parser.add_argument("model", type=Path, metavar="KERAS_MODEL", help="a .keras or .h5 file or a SavedModel folder")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the model's folder, models/NAME")
    parser.add_argument("--overwrite", action="store_true", help="replace what is in the folder")
    parser.add_argument("--variants", default=_VARIANTS, metavar="LIST", help=f"{_VARIANTS} (default: all)")
    parser.add_argument("--data", metavar="SOURCE", help="images to calibrate and check with")
    parser.add_argument("--metadata", type=Path, metavar="FILE", help="CSV with image_id and dx")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="one label a line, in the model's output order")
    parser.add_argument("--normalize", metavar="HOW", help="-1..1, 0..1, 0..255, imagenet or MEAN/STD")
    parser.add_argument("--resize", choices=("stretch", "crop", "pad"), help="stretch (default), crop, pad")
    parser.add_argument("--calibration-images", type=int, default=210, metavar="N", help="for int8 and int16x8 (210)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the choice of images (0)")
    search = parser.add_argument_group("looking for better variants (docs/search.md)")
    search.add_argument(
        "--search", action="store_true", help="try other quantizations too, and keep what validation images favour"
    )
    search.add_argument("--budget", metavar="T", help="begin nothing that would end after T, such as 20m (no limit)")
    search.add_argument(
        "--metric",
        metavar="NAME",
        help="what is to be kept: balanced_accuracy (default), top1, macro_f1 or recall[CLASS]",
    )
    _add_output(parser)


def _configure_demo(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Generate images, train a small model, export its variants, run them and write the page: all on this "
        "machine, in about two minutes. The images are generated; the figures say nothing about real skin."
    )
    parser.epilog = _DEMO_EXAMPLES
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="where it goes (results/)")
    parser.add_argument("--count", type=int, default=2000, metavar="N", help="generated images (2000)")
    parser.add_argument("--epochs", type=int, default=22, metavar="N", help="training epochs (22)")
    _add_output(parser)


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    parser.add_argument("--debug", action="store_true", help="show the trace of an error")


def _train(options: argparse.Namespace, _given: Sequence[str]) -> int:
    from .export import parse_variants
    from .pipeline import train_and_export
    from .recipe import resolve_recipe

    flags = {name: getattr(options, name) for name in ("arch", "alpha", "size", "weights", "seed")}
    recipe = resolve_recipe(options.recipe, flags, options.epochs)
    variants = parse_variants(options.variants)
    with _progress(options.quiet) as progress:
        result = train_and_export(
            options.data,
            recipe,
            options.out,
            variants,
            metadata=options.metadata,
            overwrite=options.overwrite,
            progress=progress,
        )
    validation = result.trained.validation
    _say(
        f"{options.out}: validation balanced accuracy {validation.balanced_accuracy:.3f}, top-1 {validation.top1:.3f} "
        f"over {validation.images} images" + (" (generated images)" if result.trained.data.dataset.generated else "")
    )
    return _tell(result.reports)


def _export(options: argparse.Namespace, _given: Sequence[str]) -> int:
    from .export import parse_variants
    from .pipeline import ExportRequest, export_model

    request = ExportRequest(
        model=options.model,
        out=options.out,
        variants=parse_variants(options.variants),
        source=options.data,
        metadata=options.metadata,
        labels=options.labels,
        normalize=options.normalize,
        resize=options.resize,
        calibration_images=options.calibration_images,
        seed=options.seed,
        overwrite=options.overwrite,
    )
    if options.search:
        return _search(options, request)
    for flag in ("budget", "metric"):
        if getattr(options, flag) is not None:
            raise UsageError(f"--{flag} {getattr(options, flag)}: goes with --search")
    with _progress(options.quiet) as progress:
        reports = export_model(request, progress=progress)
    return _tell(reports)


def _search(options: argparse.Namespace, request: ExportRequest) -> int:
    """Search, show what was found on stdout; 3 where a standard variant could not be made."""
    from edgebench.spec import parse_duration_ns

    from .search.report import progress_line, render_search
    from .search.run import SearchRequest, search_model

    budget_s = None if options.budget is None else parse_duration_ns(options.budget, "--budget") / 1e9
    wanted = SearchRequest(request, budget_s, options.metric or "balanced_accuracy")
    try:
        with _progress(options.quiet) as progress:
            report, new = search_model(wanted, progress=progress)
    except KeyboardInterrupt:
        _say("edgebench: stopped; what was finished is kept, and the same command goes on from there")
        return _EXIT_INTERRUPTED
    sys.stdout.write(render_search(report))
    _say(f"{options.out}: {progress_line(report, new)}")
    return 3 if report.standard_missing() else 0


def _demo(options: argparse.Namespace, given: Sequence[str]) -> int:
    from .demo import run_demo

    with _progress(options.quiet) as progress:
        return run_demo(options.out, options.count, options.epochs, ("edgebench", *given), progress)


class _progress:  # noqa: N801 - used as a function
    """The progress bar, closed whatever happens."""

    def __init__(self, quiet: bool) -> None:
        from edgebench.console import ConsoleProgress
        from edgebench.progress import Progress

        self._progress = Progress() if quiet else ConsoleProgress()

    def __enter__(self) -> Progress:
        return self._progress

    def __exit__(self, *_: object) -> None:
        self._progress.close()


def _tell(reports: Sequence[VariantReport]) -> int:
    """Say what became of each variant, on stderr; 3 where one could not be made."""
    for report in reports:
        made = f"{report.size_bytes / 1e6:.2f} MB" if report.size_bytes is not None else "NOT MADE"
        check = report.check
        compared = ""
        if check is not None and check.agreement is not None:
            compared = f", agrees on {check.agreement:.1%} of {check.images} images"
            compared += f", largest difference {check.max_abs_difference:.2g}"
        problem = f": {report.problem}" if report.problem else ""
        _say(f"  {report.variant.value:8} {made}{compared}{problem}")
    return 3 if any(report.size_bytes is None for report in reports) else 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


train = Command("train a small image classifier and export its TFLite variants", _configure_train, _train)
export = Command("make TFLite variants of a Keras model or SavedModel", _configure_export, _export)
demo = Command("train small on generated images, export, run, report", _configure_demo, _demo)
