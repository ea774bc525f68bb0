"""Operators and the time each takes in a profiled run, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Match(str, Enum):
    """How an operator's node in the model's graph is known."""

    INDEX = "index"
    """The runtime gives the node's index, and the node there is of the same operator."""
    ORDER = "order"
    """XNNPACK keeps the nodes' order; its partition has as many operators of this family as the graph has nodes."""
    NONE = "none"


@dataclass(frozen=True)
class OperatorKey:
    """Which operator events are about, the same in every run.

    ``index`` is the node's place in the subgraph or, where ``delegated``, the operator's place in the list that
    XNNPACK made for partition ``partition`` of that subgraph. A ``container`` runs other subgraphs (WHILE, IF).
    """

    subgraph: int
    delegated: bool
    partition: int
    index: int
    tag: str
    container: bool = False


@dataclass(frozen=True)
class OperatorTime:
    """One operator's part of a run: mean ``time_us``, and ``share`` of the time of all operators.

    ``share_interval`` is the half-width of the share's 95 % interval over runs. XNNPACK cuts every time down to whole
    microseconds, so a delegated operator may take up to ``cut_us`` more; ``share_low`` and ``share_high`` enclose the
    share whatever was cut, from it and from all others. A container has no share: its time is that of the operators
    inside it.
    """

    key: OperatorKey
    time_us: float
    calls: float
    cut_us: float
    share: float | None = None
    share_interval: float = 0.0
    share_low: float = 0.0
    share_high: float = 0.0
    match: Match = Match.NONE
    node: int | None = None
    node_operator: str | None = None
    output_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class TypeTime:
    """All operators of one type together; ``delegated`` ones are XNNPACK's own. For the rest see OperatorTime."""

    tag: str
    delegated: bool
    count: int
    time_us: float
    share: float
    share_low: float
    share_high: float


@dataclass(frozen=True)
class Resolution:
    """How well the shares are known: ``resolved`` of ``operators``, ``resolved_share`` of the time, to within 10 %.

    Only the quicker half of the ``runs`` counts. ``cut_us`` is what XNNPACK may have cut off all times together.
    """

    runs: int
    operators: int
    resolved: int
    resolved_share: float
    cut_us: float


@dataclass(frozen=True)
class OperatorProfile:
    """Which operators a model's time goes to. They are shares of a profiled run, never latencies.

    ``invoke_us`` is the mean profiled run of the graph, ``operators_us`` what of it was spent in operators, and
    ``plain_us`` the median run without the profiler, taken in turns with the profiled ones. ``reported_by`` names the
    program whose profile it is, None for ours: then a run without it was another process, and shares have no range.
    """

    operators: tuple[OperatorTime, ...]
    types: tuple[TypeTime, ...]
    resolution: Resolution
    invoke_us: float
    operators_us: float
    plain_us: float
    notes: tuple[str, ...]
    reported_by: str | None = field(default=None, kw_only=True)

    @property
    def tells_shares(self) -> bool:
        """False where XNNPACK may have cut off as much as it told: a share would be made of rounding."""
        return self.resolution.cut_us < self.operators_us
