"""What has been learnt about one case so far, while a run is under way."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .analysis.cooling import BlockCooling
from .analysis.latency import summarise_latency
from .errors import EdgebenchError, ScoreError, WorkerError
from .evaluation import Reading, Scored
from .plan import Case
from .records import CaseResult, Failure, Status
from .rounds import SampleLog


@dataclass
class Outcome:
    """A case's result so far, its samples, and (load_ns, first_ns) of each of its timing processes.

    ``states`` has the snapshots (:mod:`edgebench.worker.truth`) before the first and after the last burst of each
    block, ``machine`` the lasting facts, ``unread`` why the latest of these that is missing could not be read.
    ``coolings`` has by block how the device was let cool before. ``baseline`` is the case that it is compared with,
    None for a baseline itself. ``done`` are the phases that it has been through. ``raw_log`` is what another program
    that measured the case has written.
    """

    case: Case
    result: CaseResult
    baseline: Outcome | None = None
    is_baseline: bool = False
    log: SampleLog = field(default_factory=SampleLog)
    starts: list[tuple[int, int]] = field(default_factory=list)
    states: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = field(default_factory=list)
    machine: Mapping[str, Any] | None = None
    unread: str | None = None
    coolings: dict[int, BlockCooling] = field(default_factory=dict)
    reading: Reading | None = None
    scored: Scored | None = None
    done: set[str] = field(default_factory=set)
    raw_log: str = ""

    @property
    def alive(self) -> bool:
        """True while nothing has gone wrong with the case."""
        return self.result.failure is None

    def forget(self) -> None:
        """Be again as before anything was measured."""
        fresh = Outcome(self.case, self.case.result(Status.INTERRUPTED), self.baseline, self.is_baseline)
        vars(self).update(vars(fresh))

    def update(self, **changes: Any) -> None:
        """Replace fields of the result."""
        self.result = replace(self.result, **changes)

    def lacks(self, name: str, reason: str) -> None:
        """Keep why the result has nothing in a field."""
        self.update(unavailable={**self.result.unavailable, name: reason})

    def summarise(self) -> None:
        """Put the figures of the samples taken so far into the result."""
        if self.starts:
            load_ns, first_ns = (int(statistics.median(values)) for values in zip(*self.starts, strict=True))
            self.update(load_ns=load_ns, first_inference_ns=first_ns)
        self.update(latency=summarise_latency(self.log.by_block(), self.log.count(warmup=True)))

    def fail(self, error: EdgebenchError) -> None:
        """Turn an error into this case's result; what was measured before stays."""
        self.broken(Failure(error.code, str(error)))

    def broken(self, failure: Failure) -> None:
        """Make the failure this case's result."""
        self.update(status=Status.FAILED, failure=failure)


def typical_ns(outcome: Outcome) -> float:
    """Return the median latency of the case as timed before, its mean where there are too few samples, else 0."""
    latency = outcome.result.latency
    if latency is None:
        return 0.0
    return latency.p50_ns if latency.p50_ns is not None else latency.mean_ns


def cores_for(outcome: Outcome, cores: int | None) -> int | None:
    """Return how many cores the case may use, of the ``cores`` that the device has (None: unknown)."""
    return len(outcome.result.cpu_numbers) or cores


def peak_bytes(outcome: Outcome) -> int:
    """Return the case's peak memory as measured before, 0 where that is unknown."""
    memory = outcome.result.memory
    return (memory.peak_rss_bytes if memory else None) or 0


def guarded(outcome: Outcome, action: Callable[..., None], *arguments: Any) -> bool:
    """Do it; an error of the worker or in its scores becomes the case's result. Return whether the case still lives."""
    try:
        action(*arguments)
    except (WorkerError, ScoreError) as error:
        outcome.fail(error)
    return outcome.alive
