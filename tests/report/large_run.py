"""A run as large as a page has to carry: fifty cases, 20,000 samples and 1,502 answers each. Seeded, not measured."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from edgebench.findings import Verdict
from edgebench.records import CaseResult, RunRecord
from samples import (
    QUIETED,
    STEAL,
    UNCHECKED,
    accuracy_comparison,
    comparison,
    failed_case,
    fifty_cases,
    memory_of,
    predictions_of,
    waits_of,
    with_figures,
)

_BLOCKS = 6
_WARMUP = 50
_DISTURBED_EVERY = 7
_NS_PER_MS = 1e6


@dataclass(frozen=True)
class LargeRun:
    """What :func:`edgebench.report.html.render_html` takes."""

    record: RunRecord
    samples: pd.DataFrame
    predictions: pd.DataFrame


def large_run(samples_per_case: int = 20_000) -> LargeRun:
    """Return five models in four variants with up to three thread counts, judged and compared, and one failure."""
    plain = fifty_cases()
    bases = {case.model: case for case in plain.cases if case.variant == "float32" and case.threads == 1}
    cases = [_full(case, bases[case.model], place) for place, case in enumerate(plain.cases)]
    record = replace(plain, schema_version=2, cases=(*cases, failed_case(model=plain.cases[0].model)))
    scored = pd.concat([_with_scores(predictions_of(replace(plain, cases=(case,)))) for case in plain.cases])
    return LargeRun(record, long_samples(record, samples_per_case), scored.reset_index(drop=True))


def _full(case: CaseResult, base: CaseResult, place: int) -> CaseResult:
    """Return the case with everything that a run on images leaves."""
    p50_ns = case.latency.p50_ns if case.latency else None
    base_ns = base.latency.p50_ns if base.latency else None
    assert p50_ns is not None
    assert base_ns is not None
    disturbed = place % _DISTURBED_EVERY == 3
    held = memory_of(case)
    peak = held.peak_rss_bytes or 0
    full = replace(
        with_figures(case),
        verdict=Verdict.SUSPECT if disturbed else Verdict.VALID,
        findings=(replace(STEAL, reason=f"the host took away {place} % of the CPU time"), QUIETED) if disturbed else (),
        unchecked=UNCHECKED,
        memory=replace(held, pss_bytes=peak - 9_000_000, uss_bytes=peak - 15_000_000, anonymous_bytes=peak // 2),
        waits=waits_of(p50_ns / _NS_PER_MS) if place < 8 else None,
    )
    if case is base:
        return full
    return replace(
        full,
        comparison=comparison(p50_ns / base_ns, 0.006, baseline=base.case_id),
        accuracy_comparison=accuracy_comparison(case, with_figures(base)),
    )


def long_samples(record: RunRecord, count: int) -> pd.DataFrame:
    """Return ``count`` samples a case: each block has an offset and warm-up of its own, every third case two modes."""
    random = np.random.default_rng(11)
    frames = []
    for place, case in enumerate(record.cases):
        if case.latency is None or case.latency.p50_ns is None:
            continue
        block = np.repeat(np.arange(_BLOCKS), -(-count // _BLOCKS))[:count]
        run = np.arange(count) - np.searchsorted(block, block)
        factor = 1 + random.normal(0, 0.006, _BLOCKS)[block] + np.abs(random.normal(0, 0.025, count))
        factor += np.where(random.random(count) < 0.01, random.exponential(0.4, count), 0)
        factor += np.where(random.random(count) < 0.3, 0.08, 0) if place % 3 == 0 else 0
        factor += 0.9 * np.exp(-run / 12)
        values = (case.latency.p50_ns * factor).astype("int64")
        frames.append(
            pd.DataFrame({
                "case": case.case_id,
                "block": block,
                "round": run // 50,
                "start_ns": np.cumsum(values) + block * 10**10,
                "latency_ns": values,
                "warmup": run < _WARMUP,
            })
        )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def _with_scores(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the answers with scores as a softmax gives them: the answer stays the largest."""
    columns = [name for name in predictions.columns if name.startswith("score:")]
    random = np.random.default_rng(5)
    raw = np.where(predictions[columns].to_numpy() > 0.5, 3.0, 0.0) + random.uniform(
        0, 2.9, (len(predictions), len(columns))
    )
    scores = np.exp(raw)
    return predictions.assign(**dict(zip(columns, (scores / scores.sum(axis=1, keepdims=True)).T, strict=True)))
