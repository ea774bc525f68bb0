"""From a classifier to TFLite variants that are known to run: convert, describe, run, compare."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from edgebench.devices.base import Device
from edgebench.devices.local import LocalDevice
from edgebench.errors import EdgebenchError, TrainingError, UsageError
from edgebench.images.normalization import Normalization
from edgebench.progress import Progress

from .check import CheckResult, check_variant
from .convert import ConversionError, Variant, convert
from .metadata import ClassifierMetadata, write_metadata
from .reference import Reference

Array = np.ndarray[Any, Any]
ALL_VARIANTS = tuple(Variant)


@dataclass(frozen=True)
class ExportImages:
    """Pixels uint8 [n, height, width, channels] for calibration and for the check. ``real`` is False where they
    are noise, for want of a data set."""

    calibration: Array | None
    check: Array
    real: bool = True


@dataclass(frozen=True)
class ExportPlan:
    """What to make of a classifier."""

    reference: Reference
    name: str
    labels: tuple[str, ...]
    normalization: Normalization
    images: ExportImages
    variants: tuple[Variant, ...] = ALL_VARIANTS
    description: str = ""


@dataclass(frozen=True)
class VariantReport:
    """What became of one variant. ``check`` is None where it could not be converted; a file exists where
    ``size_bytes`` is set."""

    variant: Variant
    problem: str | None = None
    check: CheckResult | None = None
    sha256: str | None = None
    size_bytes: int | None = None


def parse_variants(text: str) -> tuple[Variant, ...]:
    """The variants in ``float32,int8``, each once. Raises UsageError naming the choices."""
    known = {variant.value: variant for variant in Variant}
    names = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    wrong = [name for name in names if name not in known]
    if wrong or not names:
        raise UsageError(f"--variants {text}: choose from {', '.join(known)}, separated by commas")
    return tuple(known[name] for name in names)


def export_variants(
    plan: ExportPlan, out: Path, *, progress: Progress | None = None, device: Device | None = None
) -> tuple[VariantReport, ...]:
    """Write ``<variant>.tflite`` into ``out`` for each variant that converts and runs; the rest is reported.

    Raises:
        UsageError: labels do not fit, or int8 was asked for without calibration images.
        TrainingError: no variant could be made, or a file cannot be written.
    """
    progress, device = progress or Progress(), device or LocalDevice()
    _check_plan(plan)
    check_images = plan.normalization.apply(plan.images.check)
    expected = plan.reference.predict(check_images)
    calibration = plan.images.calibration
    prepared = plan.normalization.apply(calibration) if calibration is not None else None
    progress.phase("exporting", len(plan.variants))
    reports = []
    with tempfile.TemporaryDirectory(prefix="edgebench-export-") as temporary:
        pixels_path = Path(temporary) / "check.npy"
        try:
            np.save(pixels_path, plan.images.check)
            for variant in plan.variants:
                progress.detail(variant.value)
                made = Path(temporary) / f"{variant.value}.tflite"
                reports.append(_export_one(plan, variant, prepared, made, pixels_path, expected, device))
                progress.advance()
            if all(report.size_bytes is None for report in reports):
                raise TrainingError(f"{plan.name}: no variant could be made; the first: {reports[0].problem}")
            _publish(Path(temporary), out, reports)
        except OSError as error:
            raise TrainingError(
                f"{out}: the variants cannot be written ({error.strerror or error}); make room"
            ) from error
    return tuple(reports)


def _check_plan(plan: ExportPlan) -> None:
    if len(plan.labels) != plan.reference.classes:
        raise UsageError(
            f"{plan.name}: the model answers {plan.reference.classes} scores and there are {len(plan.labels)} labels; "
            "give --labels FILE with one a line"
        )
    wanting = [variant.value for variant in plan.variants if variant.needs_calibration]
    if wanting and plan.images.calibration is None:
        raise UsageError(
            f"{', '.join(wanting)}: needs images to see the range of activations; add --data SOURCE, or leave it "
            "out with --variants float32,float16,dynamic"
        )


def _export_one(
    plan: ExportPlan,
    variant: Variant,
    calibration: Array | None,
    made: Path,
    pixels_path: Path,
    expected: Array,
    device: Device,
) -> VariantReport:
    try:
        content = convert(plan.reference, variant, calibration if variant.needs_calibration else None)
    except ConversionError as error:
        return VariantReport(variant, f"does not convert: {error}")
    try:
        content = describe(plan, variant.value, content)
    except EdgebenchError as error:
        return VariantReport(variant, str(error))
    made.write_bytes(content)
    check = check_variant(device, made, variant, pixels_path, plan.normalization, expected)
    if not check.usable:
        return VariantReport(variant, check.problem, check)
    return VariantReport(variant, check.problem, check, hashlib.sha256(content).hexdigest(), len(content))


def describe(plan: ExportPlan, name: str, content: bytes) -> bytes:
    """The ``.tflite`` file with labels and normalisation embedded. Raises EdgebenchError where it cannot take them."""
    about = ClassifierMetadata(
        labels=plan.labels,
        mean=plan.normalization.mean,
        std=plan.normalization.std,
        name=f"{plan.name}/{name}",
        description=plan.description,
    )
    return write_metadata(content, about)


def _publish(made: Path, out: Path, reports: Sequence[VariantReport]) -> None:
    """Copy what counts; each file appears whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    for report in reports:
        name = f"{report.variant.value}.tflite"
        if report.size_bytes is None:
            (out / name).unlink(missing_ok=True)
            continue
        copy_whole(made / name, out / name)


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file so that it appears whole or not at all. Raises OSError."""
    partial = target.parent / f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}"
    try:
        shutil.copyfile(source, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def noise_images(reference: Reference, count: int, seed: int = 0) -> Array:
    """Seeded noise as uint8 [count, height, width, channels], for a check without a data set."""
    shape = (count, reference.height, reference.width, reference.channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
