"""Load and first answer without XNNPACK's weight cache, writing it, and reading it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..analysis.latency import summarise_latency
from ..analysis.waits import cut_short
from ..errors import WaitUnavailable, WorkerError
from ..outcome import Outcome
from ..plan import Case
from ..records import DelegateKind, Engine, Latency, WeightCache
from ..rounds import rotated
from ..session import FileState, Session
from .context import WaitContext
from .turns import turns

#: One more than a median needs, and each of the three comes first in a third of them.
ROUNDS = 12
LIMIT_NS = 60_000_000_000
_WITH_XNNPACK = (DelegateKind.DEFAULT, DelegateKind.XNNPACK)


@dataclass
class _Kind:
    """What was measured in one kind of process: load and first answer in ns, and peak memory."""

    waits_ns: list[int] = field(default_factory=list)
    peaks_bytes: list[int] = field(default_factory=list)

    def latency(self) -> Latency:
        found = summarise_latency([np.array(self.waits_ns, np.int64)], 0)
        if found is None:
            raise WaitUnavailable("no process was started")
        return cut_short(found, f"more processes would take over {LIMIT_NS / 1e9:g} s")

    def peak_bytes(self) -> int | None:
        return int(statistics.median(self.peaks_bytes)) if self.peaks_bytes else None


def measure_weight_cache(context: WaitContext, outcome: Outcome) -> dict[str, Any]:
    """Return ``weight_cache``, over fresh processes that take turns.

    Raises:
        WaitUnavailable: the engine or delegate has no such cache, or it was not used.
    """
    _check_case(outcome.case)
    with context.launcher.open(outcome.case) as keeper:
        meter = _Meter(context, outcome.case, keeper)
        return {"weight_cache": meter.measure()}


def _check_case(case: Case) -> None:
    if case.engine is not Engine.COMPILED:
        raise WaitUnavailable("the Interpreter cannot set XNNPACK's weight cache from Python; use --engine compiled")
    if case.delegate.kind not in _WITH_XNNPACK:
        raise WaitUnavailable(
            f"the cache is XNNPACK's: it goes with --delegate default, not {case.delegate.kind.value}"
        )


class _Meter:
    """Asks ``keeper``, a worker that only waits, about files: those that are timed come and go."""

    def __init__(self, context: WaitContext, case: Case, keeper: Session) -> None:
        self._context = context
        self._case = case
        self._keeper = keeper
        self._plain, self._cold, self._warm = _Kind(), _Kind(), _Kind()

    def measure(self) -> WeightCache:
        """Take turns with a cache that is ready, and new ones."""
        with self._scratch() as folder:
            cache = f"{folder}/cache"
            self._start(cache, _Kind())
            written = self._written(cache)
            takes: tuple[Callable[[], None], ...] = (
                lambda: self._start(None, self._plain),
                self._write,
                lambda: self._read(cache, written),
            )
            for turn in turns(self._context.launcher.clock_ns, ROUNDS, LIMIT_NS):
                for take in rotated(takes, turn):
                    take()
        return WeightCache(
            plain=self._plain.latency(),
            cold=self._cold.latency(),
            warm=self._warm.latency(),
            cache_bytes=written.size_bytes,
            plain_peak_rss_bytes=self._plain.peak_bytes(),
            warm_peak_rss_bytes=self._warm.peak_bytes(),
        )

    def _write(self) -> None:
        # In a folder of its own, gone before the next: a dozen caches of a large model would fill the place.
        with self._scratch() as folder:
            self._start(f"{folder}/cache", self._cold)
            self._written(f"{folder}/cache")

    def _read(self, cache: str, written: FileState) -> None:
        self._start(cache, self._warm)
        if self._keeper.file_state(cache) != written:
            raise WaitUnavailable("XNNPACK wrote its weight cache anew instead of reading it")

    def _written(self, cache: str) -> FileState:
        found = self._keeper.file_state(cache)
        if found is None or not found.size_bytes:
            raise WaitUnavailable("XNNPACK wrote no weight cache for this model: it packs none of its weights")
        return found

    @contextmanager
    def _scratch(self) -> Iterator[str]:
        """Yield a temporary folder of the device. It is removed whatever happens, if need be by another worker."""
        folder = self._keeper.make_scratch()
        try:
            yield folder
        finally:
            try:
                self._keeper.drop_scratch(folder)
            except WorkerError:
                with self._context.launcher.open(self._case) as other:
                    other.drop_scratch(folder)

    def _start(self, weight_cache: str | None, kind: _Kind) -> None:
        case, launcher = self._case, self._context.launcher
        with launcher.open(case) as session:
            session.hello(case.runtime)
            load_ns = launcher.load(case, session, weight_cache=weight_cache).load_ns
            kind.waits_ns.append(load_ns + session.first_answer(self._context.settings.seed))
            peak_bytes = session.memory().get("peak_rss_bytes")
            if peak_bytes is not None:
                kind.peaks_bytes.append(int(peak_bytes))
