"""Classifying all images with one case: several workers take chunks of them from a common queue."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from .blocks import memory_budget
from .devices.base import Device
from .errors import ScoreError, WaitUnavailable
from .evaluation import Reading
from .images.cache import CachedImages
from .launch import Launcher
from .outcome import Outcome, cores_for, peak_bytes, typical_ns
from .plan import Case
from .progress import Progress
from .records import DelegateKind
from .session import Session, first_to_answer

#: A request answers after this time, finished or not: progress shows, a hang is noticed, and the workers that are done
#: at the end do not wait long for the others.
_CHUNK_NS = 500_000_000
#: Images (batches, for a model with a fixed batch) of a worker's first request; later ones grow with what it managed.
_FIRST_RUNS = 8
#: Work for less than this is not worth a process more: to start one takes about as long.
_WORTH_NS = 1_000_000_000
#: How often all others may have answered before everybody waits for the one that has not: it may hang.
_PATIENCE = 20

Array = np.ndarray[Any, Any]


class Classifier:
    """Opens the workers that classify a case's images on one device."""

    def __init__(
        self, device: Device, launcher: Launcher, progress: Progress, available_bytes: Callable[[], int | None]
    ) -> None:
        self._device = device
        self._launcher = launcher
        self._progress = progress
        self._available_bytes = available_bytes

    @contextmanager
    def crew(self, outcome: Outcome, images: int, wanted: int | None = None) -> Iterator[Crew]:
        """Start workers with the case loaded; they end with the context.

        They are ``wanted``, or as many as the cores and the work of ``images`` images suffice for; but never more than
        fit into the memory that is free.

        Raises:
            WorkerError: one of them could not be started or could not load the model.
        """
        reading = outcome.reading
        if reading is None:
            raise ScoreError(f"{outcome.case.case_id}: nothing says how its images are made")
        with ExitStack() as stack:
            sessions = self._opened(outcome.case, self._count(outcome, images, wanted), stack)
            yield Crew(self._device, sessions, reading, _batch(outcome), self._progress)

    def _count(self, outcome: Outcome, images: int, wanted: int | None) -> int:
        if outcome.case.delegate.kind in (DelegateKind.GPU, DelegateKind.EXTERNAL):
            return 1  # some accelerators open only once
        batch = _batch(outcome)
        runs = max(1, math.ceil(images / batch))
        if wanted is None:
            environment = self._device.environment()
            cores = cores_for(outcome, environment.cpus_allowed or environment.cpus_logical) or 1
            wanted = min(cores // outcome.case.threads, math.ceil(runs * typical_ns(outcome) / _WORTH_NS))
        budget, peak = memory_budget(self._available_bytes()), peak_bytes(outcome)
        fitting = wanted if budget is None or not peak else budget // peak
        return max(1, min(wanted, fitting, runs))

    def _opened(self, case: Case, count: int, stack: ExitStack) -> list[Session]:
        """Return workers with the model loaded; several of them start at the same time where the device can do that."""
        first = stack.enter_context(self._launcher.open(case))
        try:
            sessions = [first, *(stack.enter_context(self._launcher.open(case)) for _ in range(count - 1))]
            for session in sessions if count > 1 else ():
                session.start_hello(case.runtime)
        except WaitUnavailable:
            for session in sessions[1:]:
                session.close()
            sessions = [first]
        if len(sessions) == 1:
            first.hello(case.runtime)
            self._launcher.load(case, first)
            return sessions
        for session in sessions:
            session.end_hello()
        for session in sessions:
            session.start_load(self._launcher.request(case))
        for session in sessions:
            session.end_load()
        return sessions


@dataclass
class _Worker:
    """A worker, the rows that it was asked for, and how many runs the next request should ask for.

    ``passed`` counts answers of others since it was asked.
    """

    session: Session
    runs: int = _FIRST_RUNS
    rows: range = range(0)
    passed: int = 0


class Crew:
    """Workers that have one case loaded."""

    def __init__(
        self, device: Device, sessions: list[Session], reading: Reading, batch: int, progress: Progress
    ) -> None:
        self._device = device
        self._sessions = sessions
        self._reading = reading
        self._batch = batch
        self._progress = progress

    def classify(self, images: CachedImages) -> Array:
        """Return float32 scores [images, labels] of all images, in their order.

        A chunk always begins where one worker alone would begin a batch, so scores do not depend on how many there are.

        Raises:
            WorkerError: one of the workers failed.
            ScoreError: there are not as many scores as labels.
        """
        path = self._device.place(images.pixels_path)
        for session in self._sessions:
            session.open_images(path, self._reading.table)
        total = len(images.items)
        scores = np.empty((total, len(self._reading.labels)), np.float32)
        queue = _Queue(total, self._batch)
        begin_ns, done = self._device.clock_ns(), 0
        for rows, found in self._answers(queue):
            if found.shape[1] != scores.shape[1]:
                raise ScoreError(f"the worker answered {found.shape[1]} scores an image, not {scores.shape[1]}")
            scores[rows.start : rows.start + len(found)] = found
            done += len(found)
            spent_ns = self._device.clock_ns() - begin_ns
            self._progress.detail_count(done, total, done * 1e9 / spent_ns if spent_ns > 0 else None)
        return scores

    def _answers(self, queue: _Queue) -> Iterator[tuple[range, Array]]:
        """Yield the rows that were asked for and the scores of the first of them, until none are left."""
        if len(self._sessions) == 1:
            yield from self._answers_of_one(queue)
            return
        idle = [_Worker(session) for session in self._sessions]
        busy: list[_Worker] = []  # the one that was asked first comes first
        while True:
            for worker in idle:
                worker.rows, worker.passed = queue.take(worker.runs, len(self._sessions)), 0
                if worker.rows:
                    worker.session.start_predict(worker.rows.start, worker.rows.stop, _CHUNK_NS)
                    busy.append(worker)
            idle = [worker for worker in idle if not worker.rows]
            if not busy:
                return
            worker = busy.pop(_first(busy))
            found = worker.session.end_predict(len(worker.rows))
            for other in busy:
                other.passed += 1
            worker.runs = _next_runs(worker, len(found), self._batch)
            queue.put_back(worker.rows[len(found) :])
            idle.append(worker)
            yield worker.rows, found

    def _answers_of_one(self, queue: _Queue) -> Iterator[tuple[range, Array]]:
        while rows := queue.take_all():
            found = self._sessions[0].predict(rows.start, rows.stop, _CHUNK_NS)
            queue.put_back(rows[len(found) :])
            yield rows, found


class _Queue:
    """Rows that nobody has classified yet, as ranges that begin with a batch."""

    def __init__(self, total: int, batch: int) -> None:
        self._batch = batch
        self._ranges = deque([range(total)] if total else [])

    def take(self, runs: int, workers: int) -> range:
        """Return the next rows, ``runs`` batches or fewer: near the end everybody shall get some. Empty: none left."""
        if not self._ranges:
            return range(0)
        left = sum(map(len, self._ranges))
        share = math.ceil(left / (2 * workers * self._batch))
        rows = self._ranges.popleft()
        size = min(runs, share) * self._batch
        self.put_back(rows[size:])
        return rows[:size]

    def take_all(self) -> range:
        """Return all the rows that follow each other next."""
        return self._ranges.popleft() if self._ranges else range(0)

    def put_back(self, rows: range) -> None:
        """Let these rows be the next ones."""
        if rows:
            self._ranges.appendleft(rows)


def _first(busy: list[_Worker]) -> int:
    """Return the place of the worker to listen to."""
    if len(busy) == 1 or busy[0].passed > _PATIENCE * len(busy):
        return 0
    return first_to_answer([worker.session for worker in busy], "predict")


def _next_runs(worker: _Worker, answered: int, batch: int) -> int:
    """Return how many runs to ask for: twice as many as before, or as many as the time was enough for."""
    return worker.runs * 2 if answered == len(worker.rows) else max(1, math.ceil(answered / batch))


def _batch(outcome: Outcome) -> int:
    shapes = [tensor.shape for tensor in outcome.result.inputs if tensor.shape]
    return max(1, shapes[0][0]) if shapes else 1
