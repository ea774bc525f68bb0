"""What a per-operator profile is made of, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .operators import OperatorKey, OperatorProfile
from .records import Failure, ModelFile, RuntimeInfo


@dataclass(frozen=True)
class ProfiledRuns:
    """Whole microseconds of every operator in every run.

    ``elapsed_us`` and ``calls`` are int64 [runs, operators]; ``invoke_us`` int64 [runs] is the whole graph's run, and
    ``plain_ns`` int64 [runs] the run right after it without the profiler.
    """

    operators: tuple[OperatorKey, ...]
    elapsed_us: np.ndarray[Any, Any]
    calls: np.ndarray[Any, Any]
    invoke_us: np.ndarray[Any, Any]
    plain_ns: np.ndarray[Any, Any]


@dataclass(frozen=True)
class OpenedProfile:
    """A model that a worker has loaded for profiling.

    ``layouts_checked`` is False on a release that the struct layouts were never tried on; what it told passed the
    tests for garbage. ``non_cpu_fully_accelerated`` is None where the release cannot tell.
    """

    layouts_checked: bool
    fully_accelerated: bool
    non_cpu_fully_accelerated: bool | None


@dataclass(frozen=True)
class GraphNode:
    """One node of a subgraph: its operator, its tensors by index, and its outputs' names."""

    operator: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    output_names: tuple[str, ...]


@dataclass(frozen=True)
class Subgraph:
    """A subgraph's name and its nodes in the file's order."""

    name: str
    nodes: tuple[GraphNode, ...]


@dataclass(frozen=True)
class Profile(OperatorProfile):
    """One model's per-operator times, and what was profiled. ``device`` is as case ids have it."""

    model: str
    variant: str
    file: ModelFile
    delegate: str
    threads: int
    signature: str | None
    runtime: RuntimeInfo
    opened: OpenedProfile
    subgraph_names: tuple[str, ...]
    cpus: str | None = None
    device: str = "local"


@dataclass(frozen=True)
class FailedProfile:
    """A model that could not be profiled, and why."""

    model: str
    variant: str
    file: ModelFile
    failure: Failure
