"""Per-operator times of a loaded model, run by run, in whole microseconds as LiteRT's profiler gives them."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from . import capi
from .engines import LoadRequest
from .events import DEFAULT, DELEGATED_OPERATOR, OPERATOR, Event, EventReader
from .inputs import seeded_input
from .native import NativeModel, NativeRequest
from .refusal import Refusal
from .runtimes import Runtime

#: The tag of the event around a subgraph's run; its ``subgraph`` says whose.
_INVOKE = "Invoke"
#: Runs before the first that counts, both with and without profiling: caches fill, the profiler's buffers grow.
_SETTLING_RUNS = 3


class OperatorKey(NamedTuple):
    """Which operator an event is about, the same in every run.

    ``number`` is the node's place in the subgraph, or, where ``delegated``, the operator's place in the list that
    XNNPACK made for partition number ``partition`` of the subgraph. A ``container`` runs other subgraphs.
    """

    subgraph: int
    delegated: bool
    partition: int
    number: int
    tag: str
    container: bool


class RunTimes(NamedTuple):
    """One run: each operator's whole microseconds and number of times it ran, and the run of the main subgraph.

    ``plain_ns`` is the run right after it, without the profiler.
    """

    elapsed_us: Dict[OperatorKey, int]
    calls: Dict[OperatorKey, int]
    invoke_us: int
    plain_ns: int = 0


def collate(events: Sequence[Event]) -> RunTimes:
    """Return one run's times from its events, which are in the order in which they began.

    Partitions are told apart by XNNPACK's operator numbers starting again; an operator that ran several times, in a
    loop's body, is summed.

    Raises:
        Refusal: the events lack the run of a subgraph, so something was lost.
    """
    whole = next((event for event in events if event.kind == DEFAULT and event.tag == _INVOKE), None)
    if whole is None:
        raise Refusal("no-profile", "profile unavailable: the runtime recorded no run of the model's graph")
    elapsed_us: Dict[OperatorKey, int] = {}
    calls: Dict[OperatorKey, int] = {}
    places: Dict[int, Tuple[int, int]] = {}  # subgraph -> (partition, last operator number) of its current run
    for position, event in enumerate(events):
        if event.kind == DEFAULT and event.tag == _INVOKE:
            places[event.subgraph] = (-1, -1)
            continue
        if event.kind not in (OPERATOR, DELEGATED_OPERATOR):
            continue
        partition = -1
        if event.kind == DELEGATED_OPERATOR:
            partition, last = places.get(event.subgraph, (-1, -1))
            partition += last < 0 or event.number <= last
            places[event.subgraph] = (partition, event.number)
        delegated = event.kind == DELEGATED_OPERATOR
        key = OperatorKey(
            event.subgraph, delegated, partition, event.number, event.tag, _is_container(events, position)
        )
        elapsed_us[key] = elapsed_us.get(key, 0) + event.elapsed_us
        calls[key] = calls.get(key, 0) + 1
    return RunTimes(elapsed_us, calls, whole.elapsed_us)


def _is_container(events: Sequence[Event], position: int) -> bool:
    """Return whether the operator ran another subgraph: that subgraph's run begins while the operator runs."""
    event = events[position]
    if event.kind != OPERATOR:
        return False
    end_us = event.start_us + event.elapsed_us
    for later in events[position + 1 :]:
        if later.kind == OPERATOR and later.subgraph == event.subgraph:
            return False
        if later.kind == DEFAULT and later.tag == _INVOKE:
            return later.subgraph != event.subgraph and later.start_us <= end_us
    return False


class Profile:
    """A model that is open for profiling. ``close`` frees it."""

    def __init__(self, runtime: Runtime, request: LoadRequest, seed: int) -> None:
        library = capi.open_library(runtime)
        self.checked = library.checked
        native = NativeRequest(
            request.model_path, request.delegate, request.threads, request.signature, capi.CPU, profiling=True
        )
        try:
            self._model = NativeModel(library, native)
        except Refusal as refusal:
            raise _reason(runtime, request, refusal) from refusal
        try:
            self._model.set_inputs([seeded_input(tensor, seed) for tensor in self._model.inputs])
            self._reader = EventReader(library, self._model.profiler(), self._model.subgraphs)
            for _ in range(_SETTLING_RUNS):
                self._model.run()
                self._reader.record(self._model.run)
        except Refusal:
            self.close()
            raise

    def close(self) -> None:
        """Free the model. May be called twice."""
        self._model.close()

    def describe(self) -> Dict[str, Any]:
        """Return what was loaded and what LiteRT says of its acceleration."""
        truth = self._model.is_non_cpu_fully_accelerated()
        answer: Dict[str, Any] = {
            "checked": self.checked,
            "fully_accelerated": self._model.is_fully_accelerated(),
            "non_cpu_fully_accelerated": truth,
            "inputs": [tensor.describe() for tensor in self._model.inputs],
        }
        if truth is None:
            answer["unavailable"] = {"non_cpu_fully_accelerated": "this release of ai-edge-litert cannot tell"}
        return answer

    def record(self, max_runs: int, max_ns: int, clock: Callable[[], int] = time.perf_counter_ns) -> List[RunTimes]:
        """Profile at least one run and then until ``max_ns`` have passed, never over ``max_runs``.

        Runs with and without the profiler take turns, so that both meet the same disturbances.
        """
        deadline = clock() + max_ns
        runs: List[RunTimes] = []
        while not runs or (len(runs) < max_runs and clock() < deadline):
            times = collate(self._reader.record(self._model.run))
            start = clock()
            self._model.run()
            runs.append(times._replace(plain_ns=clock() - start))
        if not any(run.elapsed_us for run in runs):
            raise Refusal("no-profile", "profile unavailable: the runtime told of no operator in this model")
        return runs


def tabulate_runs(runs: Sequence[RunTimes]) -> Tuple[List[OperatorKey], Dict[str, Any]]:
    """Return the operators in the order met, and int64 arrays.

    The arrays: ``elapsed_us`` and ``calls`` [runs, operators], ``invoke_us`` and ``plain_ns`` [runs].
    """
    keys: Dict[OperatorKey, int] = {}
    for run in runs:
        for key in run.elapsed_us:
            keys.setdefault(key, len(keys))
    elapsed_us = np.zeros((len(runs), len(keys)), np.int64)
    calls = np.zeros_like(elapsed_us)
    for row, run in enumerate(runs):
        for key, value in run.elapsed_us.items():
            elapsed_us[row, keys[key]] = value
            calls[row, keys[key]] = run.calls[key]
    return list(keys), {
        "elapsed_us": elapsed_us,
        "calls": calls,
        "invoke_us": np.array([run.invoke_us for run in runs], np.int64),
        "plain_ns": np.array([run.plain_ns for run in runs], np.int64),
    }


def _reason(runtime: Runtime, request: LoadRequest, refusal: Refusal) -> Refusal:
    """The C API answers with a status number only, so let the classic interpreter say what is wrong."""
    if refusal.code != "litert-status":
        return refusal
    from .classic import ClassicEngine

    try:
        ClassicEngine(runtime, request._replace(engine="interpreter"))
    except Refusal as reason:
        return reason
    return refusal


def open_profile(runtime: Optional[Runtime], request: LoadRequest, seed: int) -> Profile:
    """Open a model for profiling.

    Raises:
        Refusal: no runtime was loaded yet, it has no profiler, or it refuses the model.
    """
    if runtime is None:
        raise Refusal("protocol", "open_profile before hello")
    return Profile(runtime, request, seed)
