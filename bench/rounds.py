"""Blocks, rounds and bursts: when each case runs, for how long, and when enough has been measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from .analysis.comparison import block_log_ratios, burst_value, relative_half_width
from .records import Settings
from .session import Samples, Session

#: One burst of one case: short against the seconds over which a shared machine's speed drifts, long enough for the
#: lower quartile of a fast model's latencies to mean something.
BURST_NS = 20_000_000
#: Rounds in a block, at least: the block's value is a median over them.
MIN_ROUNDS = 5
#: A case is warm when the medians of its last two windows differ by less than this share (pyperf calls a window stable
#: at 5 to 10 %; its workers run longer).
WARM_TOLERANCE = 0.05
#: Warm-up is given up, and said to be, after this multiple of the asked time.
WARM_LIMIT = 6

Item = TypeVar("Item")


def rotated(items: Sequence[Item], round_index: int) -> list[Item]:
    """Return the items starting with a different one each round, so that none is always first."""
    if not items:
        return []
    shift = round_index % len(items)
    return [*items[shift:], *items[:shift]]


@dataclass(frozen=True)
class Burst:
    """Samples taken in one go, and where they belong."""

    block: int
    round_index: int
    warmup: bool
    samples: Samples


@dataclass
class SampleLog:
    """All samples of one case, burst by burst, warm-up included. ``unsettled_blocks`` never got warm.

    ``groups`` is the number of groups of loaded workers that it takes turns in: a baseline is in each of its model's,
    and what caps one case caps its share in each.
    """

    bursts: list[Burst] = field(default_factory=list)
    unsettled_blocks: set[int] = field(default_factory=set)
    groups: int = 1
    # Samples and ns by (warm-up, block), and by (warm-up, None) for all blocks. They are asked for between any two
    # bursts, and to go through thousands of bursts each time would take the processor from the next one.
    _totals: dict[tuple[bool, int | None], tuple[int, int]] = field(default_factory=dict)

    def add(self, block: int, round_index: int, warmup: bool, samples: Samples) -> None:
        """Keep one burst."""
        self.keep(Burst(block, round_index, warmup, samples))

    def keep(self, burst: Burst) -> None:
        """Keep a burst that was measured before."""
        self.bursts.append(burst)
        count, spent_ns = burst.samples.latency_ns.size, int(burst.samples.latency_ns.sum())
        for key in ((burst.warmup, burst.block), (burst.warmup, None)):
            known = self._totals.get(key, (0, 0))
            self._totals[key] = known[0] + count, known[1] + spent_ns

    def select(self, *, warmup: bool, block: int | None = None) -> Iterator[Burst]:
        """Yield the bursts of a kind, of one block where given."""
        for burst in self.bursts:
            if burst.warmup is warmup and block in (None, burst.block):
                yield burst

    def count(self, *, warmup: bool, block: int | None = None) -> int:
        """Return the number of samples kept."""
        return self._totals.get((warmup, block), (0, 0))[0]

    def total_ns(self, *, warmup: bool, block: int | None = None) -> int:
        """Return the time spent inside the model."""
        return self._totals.get((warmup, block), (0, 0))[1]

    def latencies(self, *, warmup: bool, block: int | None = None) -> np.ndarray[Any, Any]:
        """Return the latencies in ns, in the order measured."""
        parts = [burst.samples.latency_ns for burst in self.select(warmup=warmup, block=block)]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def by_block(self) -> list[np.ndarray[Any, Any]]:
        """Return the steady latencies of each block."""
        blocks = sorted({burst.block for burst in self.select(warmup=False)})
        return [self.latencies(warmup=False, block=block) for block in blocks]

    def burst_values(self) -> dict[tuple[int, int], float]:
        """Return the value of each steady burst by (block, round)."""
        return {
            (burst.block, burst.round_index): burst_value(burst.samples.latency_ns)
            for burst in self.select(warmup=False)
        }


def log_ratios(log: SampleLog, baseline: SampleLog) -> list[float]:
    """Return log(case / baseline) of every block that both took part in."""
    return block_log_ratios(log.burst_values(), baseline.burst_values())


def warm_up(session: Session, log: SampleLog, settings: Settings, block: int) -> None:
    """Run until the asked time and count are met and the latency has settled; its samples are kept, marked.

    Settled: the medians of the two latest windows of half the asked time agree within WARM_TOLERANCE. A case that
    does not settle within WARM_LIMIT times the asked time is noted in the log. That limit goes before the count, so
    that a model of seconds, or an asked time of 0, means one run.
    """
    window_ns = max(1, settings.warmup_time_ns // 2)
    medians: list[float] = []
    while True:
        window = _window(session, log, settings, block, window_ns)
        medians.append(window)
        settled = len(medians) >= 2 and abs(math.log(medians[-1] / medians[-2])) < WARM_TOLERANCE
        if settled and log.count(warmup=True, block=block) >= settings.warmup_min_runs:
            return
        if _exhausted(log, settings, block):
            if len(medians) >= 2 and not settled:
                log.unsettled_blocks.add(block)
            return


def _exhausted(log: SampleLog, settings: Settings, block: int) -> bool:
    """Return True where more warm-up would cost too much: a model of seconds gets one run of it."""
    spent_ns = log.total_ns(warmup=True, block=block)
    return spent_ns >= WARM_LIMIT * settings.warmup_time_ns or log.count(warmup=True, block=block) >= settings.max_runs


def _window(session: Session, log: SampleLog, settings: Settings, block: int, window_ns: int) -> float:
    samples = session.burst(1, settings.max_runs, window_ns)
    log.add(block, len(list(log.select(warmup=True, block=block))), True, samples)
    return max(1.0, float(np.median(samples.latency_ns)))


def take_burst(session: Session, log: SampleLog, settings: Settings, round_index: int, block: int) -> None:
    """Take one burst of steady samples.

    What the caps leave room for is spread over the rounds that are due: a model of microseconds would fill the disk
    else, and a low cap would be reached in the first round.
    """
    rounds_due = max(1, MIN_ROUNDS - round_index)
    most = max(1, -(-room(log, settings, block) // rounds_due))
    log.add(block, round_index, False, session.burst(1, most, BURST_NS))


def per_block(settings: Settings) -> int:
    """Return the most samples that a case may take in one block.

    The cap on runs divided by all the blocks there may be, but never so few that the least number of blocks would miss
    the minimum.
    """
    return max(-(-settings.max_runs // settings.max_blocks), -(-settings.min_runs // settings.min_blocks))


def at_cap(log: SampleLog, settings: Settings) -> bool:
    """Return True when a case has all the samples or all the time that it may have."""
    at_runs = log.count(warmup=False) >= settings.max_runs * log.groups
    return at_runs or log.total_ns(warmup=False) >= settings.max_time_ns * log.groups


def room(log: SampleLog, settings: Settings, block: int) -> int:
    """Return how many more samples a case may take in this block, 0 when a cap is reached.

    The first run of a block is always free; one that would go beyond the block's share of the time is not, so that
    a slow model has its time in as many blocks as can be.
    """
    count, spent_ns = log.count(warmup=False, block=block), log.total_ns(warmup=False, block=block)
    # With one more run as long as those before: spent * (count + 1) / count, in whole numbers.
    beyond = spent_ns * (count + 1) * settings.min_blocks > settings.max_time_ns * count
    if at_cap(log, settings) or (count and beyond):
        return 0
    return max(0, min(per_block(settings) - count, settings.max_runs * log.groups - log.count(warmup=False)))


def block_is_full(log: SampleLog, settings: Settings, block: int, rounds: int) -> bool:
    """Return True when a case has its share of the minimum time and count in this block, or a cap is reached."""
    if not room(log, settings, block):
        return True
    if rounds < MIN_ROUNDS:
        return False
    count, spent_ns = log.count(warmup=False, block=block), log.total_ns(warmup=False, block=block)
    blocks = settings.min_blocks
    return count * blocks >= settings.min_runs and spent_ns * blocks >= settings.min_time_ns


class Decision:
    """Decides after each block whether to go on; a run that was cut off has spent time, and seen blocks, before."""

    def __init__(self, settings: Settings, clock_ns: Callable[[], int], spent_ns: int = 0, slowest_ns: int = 0) -> None:
        self._settings = settings
        self._clock_ns = clock_ns
        self._last_ns = clock_ns()
        self._start_ns = self._last_ns - spent_ns
        self._slowest_ns = slowest_ns

    @property
    def spent_ns(self) -> int:
        """How long timing has gone on, pauses of the whole run left out."""
        return self._clock_ns() - self._start_ns

    def leave_out(self, pause_ns: int) -> None:
        """Count a pause that has just ended neither to the time spent nor to a block's."""
        self._start_ns += pause_ns
        self._last_ns += pause_ns

    def another(
        self, blocks_done: int, logs: Sequence[SampleLog], pairs: Sequence[tuple[SampleLog, SampleLog]]
    ) -> bool:
        """Return whether another block shall be measured, given the logs of all cases and of (case, baseline).

        Precision stops the run, never significance: looking at significance again and again finds it in noise. What
        stopping early does to the interval is made up for in :func:`.analysis.comparison.t_interval`.
        """
        now = self._clock_ns()
        self._slowest_ns, self._last_ns = max(self._slowest_ns, now - self._last_ns), now
        budget = self._settings.budget_ns
        if budget is not None and blocks_done and now - self._start_ns + self._slowest_ns > budget:
            return False
        if all(at_cap(log, self._settings) for log in logs):
            return False
        if blocks_done < self._settings.min_blocks:
            return True
        if blocks_done >= self._settings.max_blocks:
            return False
        # Where either of a pair is at its cap, no further block can have both.
        return any(
            relative_half_width(log_ratios(*pair), self._settings.min_blocks) > self._settings.precision
            for pair in pairs
            if not any(at_cap(log, self._settings) for log in pair)
        )
