"""A search without tools and without time: candidates take virtual seconds and have the figures that a test says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from edgebench.analysis.accuracy import measure_accuracy
from edgebench.records import Accuracy, Comparison
from edgebench_training.convert import ConversionError, Variant
from edgebench_training.search.candidates import Candidate, Family
from edgebench_training.search.loop import Content, OutOfTime
from edgebench_training.search.results import Measured, Result

LABELS = ("a", "b")


def accuracy(right_a: int, right_b: int, each: int = 100) -> Accuracy:
    """Accuracy of ``each`` images of both classes, of which so many were answered rightly."""
    truth = ["a"] * each + ["b"] * each
    answers = [0] * right_a + [1] * (each - right_a) + [1] * right_b + [0] * (each - right_b)
    return measure_accuracy(LABELS, truth, np.eye(2)[answers])


def candidate(name: str, family: Family = Family.CALIBRATION) -> Candidate:
    if name == "float32":
        return Candidate(name, Family.STANDARD, Variant.FLOAT32)
    return Candidate(name, family, Variant.INT8)


def measured(right: int, ratio: float | None = None) -> Measured:
    """The figures of a file; the interval of the ratio is 2 % to either side."""
    comparison = Comparison("float32", ratio, ratio * 0.98, ratio * 1.02) if ratio is not None else None
    return Measured(accuracy(right, right), 1e6 * (ratio or 1.0), comparison, 1.0)


def result(name: str, right: int, ratio: float | None, size_bytes: int) -> Result:
    return Result(name, None, name, name, size_bytes, measured(right, ratio))


@dataclass
class FakeTools:
    """Maker and measurer. ``takes_s`` maps a name to seconds (10), ``fails`` to the error that it raises."""

    takes_s: dict[str, float] = field(default_factory=dict)
    fails: dict[str, BaseException] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    prepares_s: float = 0.0
    now_s: float = 0.0
    made: list[str] = field(default_factory=list)
    measured: list[str] = field(default_factory=list)

    def clock(self) -> float:
        return self.now_s

    def prepare(self, wanted: Candidate) -> None:
        if wanted.family is Family.FLOAT_LAYERS:
            self.now_s, self.prepares_s = self.now_s + self.prepares_s, 0.0
            if isinstance(self.fails.get(wanted.name), OutOfTime):
                raise self.fails[wanted.name]

    def make(self, wanted: Candidate) -> Content:
        self.made.append(wanted.name)
        self.now_s += self.takes_s.get(wanted.name, 10.0)
        error = self.fails.get(wanted.name)
        if isinstance(error, (ConversionError, KeyboardInterrupt)):
            raise error
        return Content(self.contents.get(wanted.name, wanted.name.encode()))

    def describe(self, wanted: Candidate, content: bytes) -> bytes:
        return content + wanted.name.encode()

    def measure(self, wanted: Candidate, path: Path) -> Measured:
        if error := self.fails.get(wanted.name):
            raise error
        if not path.read_bytes().endswith(wanted.name.encode()):
            raise AssertionError(path)
        self.measured.append(wanted.name)
        return measured(80, None if wanted.name == "float32" else 0.5)
