"""Items per second of several processes at once: a server, or an app with several pipelines."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from ..analysis.rates import RateLog, Runs, shared_rate, throughput
from ..blocks import memory_budget
from ..errors import WaitUnavailable, WorkerError
from ..outcome import Outcome, cores_for, peak_bytes, typical_ns
from ..records import Throughput
from ..rounds import SampleLog, rotated, warm_up
from ..session import Samples, Session
from .context import WaitContext
from .repeats import LONGEST_RUN_NS, blocks, own_batch

#: All processes run at once for this long, after a lead that is not counted: clocks fall when more cores are busy.
WINDOW_NS = 100_000_000
LEAD_NS = 20_000_000
#: From the last word of a worker to the common start: time to tell all of them.
NOTICE_NS = 20_000_000
NOTICE_EACH_NS = 1_000_000
#: Rounds of a block, and the time after which no further one begins.
ROUNDS = 5
ROUNDS_NS = 2_000_000_000


@dataclass
class _Crowd:
    """One number of processes so far: its items per second, or the reason why there are none."""

    count: int
    log: RateLog = field(default_factory=RateLog)
    refused: str | None = None


def measure_workers(context: WaitContext, outcome: Outcome) -> dict[str, Any]:
    """Return ``workers``: a row for each number of processes asked for.

    Each block has as many fresh workers as the largest number; all of them are warmed up. Then the numbers take turns:
    so many of the workers run back to back in a common window of the device's clock, while the others and this process
    wait. A number that fails on the way keeps the reason only.

    Raises:
        WaitUnavailable: no number can be measured, all for the same reason.
    """
    crowds = [_Crowd(count) for count in context.wanted.workers]
    cores = cores_for(outcome, context.device.environment().cpus_allowed)
    for crowd in crowds:
        crowd.refused = _obstacle(context, outcome, crowd.count, cores)
    for block in blocks(context):
        alive = [crowd for crowd in crowds if crowd.refused is None]
        if not alive:
            break
        _measure_block(context, outcome, alive, block)
    reasons = {crowd.refused for crowd in crowds}
    if len(crowds) > 1 and len(reasons) == 1 and (reason := reasons.pop()) is not None:
        raise WaitUnavailable(reason)
    outcome.update(notes=outcome.result.notes + _crowded(outcome, crowds, cores))
    return {"workers": tuple(_row(crowd, crowds[0], own_batch(outcome) or 1) for crowd in crowds)}


def _row(crowd: _Crowd, first: _Crowd, batch: int) -> Throughput:
    reason = crowd.refused
    if reason is None and not crowd.log.blocks:
        reason = "its processes never ran at the same time: the machine is too busy"
    if reason is not None:
        return Throughput(batch, crowd.count, unavailable={"items_per_s": reason})
    return throughput(batch, crowd.count, crowd.log, first.log if first.refused is None else None)


def _obstacle(context: WaitContext, outcome: Outcome, count: int, cores: int | None) -> str | None:
    """Return why so many processes cannot or should not be started, None where they can."""
    budget, peak = memory_budget(context.available_bytes()), peak_bytes(outcome)
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


def _measure_block(context: WaitContext, outcome: Outcome, crowds: Sequence[_Crowd], block: int) -> None:
    with ExitStack() as opened:
        workers: list[_Worker] = []
        try:
            for _ in range(max(crowd.count for crowd in crowds)):
                session = opened.enter_context(context.launcher.open(outcome.case))
                _prepare(context, outcome, session)
                workers.append(_Worker(session))
        except WorkerError as error:
            _refuse([crowd for crowd in crowds if crowd.count > len(workers)], error)
        ready = [crowd for crowd in crowds if crowd.refused is None]
        try:
            # Only now: who was warmed up before others were loaded would have grown cold again.
            for worker in workers:
                worker.warm_up(context)
        except WorkerError as error:
            _refuse(ready, error)
            return
        _take_turns(context, workers, ready, own_batch(outcome) or 1, block)


def _refuse(crowds: Sequence[_Crowd], error: Exception) -> None:
    for crowd in crowds:
        crowd.refused = str(error)


def _prepare(context: WaitContext, outcome: Outcome, session: Session) -> None:
    session.hello(outcome.case.runtime)
    context.launcher.load(outcome.case, session)
    session.first(context.settings.seed)


@dataclass
class _Worker:
    """A worker and the last moment on its clock that it told."""

    session: Session
    told_ns: int = 0

    def warm_up(self, context: WaitContext) -> None:
        log = SampleLog()
        warm_up(self.session, log, context.settings, 0)
        self._listen(log.bursts[-1].samples)

    def end_window(self) -> Runs:
        samples = self.session.end_window()
        self._listen(samples)
        return samples.start_ns, samples.latency_ns

    def _listen(self, samples: Samples) -> None:
        self.told_ns = int(samples.start_ns[-1] + samples.latency_ns[-1])


def _take_turns(
    context: WaitContext, workers: Sequence[_Worker], crowds: Sequence[_Crowd], items: int, block: int
) -> None:
    begin_ns = context.launcher.clock_ns()
    for turn in range(ROUNDS):
        for crowd in rotated(crowds, turn):
            now_ns = max(worker.told_ns for worker in workers)
            try:
                rate = _rate(context, rotated(workers, turn)[: crowd.count], now_ns, items)
            except (WaitUnavailable, WorkerError) as error:
                _refuse([crowd], error)
                return  # answers of the others may still be under way
            if rate is not None:
                crowd.log.rounds[block, turn] = rate
        if context.launcher.clock_ns() - begin_ns > ROUNDS_NS:
            break
    for crowd in crowds:
        rates = [rate for (own, _), rate in crowd.log.rounds.items() if own == block]
        if rates:
            crowd.log.blocks[block] = statistics.median(rates)


def _rate(context: WaitContext, workers: Sequence[_Worker], now_ns: int, items: int) -> float | None:
    """Return items per second of one window, None where the workers were so late that they never ran together."""
    start_ns = now_ns + NOTICE_NS + len(workers) * NOTICE_EACH_NS
    for worker in workers:
        worker.session.start_window(start_ns, start_ns + LEAD_NS + WINDOW_NS, context.settings.max_runs)
    return shared_rate([worker.end_window() for worker in workers], items, LEAD_NS)
