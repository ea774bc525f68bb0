"""What a test gets back from a measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..errors import EdgebenchError
from ..records import Accuracy, CaseResult, Latency, Memory
from ..store import StoredRun


@dataclass(frozen=True)
class Measured:
    """The cases that were measured for a request, and the run that they were part of."""

    cases: tuple[CaseResult, ...]
    run: StoredRun

    @property
    def case(self) -> CaseResult:
        """The only case. Raises EdgebenchError where the model is a folder of several variants."""
        if len(self.cases) != 1:
            names = ", ".join(case.variant for case in self.cases)
            raise EdgebenchError(
                f"several variants were measured ({names}): choose one, as in result['{names.split(',')[0]}']"
            )
        return self.cases[0]

    def __getitem__(self, variant: str) -> CaseResult:
        """Return the case of a variant. Raises KeyError where there is none."""
        found = next((case for case in self.cases if case.variant == variant), None)
        if found is None:
            raise KeyError(f"{variant}: there are {', '.join(case.variant for case in self.cases)}")
        return found

    @property
    def latency(self) -> Latency | None:
        """The only case's latency."""
        return self.case.latency

    @property
    def memory(self) -> Memory | None:
        """The only case's memory."""
        return self.case.memory

    @property
    def accuracy(self) -> Accuracy | None:
        """The only case's accuracy, None without images."""
        return self.case.accuracy

    def samples_ns(self, case: CaseResult) -> np.ndarray[Any, Any]:
        """Return a case's steady latencies in ns, in the order measured."""
        samples = self.run.samples
        mine = samples[(samples["case"] == case.case_id) & ~samples["warmup"]]
        return mine["latency_ns"].to_numpy(dtype=np.int64)


class Measure(Protocol):
    """The ``edgebench`` fixture: call it to measure, or without arguments for what the test's marker asks for."""

    def __call__(self, model: Any = None, /, **keywords: Any) -> Measured:
        """Return the measurement; keywords are those of the marker, except limits."""
