"""The result schema: what a run is, as frozen dataclasses. ``run.json`` is exactly this.

Rules that hold everywhere:

* Units live in names. Times are integer nanoseconds, memory and sizes are bytes (1 MB = 10^6 bytes when shown).
* What is unknown is ``None``, and the record's ``unavailable`` maps the field's name to the reason. Never 0.
* Raw samples and scores per image live beside it, in ``samples.parquet`` and ``predictions.parquet``.

Schema history:

1. first version
2. findings and verdict, what a user waits for, adapter and parity of a GPU, private memory, operators, devices,
   sustained load: absent in version 1
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from .device_outputs import DeviceParity
from .findings import Code, Finding, Verdict
from .operators import OperatorProfile
from .readings import CoreGroup, Reading, ThermalStatus
from .rule import Rule
from .sustained_records import Sustained

SCHEMA_VERSION = 2


class Engine(str, Enum):
    """What runs the model: an API of the runtime's, or TFLite's official tool."""

    INTERPRETER = "interpreter"
    COMPILED = "compiled"
    BENCHMARK_MODEL = "benchmark_model"


class DelegateKind(str, Enum):
    """Which delegate was asked for. ``DEFAULT`` is whatever the runtime does by itself."""

    DEFAULT = "default"
    XNNPACK = "xnnpack"
    NONE = "none"
    GPU = "gpu"
    NNAPI = "nnapi"
    EXTERNAL = "external"


class Status(str, Enum):
    """How a case ended."""

    OK = "ok"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Coverage(str, Enum):
    """How much of the graph the delegate took."""

    FULL = "full"
    PARTIAL = "partial"
    NOTHING = "nothing"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Delegate:
    """A requested delegate; ``library`` and ``options`` belong to ``EXTERNAL``."""

    kind: DelegateKind
    library: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """Why a case has no result: a code for programs, one line for people."""

    code: str
    message: str


@dataclass(frozen=True)
class ModelFile:
    """One variant's file. ``scheme`` says how it is quantized, as read from the file."""

    path: str
    sha256: str
    size_bytes: int
    scheme: str | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RuntimeInfo:
    """The runtime that ran the model, and the Python around it."""

    name: str
    package: str
    version: str
    python: str
    numpy: str
    machine: str


@dataclass(frozen=True)
class TensorInfo:
    """An input or output. ``scale`` is 0.0 where it is not quantized; ``dynamic`` had a size left open, run as 1.

    These three are None where the engine does not tell: CompiledModel's Python API shows neither.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = 0.0
    zero_point: int | None = 0
    dynamic: bool | None = False


@dataclass(frozen=True)
class Delegation:
    """What really ran. ``cpu_operators`` maps an operator left to the CPU's kernels to its count, None where untold."""

    coverage: Coverage
    total_nodes: int | None = None
    delegated_nodes: int | None = None
    partitions: int | None = None
    cpu_operators: Mapping[str, int | None] = field(default_factory=dict)
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MemoryRepeat:
    """The same two readings as :class:`Memory` has, in another clean process."""

    rss_before_load_bytes: int | None = None
    peak_rss_bytes: int | None = None

    @property
    def model_adds_bytes(self) -> int | None:
        """The peak less what was there before loading."""
        if self.peak_rss_bytes is None or self.rss_before_load_bytes is None:
            return None
        return self.peak_rss_bytes - self.rss_before_load_bytes


@dataclass(frozen=True)
class Memory:
    """Resident memory of a process that did nothing but load and run this case, never while timing.

    ``rss_before_load_bytes`` is Python with the runtime; ``peak_rss_bytes`` is the kernel's high-water mark (VmHWM).
    The last three are read after the last run, from ``/proc/PID/smaps_rollup``: ``pss_bytes`` counts a page shared by
    n processes as 1/n, ``uss_bytes`` counts only pages that no other process shares, ``anonymous_bytes`` those that
    no file backs (heap, stacks, packed weights). ``repeats`` are of further clean processes, where the case took turns
    with its older self.

    Where another program measured its own process, ``definition`` says what ``peak_rss_bytes`` is there.
    ``grown_at_init_bytes`` and ``grown_bytes`` are what that peak grew by since the program's start, until the model
    was initialised and until the last run.
    """

    rss_before_load_bytes: int | None = None
    rss_after_load_bytes: int | None = None
    rss_after_first_bytes: int | None = None
    peak_rss_bytes: int | None = None
    pss_bytes: int | None = None
    uss_bytes: int | None = None
    anonymous_bytes: int | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)
    repeats: tuple[MemoryRepeat, ...] = ()
    definition: str | None = None
    grown_at_init_bytes: int | None = None
    grown_bytes: int | None = None

    @property
    def model_adds_bytes(self) -> int | None:
        """What the model adds to an app that already has a runtime: the peak less what was there before loading."""
        if self.peak_rss_bytes is None or self.rss_before_load_bytes is None:
            return None
        return self.peak_rss_bytes - self.rss_before_load_bytes


@dataclass(frozen=True)
class Latency:
    """Summary of the steady samples (warm-up excluded). A percentile that the count cannot support is ``None``.

    ``intervals`` maps a percentile's name to its 95 % interval (low, high) over blocks, where blocks allow one.
    ``summary_of`` names the program that reported these figures and kept no samples, None where there are samples.
    """

    count: int
    min_ns: int
    mean_ns: float
    stdev_ns: float | None = None
    p50_ns: float | None = None
    p90_ns: float | None = None
    p95_ns: float | None = None
    p99_ns: float | None = None
    warmup_count: int = 0
    blocks: int = 1
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    unavailable: Mapping[str, str] = field(default_factory=dict)
    summary_of: str | None = None


class Difference(str, Enum):
    """What the data say about a case against its baseline."""

    FASTER = "faster"
    SLOWER = "slower"
    NONE_SHOWN = "no difference shown"


@dataclass(frozen=True)
class Comparison:
    """A case's latency against its baseline's, measured in turns: below 1 is faster.

    ``low`` and ``high`` bound ``ratio`` with 95 % confidence. ``detectable`` is the smallest relative difference
    (0.01 = 1 %) that a run like this one finds 4 times in 5.
    """

    baseline: str
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    blocks: int = 0
    detectable: float | None = None
    difference: Difference | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Adapter:
    """The GPU that ran a case. ``kind`` is Vulkan's: integrated, discrete, virtual, cpu or other.

    ``software`` is True where a program on the CPU plays the GPU.
    """

    name: str
    kind: str
    software: bool
    driver: str | None = None
    api_version: str | None = None


@dataclass(frozen=True)
class Parity:
    """A delegate's outputs against those of the CPU on the same seeded inputs.

    The figures are of the output that is furthest off, as dequantised values: the largest difference, what was allowed,
    and the largest magnitude among the CPU's values. ``not_finite`` counts values of all outputs that are no finite
    number on one side only, or infinite on both with different signs.
    """

    against: str
    max_abs_difference: float
    largest_value: float
    allowed_difference: float
    agrees: bool
    not_finite: int = 0


class Wait(str, Enum):
    """What a user waits for beside pure inference."""

    END_TO_END = "end-to-end"
    COLD_START = "cold-start"
    IDLE_GAP = "idle-gap"
    WEIGHT_CACHE = "weight-cache"
    BATCHES = "batches"
    WORKERS = "workers"


@dataclass(frozen=True)
class Part:
    """One step of a longer wait: its median, and its share of the sum of all parts' medians."""

    name: str
    p50_ns: float
    share: float


@dataclass(frozen=True)
class Whole:
    """A wait as a person has it, from first to last, with the steps it consists of, in order."""

    total: Latency
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class IdleGap:
    """One inference every ``gap_ns``, as an app does; ``ratio`` of its median to that of back-to-back runs there.

    ``low`` and ``high`` bound the ratio with 95 % confidence.
    """

    gap_ns: int
    latency: Latency
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WeightCache:
    """Load and first answer together, in fresh processes: without XNNPACK's weight cache, writing it, reading it.

    ``plain_peak_rss_bytes`` and ``warm_peak_rss_bytes`` are peaks without and with a ready cache.
    """

    plain: Latency
    cold: Latency
    warm: Latency
    cache_bytes: int
    plain_peak_rss_bytes: int | None = None
    warm_peak_rss_bytes: int | None = None


@dataclass(frozen=True)
class Throughput:
    """Items per second with ``batch`` items a run and ``workers`` processes at once.

    Of one process by its median run; of processes at once by the clock, whatever else ran meanwhile.
    ``low`` and ``high`` bound it with 95 % confidence; ``speedup`` is against the first row of its kind, in
    turns, and has an interval of its own.
    """

    batch: int
    workers: int
    items_per_s: float | None = None
    low: float | None = None
    high: float | None = None
    speedup: float | None = None
    speedup_low: float | None = None
    speedup_high: float | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Waits:
    """What was measured beside pure inference. ``unavailable`` maps a :class:`Wait` asked for to the reason."""

    end_to_end: Whole | None = None
    cold_start: Whole | None = None
    idle_gap: IdleGap | None = None
    weight_cache: WeightCache | None = None
    batches: tuple[Throughput, ...] = ()
    workers: tuple[Throughput, ...] = ()
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ClassMetrics:
    """One class's figures. A ratio with an empty denominator is ``None``: never 0.

    ``roc_auc`` is one-vs-rest. ``intervals`` maps ``recall``, ``precision``, ``f1`` and ``roc_auc`` to their 95 %
    interval (low, high), ``unavailable`` those that are None to the reason. ``lesions`` counts the groups of images
    that belong together, None where each image stands for itself.
    """

    label: str
    support: int
    predicted: int
    recall: float | None
    precision: float | None
    f1: float | None
    roc_auc: float | None = None
    lesions: int | None = None
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Accuracy:
    """Accuracy over the evaluated images. ``confusion[i][j]`` counts images of class i answered as class j.

    Macro figures are means over the classes that have images, weighted ones are weighted with their images: macro
    recall is ``balanced_accuracy`` and weighted recall is ``top1``. ``ece`` (15 bins of equal width of the best score)
    and ``brier`` (0 to 2) exist where scores are probabilities. ``intervals`` maps a figure's name to its 95 % interval
    (low, high); a figure or interval that is missing has a reason in ``unavailable``, under its name or under
    ``interval:<name>``. ``resamples`` is how many bootstrap samples were drawn for those intervals that need them.
    """

    images: int
    top1: float
    top2: float | None
    balanced_accuracy: float | None
    macro_f1: float | None
    weighted_f1: float | None
    labels: tuple[str, ...]
    classes: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]
    unavailable: Mapping[str, str] = field(default_factory=dict)
    macro_precision: float | None = None
    weighted_precision: float | None = None
    ece: float | None = None
    brier: float | None = None
    lesions: int | None = None
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    resamples: int | None = None


class AccuracyVerdict(str, Enum):
    """What the images say about a case's right answers against its baseline's."""

    WORSE = "worse"
    BETTER = "better"
    NONE_SHOWN = "no difference shown"


@dataclass(frozen=True)
class PairedDifference:
    """Right answers of a case against its baseline's on the same images: of one class, or of all.

    ``name`` is the class's label, or ``top-1`` or ``balanced accuracy`` for all images. ``lost`` counts the images
    that only the baseline gets right, ``gained`` those that only the case does. ``difference`` (case less baseline,
    0.01 = one point) is that of the recall, top-1 or balanced accuracy; ``low`` and ``high`` bound it with 95 %
    confidence, for this figure alone. ``p`` is the two-sided chance of so large a difference where there is none;
    ``p_holm`` is ``p`` adjusted for looking at all classes, None for ``top-1`` and ``balanced accuracy``. ``verdict``
    follows ``p_holm`` where there is one, else ``p``; ``explanation`` says why where the interval alone would suggest
    another verdict. ``detectable`` is the smallest difference (above 0) that would have been found 4 times in 5.
    ``one_sided_low`` and ``one_sided_high`` each bound the difference with 95 % confidence on their side alone.
    """

    name: str
    images: int
    lesions: int | None
    gained: int
    lost: int
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    verdict: AccuracyVerdict | None = None
    detectable: float | None = None
    explanation: str | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)
    one_sided_low: float | None = None
    one_sided_high: float | None = None


@dataclass(frozen=True)
class Agreement:
    """How far two models answer alike on the same images, whatever the truth is.

    ``top1`` is the share of images with the same answer, ``low`` and ``high`` bound it with 95 % confidence. Score
    differences are absolute ones, over all images and classes.
    """

    images: int
    top1: float
    low: float
    high: float
    mean_score_difference: float | None = None
    max_score_difference: float | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AccuracyComparison:
    """A case's answers against those of the case ``against`` on the ``images`` that both have answered.

    ``classes`` has one entry for each class, in the order of the case's labels. ``lesions`` counts the groups that were
    resampled and tested as one, None where each image stands for itself. ``notes`` has what to know about ``against``;
    ``unavailable`` maps ``agreement``, ``top1``, ``balanced_accuracy`` or ``classes`` to the reason.
    """

    against: str
    images: int = 0
    lesions: int | None = None
    agreement: Agreement | None = None
    top1: PairedDifference | None = None
    balanced_accuracy: PairedDifference | None = None
    classes: tuple[PairedDifference, ...] = ()
    notes: tuple[str, ...] = ()
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OperatingPoint:
    """One class's recall where its one-vs-rest specificity is held, with a threshold chosen on other images.

    An image counts as of class ``label`` where that class's score is at least ``threshold``. It is the lowest one with
    which the specificity on the validation part is at least ``wanted_specificity``; ``validation_specificity`` is what
    it is there. ``recall`` and ``specificity`` are measured on the evaluated images, of which ``positives`` are of the
    class and ``negatives`` are not; the intervals are 95 % ones.
    """

    label: str
    wanted_specificity: float
    threshold: float | None = None
    validation_images: int = 0
    validation_specificity: float | None = None
    validation_recall: float | None = None
    positives: int = 0
    negatives: int = 0
    recall: float | None = None
    recall_interval: tuple[float, float] | None = None
    specificity: float | None = None
    specificity_interval: tuple[float, float] | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Preprocessing:
    """How pixels became inputs, and who said so (card, flag, the model's own quantization)."""

    height: int
    width: int
    channels: int
    resize: str
    normalization: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    normalization_from: str
    labels_from: str


@dataclass(frozen=True)
class CaseResult:
    """One variant x device x engine x delegate x threads and everything measured of it.

    ``findings`` are worst first and ``verdict`` is what they come to, None where nothing was timed; ``unchecked`` maps
    the code of a check that could not be made to the reason. ``unavailable`` maps ``accuracy`` to the reason where
    images were classified and have no labels, and ``operators`` and ``sustained`` to the reason where a profile or
    sustained load was asked for and there is none. ``cpus`` is what ``--cpus`` asked for, None for any, and
    ``cpu_numbers`` what that was on the device.
    """

    case_id: str
    model: str
    variant: str
    device: str
    engine: Engine
    delegate: Delegate
    threads: int
    file: ModelFile
    status: Status
    signature: str | None = None
    failure: Failure | None = None
    runtime: RuntimeInfo | None = None
    python_path: str | None = None
    python_name: str | None = None
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    runtime_import_ns: int | None = None
    load_ns: int | None = None
    first_inference_ns: int | None = None
    latency: Latency | None = None
    comparison: Comparison | None = None
    memory: Memory | None = None
    delegation: Delegation | None = None
    preprocessing: Preprocessing | None = None
    accuracy: Accuracy | None = None
    adapter: Adapter | None = None
    parity: Parity | None = None
    waits: Waits | None = None
    verdict: Verdict | None = None
    findings: tuple[Finding, ...] = ()
    unchecked: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    accuracy_comparison: AccuracyComparison | None = None
    operating_points: tuple[OperatingPoint, ...] = ()
    operators: OperatorProfile | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)
    device_parity: DeviceParity | None = None
    cpus: str | None = None
    cpu_numbers: tuple[int, ...] = ()
    sustained: Sustained | None = None


@dataclass(frozen=True)
class SkippedImage:
    """An image that was listed but not evaluated."""

    image_id: str
    reason: str


@dataclass(frozen=True)
class DataInfo:
    """The images that accuracy was measured on. ``generated``: drawn by a program, no photographs."""

    source: str
    images: int
    lesions: int | None
    class_counts: Mapping[str, int]
    skipped: tuple[SkippedImage, ...] = ()
    notes: tuple[str, ...] = ()
    generated: bool = False


@dataclass(frozen=True)
class Environment:
    """The machine that ran the cases."""

    hostname: str
    system: str
    kernel: str
    machine: str
    cpu_model: str | None
    cpus_logical: int | None
    cpus_allowed: int | None
    memory_total_bytes: int | None
    python: str
    edgebench: str
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DeviceRecord:
    """A device that ran cases: what it is, and its state before, during and after the run, in that order.

    ``name`` is the device part of case ids. ``address`` is where it was reached, None for this machine, to which no
    bytes were sent either; ``bytes_reused`` were there already. ``ready_to_first_result_ns`` is the time from when it
    could be asked to the first case's first result. ``virtual`` and ``emulated`` are the signs that it is a virtual
    machine or an emulator, empty where there are none. A run that was continued has readings of each sitting.
    """

    name: str
    environment: Environment
    address: str | None = None
    board_model: str | None = None
    soc: str | None = None
    cores: tuple[CoreGroup, ...] = ()
    virtual: tuple[str, ...] | None = None
    emulated: tuple[str, ...] | None = None
    readings: tuple[Reading, ...] = ()
    bytes_sent: int | None = None
    bytes_reused: int | None = None
    ready_to_first_result_ns: int | None = None
    notes: tuple[str, ...] = ()
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """How long was measured, and with which seed.

    Sampling is divided into blocks, each with fresh workers: at least ``min_blocks`` and at most ``max_blocks``, until
    every comparison is known to ``precision`` (0.01 = 1 %) or ``budget_ns`` is spent. Minimum runs and time are over
    all of ``min_blocks``. ``require_full`` makes a delegate that left operators to the CPU an error, a worker whose
    resident memory exceeds ``memory_limit_bytes`` is killed, and findings with a ``silenced`` code do not count.
    Before each block the device cools to ``cool_to_celsius`` or Android's ``cool_to_status``, for ``cool_timeout_s`` at
    most; ``governor`` is set on its CPUs meanwhile. None asks for neither.
    """

    seed: int
    min_runs: int
    max_runs: int
    min_time_ns: int
    max_time_ns: int
    warmup_time_ns: int
    warmup_min_runs: int
    timeout_s: float
    min_blocks: int = 6
    max_blocks: int = 12
    precision: float = 0.01
    budget_ns: int | None = None
    require_full: bool = False
    memory_limit_bytes: int | None = None
    silenced: tuple[Code, ...] = ()
    cool_to_celsius: float | None = None
    cool_timeout_s: float = 300.0
    governor: str | None = None
    cool_to_status: ThermalStatus | None = None


@dataclass(frozen=True)
class GovernorChange:
    """The governor that a run set on all CPUs of its device, and what each clock policy had before and got back.

    ``previous`` is empty where all of them had it already.
    """

    name: str
    previous: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cooling:
    """How a device was let cool before blocks, by the warmest of its thermal ``zones`` or by Android's thermal status.

    Of ``blocks`` in all, ``waits`` had to wait, ``waited_ns`` together; ``too_warm`` of them began above the limit (or
    nobody knows) when the time for it was over. ``warmest_celsius`` is how warm the warmest of them began, and
    ``worst_status`` the worst status that one began with.
    """

    limit_celsius: float | None
    zones: tuple[str, ...] = ()
    blocks: int = 0
    waits: int = 0
    waited_ns: int = 0
    too_warm: int = 0
    warmest_celsius: float | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)
    limit_status: ThermalStatus | None = None
    worst_status: ThermalStatus | None = None


@dataclass(frozen=True)
class Conditions:
    """What a run saw to on a device because somebody asked for it; None where nobody did."""

    device: str
    governor: GovernorChange | None = None
    cooling: Cooling | None = None


@dataclass(frozen=True)
class RejectedModel:
    """A MODEL argument that gave no case at all: no file, no flatbuffer, a damaged one."""

    path: str
    failure: Failure


@dataclass(frozen=True)
class RunRecord:
    """One run: the whole of ``run.json``. ``rule`` is what ``--recommend`` asked for, None for the default.

    ``environment`` is that of the first device; ``devices`` is empty where nobody looked at them.
    """

    schema_version: int
    run_id: str
    created_utc: str
    command: tuple[str, ...]
    settings: Settings
    environment: Environment
    cases: tuple[CaseResult, ...]
    data: DataInfo | None = None
    rejected: tuple[RejectedModel, ...] = ()
    interrupted: bool = False
    warnings: tuple[str, ...] = ()
    rule: Rule | None = None
    devices: tuple[DeviceRecord, ...] = ()
    conditions: tuple[Conditions, ...] = ()
