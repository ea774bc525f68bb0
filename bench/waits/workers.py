"""Items per second of several processes at once: a server, or an app with several pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from ..analysis.rates import Runs, shared_rate, throughput
from ..errors import WaitUnavailable, WorkerError
from ..outcome import Outcome
from ..records import Throughput
from ..rounds import SampleLog, rotated, warm_up
from ..session import Session
from .context import WaitContext
from .repeats import LONGEST_RUN_NS, blocks, memory_budget, own_batch, peak_bytes, typical_ns

#: All processes run at once for this long, after a lead that is not counted: clocks fall when more cores are busy.
WINDOW_NS = 300_000_000
LEAD_NS = 50_000_000
#: From the last word of a worker to the common start: time to tell all of them.
NOTICE_NS = 20_000_000
NOTICE_EACH_NS = 1_000_000


@dataclass
class _Crowd:
    """One number of processes so far: items per second by block, or the reason why there are none."""

    count: int
    rates: dict[int, float] = field(default_factory=dict)
    refused: str | None = None


def measure_workers(context: WaitContext, outcome: Outcome) -> dict[str, Any]:
    """Return ``workers``: a row for each number of processes asked for.

    In each block every number gets fresh workers; all of them are warmed up, then run back to back in a common window
    of the device's clock, while this process waits. A number that fails on the way keeps the reason only.

    Raises:
        WaitUnavailable: no number can be measured, all for the same reason.
    """
    crowds = [_Crowd(count) for count in context.wanted.workers]
    cores = context.device.environment().cpus_allowed
    for crowd in crowds:
        crowd.refused = _obstacle(context, outcome, crowd.count, cores)
    for block in blocks(context):
        for crowd in rotated([crowd for crowd in crowds if crowd.refused is None], block):
            try:
                crowd.rates[block] = _rate(context, outcome, crowd.count)
            except (WaitUnavailable, WorkerError) as error:
                crowd.refused = str(error)
    reasons = {crowd.refused for crowd in crowds}
    if len(crowds) > 1 and len(reasons) == 1 and (reason := reasons.pop()) is not None:
        raise WaitUnavailable(reason)
    outcome.update(notes=outcome.result.notes + _crowded(outcome, crowds, cores))
    return {"workers": tuple(_row(crowd, crowds[0], own_batch(outcome) or 1) for crowd in crowds)}


def _row(crowd: _Crowd, first: _Crowd, batch: int) -> Throughput:
    if crowd.refused is not None:
        return Throughput(batch, crowd.count, unavailable={"items_per_s": crowd.refused})
    return throughput(batch, crowd.count, crowd.rates, first.rates if first.refused is None else None)


def _obstacle(context: WaitContext, outcome: Outcome, count: int, cores: int | None) -> str | None:
    """Return why so many processes cannot or should not be started, None where they can."""
    budget, peak = memory_budget(context), peak_bytes(outcome)
    if count > 1 and budget is not None and count * peak > budget:
        return (
            f"{count} times {peak / 1e6:.0f} MB is more than the {budget / 1e6:.0f} MB of free memory that it may use"
        )
    run_ns = typical_ns(outcome) * max(1.0, count * outcome.case.threads / (cores or 1))
    if count > 1 and run_ns > LONGEST_RUN_NS:
        return f"one run would take about {run_ns / 1e9:.0f} s: too long to repeat"
    return None


def _crowded(outcome: Outcome, crowds: Sequence[_Crowd], cores: int | None) -> tuple[str, ...]:
    most = max((crowd.count for crowd in crowds if crowd.refused is None), default=0)
    threads = most * outcome.case.threads
    if cores is None or threads <= cores or most == 1:
        return ()
    return (f"throughput: {most} processes at once have {threads} threads on {cores} cores",)


def _rate(context: WaitContext, outcome: Outcome, count: int) -> float:
    with ExitStack() as stack:
        sessions = [_prepared(context, outcome, stack) for _ in range(count)]
        # Only now: who was warmed up before others were loaded would have grown cold again.
        now_ns = max(_warm(context, session) for session in sessions)
        start_ns = now_ns + NOTICE_NS + count * NOTICE_EACH_NS
        for session in sessions:
            session.start_window(start_ns, start_ns + LEAD_NS + WINDOW_NS, context.settings.max_runs)
        runs: list[Runs] = []
        for session in sessions:
            samples = session.end_window()
            runs.append((samples.start_ns, samples.latency_ns))
    rate = shared_rate(runs, own_batch(outcome) or 1, LEAD_NS)
    if rate is None:
        raise WaitUnavailable("its processes never ran at the same time: the machine is too busy")
    return rate


def _prepared(context: WaitContext, outcome: Outcome, stack: ExitStack) -> Session:
    session = stack.enter_context(context.launcher.open(outcome.case))
    session.hello(outcome.case.runtime)
    context.launcher.load(outcome.case, session)
    session.first(context.settings.seed)
    return session


def _warm(context: WaitContext, session: Session) -> int:
    """Warm a worker up and return its clock at the end."""
    log = SampleLog()
    warm_up(session, log, context.settings, 0)
    last = log.bursts[-1].samples
    return int(last.start_ns[-1] + last.latency_ns[-1])
