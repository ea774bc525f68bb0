"""From what ``benchmark_model`` told to a case's result: pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from ..analysis.latency import MIN_SAMPLES
from ..errors import ProtocolError
from ..operators import OperatorKey, OperatorProfile, OperatorTime, Resolution, TypeTime
from ..records import Coverage, Delegate, DelegateKind, Delegation, Engine, Latency, Memory
from .figures import BenchmarkLog, Delegates, Footprint, ProfilePart, Replaced, Statistics, Took
from .proto import BenchmarkResult

NAME = Engine.BENCHMARK_MODEL.value
_SAME = 2e-3
_SAME_NS = 20_000.0
_NOT_REPORTED = f"{NAME} does not report it"
MEMORY_DEFINITION = (
    f"{NAME}'s own: the largest resident set of its whole process, looked at every 50 ms, in a process of its own"
)
_XNNPACK = re.compile(r"XNNPack", re.IGNORECASE)
#: How the runtime calls what a kind of delegate takes.
_NODES = {
    DelegateKind.DEFAULT: _XNNPACK,
    DelegateKind.XNNPACK: _XNNPACK,
    DelegateKind.NONE: _XNNPACK,
    DelegateKind.GPU: re.compile(r"Gpu|Metal|OpenCL|LITERT_|MlDrift", re.IGNORECASE),
    DelegateKind.NNAPI: re.compile(r"Nnapi", re.IGNORECASE),
}
_PROVIDERS = {DelegateKind.XNNPACK: "XNNPACK", DelegateKind.GPU: "GPU", DelegateKind.NNAPI: "NNAPI",
              DelegateKind.EXTERNAL: "EXTERNAL"}  # fmt: skip
#: A delegate's node as a whole, and an operator inside XNNPACK.
_DELEGATED = re.compile(r"TfLite\w*Delegate\w*|DELEGATE")
_INSIDE = "Delegate/"
#: The tensors that an operator writes, and its index.
_OUTPUTS = re.compile(r"\[(.+)\](?::\w+)?")


def merged(log: BenchmarkLog, result: BenchmarkResult | None) -> BenchmarkLog:
    """Return the log with the result file's figures in the place of its own, which have fewer digits.

    Raises:
        ProtocolError: they are not of the same run.
    """
    if result is None:
        return log
    measured = _both(log.measured, result.measured)
    return replace(
        log,
        measured=measured,
        warmup=_both(log.warmup, result.warmup),
        init_ns=log.init_ns if result.init_ns is None else result.init_ns,
        first_inference_ns=log.first_inference_ns if result.first_inference_ns is None else result.first_inference_ns,
        footprint=_filled(log.footprint, result.footprint),
        model_size_bytes=result.model_size_bytes or log.model_size_bytes,
    )


def _both(told: Statistics | None, result: Statistics | None) -> Statistics | None:
    if told is None or result is None:
        return told or result
    counts = {side.count for side in (told, result)} - {None}
    if len(counts) > 1:
        raise ProtocolError(f"the result file is of {result.count} runs, the log of {told.count}")
    one_ns, other_ns = told.mean_ns, result.mean_ns
    if one_ns is not None and other_ns is not None and abs(one_ns - other_ns) > max(_SAME_NS, _SAME * one_ns):
        raise ProtocolError(f"the result file's average is {other_ns / 1e6:g} ms, the log's {one_ns / 1e6:g} ms")
    return replace(told, **_known(result))


def _filled(told: Footprint, result: Footprint) -> Footprint:
    return replace(told, **_known(result))


def _known(figures: Statistics | Footprint) -> dict[str, Any]:
    values = {item.name: getattr(figures, item.name) for item in fields(figures)}
    return {name: value for name, value in values.items() if value is not None}


def latency_of(log: BenchmarkLog) -> Latency:
    """Return the latency that was reported. A percentile that so few runs cannot support is left out.

    Raises:
        ProtocolError: nothing was measured, or there is no count of it.
    """
    found = log.measured
    if found is None or not found.count or found.mean_ns is None or found.min_ns is None:
        raise ProtocolError(f"{NAME} ended without statistics of its runs")
    told = {"p50_ns": found.median_ns, "p95_ns": found.p95_ns}
    percentiles: dict[str, Any] = {}
    unavailable = {} if found.stdev_ns is not None else {"stdev_ns": _NOT_REPORTED}
    for name, needed in MIN_SAMPLES.items():
        value = told.get(name)
        if value is None:
            unavailable[name] = _missing(name, found.mean_ns)
        elif found.count < needed:
            unavailable[name] = f"n too small: {found.count} samples, {needed} needed"
        else:
            percentiles[name] = value
    return Latency(
        count=found.count,
        min_ns=round(found.min_ns),
        mean_ns=found.mean_ns,
        stdev_ns=found.stdev_ns,
        warmup_count=(log.warmup.count if log.warmup else None) or 0,
        unavailable=unavailable,
        summary_of=NAME,
        **percentiles,
    )


def _missing(name: str, mean_ns: float) -> str:
    if name != "p50_ns":
        return _NOT_REPORTED
    return f"this build of {NAME} reports no median; the mean is {mean_ns / 1e6:.4g} ms"


def memory_of(log: BenchmarkLog) -> Memory:
    """Return the memory that was reported, with its own definition."""
    found = log.footprint
    names = ("rss_before_load_bytes", "rss_after_load_bytes", "rss_after_first_bytes", "pss_bytes", "uss_bytes",
             "anonymous_bytes")  # fmt: skip
    unavailable = dict.fromkeys(names, _NOT_REPORTED)
    told: dict[str, Any] = {
        "peak_rss_bytes": found.peak_bytes,
        "grown_at_init_bytes": found.init_growth_bytes,
        "grown_bytes": found.overall_growth_bytes,
    }
    unavailable.update({name: _NOT_REPORTED for name, value in told.items() if value is None})
    return Memory(**told, definition=MEMORY_DEFINITION, unavailable=unavailable)


def delegation_of(log: BenchmarkLog, delegate: Delegate) -> Delegation:
    """Return what the delegate took, as the log has it: in nodes where the build tells them, else in words alone."""
    found = log.delegates
    taken = [item for item in found.replaced if _is_of(item, delegate)]
    applied = next((item for item in found.applied if item.name == _PROVIDERS.get(delegate.kind)), None)
    nodes, total, partitions = _counted(taken)
    if not taken and delegate.kind is DelegateKind.GPU and found.gpu_operations is not None:
        nodes, total = found.gpu_operations, found.gpu_operations + (found.cpu_operations or 0)
    if partitions is None and applied is not None:
        partitions = 1 if applied.took is Took.ALL else applied.kernels
    coverage = _coverage(found, delegate, applied.took if applied else None, nodes, total)
    if coverage is Coverage.NOTHING:
        nodes = 0
    values = {"total_nodes": total, "delegated_nodes": nodes, "partitions": partitions}
    reason = "this build does not tell which nodes a delegate took"
    refused = dict.fromkeys(name for name, _ in found.refused) if delegate.kind is DelegateKind.GPU else {}
    unavailable = {name: reason for name, value in values.items() if value is None}
    if coverage is not Coverage.FULL and not refused:
        unavailable["cpu_operators"] = f"{NAME} does not name them"
    return Delegation(coverage, **values, cpu_operators=refused, unavailable=unavailable)


def lacks_delegate(found: Delegates, delegate: Delegate) -> bool:
    """Return whether the build says that it has no such delegate on this platform."""
    return _PROVIDERS.get(delegate.kind) in found.absent


def _is_of(item: Replaced, delegate: Delegate) -> bool:
    names = _NODES.get(delegate.kind)
    return not _XNNPACK.search(item.delegate) if names is None else bool(names.search(item.delegate))


def _counted(taken: Sequence[Replaced]) -> tuple[int | None, int | None, int | None]:
    """Return nodes taken, nodes in all and partitions, over all subgraphs."""
    if not taken:
        return None, None, None
    totals = [item.total for item in taken]
    total = None if None in totals else sum(value for value in totals if value is not None)
    return sum(item.nodes for item in taken), total, sum(item.partitions for item in taken)


def _coverage(
    found: Delegates, delegate: Delegate, took: Took | None, nodes: int | None, total: int | None
) -> Coverage:
    if took is not None:
        return {Took.ALL: Coverage.FULL, Took.PART: Coverage.PARTIAL, Took.NOTHING: Coverage.NOTHING}[took]
    if lacks_delegate(found, delegate):
        return Coverage.NOTHING
    if nodes is not None and total is not None:
        if not nodes:
            return Coverage.NOTHING
        return Coverage.FULL if nodes >= total else Coverage.PARTIAL
    return Coverage.NOTHING if delegate.kind is DelegateKind.NONE and nodes is None else Coverage.UNKNOWN


def operators_of(log: BenchmarkLog, plain_ns: float) -> OperatorProfile | None:
    """Return the profile of the regular runs, None where the log has none; ``plain_ns`` is a run without it."""
    part = next((item for item in log.profile if _is_main(item)), None)
    if part is None:
        return None
    weights = [node.share for node in part.nodes]
    whole = sum(weights)
    if not whole:
        weights = [node.mean_ns * max(1, node.calls) for node in part.nodes]
        whole = sum(weights) or 1.0
    by_nodes_us = sum(node.mean_ns * max(1, node.calls) for node in part.nodes) / 1e3
    mean_ns = part.total.mean_ns if part.total else None
    run_us = by_nodes_us if mean_ns is None else mean_ns / 1e3
    operators = tuple(_operator(place, part, weight / whole, run_us) for place, weight in enumerate(weights))
    runs = (part.total.count if part.total else None) or 0
    return OperatorProfile(
        operators=operators,
        types=_types(operators),
        resolution=Resolution(runs, len(operators), resolved=0, resolved_share=0.0, cut_us=0.0),
        invoke_us=run_us,
        operators_us=run_us,
        plain_us=plain_ns / 1e3,
        notes=(f"as {NAME} reports them: their intervals and their nodes are not known",),
        reported_by=NAME,
    )


def _is_main(part: ProfilePart) -> bool:
    return bool(part.nodes) and not (part.initialization or part.delegate_internal or part.graph)


def _operator(place: int, part: ProfilePart, share: float, run_us: float) -> OperatorTime:
    node = part.nodes[place]
    delegated = node.name.startswith(_INSIDE) or _DELEGATED.fullmatch(node.node_type) is not None
    outputs = _OUTPUTS.fullmatch(node.name)
    return OperatorTime(
        key=OperatorKey(0, delegated, 0, place, node.node_type),
        time_us=share * run_us,
        calls=float(node.calls),
        cut_us=0.0,
        share=share,
        share_low=share,
        share_high=share,
        output_names=tuple(outputs[1].split(", ")) if outputs else (),
    )


def _types(operators: Sequence[OperatorTime]) -> tuple[TypeTime, ...]:
    found: dict[tuple[str, bool], list[OperatorTime]] = {}
    for item in operators:
        found.setdefault((item.key.tag, item.key.delegated), []).append(item)
    types = [
        TypeTime(tag, delegated, len(items), sum(item.time_us for item in items), share, share, share)
        for (tag, delegated), items in found.items()
        for share in (sum(item.share or 0.0 for item in items),)
    ]
    return tuple(sorted(types, key=lambda item: -item.time_us))
