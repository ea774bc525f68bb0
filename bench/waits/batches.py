"""Items per second with several items a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..analysis.comparison import burst_value
from ..analysis.rates import RateLog, throughput, typical_rate
from ..blocks import MAX_GROUP, memory_budget
from ..errors import MemoryExceeded, WaitUnavailable, WorkerError
from ..outcome import Outcome, peak_bytes, typical_ns
from ..records import Throughput
from ..rounds import BURST_NS, SampleLog, rotated, warm_up
from ..session import Session
from .context import WaitContext
from .repeats import LONGEST_RUN_NS, blocks, own_batch

#: Rounds of a block, and the time after which no further one begins.
ROUNDS = 10
ROUNDS_NS = 1_000_000_000


@dataclass
class _Size:
    """One batch size so far: its items per second, or the reason why there are none."""

    batch: int
    peak_bytes: int = 0
    log: RateLog = field(default_factory=RateLog)
    refused: str | None = None


def measure_batches(context: WaitContext, outcome: Outcome) -> dict[str, Any]:
    """Return ``batches``: a row for each size asked for.

    Each size is proved in a process of its own first, see :mod:`..worker.batching`. In each block every size has a
    fresh worker, and they take turns in bursts. A size that fails on the way keeps the reason only.

    Raises:
        WaitUnavailable: no size can be measured, all for the same reason.
    """
    sizes = [_Size(batch) for batch in context.wanted.batches]
    budget = memory_budget(context.available_bytes())
    for size in sizes:
        with _refusing(size, budget):
            _prove(context, outcome, size, budget)
    for block in blocks(context):
        for group in _groups([size for size in sizes if size.refused is None], budget):
            _measure_block(context, outcome, rotated(group, block), budget, block)
    reasons = {size.refused for size in sizes}
    if len(sizes) > 1 and len(reasons) == 1 and (reason := reasons.pop()) is not None:
        raise WaitUnavailable(reason)
    return {"batches": tuple(_row(size, sizes[0]) for size in sizes)}


def _row(size: _Size, first: _Size) -> Throughput:
    if size.refused is not None:
        return Throughput(size.batch, 1, unavailable={"items_per_s": size.refused})
    return throughput(size.batch, 1, size.log, first.log if first.refused is None else None)


@contextmanager
def _refusing(size: _Size, budget: int | None) -> Iterator[None]:
    """Make an error the reason why the size has no figures."""
    try:
        yield
    except MemoryExceeded as error:
        # --memory-limit may be the lower of the two, and is all that the model's own batch is held to.
        may_use = f"needs more than the {error.limit_bytes / 1e6:.0f} MB that it may use"
        size.refused = may_use if error.limit_bytes == budget else str(error)
    except (WaitUnavailable, WorkerError) as error:
        size.refused = str(error)


def _prove(context: WaitContext, outcome: Outcome, size: _Size, budget: int | None) -> None:
    own = own_batch(outcome)
    if size.batch == own:
        size.peak_bytes = peak_bytes(outcome)  # that is what was measured before
        return
    run_ns = typical_ns(outcome) * size.batch / (own or 1)
    if run_ns > LONGEST_RUN_NS:
        raise WaitUnavailable(f"one run would take about {run_ns / 1e9:.0f} s: too long to repeat")
    with context.launcher.open(outcome.case, at_most_bytes=budget) as session:
        session.hello(outcome.case.runtime)
        session.check_batch(context.launcher.request(outcome.case, batch=size.batch), context.settings.seed)
        size.peak_bytes = session.memory().get("peak_rss_bytes") or 0


def _groups(sizes: Iterable[_Size], budget: int | None) -> Iterator[list[_Size]]:
    """Yield sizes that fit into memory together."""
    group: list[_Size] = []
    for size in sizes:
        used = sum(member.peak_bytes for member in group) + size.peak_bytes
        if group and (len(group) >= MAX_GROUP or (budget is not None and used > budget)):
            yield group
            group = []
        group.append(size)
    if group:
        yield group


def _measure_block(
    context: WaitContext, outcome: Outcome, group: Sequence[_Size], budget: int | None, block: int
) -> None:
    with ExitStack() as opened:
        sessions: list[tuple[_Size, Session]] = []
        for size in group:
            with _refusing(size, budget):
                sessions.append((size, _open(context, outcome, size, budget, opened)))
        for size, session in sessions:
            with _refusing(size, budget):
                warm_up(session, SampleLog(), context.settings, block)
        _take_turns(context, [(size, session) for size, session in sessions if size.refused is None], budget, block)


def _open(context: WaitContext, outcome: Outcome, size: _Size, budget: int | None, opened: ExitStack) -> Session:
    own = size.batch == own_batch(outcome)  # that one has run before: nothing about its memory is unknown
    session = opened.enter_context(context.launcher.open(outcome.case, at_most_bytes=None if own else budget))
    session.hello(outcome.case.runtime)
    context.launcher.load(outcome.case, session, batch=None if own else size.batch)
    session.first(context.settings.seed)
    return session


def _take_turns(
    context: WaitContext, sessions: Sequence[tuple[_Size, Session]], budget: int | None, block: int
) -> None:
    latencies: dict[int, list[np.ndarray[Any, Any]]] = {size.batch: [] for size, _ in sessions}
    begin_ns = context.launcher.clock_ns()
    for turn in range(ROUNDS):
        for size, session in rotated(sessions, turn):
            if size.refused is None:
                with _refusing(size, budget):
                    latency_ns = session.burst(1, context.settings.max_runs, BURST_NS).latency_ns
                    latencies[size.batch].append(latency_ns)
                    size.log.rounds[block, turn] = size.batch / burst_value(latency_ns) * 1e9
        if context.launcher.clock_ns() - begin_ns > ROUNDS_NS:
            break
    for size, _ in sessions:
        if size.refused is None:
            size.log.blocks[block] = typical_rate(np.concatenate(latencies[size.batch]), size.batch)
