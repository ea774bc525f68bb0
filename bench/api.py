"""``edgebench.run``, ``resume``, ``load`` and ``compare``: what the commands do, for Python programs and notebooks."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

from . import __version__
from .benchmark_model.planning import used_by
from .changes import RunChange
from .comparing import compare_stored
from .condition_settings import condition_settings
from .device_run import DevicePlan, DeviceRun
from .devices.base import Device
from .devices.local import this_machine
from .entries import Header
from .errors import DeviceError, EdgebenchError, StoreError, UsageError
from .evaluation import Evaluator
from .frames import predictions_frame, samples_frame
from .images.cache import GrayscalePolicy
from .images.geometry import ResizeMode
from .images.unseen import SplitChoice
from .kept_models import keep_models
from .open_devices import OpenDevice, device_opener, opened_devices
from .outcome import Outcome
from .pictures import REDACTED, evaluated_pictures, no_pictures
from .plan import Case, left_out_reasons
from .planning import plan_again, plan_devices, unreachable
from .progress import Progress, ThreadsProgress
from .records import SCHEMA_VERSION, Engine, Failure, RejectedModel, RunRecord, Settings
from .redaction import redact
from .rule import parse_rule
from .runner import Runner
from .side_by_side import Ending, measure_side_by_side
from .spec import (
    DEFAULT_SETTINGS,
    LOCAL,
    DataSpec,
    Spec,
    bounded_settings,
    make_wait_spec,
    parse_choice,
    parse_cpus,
    parse_delegates,
    parse_devices,
    parse_duration_ns,
    parse_operating_point,
    parse_python,
    parse_threads,
)
from .stopping import Stop, StoppableProgress
from .store import StoredRun, find_run, new_run_id, prepare_out, save, write_page
from .store import load as load_folder
from .unfinished import Kept, check_images, find_resumable, here, refused, reopen, start


def run_spec(
    spec: Spec,
    *,
    out: Path | None = None,
    device: Device | None = None,
    devices: Sequence[Device] = (),
    open_device: OpenDevice | None = None,
    progress: Progress | None = None,
    now: datetime | None = None,
    page_images: bool = True,
    keep: bool = False,
    redact_page: bool = False,
) -> StoredRun:
    """Measure everything a Spec asks for, store it below ``out`` (None: do not) and return it.

    It is measured on ``device`` or ``devices``, else on those that the Spec names, which ``open_device`` opens and
    which are closed afterwards; on several at the same time. One that drops out does not stop the others: its cases
    say so, and :func:`resume_run` measures them.

    The page shows small pictures of images whose answers changed, unless ``page_images`` is false. ``redact_page``
    makes it tell no names, paths or images; the stored data stay whole.

    With ``keep`` a copy of each model is kept below ``out``, so that it can be measured again after its file changed.

    A Ctrl-C during the measurement is not raised: what was measured is stored, and the record says so.

    Raises:
        UsageError, InputError: nothing was measured.
        DeviceError: no device could be measured on; nothing was measured.
        StoreError: the run could not be stored, or its page; what was measured is the error's ``run``.
    """
    with _opened(spec, [device] if device is not None else devices, open_device) as found:
        said = progress or Progress()
        _say_connecting(found, said)
        job = _prepare(spec, plan_devices(spec, found), said)
        created = now or datetime.now(timezone.utc)
        run_id = new_run_id([case.variant.model for case in job.cases], created)
        if out is not None:
            prepare_out(out)
            if keep:
                keep_models((case.variant.file for case in job.cases), out)
        for run in job.runs:
            run.look()
        if out is None:
            return _measured_only(job, run_id, created)
        with start(out, run_id, lambda name: _header(job, name, created)) as kept:
            return _measure(job, kept, page_images, redact_page)


def resume_run(
    name: str,
    out: Path,
    *,
    device: Device | None = None,
    devices: Sequence[Device] = (),
    open_device: OpenDevice | None = None,
    progress: Progress | None = None,
    now: datetime | None = None,
    page_images: bool = True,
    redact_page: bool = False,
) -> StoredRun:
    """Go on with a run that was interrupted or cut off, store it under its old id and return it.

    ``name`` is its folder, its id below ``out``, or ``latest``. A Ctrl-C stores it as it is then, as with ``run_spec``.

    Raises:
        StoreError: there is no such run, it is finished, another process has it, it cannot be continued here (the line
            says what has changed), or it could not be stored; nothing of it is lost.
        DeviceError: no device on which anything is left to measure can be reached; nothing of it is lost.
    """
    moment = (now or datetime.now(timezone.utc)).isoformat(timespec="seconds")
    given = [device] if device is not None else devices
    with reopen(find_resumable(name, out)) as kept, _opened(kept.header.spec, given, open_device) as found:
        try:
            job = _prepare_again(kept, found, progress or Progress(), moment)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"the run is as it was; {kept.how_to_go_on}") from None
        return _measure(job, kept, page_images, redact_page)


@contextmanager
def _opened(spec: Spec, given: Sequence[Device], open_device: OpenDevice | None) -> Iterator[Sequence[Device]]:
    """Give the devices to measure on; those that are opened here are closed again."""
    opener = open_device or device_opener("edgebench.run")
    with (
        nullcontext(given) if given else opened_devices(spec.devices, opener) as opened,
        used_by(spec, opened) as found,
    ):
        yield found


@dataclass(frozen=True)
class _Job:
    """A run that is ready to be measured."""

    spec: Spec
    runs: tuple[DeviceRun, ...]
    evaluator: Evaluator | None

    @property
    def cases(self) -> list[Case]:
        return [case for run in self.runs for case in run.planned.plan.cases]

    @property
    def outcomes(self) -> list[Outcome]:
        return [outcome for run in self.runs for outcome in run.outcomes]

    @property
    def refusals(self) -> list[DeviceError]:
        """Why devices dropped out."""
        return [run.dropped for run in self.runs if run.dropped is not None]

    @property
    def begun(self) -> bool:
        """Whether anything was finished anywhere."""
        return any(run.entries.steps for run in self.runs)

    @property
    def blocks(self) -> int:
        """The number of blocks that anything was timed in, where there are most."""
        return max(run.blocks for run in self.runs)


def _prepare(spec: Spec, plans: Sequence[DevicePlan], progress: Progress) -> _Job:
    several = len(plans) > 1
    lines = progress.side_by_side([planned.device.name for planned in plans]) if several else [progress]
    decoding = ThreadsProgress(progress)
    turn = threading.RLock()
    variants = {case.variant.file.path: case.variant for planned in plans for case in planned.plan.cases}
    data = spec.data
    evaluator = (
        Evaluator(data, variants=list(variants.values()), on_decode=decoding.detail_count, turn=turn) if data else None
    )

    def device_run(planned: DevicePlan, own: Progress) -> DeviceRun:
        stop = Stop() if several else None  # a Ctrl-C reaches one device alone by itself
        told = StoppableProgress(own, stop) if stop is not None else own
        planned.device.hear_sent(told.sending)
        runner = Runner(
            planned.device,
            planned.plan,
            spec.settings,
            evaluator,
            told,
            waits=spec.waits,
            profile=spec.profile,
            sustain_ns=spec.sustain_ns,
            stop=stop,
            host_turn=turn,
            benchmark_model=spec.benchmark_model,
        )
        return DeviceRun(planned, runner, evaluator, stop, begin=lambda: decoding.here(told))

    return _Job(spec, tuple(map(device_run, plans, lines)), evaluator)


def _prepare_again(kept: Kept, devices: Sequence[Device], progress: Progress, moment: str) -> _Job:
    """Prepare a run as its journal says, and put what it measured into the runners' outcomes.

    Raises:
        StoreError: something that it measured, or on which, has changed.
        DeviceError: nothing can be measured now.
    """
    header = kept.header
    _say_connecting(devices, progress)
    try:
        job = _prepare(header.spec, plan_again(header, devices, kept.done), progress)
        check_images(header, job.evaluator.fingerprint() if job.evaluator else None)
        kept.restore(job.runs, moment)
    except EdgebenchError as error:
        raise refused(header, error) from error
    for run, then in zip(job.runs, header.devices, strict=True):
        run.look(then.before)
    kept.plan_later([run.planned for run in job.runs])
    return job


def _say_connecting(devices: Sequence[Device], progress: Progress) -> None:
    """Show what is waited for: a small board takes seconds until it has told what it is."""
    elsewhere = sum(device.elsewhere for device in devices)
    if elsewhere:
        progress.phase("connecting", elsewhere)


def _header(job: _Job, run_id: str, created: datetime) -> Header:
    return Header(
        run_id=run_id,
        created_utc=created.isoformat(timespec="seconds"),
        edgebench=__version__,
        schema_version=SCHEMA_VERSION,
        folder=here(),
        spec=job.spec,
        devices=tuple(run.planned.planned() for run in job.runs),
        images=job.evaluator.fingerprint() if job.evaluator else None,
    )


def _measured_only(job: _Job, run_id: str, created: datetime) -> StoredRun:
    """Measure everything and return it, stored nowhere."""
    ending = _measured(job)
    if ending.error is not None:
        raise ending.error
    return _gathered(job, run_id, created.isoformat(timespec="seconds"), ending.interrupted)


def _measured(job: _Job) -> Ending:
    """Measure everything, and say how that ended: with an error too where no device could be measured on."""
    for run in job.runs:
        if run.planned.refusal is not None:
            run.drop(run.planned.refusal)
    ending = measure_side_by_side(job.runs)
    if ending == Ending() and len(job.refusals) == len(job.runs) and not job.begun:
        return Ending(error=unreachable(job.refusals))
    return ending


def _measure(job: _Job, kept: Kept, page_images: bool, redact_page: bool) -> StoredRun:
    """Measure what is left of a run, and store it."""
    for run in job.runs:
        run.entries.write_to(kept.journal.append)
    ending = _measured(job)
    if ending.error is not None:
        if isinstance(ending.error, EdgebenchError) and not job.blocks:
            kept.drop()
        elif len(job.runs) > 1:  # what the others have measured is worth keeping, and being seen
            _finish(job, kept, page_images, redact_page, interrupted=True)
        raise _told(ending.error, kept) from ending.error
    return _finish(job, kept, page_images, redact_page, interrupted=ending.interrupted)


def _told(error: BaseException, kept: Kept) -> BaseException:
    """Return an error that ended measuring as a person shall read it."""
    if isinstance(error, OSError):  # a disk that is full of decoded images, for instance
        return StoreError(f"measuring stopped: {error.strerror or error}; {kept.how_to_go_on}")
    return error


def _finish(job: _Job, kept: Kept, page_images: bool, redact_page: bool, *, interrupted: bool) -> StoredRun:
    """Store what a run has come to."""
    try:
        run = _gathered(job, kept.header.run_id, kept.header.created_utc, interrupted)
        notes = kept.warnings(job.runs, interrupted=run.record.interrupted)
        pictured = job.evaluator if page_images else None
        whole = replace(run, record=replace(run.record, warnings=run.record.warnings + notes))
        return _store(whole, kept, pictured, redact_page)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"the run could not be stored; {kept.how_to_go_on}") from None


def _store(run: StoredRun, kept: Kept, pictured: Evaluator | None, redact_page: bool) -> StoredRun:
    """Write the data first, then the page: what took minutes to measure must not hang on a picture."""
    out = (kept.replacing or kept.folder).parent
    try:
        journal = kept.journal.path if run.record.interrupted and not kept.journal.empty else None
        folder = save(run, out, journal=journal, replacing=kept.replacing)
    except StoreError as error:
        raise StoreError(f"{error}; when that is mended, {kept.how_to_go_on}", run) from error
    kept.stored()
    run = replace(run, folder=folder, record=replace(run.record, run_id=folder.name))
    write_page(run, folder, _redacted_page(run) if redact_page else _page(run, pictured))
    return run


def _page(run: StoredRun, pictured: Evaluator | None) -> str:
    from .report.html import render_html

    pictures = evaluated_pictures(run, pictured) if pictured else no_pictures()
    return render_html(run.record, run.samples, run.predictions, pictures)


def _redacted_page(run: StoredRun) -> str:
    from .report.html import render_html

    told = redact(run)
    return render_html(told.record, told.samples, told.predictions, no_pictures(REDACTED))


def _gathered(job: _Job, run_id: str, created_utc: str, interrupted: bool) -> StoredRun:
    """Return what a run has come to."""
    outcomes = job.outcomes
    return StoredRun(
        _record(job, run_id, created_utc, interrupted),
        samples_frame([(outcome.case.case_id, outcome.log) for outcome in outcomes]),
        predictions_frame([(outcome.case.case_id, outcome.scored) for outcome in outcomes if outcome.scored]),
        raw_log="".join(outcome.raw_log for outcome in outcomes),
    )


def _record(job: _Job, run_id: str, created_utc: str, interrupted: bool) -> RunRecord:
    first, several = job.runs[0].planned, len(job.runs) > 1
    return RunRecord(
        schema_version=SCHEMA_VERSION,
        run_id=run_id,
        created_utc=created_utc,
        command=job.spec.command,
        settings=job.spec.settings,
        environment=this_machine() if several or first.environment is None else first.environment,
        cases=tuple(outcome.result for outcome in job.outcomes),
        data=job.evaluator.info() if job.evaluator else None,
        rejected=tuple(RejectedModel(error.path, Failure(error.code, str(error))) for error in first.plan.rejected),
        interrupted=interrupted or bool(job.refusals),
        warnings=(*_warnings(job.spec), *_device_notes(job.runs)),
        rule=job.spec.data.rule if job.spec.data else None,
        devices=tuple(found for run in job.runs if (found := run.record()) is not None),
        conditions=tuple(found for run in job.runs for found in run.runner.conditions.facts(run.outcomes)),
    )


def _device_notes(runs: Sequence[DeviceRun]) -> Iterator[str]:
    """Yield what the record shall say of conditions that could not be kept, and of lost connections."""
    for run in runs:
        whose = f"{run.name}: " if len(runs) > 1 else ""
        yield from (f"{whose}{note}" for note in dict.fromkeys(run.runner.conditions.notes))
        yield from (f"{run.name}: {note}" for note in run.planned.plan.notes)
        yield from run.restored.losses
        if run.dropped is not None:
            yield f"{run.name}: dropped out, so its cases are not finished: {run.dropped}"


def _warnings(spec: Spec) -> tuple[str, ...]:
    return tuple(f"{reason.split(';')[0]}: that combination was left out" for reason in left_out_reasons(spec))


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
    eval_workers: int | None = None,
    recommend: str | Sequence[str] = (),
    engine: str | Sequence[str] = "interpreter",
    delegate: str | Sequence[str] = "default",
    delegate_options: Sequence[str] = (),
    threads: int | Sequence[int] = 1,
    cpus: str | Sequence[str] = (),
    python: str | Sequence[str] = (),
    runtime: str | None = None,
    signature: str | None = None,
    baseline: str | None = None,
    waits: str | Sequence[str] = (),
    gap: str | None = None,
    batches: int | Sequence[int] | None = None,
    workers: int | Sequence[int] | None = None,
    profile: bool = False,
    budget: str | None = None,
    blocks: int | None = None,
    sustain: str | None = None,
    cool_to: str | None = None,
    cool_timeout: str | None = None,
    set_governor: str | None = None,
    device: str | Sequence[str] = LOCAL,
    benchmark_model: str | Path | None = None,
    settings: Settings = DEFAULT_SETTINGS,
    out: str | Path | None = None,
    page_images: bool = True,
    redact_page: bool = False,
) -> StoredRun:
    """Measure models and return the run, as ``edgebench run`` does with flags of the same names.

    Args:
        models: ``.tflite`` files, folders of them, or ``MODEL/VARIANT=FILE``.
        baseline: the variant that the others of its model are compared with; None: float32.
        cpus: which CPUs workers run on: ``big``, ``little`` or numbers ("0-3"); several texts give a case each.
        settings: how long and how precisely to measure. ``budget`` ("20s") and ``blocks``, as the flags of these names,
            change only that.
        cool_to, cool_timeout: before each block wait until the processor is at this temperature ("55C"), for so long
            at most ("5m").
        set_governor: the clock governor ("performance") to set while measuring; what was set before is put back.
        waits: what to measure beside pure inference: ``end-to-end``, ``cold-start``, ``idle-gap``, ``weight-cache``,
            ``batches``, ``workers``, or ``all``.
        gap, batches, workers: time between two inferences ("100ms"), items a run, and processes at once, for the
            waits ``idle-gap``, ``batches`` and ``workers``.
        profile: whether to say after timing which operators each case's time goes to.
        sustain: how long to keep each case under load after timing ("10m"), to see its latency over time; None: not.
        device: what to measure on, each with all of it and all at the same time: ``local`` (this machine), a name of
            ``edgebench.toml``, ``ssh://USER@HOST`` or ``adb://SERIAL``.
        benchmark_model: the binary of engine ``benchmark_model`` for the device, a file of this machine; None: the one
            that lies in the device's folder.
        data: ``folder:DIR``, ``ham10000:DIR`` or ``phantom`` to measure accuracy too; ``images:DIR`` (no labels) to see
            how far variants agree.
        split: which part of the cards' splits to evaluate: test (the default where a card has one), validation,
            train or all.
        operating_points: ``LABEL:specificity=SHARE`` for recalls at a threshold from the card's validation part.
        eval_workers: processes that classify a case's images; None: as many as the usable cores allow.
        recommend: what a variant must keep to be recommended, as ``--recommend`` has it; nothing: the default rule.
        out: folder below which the run is stored; None stores nothing.
        page_images: whether the stored page has small pictures of images whose answers changed.
        redact_page: whether the stored page is without names of machines and people, paths and images; what else is
            stored, and what is returned, stays whole (see ``edgebench.redact``).

    Returns:
        The record, and samples and predictions as data frames. A case that failed is in the record with its reason.

    Raises:
        UsageError, InputError: an argument or file is wrong; nothing was measured.
        DeviceError: no device could be measured on; nothing was measured.
    """
    data_spec = None
    if data is None:
        given: dict[str, object] = {
            "metadata": metadata,
            "labels": labels,
            "limit": limit,
            "normalize": normalize,
            "resize": resize,
            "grayscale": None if grayscale == "skip" else grayscale,
            "max_bad": None if max_bad == 0.05 else max_bad,
            "split": split,
            "operating_points": operating_points or None,
            "eval_workers": eval_workers,
            "recommend": recommend or None,
        }
        for name, value in given.items():
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
            eval_workers=eval_workers,
            rule=parse_rule(_listed(recommend)),
        )
    devices = parse_devices(_listed(device))
    spec = Spec(
        models=tuple(str(model) for model in models),
        engines=tuple(parse_choice(Engine, name, "engine") for name in _listed(engine)),
        delegates=parse_delegates(_listed(delegate), delegate_options),
        cpus=parse_cpus(_listed(cpus)),
        threads=tuple(dict.fromkeys(count for given in _listed(threads) for count in parse_threads(str(given)))),
        pythons=tuple(parse_python(name, here=devices == (LOCAL,)) for name in _listed(python)),
        runtime=runtime,
        signature=signature,
        baseline=baseline,
        data=data_spec,
        waits=make_wait_spec(
            _listed(waits),
            gap=gap,
            batches=_counts_text(batches),
            workers=_counts_text(workers),
            with_data=data is not None,
        ),
        profile=profile,
        settings=replace(
            bounded_settings(settings, budget, blocks), **condition_settings(cool_to, cool_timeout, set_governor)
        ),
        sustain_ns=None if sustain is None else parse_duration_ns(sustain, "sustain"),
        devices=devices,
        benchmark_model=None if benchmark_model is None else str(benchmark_model),
    )
    folder = Path(out) if out is not None else None
    return run_spec(spec, out=folder, page_images=page_images, redact_page=redact_page)


def resume(
    run: str | Path, results: str | Path = "results", *, page_images: bool = True, redact_page: bool = False
) -> StoredRun:
    """Go on with a run that was interrupted or cut off, as ``edgebench run --resume`` does, and return it.

    Args:
        run: its folder, its id below ``results``, or ``latest``.
        results: the folder that runs are stored below.
        page_images: whether the stored page has small pictures of images whose answers changed.
        redact_page: whether the stored page is without names of machines and people, paths and images.

    Returns:
        The run as it is stored now, under its old id.

    Raises:
        StoreError: there is no such run, it is finished, or it cannot be continued here; nothing of it is lost.
    """
    return resume_run(str(run), Path(results), page_images=page_images, redact_page=redact_page)


def load(run: str | Path, results: str | Path = "results") -> StoredRun:
    """Return a stored run, given its folder, its id below ``results``, or ``latest``.

    Raises:
        StoreError: there is none, or it is damaged.
    """
    return load_folder(find_run(str(run), Path(results)))


def compare(
    base: str | Path | StoredRun,
    new: str | Path | StoredRun,
    results: str | Path = "results",
    *,
    noise: float | None = None,
    cross_device: bool = False,
) -> RunChange:
    """Return what changed from one stored run to another, as ``edgebench compare`` shows it.

    Args:
        base, new: runs as :func:`run` and :func:`load` return them, a folder, an id below ``results``, or ``latest``.
        results: the folder whose runs tell how far runs of this machine differ for no reason.
        noise: that difference (standard deviation of one run's times, 0.1 = 10 %), instead of what those runs show.
        cross_device: compare runs of unlike devices, case by case without the device's name.

    Raises:
        StoreError: a run does not exist or is damaged.
        UsageError: unlike devices without ``cross_device``, or no case in common.
    """
    return compare_stored(base, new, Path(results), noise=noise, cross_device=cross_device)


def _counts_text(counts: int | Sequence[int] | None) -> str | None:
    return None if counts is None else ",".join(str(count) for count in _listed(counts))


Item = TypeVar("Item", str, int)


def _listed(value: Item | Sequence[Item]) -> tuple[Item, ...]:
    if isinstance(value, (str, int)):
        return (value,)
    return tuple(value)
