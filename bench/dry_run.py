"""What ``edgebench run --dry-run`` tells: the cases that would run, and about how long that takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .blocks import MAX_GROUP
from .devices.base import Device
from .estimate import TimeSpan, time_words
from .plan import Case, Plan, make_plan
from .records import CaseResult, RuntimeInfo, Settings
from .repeats import stored_repeats
from .rounds import BURST_NS, MIN_ROUNDS, WARM_LIMIT
from .runner import probe_runtime
from .spec import PythonTarget, Spec

#: Seconds until a worker has started, loaded its model and answered once, where no stored run tells: from what small
#: models take on a server to what large ones take on a board.
_START = TimeSpan(0.3, 5.0)
#: Memory is measured in one clean process, which runs for at most a second more.
_MEMORY = TimeSpan(0.1, 1.5)


@dataclass(frozen=True)
class PlannedRun:
    """The cases of a run that was not made. ``known`` are results of the same files from stored runs, by case id."""

    spec: Spec
    plan: Plan
    known: Mapping[str, CaseResult]

    @property
    def time(self) -> TimeSpan:
        """How long memory and timing take; images and waits come on top."""
        settings = self.spec.settings
        memory, block = TimeSpan(0.0, 0.0), TimeSpan(0.0, 0.0)
        for case in self.plan.cases:
            start = self._start(case)
            memory += start + _MEMORY
            block += start + _in_model(settings, self.known.get(case.case_id))
        most = settings.max_blocks if self.plan.baselines else settings.min_blocks
        timing = TimeSpan(block.least_s * settings.min_blocks, block.most_s * most)
        if settings.budget_ns is not None:
            budget_s = settings.budget_ns / 1e9
            timing = TimeSpan(min(timing.least_s, budget_s), min(timing.most_s, budget_s))
        return memory + timing

    def _start(self, case: Case) -> TimeSpan:
        known = self.known.get(case.case_id)
        if known is None or known.load_ns is None:
            return _START
        seconds = 0.1 + ((known.runtime_import_ns or 0) + known.load_ns + (known.first_inference_ns or 0)) / 1e9
        return TimeSpan(seconds, 1.5 * seconds)


def plan_run(spec: Spec, device: Device, out: Path) -> PlannedRun:
    """Return what a run would do. A worker is asked for its runtime's name, and nothing is written.

    Raises:
        UsageError, ModelError: as the run itself would.
    """

    def probe(python: PythonTarget) -> RuntimeInfo:
        return probe_runtime(device, python, spec.runtime, spec.settings.timeout_s)

    plan = make_plan(spec, device.name, device.default_python(), probe)
    return PlannedRun(spec, plan, _known(plan, device, out))


def _known(plan: Plan, device: Device, out: Path) -> dict[str, CaseResult]:
    """Return the newest result of each case with the same file, from runs of this machine."""
    files = {case.case_id: case.variant.file.sha256 for case in plan.cases}
    found: dict[str, CaseResult] = {}
    for record in stored_repeats(out, device.environment()).records:
        for case in record.cases:
            if files.get(case.case_id) == case.file.sha256:
                found.setdefault(case.case_id, case)
    return found


def _in_model(settings: Settings, known: CaseResult | None) -> TimeSpan:
    """Return what a case's warm-up and share of one block take."""
    warm_s, least_s = settings.warmup_time_ns / 1e9, settings.min_time_ns / settings.min_blocks / 1e9
    most_s = settings.max_time_ns / settings.min_blocks / 1e9
    if known is None or known.latency is None or known.latency.p50_ns is None:
        return TimeSpan(warm_s + least_s, WARM_LIMIT * warm_s + max(least_s, most_s))
    latency_s = known.latency.p50_ns / 1e9
    runs = -(-settings.min_runs // settings.min_blocks)
    share_s = max(least_s, MIN_ROUNDS * max(BURST_NS / 1e9, latency_s), min(runs * latency_s, most_s))
    return TimeSpan(max(warm_s, 2 * latency_s) + share_s, WARM_LIMIT * warm_s + 1.3 * share_s)


def plan_lines(planned: PlannedRun) -> list[str]:
    """Return the plan for people."""
    plan, spec = planned.plan, planned.spec
    lines = [f"{len(plan.cases)} case{'' if len(plan.cases) == 1 else 's'} would be measured, nothing has been:"]
    for case in plan.cases:
        baseline = plan.baselines.get(case.case_id)
        against = f", against {baseline}" if baseline else ""
        lines.append(f"  {case.case_id}")
        lines.append(f"    {case.variant.file.path} ({case.variant.file.size_bytes / 1e6:.3g} MB){against}")
    lines += [f"  not: {error}" for error in plan.rejected]
    settings = spec.settings
    blocks = f"{settings.min_blocks}" if settings.min_blocks == settings.max_blocks else (
        f"{settings.min_blocks} to {settings.max_blocks}"
    )  # fmt: skip
    lines.append(f"Timing: {blocks} blocks of fresh workers; up to {MAX_GROUP} cases that are compared take turns.")
    if spec.data is not None:
        limit = "all images" if spec.data.limit is None else f"{spec.data.limit:,} images"
        lines.append(f"Accuracy: {limit} of {spec.data.source}.")
    if spec.waits is not None:
        lines.append(f"Waits: {', '.join(wait.value for wait in spec.waits.kinds)}.")
    if spec.profile:
        lines.append("Operators: each case's profile, after timing.")
    lines.append(f"Time: {time_words(planned.time)}{_beside(spec)}, {_source(planned)}.")
    return lines


def _beside(spec: Spec) -> str:
    more = [("images", spec.data is not None), ("waits", spec.waits is not None), ("profiles", spec.profile)]
    named = [name for name, there in more if there]
    return f" and what {' and '.join(named)} take" if named else ""


def _source(planned: PlannedRun) -> str:
    known = len(planned.known)
    if known == len(planned.plan.cases):
        return "as stored runs of these files took"
    return f"{'a guess from the settings' if not known else f'of {known} cases as stored runs took, else a guess'}"


def plan_json(planned: PlannedRun) -> str:
    """Return the plan for programs: cases with files and baselines, rejected models, seconds at least and at most."""
    plan = planned.plan
    cases: Sequence[Mapping[str, object]] = [
        {
            "case_id": case.case_id,
            "file": case.variant.file.path,
            "sha256": case.variant.file.sha256,
            "baseline": plan.baselines.get(case.case_id),
            "known": case.case_id in planned.known,
        }
        for case in plan.cases
    ]
    span = planned.time
    rejected = [{"path": error.path, "message": str(error)} for error in plan.rejected]
    found = {"cases": cases, "rejected": rejected, "least_s": round(span.least_s, 2), "most_s": round(span.most_s, 2)}
    return json.dumps(found, indent=1)
