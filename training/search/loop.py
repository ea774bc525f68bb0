"""The search itself: one candidate after the other, within a budget, each finished one kept."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from edgebench.errors import EdgebenchError, ScoreError, TrainingError, WorkerError
from edgebench.progress import Progress

from ..convert import ConversionError
from .candidates import QUANTIZER, Candidate, Family
from .journal import Journal, key_of
from .results import Measured, Result, from_json, to_json

#: A candidate that was begun this often and never came to an end is not begun again: a tool may abort the process.
_MOST_STARTS = 3


class OutOfTime(Exception):
    """The budget ended while something was being prepared. What was prepared is kept."""


@dataclass(frozen=True)
class Content:
    """A ``.tflite`` file as a tool made it, and the layers that were left in float32."""

    content: bytes
    layers: tuple[str, ...] = ()


class Maker(Protocol):
    """Makes files. Raises ConversionError with the tool's reason, and OutOfTime from ``prepare``."""

    def prepare(self, candidate: Candidate) -> None:
        """Do what several candidates share."""

    def make(self, candidate: Candidate) -> Content: ...

    def describe(self, candidate: Candidate, content: bytes) -> bytes: ...


class Measurer(Protocol):
    """Measures files. Raises WorkerError or ScoreError with the runtime's reason."""

    def measure(self, candidate: Candidate, path: Path) -> Measured: ...


@dataclass(frozen=True)
class Found:
    """What a search found. ``untried`` did not fit into the budget; ``new`` were made by this call."""

    results: tuple[Result, ...]
    untried: tuple[str, ...]
    new: int


class Clock:
    """Seconds since the beginning against a budget of seconds (None: without end)."""

    def __init__(self, now_s: Callable[[], float], budget_s: float | None) -> None:
        self._now_s = now_s
        self._start_s = now_s()
        self._budget_s = budget_s

    def now_s(self) -> float:
        """Seconds since the beginning."""
        return self._now_s() - self._start_s

    def allows(self, seconds: float) -> bool:
        """Whether something that takes so long would be finished within the budget."""
        return self._budget_s is None or self.now_s() + seconds <= self._budget_s


class Search:
    """One search in one folder."""

    def __init__(
        self,
        folder: Path,
        journal: Journal,
        facts: Mapping[str, Any],
        maker: Maker,
        measurer: Measurer,
        clock: Clock,
        progress: Progress | None = None,
    ) -> None:
        """``facts`` are what decides a result beside the candidate: model, images, versions of tools."""
        self._folder = folder
        self._facts = facts
        self._maker = maker
        self._measurer = measurer
        self._clock = clock
        self._progress = progress or Progress()
        self._journal = journal
        self._took: dict[Family, list[float]] = {}
        self._contents: dict[str, str] = {}

    def run(self, candidates: Sequence[Candidate]) -> Found:
        """Try the candidates in their order; the first, float32, whatever the budget.

        A candidate is begun only where one like it would be finished within the budget. Raises TrainingError where
        the first one could not be made or measured: there is nothing to compare with then.
        """
        self._progress.phase("searching", len(candidates))
        results, untried, new = [], [], 0
        for number, candidate in enumerate(candidates):
            self._progress.detail(candidate.name)
            result = self._known(candidate)
            if result is None and (number == 0 or self._fits(candidate)):
                result = self._tried(candidate)
                new += result is not None
            if result is None:
                untried.append(candidate.name)
            else:
                self._remember(candidate, result)
                results.append(result)
            if number == 0 and (result is None or result.measured is None):
                reason = result.problem if result else "no time"
                raise TrainingError(f"{candidate.name}: {reason}; there is nothing to compare with")
            self._progress.advance()
        return Found(tuple(results), tuple(untried), new)

    def _key(self, candidate: Candidate) -> str:
        # Installing the second tool, or a new version of it, changes nothing for what the first one makes.
        facts = {name: fact for name, fact in self._facts.items() if candidate.recipe or name != QUANTIZER}
        return key_of(candidate=to_json(candidate), facts=facts)

    def _known(self, candidate: Candidate) -> Result | None:
        """What an earlier call found, where its file is still there."""
        value = self._journal.find(self._key(candidate))
        result: Result | None = from_json(value, Result) if value is not None else None
        if result is None or result.sha256 is None:
            return result
        path = self._path(candidate)
        whole = path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == result.sha256
        return result if whole else None

    def _fits(self, candidate: Candidate) -> bool:
        """Whether it would be finished in time, and the final judgement too: that measures what the standard ones
        are again, and a few more, so it takes about as long as they did."""
        judging_s = sum(self._took.get(Family.STANDARD, []))
        others = [seconds for took in self._took.values() for seconds in took]
        like_s = max(self._took.get(candidate.family, [statistics.median(others) if others else 0.0]))
        return self._clock.allows(like_s + judging_s)

    def _remember(self, candidate: Candidate, result: Result) -> None:
        if result.measured is not None:
            self._took.setdefault(candidate.family, []).append(result.seconds)
        if result.content is not None:
            self._contents.setdefault(result.content, result.name)

    def _tried(self, candidate: Candidate) -> Result | None:
        key = self._key(candidate)
        if self._journal.starts(key) >= _MOST_STARTS:
            result = Result(
                candidate.name, f"begun {_MOST_STARTS} times and never finished: it seems to end the process"
            )
        else:
            self._journal.start(key)
            try:
                result = self._one(candidate)
            except OutOfTime:
                self._journal.stop(key)
                return None
            except KeyboardInterrupt:
                self._journal.stop(key)
                raise
        self._journal.finish(key, to_json(result))
        return result

    def _one(self, candidate: Candidate) -> Result:
        """Make and measure. The time counts from where the candidate's own work begins."""
        try:
            self._maker.prepare(candidate)
            begun_s = self._clock.now_s()
            made = self._maker.make(candidate)
        except ConversionError as error:
            return Result(candidate.name, f"not made: {error}")
        digest = hashlib.sha256(made.content).hexdigest()
        bare = Result(candidate.name, content=digest, layers=made.layers)
        if digest in self._contents:
            return replace(bare, problem=f"the same model as {self._contents[digest]}")
        try:
            content = self._maker.describe(candidate, made.content)
            self._write(self._path(candidate), content)
            measured = self._measurer.measure(candidate, self._path(candidate))
        except (WorkerError, ScoreError) as error:
            return replace(bare, problem=f"does not run: {error}")
        except EdgebenchError as error:
            if isinstance(error, TrainingError):
                raise
            return replace(bare, problem=str(error))
        return replace(
            bare,
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            measured=measured,
            seconds=self._clock.now_s() - begun_s,
        )

    def _path(self, candidate: Candidate) -> Path:
        return self._folder / f"{candidate.name}.tflite"

    def _write(self, path: Path, content: bytes) -> None:
        partial = path.with_suffix(".partial")
        try:
            partial.write_bytes(content)
            partial.replace(path)
        except OSError as error:
            raise TrainingError(f"{path}: cannot be written ({error.strerror or error}); make room") from error
