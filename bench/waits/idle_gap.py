"""One inference now and then, as an app does, against runs back to back in the same process.

Between two inferences of an app clocks fall, caches grow cold and thread pools fall asleep; a benchmark's loop never
sees that.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..analysis.comparison import MIN_BLOCKS, t_interval
from ..analysis.latency import summarise_latency
from ..errors import WaitUnavailable
from ..outcome import Outcome, typical_ns
from ..records import IdleGap
from ..rounds import BURST_NS, SampleLog, warm_up
from ..session import Session
from .context import WaitContext
from .repeats import blocks

#: Runs with a pause in a block: with six blocks enough for a p90.
RUNS = 12
#: All pauses of a case together take about this long at most: a longer gap gets fewer runs.
PAUSES_NS = 12_000_000_000
#: A block alternates between the two this often, so that drift hits both.
TURNS = 3

Array = np.ndarray[Any, Any]


def measure_idle_gap(context: WaitContext, outcome: Outcome) -> dict[str, Any]:
    """Return ``idle_gap``.

    A block's value is log(median after a pause / median back to back). Medians, where comparisons of models take lower
    quartiles: what a pause costs pushes latencies up as disturbances do, and not in every run; a lower quartile would
    pick the runs that the pause did not hit.

    Raises:
        WaitUnavailable: an inference takes longer than the gap.
    """
    gap_ns = context.wanted.gap_ns
    if typical_ns(outcome) >= gap_ns:
        raise WaitUnavailable(
            f"an inference takes {typical_ns(outcome) / 1e6:.3g} ms, longer than the gap of {gap_ns / 1e6:g} ms;"
            " ask for a longer --gap"
        )
    runs = _runs_a_block(gap_ns, context.settings.min_blocks)
    spaced: list[Array] = []
    ratios: list[float] = []
    for _ in blocks(context):
        paused, tight = _block(context, outcome, runs)
        spaced.append(paused)
        ratios.append(math.log(max(1.0, float(np.median(paused))) / max(1.0, float(np.median(tight)))))
    latency = summarise_latency(spaced, warmup_count=0)
    if latency is None:
        raise WaitUnavailable("no block was measured")
    interval = t_interval(ratios)
    if interval is None:
        measured = "1 block" if len(ratios) == 1 else f"{len(ratios)} blocks"
        reason = f"{measured}, {MIN_BLOCKS} needed for an interval"
        return {"idle_gap": IdleGap(gap_ns, latency, unavailable={"ratio": reason})}
    ratio, low, high = (math.exp(value) for value in (interval.mean, interval.low, interval.high))
    return {"idle_gap": IdleGap(gap_ns, latency, ratio, low, high)}


def _runs_a_block(gap_ns: int, block_count: int) -> int:
    return max(1, min(RUNS, PAUSES_NS // (gap_ns * block_count)))


def _block(context: WaitContext, outcome: Outcome, runs: int) -> tuple[Array, Array]:
    """Return latencies after a pause and back to back, of a fresh worker."""
    turns = min(TURNS, runs)
    spaced: list[Array] = []
    tight: list[Array] = []
    with context.launcher.open(outcome.case) as session:
        session.hello(outcome.case.runtime)
        context.launcher.load(outcome.case, session)
        session.first(context.settings.seed)
        warm_up(session, SampleLog(), context.settings, 0)
        for turn in range(turns):
            share = runs // turns + (turn < runs % turns)
            spaced.append(session.paced(context.wanted.gap_ns, share).latency_ns)
            tight.append(_back_to_back(session, context.settings.max_runs))
    return np.concatenate(spaced), np.concatenate(tight)


def _back_to_back(session: Session, max_runs: int) -> Array:
    """Return one burst's latencies, after another that makes up for the pause before it."""
    session.burst(1, max_runs, 2 * BURST_NS)
    return session.burst(1, max_runs, 2 * BURST_NS).latency_ns
