"""A typed conversation with one worker: the only place that knows the protocol's field names."""

from __future__ import annotations

import selectors
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from .devices.base import WorkerLink
from .errors import ProtocolError
from .operators import OperatorKey
from .profile_data import OpenedProfile, ProfiledRuns
from .records import Adapter, Coverage, Delegate, Delegation, Engine, RuntimeInfo, TensorInfo
from .worker import PROTOCOL_VERSION
from .worker.end_to_end import PARTS
from .worker.protocol import decode_array, encode_array

Answered = TypeVar("Answered")


@dataclass(frozen=True)
class LoadRequest:
    """What a worker shall load. ``model_path`` is a path on the device; ``exclusive`` keeps default delegates out.

    ``batch`` is the number of items a run, None for the model's own. ``weight_cache`` is a file there that XNNPACK
    writes its packed weights to, or reads them from where it exists. ``native`` runs engine compiled through LiteRT's
    C API, as delegate gpu does anyway.
    """

    model_path: str
    engine: Engine
    delegate: Delegate
    threads: int
    signature: str | None
    exclusive: bool = False
    batch: int | None = None
    weight_cache: str | None = None
    native: bool = False


@dataclass(frozen=True)
class Ready:
    """What a worker's own start was made of, before any runtime: numpy's import, and that of the worker's modules."""

    numpy_ns: int
    own_ns: int


@dataclass(frozen=True)
class Hello:
    """Who answers, how long its runtime took to import, and the CPUs that it was pinned to, if any."""

    runtime: RuntimeInfo
    import_ns: int
    cpus: tuple[int, ...] = ()


@dataclass(frozen=True)
class Loaded:
    """A loaded model. ``import_ns`` is what importing more of the runtime for its engine took before loading.

    ``notes`` are the runtime's own words on what a delegate left.
    """

    load_ns: int
    import_ns: int
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    delegation: Delegation
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Output:
    """Real values of one output, float64 and flat.

    ``step`` is what one step of a quantized output is worth, 0.0 for floats, None for integers that are no quantities.
    """

    name: str
    step: float | None
    values: np.ndarray[Any, Any]


@dataclass(frozen=True)
class Samples:
    """One burst: int64 arrays of equal length, on the device's monotonic clock."""

    start_ns: np.ndarray[Any, Any]
    latency_ns: np.ndarray[Any, Any]


@dataclass(frozen=True)
class FileState:
    """A file on the device: what differs after it was written anew."""

    size_bytes: int
    modified_ns: int
    inode: int


@dataclass(frozen=True)
class ImageNeeds:
    """The images a model takes, and how many scores it answers."""

    height: int
    width: int
    channels: int
    input: TensorInfo
    scores: int


class Session:
    """Wraps a link; every request shares the case's time limit. Closing it ends the process."""

    def __init__(self, link: WorkerLink, timeout_s: float, cpus: str | None = None) -> None:
        """``cpus`` are those that it runs on from :meth:`hello` on, None for any."""
        self._link = link
        self._timeout_s = timeout_s
        self._pinning = {} if cpus is None else {"cpus": cpus}

    def close(self) -> None:
        """End the worker."""
        self._link.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ready(self) -> Ready:
        """Wait until the process can answer."""
        return self._read(lambda told: Ready(int(told["numpy_ns"]), int(told["own_ns"])), self._ask("ready"))

    def hello(self, runtime: str | None = None) -> Hello:
        """Import the runtime there."""
        return self._greeted(self._ask("hello", runtime=runtime, **self._pinning))

    def start_hello(self, runtime: str | None = None) -> None:
        """Let it import the runtime; :meth:`end_hello` comes next. Raises WaitUnavailable where it cannot overlap."""
        self._link.send("hello", runtime=runtime, **self._pinning)

    def end_hello(self) -> Hello:
        """Wait for the runtime."""
        return self._greeted(self._link.receive("hello", self._timeout_s))

    def _greeted(self, answer: dict[str, Any]) -> Hello:
        if answer.get("protocol") != PROTOCOL_VERSION:
            raise ProtocolError(f"the worker speaks protocol {answer.get('protocol')}, not {PROTOCOL_VERSION}")
        return self._read(_hello, answer)

    def find_cpus(self, cpus: str) -> tuple[int, ...]:
        """Return the numbers that a choice of CPUs names there. Raises RuntimeRefused where there are none such."""
        return self._read(lambda answer: _numbers(answer["cpus"]), self._ask("find_cpus", cpus=cpus))

    def load(self, request: LoadRequest) -> Loaded:
        """Load and allocate a model there."""
        return self._read(_loaded, self._ask("load", **_request_fields(request)))

    def start_load(self, request: LoadRequest) -> None:
        """Let it load and allocate a model; :meth:`end_load` comes next."""
        self._link.send("load", **_request_fields(request))

    def end_load(self) -> Loaded:
        """Wait until the model is loaded."""
        return self._read(_loaded, self._link.receive("load", self._timeout_s))

    def first(self, seed: int) -> int:
        """Set seeded inputs, run once and return the latency in ns."""
        return self._read(lambda answer: int(answer["latency_ns"]), self._ask("first", seed=seed))

    def first_answer(self, seed: int) -> int:
        """Set seeded inputs, run once, read the outputs, and return what all three together took in ns."""
        return self._read(lambda answer: int(answer["answer_ns"]), self._ask("first", seed=seed))

    def burst(self, min_runs: int, max_runs: int, max_ns: int) -> Samples:
        """Run the timed loop once."""
        answer = self._ask("burst", min_runs=min_runs, max_runs=max_runs, max_ns=max_ns)
        return self._read(_samples, answer)

    def paced(self, gap_ns: int, runs: int) -> Samples:
        """Run once every ``gap_ns``, asleep in between; the first time one gap from now."""
        # Each run may make the next wait one more gap.
        patience_s = self._timeout_s + 2 * runs * gap_ns / 1e9
        return self._read(_samples, self._link.request("paced", patience_s, gap_ns=gap_ns, runs=runs))

    def start_window(self, start_ns: int, stop_ns: int, max_runs: int) -> None:
        """Let it run back to back between two moments of the device's clock; :meth:`end_window` comes next."""
        self._link.send("window", start_ns=start_ns, stop_ns=stop_ns, max_runs=max_runs)

    def end_window(self) -> Samples:
        """Wait for the window's end and return its samples, at least one."""
        return self._read(_samples, self._link.receive("window", self._timeout_s))

    def check_batch(self, request: LoadRequest, seed: int) -> None:
        """Prove there that the model runs ``request.batch`` items at once. Raises RuntimeRefused where it does not."""
        self._ask("check_batch", seed=seed, **_request_fields(request))

    def memory(self) -> dict[str, Any]:
        """Return the worker's memory snapshot: names to bytes, and ``unavailable`` with reasons."""
        return {key: value for key, value in self._ask("memory").items() if key != "ok"}

    def state(self) -> dict[str, Any]:
        """Return the fields of :func:`.worker.truth.snapshot` for the worker's process and its machine, now."""
        return self._read(_state, self._ask("state"))

    def machine(self) -> dict[str, Any]:
        """Return the fields of :func:`.worker.truth.machine`: what lasts about the worker's machine."""
        return {key: value for key, value in self._ask("machine").items() if key != "ok"}

    def outputs(self, at_most: int | None = None) -> tuple[Output, ...]:
        """Return the real values of all outputs of the last run, at most so many of each, evenly spread."""
        return self._read(_outputs, self._ask("outputs", at_most=at_most))

    def adapter(self) -> Adapter:
        """Return the GPU that runs the loaded model. Raises RuntimeRefused where that is not known."""
        return self._read(lambda answer: _adapter(answer["adapter"]), self._ask("adapter"))

    def adapters(self) -> tuple[Adapter, ...]:
        """Return the GPUs that Vulkan shows there. Raises RuntimeRefused, with the reason, where there are none."""
        return self._read(lambda answer: tuple(map(_adapter, answer["adapters"])), self._ask("adapters"))

    def image_needs(self) -> ImageNeeds:
        """Ask what images the loaded model takes. Raises RuntimeRefused where it takes none."""
        return self._read(_image_needs, self._ask("open_images"))

    def open_images(self, pixels_path: str, table: np.ndarray[Any, Any]) -> None:
        """Get ready to classify a pixel file; ``table`` [1 or channels, 256] gives each pixel value's real value."""
        self._ask("open_images", pixels_path=pixels_path, table=encode_array(table))

    def run_row(self, row: int) -> None:
        """Run the loaded model on one row of the pixel file; :meth:`outputs` tells of it."""
        self._ask("run_row", row=row)

    def predict(self, start: int, stop: int, max_ns: int) -> np.ndarray[Any, Any]:
        """Return float32 [rows, classes] for rows from ``start``; fewer than asked for where time ran out."""
        return self._scores(self._ask("predict", start=start, stop=stop, max_ns=max_ns), stop - start)

    def start_predict(self, start: int, stop: int, max_ns: int) -> None:
        """Let it classify as :meth:`predict` does; :meth:`end_predict` comes next."""
        self._link.send("predict", start=start, stop=stop, max_ns=max_ns)

    def end_predict(self, rows: int) -> np.ndarray[Any, Any]:
        """Wait for the scores of at most ``rows`` images, as many as were asked for."""
        return self._scores(self._link.receive("predict", self._timeout_s), rows)

    def _scores(self, answer: dict[str, Any], rows: int) -> np.ndarray[Any, Any]:
        scores: np.ndarray[Any, Any] = self._read(lambda found: decode_array(found["scores"]), answer)
        if scores.ndim != 2 or not 0 < scores.shape[0] <= rows:
            raise ProtocolError(f"the worker answered scores of shape {scores.shape} to {rows} images")
        return scores

    def open_photos(self, paths: Sequence[str], resize: str, table: np.ndarray[Any, Any]) -> None:
        """Get ready to answer image files of the device; ``table`` as for :meth:`open_images`."""
        self._ask("open_photos", paths=list(paths), resize=resize, table=encode_array(table))

    def photos(self, min_runs: int, max_runs: int, max_ns: int) -> np.ndarray[Any, Any]:
        """Answer image files in turn and return int64 ns [answers, parts], see :data:`.worker.end_to_end.PARTS`."""
        return self._read(_parts, self._ask("photos", min_runs=min_runs, max_runs=max_runs, max_ns=max_ns))

    def make_scratch(self) -> str:
        """Make a temporary folder on the device and return its path there."""
        return self._read(lambda answer: str(answer["path"]), self._ask("make_scratch"))

    def drop_scratch(self, path: str) -> None:
        """Remove a temporary folder that a worker made."""
        self._ask("drop_scratch", path=path)

    def file_state(self, path: str) -> FileState | None:
        """Return what is known of a file of the device, None where there is none."""
        return self._read(_file_state, self._ask("file_state", path=path))

    def open_profile(self, request: LoadRequest, seed: int) -> OpenedProfile:
        """Load a model there with LiteRT's profiler and seeded inputs."""
        return self._read(_opened_profile, self._ask("open_profile", seed=seed, **_request_fields(request)))

    def profile(self, max_runs: int, max_ns: int) -> ProfiledRuns:
        """Profile the opened model: at least one run, until ``max_ns`` have passed, never over ``max_runs``."""
        return self._read(_profiled_runs, self._ask("profile", max_runs=max_runs, max_ns=max_ns))

    def open_bare(self, request: LoadRequest, seed: int) -> None:
        """Load a model there for bare loops over the C API. Raises RuntimeRefused where the runtime has none."""
        self._ask("open_bare", seed=seed, **_request_fields(request))

    def bare_loop(self, max_ns: int) -> float:
        """Run a bare loop for ``max_ns``, at least one run, and return its median latency in ns."""
        return self._read(lambda answer: float(answer["median_ns"]), self._ask("bare_loop", max_ns=max_ns))

    def _ask(self, command: str, **fields: Any) -> dict[str, Any]:
        return self._link.request(command, self._timeout_s, **fields)

    def _read(self, reader: Callable[[dict[str, Any]], Answered], answer: dict[str, Any]) -> Answered:
        try:
            return reader(answer)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ProtocolError(f"the worker's answer lacks or garbles a field: {error!r}") from error


def first_to_answer(sessions: Sequence[Session], command: str) -> int:
    """Wait until one of several workers begins to answer what was sent to it, and return its place.

    It is 0 where that cannot be seen, or nobody answers in the time limit: the one that was asked first then decides.

    Raises:
        MemoryExceeded: one of them held more than it may while it owed the answer.
    """
    links = [session._link for session in sessions]
    pipes = [link.answer_pipe() for link in links]
    with selectors.DefaultSelector() as selector:
        for place, pipe in enumerate(pipes):
            if pipe is None:
                return 0
            selector.register(pipe, selectors.EVENT_READ, place)
        waited_s, limit_s = 0.0, sessions[0]._timeout_s
        while waited_s < limit_s:
            looks = [link.watch_memory(command) for link in links]
            wait_s = min((look for look in looks if look is not None), default=limit_s)
            if ready := selector.select(wait_s):
                return min(int(key.data) for key, _ in ready)
            waited_s += wait_s
    return 0


def _request_fields(request: LoadRequest) -> dict[str, Any]:
    return {
        "model_path": request.model_path,
        "engine": request.engine.value,
        "delegate": request.delegate.kind.value,
        "delegate_library": request.delegate.library,
        "delegate_options": dict(request.delegate.options),
        "threads": request.threads,
        "signature": request.signature,
        "exclusive": request.exclusive,
        "batch": request.batch,
        "weight_cache": request.weight_cache,
        "native": request.native,
    }


def _hello(answer: dict[str, Any]) -> Hello:
    runtime = answer["runtime"]
    return Hello(
        runtime=RuntimeInfo(
            name=str(runtime["name"]),
            package=str(runtime["package"]),
            version=str(runtime["version"]),
            python=str(answer["python"]),
            numpy=str(answer["numpy"]),
            machine=str(answer["machine"]),
        ),
        import_ns=int(runtime["import_ns"]),
        cpus=_numbers(answer.get("cpus", ())),
    )


def _numbers(found: Any) -> tuple[int, ...]:
    return tuple(int(number) for number in found)


def _loaded(answer: dict[str, Any]) -> Loaded:
    return Loaded(
        load_ns=int(answer["load_ns"]),
        import_ns=int(answer["import_ns"]),
        inputs=tuple(_tensor(item) for item in answer["inputs"]),
        outputs=tuple(_tensor(item) for item in answer["outputs"]),
        delegation=_delegation(answer["delegation"]),
        notes=tuple(str(note) for note in answer["delegation"].get("notes", ())),
    )


def _optional(kind: Callable[[Any], Answered], value: Any) -> Answered | None:
    """Return the value as its kind, or None where the worker does not know it."""
    return None if value is None else kind(value)


def _true_or_false(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def _tensor(item: dict[str, Any]) -> TensorInfo:
    return TensorInfo(
        name=str(item["name"]),
        shape=tuple(int(size) for size in item["shape"]),
        dtype=str(item["dtype"]),
        scale=_optional(float, item["scale"]),
        zero_point=_optional(int, item["zero_point"]),
        dynamic=_optional(bool, item["dynamic"]),
    )


def _delegation(item: dict[str, Any]) -> Delegation:
    if "total_nodes" not in item:
        coverage = Coverage.FULL if item.get("fully_accelerated") else Coverage.UNKNOWN
        reason = str(item.get("unavailable", "the runtime does not tell"))
        missing = ("total_nodes", "delegated_nodes", "partitions", "cpu_operators")
        return Delegation(coverage, unavailable=dict.fromkeys(missing, reason))
    total, taken = int(item["total_nodes"]), int(item["delegated_nodes"])
    covered = Coverage.FULL if taken == total else Coverage.PARTIAL
    coverage = covered if taken else Coverage.NOTHING
    operators = {str(name): _optional(int, count) for name, count in item["cpu_operators"].items()}
    partitions = _optional(int, item["partitions"])
    reason = str(item.get("unavailable", "the runtime does not tell"))
    untold = {"partitions": reason} if partitions is None else {}
    return Delegation(coverage, total, taken, partitions, operators, untold)


def _outputs(answer: dict[str, Any]) -> tuple[Output, ...]:
    found = [
        Output(str(item["name"]), _optional(float, item["step"]), decode_array(item["values"]))
        for item in answer["outputs"]
    ]
    for output in found:
        if output.values.dtype != np.float64 or output.values.ndim != 1:
            raise ValueError(f"output {output.name} of dtype {output.values.dtype} and shape {output.values.shape}")
    return tuple(found)


def _adapter(item: dict[str, Any]) -> Adapter:
    return Adapter(
        name=str(item["name"]),
        kind=str(item["kind"]),
        software=_true_or_false(item["software"]),
        driver=_optional(str, item.get("driver")),
        api_version=_optional(str, item.get("api_version")),
    )


def _samples(answer: dict[str, Any]) -> Samples:
    starts, latencies = decode_array(answer["start_ns"]), decode_array(answer["latency_ns"])
    if starts.shape != latencies.shape or starts.ndim != 1 or not starts.size:
        raise ValueError(f"samples of shapes {starts.shape} and {latencies.shape}")
    if {starts.dtype.kind, latencies.dtype.kind} != {"i"}:
        raise ValueError(f"samples of dtypes {starts.dtype} and {latencies.dtype}")
    return Samples(starts, latencies)


def _parts(answer: dict[str, Any]) -> np.ndarray[Any, Any]:
    parts = decode_array(answer["parts_ns"])
    if parts.ndim != 2 or not parts.shape[0] or parts.shape[1] != len(PARTS) or parts.dtype.kind != "i":
        raise ValueError(f"parts of shape {parts.shape} and dtype {parts.dtype}")
    return parts


def _file_state(answer: dict[str, Any]) -> FileState | None:
    found = answer["found"]
    if found is None:
        return None
    return FileState(int(found["size_bytes"]), int(found["modified_ns"]), int(found["inode"]))


def _state(answer: dict[str, Any]) -> dict[str, Any]:
    fields = {key: value for key, value in answer.items() if key != "ok"}
    return {**fields, "taken_ns": int(answer["taken_ns"])}


def _image_needs(answer: dict[str, Any]) -> ImageNeeds:
    tensor = _tensor(answer["input"])
    if tensor.scale is None or tensor.zero_point is None:
        raise ValueError("an image input of unknown quantization")
    return ImageNeeds(
        height=int(answer["height"]),
        width=int(answer["width"]),
        channels=int(answer["channels"]),
        input=tensor,
        scores=int(answer["scores"]),
    )


def _opened_profile(answer: dict[str, Any]) -> OpenedProfile:
    truth = answer["non_cpu_fully_accelerated"]
    return OpenedProfile(
        layouts_checked=bool(answer["checked"]),
        fully_accelerated=bool(answer["fully_accelerated"]),
        non_cpu_fully_accelerated=None if truth is None else bool(truth),
    )


def _profiled_runs(answer: dict[str, Any]) -> ProfiledRuns:
    operators = tuple(
        OperatorKey(
            subgraph=int(item["subgraph"]),
            delegated=bool(item["delegated"]),
            partition=int(item["partition"]),
            index=int(item["number"]),
            tag=str(item["tag"]),
            container=bool(item["container"]),
        )
        for item in answer["operators"]
    )
    arrays = [decode_array(answer[name]) for name in ("elapsed_us", "calls", "invoke_us", "plain_ns")]
    runs, columns = len(arrays[2]), len(operators)
    shapes = [array.shape for array in arrays]
    if not runs or not columns or shapes != [(runs, columns), (runs, columns), (runs,), (runs,)]:
        raise ValueError(f"profile of shapes {shapes} for {columns} operators")
    return ProfiledRuns(operators, *arrays)
