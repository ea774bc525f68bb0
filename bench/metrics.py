"""The figures that can be followed over time: how they are called, where they stand, in which unit they differ."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from .errors import UsageError
from .index import Estimate, Row

_RECALL = re.compile(r"recall(?:\[(.+)\]|:(.+))")


class Measure(str, Enum):
    """What is measured, by the name that people write."""

    P50 = "p50"
    PEAK_RSS = "peak_rss"
    SIZE = "size"
    TOP1 = "top1"
    BALANCED = "balanced"
    RECALL = "recall"


class Unit(str, Enum):
    """What a metric's values are in: changes of shares are differences, of the others ratios."""

    NS = "ns"
    BYTES = "bytes"
    SHARE = "share"


@dataclass(frozen=True)
class Metric:
    """A figure of a case; ``label`` is the class of a recall."""

    measure: Measure
    label: str | None = None

    @property
    def name(self) -> str:
        """What :func:`parse_metric` takes: ``p50``, ``recall[mel]``."""
        return self.measure.value if self.label is None else f"{self.measure.value}[{self.label}]"

    @property
    def unit(self) -> Unit:
        """What its values are in."""
        if self.measure is Measure.P50:
            return Unit.NS
        return Unit.BYTES if self.measure in (Measure.PEAK_RSS, Measure.SIZE) else Unit.SHARE

    @property
    def exact(self) -> bool:
        """Whether the same file always gives the same value, so that any change is one: a size, answers to images."""
        return self.measure not in (Measure.P50, Measure.PEAK_RSS)

    def of(self, row: Row) -> Estimate | None:
        """Return the row's value, None where it has none."""
        if self.measure is Measure.RECALL:
            return row.recalls.get(self.label or "")
        if self.measure is Measure.SIZE:
            return Estimate(float(row.size_bytes))
        if self.measure is Measure.PEAK_RSS:
            return None if row.peak_rss_bytes is None else Estimate(float(row.peak_rss_bytes))
        return {Measure.P50: row.p50_ns, Measure.TOP1: row.top1, Measure.BALANCED: row.balanced_accuracy}[self.measure]


def parse_metric(text: str, labels: Iterable[str]) -> Metric:
    """Return the metric that a person wrote; ``labels`` are the classes that any stored run has.

    Raises:
        UsageError: it is unknown, or names a class that no run has.
    """
    found = _RECALL.fullmatch(text.strip())
    if found:
        label = found.group(1) or found.group(2)
        known = sorted(set(labels))
        if label not in known:
            classes = f"known: {', '.join(known[:12])}" if known else "none has classes: measure with --data"
            raise UsageError(f"--metric {text}: no stored run here has a class {label!r}; {classes}")
        return Metric(Measure.RECALL, label)
    plain = [measure.value for measure in Measure if measure is not Measure.RECALL]
    if text.strip() not in plain:
        raise UsageError(f"--metric {text}: unknown; known are {', '.join(plain)} and recall[CLASS]")
    return Metric(Measure(text.strip()))
