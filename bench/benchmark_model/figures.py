"""What ``benchmark_model`` tells of a run, as frozen dataclasses in our units: ns, bytes, shares.

The tool's own units: statistics in microseconds, LiteRT's block in milliseconds, a profile in milliseconds and in KB of
1,000 bytes; memory, called MB, in units of 2^20 bytes; the model's size in MB of 10^6 bytes. None: it was not told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Tool(str, Enum):
    """Which of the tools that go by this name wrote a log."""

    CLASSIC = "benchmark_model"
    LITERT = "benchmark_litert_model"
    PYTHON = "litert-benchmark"


class Took(str, Enum):
    """How much of the graph an explicitly applied delegate took."""

    ALL = "completely"
    PART = "partially"
    NOTHING = "not"


@dataclass(frozen=True)
class Statistics:
    """Statistics of one phase, in ns. ``last_ns`` is the last run."""

    count: int | None = None
    first_ns: float | None = None
    last_ns: float | None = None
    min_ns: float | None = None
    max_ns: float | None = None
    mean_ns: float | None = None
    stdev_ns: float | None = None
    p5_ns: float | None = None
    median_ns: float | None = None
    p95_ns: float | None = None


@dataclass(frozen=True)
class Footprint:
    """Memory of the tool's whole process. On Linux and Android it reads the peak resident set (``ru_maxrss``).

    ``init_growth_bytes`` and ``overall_growth_bytes`` are what that peak grew by since the tool's start, until the
    model was initialised and until the last run; ``peak_bytes`` is the peak itself, looked at from time to time. The
    last three are resident memory at the end: all of it, without files, and files with shared memory.
    """

    init_growth_bytes: int | None = None
    overall_growth_bytes: int | None = None
    peak_bytes: int | None = None
    end_rss_bytes: int | None = None
    end_anonymous_bytes: int | None = None
    end_file_bytes: int | None = None


@dataclass(frozen=True)
class Applied:
    """A delegate that was asked for: its provider's name, what it took, and in how many kernels where that is told."""

    name: str
    took: Took
    kernels: int | None = None


@dataclass(frozen=True)
class Replaced:
    """Nodes that the runtime gave to a delegate, in the subgraph ``where``.

    ``total`` is None where the build does not tell it.
    """

    delegate: str
    nodes: int
    total: int | None
    partitions: int
    where: str = ""


@dataclass(frozen=True)
class Delegates:
    """What the log says of delegates.

    ``gpu_operations`` and ``cpu_operations`` are how the GPU delegate divided the graph; ``refused`` maps each operator
    that it does not support to its reason; ``absent`` names delegates that the build or platform lacks.
    """

    applied: tuple[Applied, ...] = ()
    replaced: tuple[Replaced, ...] = ()
    created: tuple[str, ...] = ()
    gpu_operations: int | None = None
    cpu_operations: int | None = None
    refused: tuple[tuple[str, str], ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProfiledNode:
    """One operator of a profile. ``share`` (0 to 1) is of the time of all runs, ``mean_ns`` that of one call."""

    node_type: str
    name: str
    first_ns: float
    mean_ns: float
    share: float
    memory_bytes: int
    calls: int
    start_ns: float | None = None


@dataclass(frozen=True)
class ProfiledType:
    """All operators of a type: ``mean_ns`` of a run."""

    node_type: str
    count: int
    mean_ns: float
    share: float
    memory_bytes: int
    calls: int


@dataclass(frozen=True)
class ProfilePart:
    """The profile of a phase (``initialization``: else of the regular runs), of one graph or inside a delegate.

    ``graph`` is empty for the primary graph. ``total`` are statistics of a run's time in operators.
    """

    initialization: bool
    graph: str = ""
    delegate_internal: bool = False
    nodes: tuple[ProfiledNode, ...] = ()
    slowest: tuple[ProfiledNode, ...] = ()
    types: tuple[ProfiledType, ...] = ()
    executed: int | None = None
    observed: int | None = None
    total: Statistics | None = None


@dataclass(frozen=True)
class BenchmarkLog:
    """A log, understood. ``text`` is the whole of it, as it was.

    ``measured`` is None where the log ends before the measured runs did. ``unconsumed`` are flags that the tool does
    not know, ``errors`` its ERROR lines and what else it says when it fails.
    """

    text: str
    tool: Tool = Tool.CLASSIC
    warmup: Statistics | None = None
    measured: Statistics | None = None
    init_ns: float | None = None
    first_inference_ns: float | None = None
    model_size_bytes: int | None = None
    threads: int | None = None
    graph: str | None = None
    signature: str | None = None
    fully_accelerated: bool | None = None
    footprint: Footprint = field(default_factory=Footprint)
    delegates: Delegates = field(default_factory=Delegates)
    profile: tuple[ProfilePart, ...] = ()
    unconsumed: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
