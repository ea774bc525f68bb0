"""``edgebench.run`` and ``edgebench.load``: what the commands do, for Python programs and notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

from .devices.base import Device
from .devices.local import LocalDevice
from .errors import UsageError
from .evaluation import Evaluator
from .frames import predictions_frame, samples_frame
from .images.cache import GrayscalePolicy
from .images.geometry import ResizeMode
from .images.unseen import SplitChoice
from .pictures import evaluated_pictures, no_pictures
from .plan import Plan, make_plan
from .progress import Progress
from .records import SCHEMA_VERSION, DelegateKind, Engine, Failure, RejectedModel, RunRecord, Settings
from .runner import Runner, probe_runtime
from .spec import (
    DEFAULT_SETTINGS,
    DataSpec,
    Spec,
    parse_choice,
    parse_delegates,
    parse_operating_point,
    parse_python,
    parse_threads,
)
from .store import StoredRun, find_run, new_run_id, prepare_out, save, write_page
from .store import load as load_folder


def run_spec(
    spec: Spec,
    *,
    out: Path | None = None,
    device: Device | None = None,
    progress: Progress | None = None,
    now: datetime | None = None,
    page_images: bool = True,
) -> StoredRun:
    """Measure everything a Spec asks for, store it below ``out`` (None: do not) and return it.

    The page shows small pictures of images whose answers changed, unless ``page_images`` is false.

    A Ctrl-C during the measurement is not raised: what was measured is stored, and the record says so.

    Raises:
        UsageError, InputError: nothing was measured.
        StoreError: the run could not be stored, or its page; what was measured is the error's ``run``.
    """
    device = device or LocalDevice()
    progress = progress or Progress()
    plan = make_plan(
        spec,
        device.name,
        device.default_python(),
        lambda python: probe_runtime(device, python, spec.runtime, spec.settings.timeout_s),
    )
    variants = list({case.variant.file.path: case.variant for case in plan.cases}.values())
    evaluator = Evaluator(spec.data, variants=variants, on_decode=progress.detail_count) if spec.data else None
    if out is not None:
        prepare_out(out)
    runner = Runner(device, plan, spec.settings, evaluator, progress)
    interrupted = False
    try:
        runner.run()
    except KeyboardInterrupt:
        interrupted = True
    stored = StoredRun(
        _record(spec, plan, runner, device, evaluator, interrupted, now or datetime.now(timezone.utc)),
        samples_frame([(outcome.case.case_id, outcome.log) for outcome in runner.outcomes]),
        predictions_frame([(outcome.case.case_id, outcome.scored) for outcome in runner.outcomes if outcome.scored]),
    )
    return stored if out is None else _store(stored, out, evaluator if page_images else None)


def _store(run: StoredRun, out: Path, pictured: Evaluator | None) -> StoredRun:
    """Write the data first, then the page: what took minutes to measure must not hang on a picture."""
    folder = save(run, out)
    run = replace(run, folder=folder, record=replace(run.record, run_id=folder.name))
    from .report.html import render_html

    pictures = evaluated_pictures(run, pictured) if pictured else no_pictures()
    write_page(run, folder, render_html(run.record, run.samples, run.predictions, pictures))
    return run


def _record(
    spec: Spec,
    plan: Plan,
    runner: Runner,
    device: Device,
    evaluator: Evaluator | None,
    interrupted: bool,
    moment: datetime,
) -> RunRecord:
    cases = tuple(outcome.result for outcome in runner.outcomes)
    return RunRecord(
        schema_version=SCHEMA_VERSION,
        run_id=new_run_id([case.model for case in cases], moment),
        created_utc=moment.isoformat(timespec="seconds"),
        command=spec.command,
        settings=spec.settings,
        environment=device.environment(),
        cases=cases,
        data=evaluator.info() if evaluator else None,
        rejected=tuple(RejectedModel(error.path, Failure(error.code, str(error))) for error in plan.rejected),
        interrupted=interrupted,
        warnings=_warnings(spec),
    )


def _warnings(spec: Spec) -> tuple[str, ...]:
    external = any(delegate.kind is DelegateKind.EXTERNAL for delegate in spec.delegates)
    if external and Engine.COMPILED in spec.engines:
        return ("engine compiled takes no external delegate: that combination was left out",)
    return ()


def run(
    *models: str | Path,
    data: str | None = None,
    metadata: str | Path | None = None,
    labels: str | Path | None = None,
    limit: int | None = None,
    normalize: str | None = None,
    resize: str | None = None,
    grayscale: str = "skip",
    max_bad: float = 0.05,
    split: str | None = None,
    operating_points: str | Sequence[str] = (),
    engine: str | Sequence[str] = "interpreter",
    delegate: str | Sequence[str] = "default",
    delegate_options: Sequence[str] = (),
    threads: int | Sequence[int] = 1,
    python: str | Sequence[str] = (),
    runtime: str | None = None,
    signature: str | None = None,
    baseline: str | None = None,
    settings: Settings = DEFAULT_SETTINGS,
    out: str | Path | None = None,
    page_images: bool = True,
) -> StoredRun:
    """Measure models and return the run, as ``edgebench run`` does with flags of the same names.

    Args:
        models: ``.tflite`` files, folders of them, or ``MODEL/VARIANT=FILE``.
        baseline: the variant that the others of its model are compared with; None: float32.
        settings: how long and how precisely to measure.
        data: ``folder:DIR``, ``ham10000:DIR`` or ``phantom`` to measure accuracy too; ``images:DIR`` (no labels) to see
            how far variants agree.
        split: which part of the cards' splits to evaluate: test (the default where a card has one), validation,
            train or all.
        operating_points: ``LABEL:specificity=SHARE`` for recalls at a threshold from the card's validation part.
        out: folder below which the run is stored; None stores nothing.
        page_images: whether the stored page has small pictures of images whose answers changed.

    Returns:
        The record, and samples and predictions as data frames. A case that failed is in the record with its reason.

    Raises:
        UsageError, InputError: an argument or file is wrong; nothing was measured.
    """
    data_spec = None
    if data is None:
        given = {"metadata": metadata, "labels": labels, "limit": limit, "normalize": normalize, "resize": resize}
        for name, value in {**given, "operating_points": operating_points or None}.items():
            if value is not None:
                raise UsageError(f"{name}= is about images: it needs data=")
    else:
        data_spec = DataSpec(
            source=data,
            metadata=Path(metadata) if metadata else None,
            labels=Path(labels) if labels else None,
            limit=limit,
            normalize=normalize,
            resize=parse_choice(ResizeMode, resize, "resize") if resize else None,
            grayscale=parse_choice(GrayscalePolicy, grayscale, "grayscale"),
            max_bad_fraction=max_bad,
            split=parse_choice(SplitChoice, split, "split") if split else None,
            operating_points=tuple(parse_operating_point(text) for text in _listed(operating_points)),
        )
    spec = Spec(
        models=tuple(str(model) for model in models),
        engines=tuple(parse_choice(Engine, name, "engine") for name in _listed(engine)),
        delegates=parse_delegates(_listed(delegate), delegate_options),
        threads=tuple(dict.fromkeys(count for given in _listed(threads) for count in parse_threads(str(given)))),
        pythons=tuple(parse_python(name) for name in _listed(python)),
        runtime=runtime,
        signature=signature,
        baseline=baseline,
        data=data_spec,
        settings=settings,
    )
    return run_spec(spec, out=Path(out) if out is not None else None, page_images=page_images)


def load(run: str | Path, results: str | Path = "results") -> StoredRun:
    """Return a stored run, given its folder, its id below ``results``, or ``latest``.

    Raises:
        StoreError: there is none, or it is damaged.
    """
    return load_folder(find_run(str(run), Path(results)))


Item = TypeVar("Item", str, int)


def _listed(value: Item | Sequence[Item]) -> tuple[Item, ...]:
    if isinstance(value, (str, int)):
        return (value,)
    return tuple(value)
