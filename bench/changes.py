"""What changed between a base and a new measurement of the same cases: the form that reports, gates and pytest share.

It is the same whether two stored runs were set against each other or both sides were measured in turns just now; only
the basis of each interval differs, and is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from .records import CaseResult

#: Follows a variant's name in the case of its older build, where both were measured in turns.
BASE_MARK = "~base"


def is_older_self(case: CaseResult) -> bool:
    """Tell whether a case was measured only so that its newer build could be compared with it."""
    return case.variant.endswith(BASE_MARK)


class Metric(str, Enum):
    """A figure that can change. Times in ns, memory and sizes in bytes, accuracy as a share (0 to 1)."""

    P50 = "p50"
    P90 = "p90"
    P95 = "p95"
    P99 = "p99"
    LOAD = "load"
    FIRST = "first"
    PEAK_RSS = "peak_rss"
    MODEL_ADDS = "model_adds"
    SIZE = "size"
    TOP1 = "top1"
    TOP2 = "top2"
    BALANCED = "balanced"
    MACRO_F1 = "macro_f1"
    RECALL = "recall"
    PRECISION = "precision"
    F1 = "f1"

    @property
    def is_share(self) -> bool:
        """True where a change is a difference in points, and more is better; False where it is a ratio, less better."""
        return self in _SHARES

    @property
    def by_class(self) -> bool:
        """True where the figure belongs to one class."""
        return self in (Metric.RECALL, Metric.PRECISION, Metric.F1)


_SHARES = frozenset(
    {Metric.TOP1, Metric.TOP2, Metric.BALANCED, Metric.MACRO_F1, Metric.RECALL, Metric.PRECISION, Metric.F1}
)


class ChangeVerdict(str, Enum):
    """What the data say of a change. ``UNDECIDED``: no difference is shown, and none is excluded."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    UNDECIDED = "undecided"


class Basis(str, Enum):
    """Where an interval comes from."""

    EXACT = "exact"
    IN_TURNS = "measured in turns"
    BETWEEN_RUNS = "two runs"
    SAME_IMAGES = "same images"


@dataclass(frozen=True)
class Change:
    """One figure of one case, base against new.

    ``base`` and ``new`` are in the metric's unit. ``value`` is new / base, or new - base for shares; ``low`` and
    ``high`` bound it with 95 % confidence, ``one_sided_low`` and ``one_sided_high`` each with 95 % on their side alone.
    ``basis`` says where the interval comes from and ``explanation`` tells it in words with its figures. ``effort_ns``
    is the time that went into the interval and would shrink it as 1 / sqrt, None where more time is of no use;
    ``images`` is that for accuracy; ``lost`` counts images that only the base answers rightly, ``gained`` those that
    only the new one does. A ``value`` without interval has the reason in ``unavailable``, under ``interval``; a figure
    that only one side has, under ``value``.
    """

    metric: Metric
    label: str | None = None
    base: float | None = None
    new: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    one_sided_low: float | None = None
    one_sided_high: float | None = None
    verdict: ChangeVerdict | None = None
    basis: Basis | None = None
    explanation: str = ""
    effort_ns: int | None = None
    images: int | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)
    lost: int | None = None
    gained: int | None = None

    @property
    def name(self) -> str:
        """How the figure is written: ``p50`` or ``recall[mel]``."""
        return self.metric.value if self.label is None else f"{self.metric.value}[{self.label}]"


@dataclass(frozen=True)
class CaseChange:
    """Everything that changed of one case. ``doubts`` are what to know before believing it."""

    case_id: str
    base: CaseResult
    new: CaseResult
    changes: tuple[Change, ...]
    doubts: tuple[str, ...] = ()

    def find(self, metric: Metric, label: str | None = None) -> Change | None:
        """Return the change of a figure, None where neither side has it."""
        return next((change for change in self.changes if (change.metric, change.label) == (metric, label)), None)


@dataclass(frozen=True)
class RunChange:
    """A comparison of two measurements.

    ``base_name`` and ``new_name`` are what a person called them. ``missing`` are ids of cases that only the base has,
    ``added`` those that only the new one has. ``environment`` has one line for each thing that is not the same.
    """

    base_name: str
    new_name: str
    cases: tuple[CaseChange, ...]
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
