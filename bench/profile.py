"""``edgebench profile``: which operators a model's time goes to, each model in a worker of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from .analysis.nodes import match_nodes
from .analysis.profile import drop_names, join_runs, operator_times, quicker_half, resolution, settled, type_times
from .devices.base import Device
from .errors import InputError, RuntimeRefused, UsageError, WorkerDied, WorkerError
from .graph import read_graph
from .launch import Launcher
from .operators import Match, OperatorProfile, OperatorTime
from .plan import Case, ModelVariant, find_variants
from .profile_data import FailedProfile, OpenedProfile, Profile, ProfiledRuns, Subgraph
from .records import Delegate, DelegateKind, Engine, Failure, RuntimeInfo
from .session import LoadRequest, Session
from .worker.capi import CHECKED_VERSIONS

MAX_RUNS, MAX_TIMEOUT_S = 100_000, 24 * 3600.0
_LEAST_RUNS, _MOST_RUNS, _MOST_NS = 50, 5_000, 5_000_000_000
_PART_NS = 500_000_000
_PRECISION = 0.02
#: Delegates whose operators nobody can time, and why.
NOT_PROFILED = {
    DelegateKind.EXTERNAL: "only default, xnnpack and none can be profiled",
    DelegateKind.GPU: "a profile is of the CPU's operators",
    DelegateKind.NNAPI: "only engine benchmark_model has it",
}


@dataclass(frozen=True)
class ProfileSpec:
    """What to profile and how. ``runs`` is None to run until every operator that matters is known to 2 %."""

    models: tuple[str, ...]
    delegate: DelegateKind = DelegateKind.DEFAULT
    threads: int = 1
    signature: str | None = None
    runs: int | None = None
    python: str | None = None
    timeout_s: float = 120.0
    seed: int = 0
    cpus: str | None = None

    def __post_init__(self) -> None:
        if self.delegate in NOT_PROFILED:
            hint = "; choose default, xnnpack or none" if self.delegate is DelegateKind.GPU else ""
            raise UsageError(f"--delegate {self.delegate.value}: {NOT_PROFILED[self.delegate]}{hint}")
        if not 1 <= self.threads <= 256:
            raise UsageError(f"--threads {self.threads}: must be between 1 and 256")
        if not 0 < self.timeout_s <= MAX_TIMEOUT_S:
            raise UsageError(f"--timeout {self.timeout_s:g}s: must be above 0 and at most 24h")
        if self.runs is not None and not 2 <= self.runs <= MAX_RUNS:
            raise UsageError(f"--runs {self.runs}: must be between 2 and {MAX_RUNS}")


def profile_models(spec: ProfileSpec, device: Device) -> Iterator[Profile | FailedProfile | InputError]:
    """Yield one result per variant that the models name: a profile, or why there is none.

    Raises:
        InputError: not one of the models is a model.
    """
    variants, rejected = find_variants(spec.models)
    if not variants:
        raise InputError("; ".join(str(error) for error in rejected))
    yield from rejected
    for variant in variants:
        try:
            yield profile_variant(spec, variant, device)
        except (WorkerError, InputError) as error:
            yield FailedProfile(variant.model, variant.variant, variant.file, Failure(error.code, str(error)))


def profile_variant(spec: ProfileSpec, variant: ModelVariant, device: Device) -> Profile:
    """Profile one variant in a fresh worker.

    Raises:
        WorkerError, InputError: it cannot be profiled; one line says why.
    """
    path = Path(variant.file.path)
    graph = read_graph(path)
    with Session(device.start_worker(spec.python or device.default_python()), spec.timeout_s, spec.cpus) as session:
        runtime = session.hello().runtime
        request = LoadRequest(
            device.place(path), Engine.COMPILED, Delegate(spec.delegate), spec.threads, spec.signature
        )
        opened, runs = _record(session, request, runtime, spec.seed, spec.runs)
    measured = _measured(runtime, opened, runs, graph, spec.delegate)
    return Profile(
        **{field.name: getattr(measured, field.name) for field in fields(measured)},
        model=variant.model,
        variant=variant.variant,
        file=variant.file,
        delegate=spec.delegate.value,
        threads=spec.threads,
        cpus=spec.cpus,
        signature=spec.signature,
        runtime=runtime,
        opened=opened,
        subgraph_names=tuple(subgraph.name for subgraph in graph or ()),
        device=device.name,
    )


def profile_case(case: Case, launcher: Launcher, seed: int) -> OperatorProfile:
    """Profile a case of a run in a fresh worker of its own, through LiteRT's C API whatever the case's engine.

    Raises:
        RuntimeRefused: what the case asks for cannot be profiled, or the runtime has no profiler.
        WorkerError, InputError: it could not be profiled; one line says why.
    """
    kind = case.delegate.kind
    if kind in NOT_PROFILED:
        raise RuntimeRefused(NOT_PROFILED[kind], "no-profile")
    graph = read_graph(Path(case.variant.file.path))
    with launcher.open(case) as session:
        runtime = session.hello(case.runtime).runtime
        request = replace(launcher.request(case), engine=Engine.COMPILED)
        opened, runs = _record(session, request, runtime, seed, None)
    return _measured(runtime, opened, runs, graph, kind)


def _record(
    session: Session, request: LoadRequest, runtime: RuntimeInfo, seed: int, wanted: int | None
) -> tuple[OpenedProfile, ProfiledRuns]:
    try:
        return session.open_profile(request, seed), _collect(session, wanted)
    except WorkerDied as error:
        raise _explained(error, runtime) from error


def _collect(session: Session, wanted: int | None) -> ProfiledRuns:
    """Profile in parts, so that each answer comes well before the time limit, until there are runs enough."""
    parts = [session.profile(wanted or _LEAST_RUNS, _PART_NS)]
    spent_ns = _PART_NS
    while True:
        runs = join_runs(parts)
        count = len(runs.invoke_us)
        if wanted is not None:
            if count >= wanted:
                return runs
        elif count >= _LEAST_RUNS and (count >= _MOST_RUNS or spent_ns >= _MOST_NS or settled(runs, _PRECISION)):
            return runs
        parts = [runs, session.profile((wanted or _MOST_RUNS) - count, _PART_NS)]
        spent_ns += _PART_NS


def _measured(
    runtime: RuntimeInfo,
    opened: OpenedProfile,
    runs: ProfiledRuns,
    graph: tuple[Subgraph, ...] | None,
    delegate: DelegateKind,
) -> OperatorProfile:
    kept = quicker_half(runs)
    operators = operator_times(kept)
    if delegate is DelegateKind.XNNPACK and not any(item.key.delegated for item in operators):
        raise RuntimeRefused(f"delegate xnnpack took none of the {len(operators)} operators that ran", "delegate-idle")
    if graph is not None:
        operators = drop_names(match_nodes(operators, graph))
    return OperatorProfile(
        operators=operators,
        types=type_times(operators),
        resolution=resolution(len(runs.invoke_us), operators),
        invoke_us=float(kept.invoke_us.mean()),
        plain_us=float(np.median(runs.plain_ns)) / 1000,
        operators_us=sum(item.time_us for item in operators if item.share is not None),
        notes=tuple(_notes(operators, opened, runtime, graph)),
    )


def _notes(
    operators: tuple[OperatorTime, ...],
    opened: OpenedProfile,
    runtime: RuntimeInfo,
    graph: tuple[Subgraph, ...] | None,
) -> Iterator[str]:
    leaves = [item for item in operators if item.share is not None]
    containers = sorted({item.key.tag for item in operators if item.share is None})
    if containers:
        yield (
            f"{', '.join(containers)}: runs other subgraphs, whose operators are listed; its own time cannot be told "
            "from that of the profiler inside it."
        )
    if graph is None:
        yield "Nodes are not named: reading the model's graph needs ai-edge-litert in edgebench's own Python."
    else:
        yield from _unmatched(leaves)
    if not opened.layouts_checked:
        yield (
            f"ai-edge-litert {runtime.version}: the C API was checked on {' and '.join(CHECKED_VERSIONS)} only; "
            "what this release told passed the tests for garbage."
        )


def _unmatched(leaves: list[OperatorTime]) -> Iterator[str]:
    by_order = [item for item in leaves if item.match is Match.ORDER]
    unknown = [item for item in leaves if item.match is Match.NONE]
    if by_order:
        yield (
            f"~: {len(by_order)} of XNNPACK's operators are matched to nodes by their order. It tells no nodes, but "
            "keeps their order, and its partition has as many operators of that family as the graph has nodes."
        )
    if unknown:
        share = sum(item.share or 0.0 for item in unknown)
        plural = "s" if len(unknown) > 1 else ""
        yield f"{len(unknown)} operator{plural}, {share:.1%} of the time, cannot be matched to a node of the graph."


def _explained(error: WorkerDied, runtime: RuntimeInfo) -> WorkerError:
    if runtime.version in CHECKED_VERSIONS:
        return error
    return RuntimeRefused(
        f"profile unavailable: {error}; the C API was checked on {' and '.join(CHECKED_VERSIONS)}, "
        f"this is {runtime.version}",
        "no-profile",
    )
