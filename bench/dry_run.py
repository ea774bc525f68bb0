"""``--dry-run``: what a run would do and about how long it would take. Measures nothing and writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .benchmark_model.command import Purpose, longest_s
from .benchmark_model.planning import planned_there, used_by
from .blocks import MAX_GROUP
from .conditions import check_conditions
from .devices.base import Device
from .errors import ModelError
from .estimate import TimeSpan
from .evaluation import Evaluator
from .plan import Case, make_plan
from .planning import spec_there
from .records import CaseResult, Environment, Settings, Status
from .repeats import stored_repeats
from .rounds import BURST_NS, MIN_ROUNDS, WARM_LIMIT, per_block
from .runner import MEMORY_TIME_NS, probe_runtime
from .spec import Spec
from .summaries import is_official
from .sustain import longest_rest_ns

#: What a worker takes to start before its model is loaded, from a server with a warm disk to a small board.
START = TimeSpan(0.2, 5.0)
#: What loading a model and its first inference take, where no stored run tells: a small one, a large one.
_LOAD = TimeSpan(0.0, 5.0)


@dataclass(frozen=True)
class PlannedCase:
    """A case as it would run. ``known`` is what a stored run has of the same file, ``known_from`` that run's id."""

    case: Case
    baseline: str | None
    known: CaseResult | None = None
    known_from: str | None = None

    @property
    def p50_ns(self) -> float | None:
        """The median latency that a stored run has measured."""
        return self.known.latency.p50_ns if self.known and self.known.latency else None


@dataclass(frozen=True)
class DryRun:
    """A plan and its time. ``groups`` are ids of cases that take turns; memory may divide them further.

    ``parts`` are the phases whose time can be said, ``unsaid`` what else there is to do, with the reason why not.
    ``images`` are those that each case would classify, None without ``--data``. ``conditions`` are lines on what the
    run would see to on the device.
    """

    spec: Spec
    cases: tuple[PlannedCase, ...]
    groups: tuple[tuple[str, ...], ...]
    rejected: tuple[ModelError, ...]
    images: int | None
    parts: Mapping[str, TimeSpan]
    unsaid: tuple[str, ...]
    conditions: tuple[str, ...] = ()

    @property
    def time(self) -> TimeSpan:
        """What the phases take together."""
        return sum(self.parts.values(), TimeSpan(0.0, 0.0))


def dry_run(spec: Spec, out: Path, device: Device) -> DryRun:
    """Return what a run would do. Workers are asked for their runtime's name only.

    Times are from the newest stored run below ``out`` of the same case and file, else the settings' bounds.

    Raises:
        UsageError, InputError: the run could not begin.
    """
    with used_by(spec, [device]) as (used,):
        return _dry_run(spec, out, used)


def _dry_run(spec: Spec, out: Path, device: Device) -> DryRun:
    official = planned_there(spec_there(spec, device), device)
    there = official.spec
    plan = make_plan(
        there,
        device.name,
        device.default_python(),
        lambda python: probe_runtime(device, python, spec.runtime, spec.settings.timeout_s),
    )
    conditions = (*check_conditions(official.by_workers, device), *official.notes)
    variants = list({case.variant.file.path: case.variant for case in plan.cases}.values())
    images = Evaluator(spec.data, variants=variants).listed if spec.data else None
    environment = device.environment()
    known = known_cases(plan.cases, out, environment)
    cases = tuple(
        PlannedCase(case, plan.baselines.get(case.case_id), *known.get(case.case_id, (None, None)))
        for case in plan.cases
    )
    cores = environment.cpus_allowed or environment.cpus_logical or 1
    by_workers = [case for case in cases if not is_official(case.case.engine)]
    alone = [case for case in cases if is_official(case.case.engine)]
    groups = tuple(_groups(by_workers))
    parts = {}
    if by_workers:
        parts["checking, measuring memory"] = _sum(_checking(case) for case in by_workers)
        parts["timing"] = timing(spec.settings, by_workers, groups)
    if alone:
        parts["running benchmark_model"] = _sum(_official(spec, case) for case in alone)
    groups += tuple((case.case.case_id,) for case in alone)
    unsaid = []
    if spec.waits is not None:
        unsaid.append("what a user waits for: its time depends on the model")
    if spec.sustain_ns is not None:
        parts["under load, with rests"] = _under_load(spec.sustain_ns, cases)
    if spec.profile:
        unsaid.append("profiling operators: about a second or more a case")
    if images is not None:
        unsaid.append("decoding images that are not in the cache yet")
        if all(case.p50_ns is not None for case in cases):
            parts["classifying images"] = _sum(_classifying(case, images, cores) for case in cases)
        else:
            unsaid.append("classifying images: no stored run has measured all these cases")
    return DryRun(spec, cases, groups, plan.rejected, images, parts, tuple(unsaid), conditions)


def _official(spec: Spec, planned: PlannedCase) -> TimeSpan:
    """Return what the official tool takes for a case: a process for its times, and a short one for all else each."""
    settings = spec.settings
    purposes = [Purpose.TIMES, Purpose.MEMORY, *([Purpose.OPERATORS] if spec.profile else [])]
    starts = _started(planned).times(len(purposes))
    least_s = (settings.warmup_time_ns + settings.min_time_ns) / 1e9
    return starts + TimeSpan(least_s, max(least_s, sum(longest_s(purpose, settings) for purpose in purposes)))


def known_cases(cases: Iterable[Case], out: Path, here: Environment) -> dict[str, tuple[CaseResult, str]]:
    """Return by case id what the newest run below ``out`` of this host with that case and file has, and its id."""
    wanted = {case.case_id: case.variant.file.sha256 for case in cases}
    found: dict[str, tuple[CaseResult, str]] = {}
    for record in stored_repeats(out, here).records:
        for case in record.cases:
            measured = case.status is Status.OK and case.latency is not None and case.latency.p50_ns is not None
            if measured and wanted.get(case.case_id) == case.file.sha256:
                found.setdefault(case.case_id, (case, record.run_id))
    return found


def _groups(cases: Iterable[PlannedCase]) -> Iterable[tuple[str, ...]]:
    """Yield ids of cases of one model that take turns, each group with the baseline, as the timer divides them."""
    listed = list(cases)
    for model in dict.fromkeys(case.case.variant.model for case in listed):
        members = [case for case in listed if case.case.variant.model == model]
        first = next(case.case.case_id for case in members if case.baseline is None)
        others = [case.case.case_id for case in members if case.baseline is not None]
        size = MAX_GROUP - 1
        for start in range(0, max(1, len(others)), size):
            yield (first, *others[start : start + size])


def timing(settings: Settings, cases: Iterable[PlannedCase], groups: tuple[tuple[str, ...], ...]) -> TimeSpan:
    """Return what timing takes: blocks between the least and the most there may be, bounded by the budget."""
    by_id = {case.case.case_id: case for case in cases}
    block = _sum(_block(settings, by_id[case_id]) for group in groups for case_id in group)
    compared = any(len(group) > 1 for group in groups)
    blocks = settings.max_blocks if compared else settings.min_blocks
    span = TimeSpan(block.least_s * settings.min_blocks, block.most_s * blocks)
    if settings.budget_ns is None:
        return span
    # There is one block in any case.
    most_s = min(span.most_s, max(settings.budget_ns / 1e9, block.most_s))
    return TimeSpan(min(span.least_s, max(settings.budget_ns / 1e9, block.least_s), most_s), most_s)


def _block(settings: Settings, planned: PlannedCase) -> TimeSpan:
    """Return what one case takes in one block: a fresh worker, its warm-up, its share of the samples."""
    share_s = settings.max_time_ns / settings.min_blocks / 1e9
    warmup_s = settings.warmup_time_ns / 1e9
    if planned.p50_ns is None:
        return START + _LOAD + TimeSpan(0.0, WARM_LIMIT * warmup_s + share_s)
    run_s = planned.p50_ns / 1e9
    warm_s = max(2 * max(run_s, warmup_s / 2), min(settings.warmup_min_runs * run_s, WARM_LIMIT * warmup_s))
    wanted_s = max(
        settings.min_time_ns / settings.min_blocks / 1e9,
        -(-settings.min_runs // settings.min_blocks) * run_s,
        MIN_ROUNDS * max(BURST_NS / 1e9, run_s),
    )
    steady_s = max(run_s, min(wanted_s, share_s, per_block(settings) * run_s))
    return _started(planned) + TimeSpan(warm_s + steady_s, warm_s + steady_s)


def _started(planned: PlannedCase) -> TimeSpan:
    """Return what a worker takes until its model has answered once."""
    known = planned.known
    if known is None:
        return START + _LOAD
    seen_ns = (known.runtime_import_ns or 0) + (known.load_ns or 0) + (known.first_inference_ns or 0)
    return TimeSpan(START.least_s + seen_ns / 1e9, START.least_s + seen_ns / 1e9)


def _checking(planned: PlannedCase) -> TimeSpan:
    return _started(planned) + TimeSpan(0.0, MEMORY_TIME_NS / 1e9 if planned.p50_ns is None else 0.0)


def _under_load(sustain_ns: int, cases: Sequence[PlannedCase]) -> TimeSpan:
    """Return what the load takes: all of its time, a worker each, and between any two cases a rest or none."""
    load_s, rest_s = sustain_ns / 1e9, longest_rest_ns(sustain_ns) / 1e9
    rests = TimeSpan(0.0, rest_s * max(0, len(cases) - 1))
    return _sum(_started(case) for case in cases) + TimeSpan(load_s, load_s).times(len(cases)) + rests


def _classifying(planned: PlannedCase, images: int, cores: int) -> TimeSpan:
    """Return what a case takes for all images: on all cores at best, one after another at worst."""
    all_s = images * (planned.p50_ns or 0.0) / 1e9
    return _started(planned) + TimeSpan(all_s / cores, all_s)


def _sum(spans: Iterable[TimeSpan]) -> TimeSpan:
    return sum(spans, TimeSpan(0.0, 0.0))
