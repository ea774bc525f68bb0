"""A bare loop over LiteRT's C API: what the timed loop and the engines around it are compared with."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Optional

import numpy as np

from . import capi
from .engines import LoadRequest
from .inputs import seeded_input
from .native import NativeModel, NativeRequest
from .refusal import Refusal
from .runtimes import Runtime


class BareLoop:
    """A model that is open for bare loops, in a process of its own. ``close`` frees it."""

    def __init__(self, runtime: Optional[Runtime], request: LoadRequest, seed: int) -> None:
        if runtime is None:
            raise Refusal("protocol", "open_bare before hello")
        library = capi.open_library(runtime, "bare loops")
        self._model = NativeModel(
            library, NativeRequest(request.model_path, request.delegate, request.threads, request.signature)
        )
        self._model.set_inputs([seeded_input(tensor, seed) for tensor in self._model.inputs])

    def close(self) -> None:
        """Free the model. May be called twice."""
        self._model.close()

    def run(self, max_ns: int, clock: Callable[[], int] = time.perf_counter_ns) -> Dict[str, Any]:
        """Run at least once and until ``max_ns`` have passed; answer the median latency in ns and the runs."""
        latencies = bare_loop(self._model.run, max_ns, clock)
        return {"median_ns": float(np.median(latencies)), "runs": len(latencies)}


def bare_loop(run: Callable[[], Any], max_ns: int, clock: Callable[[], int] = time.perf_counter_ns) -> List[int]:
    """Return the latencies in ns of a loop that does nothing but run and read the clock."""
    latencies: List[int] = []
    before = clock()
    end = before + max_ns
    while before < end or not latencies:
        run()
        after = clock()
        latencies.append(after - before)
        before = after
    return latencies
