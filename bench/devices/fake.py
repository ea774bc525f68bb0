"""A device that runs nothing: scripted workers on a virtual clock, for tests of everything above the worker.

Public, so that users can test their own gates and reports without a board::

    device = FakeDevice({"float32": FakeModel(latency_ns=8_000_000), "int8": FakeModel(latency_ns=4_000_000)})
    edgebench.api.run_spec(Spec(models=("models/sample",)), device=device)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import (
    DeviceError,
    DeviceLost,
    DeviceRefused,
    MemoryExceeded,
    RuntimeRefused,
    WorkerDied,
    WorkerError,
)
from ..records import Environment, GovernorChange
from ..worker import PROTOCOL_VERSION
from ..worker.affinity import choose
from ..worker.pacing import paced, run_window
from ..worker.protocol import encode_array
from ..worker.refusal import Refusal
from .base import Device, WorkerLink

_IMAGE: Mapping[str, Any] = {
    "name": "image",
    "shape": [1, 8, 8, 3],
    "dtype": "float32",
    "scale": 0.0,
    "zero_point": 0,
    "dynamic": False,
}


_CPUS = range(4)
_GOVERNORS = ("performance", "powersave")

_ADAPTER: Mapping[str, Any] = {"name": "Fake GPU", "kind": "discrete", "software": False}


@dataclass(frozen=True)
class FakeModel:
    """How one model behaves.

    ``latency_ns`` is one number, or a function of the run's index since loading. ``fails`` maps a command from
    ``load`` on to the error that it ends in. ``scores`` gives scores [rows, classes] for rows ``start`` to ``stop``.
    ``state`` gives fields of a snapshot (:mod:`edgebench.worker.truth`) taken at a time in ns, beside those that the
    device tells; without either a snapshot tells nothing but its time.
    ``bare_ns`` is the latency in a bare loop, ``idle_ns`` that of a run after a pause (None: as always). ``batch_ns``
    gives the latency of a run by its number of items, or raises the error that such a batch ends in; without it every
    item costs the same. ``load_ns`` is what loading takes, ``copy_ns`` what setting inputs and reading outputs takes
    beside a first inference, and ``photo_ns`` the steps of an answer to an image file but for the inference itself
    (:data:`edgebench.worker.end_to_end.PARTS`). ``cache_bytes`` is the size of the weight cache that it writes, 0 for
    none; to load with a ready one takes ``warm_load_ns``. ``rewrites_cache``: no cache is good enough.
    ``predict_ns`` is what an image takes where images are classified, 0 for no time at all.
    ``operators`` are those that a profile tells: each one's name, its time in whole us, and whether XNNPACK runs it.
    ``adapter`` is the GPU that runs it with delegate gpu, in the fields of :class:`edgebench.records.Adapter`,
    ``outputs`` its values there, and ``cpu_outputs`` those that the GPU's are compared with; ``cpu_fails`` is the error
    that loading it for the comparison ends in. ``step`` is what one step of its outputs is worth, 0.0 for floats.
    """

    latency_ns: int | Callable[[int], int] = 1_000_000
    peak_rss_bytes: int = 50_000_000
    classes: int = 7
    delegated_nodes: int = 3
    fails: Mapping[str, WorkerError] = field(default_factory=dict)
    scores: Callable[[int, int], Sequence[Sequence[float]]] | None = None
    state: Callable[[int], Mapping[str, Any]] | None = None
    bare_ns: int = 1_000_000
    idle_ns: int | None = None
    batch_ns: Callable[[int], int] | None = None
    load_ns: int = 5_000_000
    copy_ns: int = 10_000
    photo_ns: tuple[int, int, int, int, int] = (3_000_000, 1_000_000, 100_000, 20_000, 10_000)
    cache_bytes: int = 0
    warm_load_ns: int = 1_000_000
    rewrites_cache: bool = False
    predict_ns: int = 0
    operators: Sequence[tuple[str, int, bool]] = (("CONV_2D", 800, False), ("SOFTMAX", 200, False))
    adapter: Mapping[str, Any] = field(default_factory=lambda: dict(_ADAPTER))
    outputs: Sequence[float] = (0.25, 0.75)
    cpu_outputs: Sequence[float] = (0.25, 0.75)
    cpu_fails: WorkerError | None = None
    step: float | None = 0.0


class FakeDevice(Device):
    """Answers for models by the stem of their file. ``log`` lists (worker number, command) in the order asked.

    ``machine`` are the lasting facts (:func:`edgebench.worker.truth.machine`) that it and its workers tell; ``state``
    and ``firmware`` give fields of a snapshot and what the firmware says at a time in ns; none of them by default.
    ``address`` is where it is reached.
    A worker is there after ``spawn_ns``, of which it spends ``numpy_ns`` and ``own_ns`` on imports, and imports its
    runtime in ``import_ns``. ``folders`` and ``files``, with what is known of each, are those that workers have made
    and not removed yet. ``lost`` are commands during which a worker dies, each once. ``elsewhere`` makes it a device
    whose outputs are compared with this machine's; ``version`` is that of its runtime. ``able`` is what each of its
    four CPUs can do (:func:`edgebench.worker.affinity.capacities`), ``celsius`` its temperature at a time in ns, None
    where it tells none, and ``governor`` that of its CPUs, None where it has none.

    The connection to it can be lost too. ``cuts`` says when: a command, and the how many-th of its kind since the
    beginning; from then on nobody answers until :meth:`reconnect`, which takes ``reconnect_ns``. ``reconnects`` are the
    errors that its calls end in before one works. ``refusal`` is what whoever asks it anything gets, None for answers.
    """

    name = "fake"

    def __init__(
        self,
        models: Mapping[str, FakeModel],
        machine: Mapping[str, Any] | None = None,
        *,
        spawn_ns: int = 0,
        numpy_ns: int = 0,
        own_ns: int = 0,
        import_ns: int = 1,
        lost: Sequence[str] = (),
        state: Callable[[int], Mapping[str, Any]] | None = None,
        firmware: Callable[[int], Mapping[str, Any]] | None = None,
        address: str | None = None,
        elsewhere: bool = False,
        version: str = "0",
        able: Mapping[int, int] | None = None,
        celsius: Callable[[int], float] | None = None,
        governor: str | None = None,
        name: str | None = None,
        cuts: Sequence[tuple[str, int]] = (),
        reconnects: Sequence[DeviceError] = (),
        reconnect_ns: int = 0,
        refusal: DeviceError | None = None,
    ) -> None:
        if name is not None:
            self.name = name
        self.cuts = frozenset(cuts)
        self.reconnects = list(reconnects)
        self.reconnect_ns = reconnect_ns
        self.refusal = refusal
        self.connection = 0
        self.severed = -1
        self.asked: Counter[str] = Counter()
        self.models = models
        self.facts = dict(machine or {})
        self.state_at = state
        self.firmware_at = firmware
        self.place_reached = address
        self.spawn_ns = spawn_ns
        self.numpy_ns = numpy_ns
        self.own_ns = own_ns
        self.import_ns = import_ns
        self.lost = list(lost)
        self.elsewhere = elsewhere
        self.version = version
        self.able = dict(able or dict.fromkeys(_CPUS, 1024))
        self.celsius = celsius
        self.governor = governor
        self.folders: set[str] = set()
        self.files: dict[str, dict[str, int]] = {}
        self.now_ns = 0
        self.log: list[tuple[int, str]] = []
        self.open_workers = 0
        self._started = 0

    def start_worker(self, python: str) -> WorkerLink:  # noqa: ARG002
        self._answer()
        if self.connection == self.severed:
            raise DeviceLost(f"{self.name}: the connection was lost")
        self._started += 1
        self.open_workers += 1
        self.now_ns += self.spawn_ns
        return _FakeLink(self, self._started)

    def place(self, path: Path) -> str:
        return str(path)

    def default_python(self) -> str:
        self._answer()
        return "python3"

    def reconnect(self) -> None:
        self.now_ns += self.reconnect_ns
        if self.reconnects:
            raise self.reconnects.pop(0)
        self.connection += 1

    def _answer(self) -> None:
        if self.refusal is not None:
            raise self.refusal

    def clock_ns(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)

    def machine(self) -> dict[str, Any]:
        self._answer()
        return {"unavailable": {}, **self.facts}

    def state(self) -> dict[str, Any]:
        self._answer()
        told = dict(self.state_at(self.now_ns)) if self.state_at is not None else {}
        if self.celsius is not None:
            zone = {"type": "cpu-thermal", "celsius": self.celsius(self.now_ns)}
            told.setdefault("temperatures", {"thermal_zone0": zone})
        return {"taken_ns": self.now_ns, "unavailable": {}, **told}

    def firmware(self) -> dict[str, Any]:
        told = self.firmware_at(self.now_ns) if self.firmware_at is not None else {}
        return {"unavailable": {}, **told}

    def address(self) -> str | None:
        return self.place_reached

    @contextmanager
    def set_governor(self, name: str) -> Iterator[GovernorChange]:
        before = self.governor
        if before is None:
            raise DeviceRefused("this device has no governor; leave it out")
        if name not in _GOVERNORS:
            raise DeviceRefused(f"there is no governor {name}; choose {', '.join(_GOVERNORS)}")
        self.governor = name
        try:
            yield GovernorChange(name, {"policy0": before})
        finally:
            self.governor = before

    def environment(self) -> Environment:
        self._answer()
        return Environment(
            hostname="fake",
            system="none",
            kernel="none",
            machine="fake",
            cpu_model=None,
            cpus_logical=4,
            cpus_allowed=4,
            memory_total_bytes=8_000_000_000,
            python="3",
            edgebench="0",
            unavailable={"cpu_model": "a fake device has no processor"},
        )


class _FakeLink(WorkerLink):
    def __init__(self, device: FakeDevice, number: int) -> None:
        self._device = device
        self._number = number
        self._model = FakeModel()
        self._runs = 0
        self._closed = False
        self._dead = False
        self._on_gpu = False
        self._limit_bytes: int | None = None
        self._batch = 1
        self._sent: tuple[int, dict[str, Any]] = (0, {})
        self._connection = device.connection

    def send(self, command: str, **fields: Any) -> None:  # noqa: ARG002
        self._sent = (self._device.now_ns, fields)

    def receive(self, command: str, timeout_s: float) -> dict[str, Any]:
        """Answer as of the moment of sending: workers that were sent something meanwhile ran at the same time."""
        now_ns, (sent_ns, fields) = self._device.now_ns, self._sent
        self._device.now_ns = sent_ns
        try:
            return self.request(command, timeout_s, **fields)
        finally:
            self._device.now_ns = max(now_ns, self._device.now_ns)

    def limit_memory(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes

    def request(self, command: str, timeout_s: float, **fields: Any) -> dict[str, Any]:  # noqa: ARG002
        self._device.log.append((self._number, command))
        self._stay_connected(command)
        if command in ("load", "open_bare", "open_profile", "check_batch"):
            self._model = self._device.models[Path(fields["model_path"]).stem]
        if command in self._device.lost:
            self._device.lost.remove(command)
            self._dead = True
        if self._dead:
            raise WorkerDied(f"the worker was ended by SIGKILL during '{command}'")
        error = self._model.fails.get(command)
        if command == "load" and fields.get("native"):
            error = error or self._model.cpu_fails
        if error is not None:
            raise error
        used = self._model.peak_rss_bytes
        if command == "load" and self._limit_bytes is not None and used > self._limit_bytes:
            raise MemoryExceeded(used, self._limit_bytes, command)
        answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "hello": self._hello,
            "find_cpus": lambda told: {"cpus": self._chosen(told["cpus"])},
            "memory": lambda _: {"rss_bytes": 30_000_000, "peak_rss_bytes": self._model.peak_rss_bytes},
            "state": self._state,
            "machine": lambda _: {"unavailable": {}, **self._device.facts},
            "load": self._load,
            "first": self._first,
            "burst": self._burst,
            "paced": self._paced,
            "window": self._window,
            "check_batch": self._check_batch,
            "open_images": lambda _: {
                "height": 8,
                "width": 8,
                "channels": 3,
                "input": _IMAGE,
                "scores": self._model.classes,
            },
            "predict": self._predict,
            "run_row": lambda _: {},
            "outputs": lambda _: self._outputs(),
            "adapter": lambda _: {"adapter": dict(self._model.adapter)},
            "adapters": lambda _: {"adapters": [dict(_ADAPTER)]},
            "open_bare": lambda _: {},
            "bare_loop": self._bare_loop,
            "open_profile": lambda _: {
                "checked": True,
                "fully_accelerated": False,
                "non_cpu_fully_accelerated": False,
            },
            "profile": self._profile,
            "ready": lambda _: {"numpy_ns": self._device.numpy_ns, "own_ns": self._device.own_ns},
            "open_photos": lambda _: {},
            "photos": self._photos,
            "make_scratch": self._make_scratch,
            "drop_scratch": self._drop_scratch,
            "file_state": lambda told: {"found": self._device.files.get(told["path"])},
        }
        return {"ok": True, **answers[command](fields)}

    def _stay_connected(self, command: str) -> None:
        """Raise DeviceLost where the connection is lost now, or was since the worker was started."""
        device = self._device
        device.asked[command] += 1
        if (command, device.asked[command]) in device.cuts:
            device.severed = device.connection
        if self._connection == device.severed or self._connection < device.connection:
            raise DeviceLost(f"{device.name}: the connection was lost during '{command}'")

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._device.open_workers -= 1

    def _chosen(self, cpus: str) -> list[int]:
        try:
            return choose(cpus, self._device.able, _CPUS)
        except Refusal as refusal:
            raise RuntimeRefused(str(refusal), refusal.code) from refusal

    def _hello(self, fields: dict[str, Any]) -> dict[str, Any]:
        cpus = self._chosen(fields["cpus"]) if fields.get("cpus") else []
        device = self._device
        runtime = {"name": "litert", "package": "ai-edge-litert", "version": device.version,
                   "import_ns": device.import_ns}  # fmt: skip
        self._device.now_ns += self._device.import_ns
        return {
            "protocol": PROTOCOL_VERSION,
            "python": "3",
            "numpy": "1",
            "machine": "fake",
            "pid": self._number,
            "runtime": runtime,
            "cpus": cpus,
        }

    def _state(self, _: dict[str, Any]) -> dict[str, Any]:
        told = self._model.state(self._device.now_ns) if self._model.state is not None else {}
        return {**self._device.state(), "pid": self._number, **told}

    def _first(self, _: dict[str, Any]) -> dict[str, Any]:
        start_ns, latency_ns = self._device.now_ns, self._run()
        self._device.now_ns += self._model.copy_ns
        return {"start_ns": start_ns, "latency_ns": latency_ns, "answer_ns": latency_ns + self._model.copy_ns}

    def _outputs(self) -> dict[str, Any]:
        values = self._model.outputs if self._on_gpu else self._model.cpu_outputs
        told = {"name": "scores", "step": self._model.step, "values": encode_array(np.array(values, np.float64))}
        return {"outputs": [told]}

    def _load(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._batch = fields.get("batch") or 1
        self._on_gpu = fields.get("delegate") == "gpu"
        taken = self._model.delegated_nodes
        delegation = {
            "total_nodes": 3,
            "delegated_nodes": taken,
            "partitions": min(1, taken),
            "cpu_operators": {"SOFTMAX": 3 - taken} if taken < 3 else {},
        }
        image = {**_IMAGE, "shape": [self._batch, *_IMAGE["shape"][1:]]}
        output = {**_IMAGE, "name": "scores", "shape": [self._batch, self._model.classes]}
        load_ns = self._load_ns(fields.get("weight_cache"))
        self._device.now_ns += load_ns
        return {
            "load_ns": load_ns,
            "import_ns": 0,
            "inputs": [image],
            "outputs": [output],
            "delegation": delegation,
        }

    def _check_batch(self, fields: dict[str, Any]) -> dict[str, Any]:
        if self._model.batch_ns is not None:
            self._model.batch_ns(fields["batch"])
        return {}

    def _load_ns(self, weight_cache: str | None) -> int:
        model, files = self._model, self._device.files
        if weight_cache is None or not model.cache_bytes:
            return model.load_ns
        if weight_cache in files and not model.rewrites_cache:
            return model.warm_load_ns
        files[weight_cache] = {"size_bytes": model.cache_bytes, "modified_ns": self._device.now_ns, "inode": 1}
        return model.load_ns

    def _make_scratch(self, _: dict[str, Any]) -> dict[str, Any]:
        path = f"/scratch/{len(self._device.log)}"
        self._device.folders.add(path)
        return {"path": path}

    def _drop_scratch(self, fields: dict[str, Any]) -> dict[str, Any]:
        path = str(fields["path"])
        self._device.folders.discard(path)
        for name in [name for name in self._device.files if name.startswith(f"{path}/")]:
            del self._device.files[name]
        return {}

    def _photos(self, fields: dict[str, Any]) -> dict[str, Any]:
        *before, after = self._model.photo_ns
        rows: list[list[int]] = []
        end = self._device.now_ns + int(fields["max_ns"])
        while len(rows) < int(fields["max_runs"]):
            rows.append([*before, self._run(), after])
            self._device.now_ns += sum(self._model.photo_ns)
            if self._device.now_ns >= end and len(rows) >= int(fields["min_runs"]):
                break
        return {"parts_ns": encode_array(np.array(rows, np.int64))}

    def _run(self) -> int:
        latency = self._model.latency_ns
        taken = latency if isinstance(latency, int) else latency(self._runs)
        if self._batch != 1:
            taken = self._batch * taken if self._model.batch_ns is None else self._model.batch_ns(self._batch)
        self._runs += 1
        self._device.now_ns += taken
        return taken

    def _idle_run(self) -> int:
        if self._model.idle_ns is None:
            return self._run()
        self._device.now_ns += self._model.idle_ns
        return self._model.idle_ns

    def _paced(self, fields: dict[str, Any]) -> dict[str, Any]:
        gap_ns, runs = int(fields["gap_ns"]), int(fields["runs"])
        return _told(*paced(self._idle_run, gap_ns, runs, self._device.clock_ns, self._device.sleep))

    def _window(self, fields: dict[str, Any]) -> dict[str, Any]:
        start_ns, stop_ns, max_runs = int(fields["start_ns"]), int(fields["stop_ns"]), int(fields["max_runs"])
        return _told(*run_window(self._run, start_ns, stop_ns, max_runs, self._device.clock_ns, self._device.sleep))

    def _burst(self, fields: dict[str, Any]) -> dict[str, Any]:
        starts: list[int] = []
        latencies: list[int] = []
        end = self._device.now_ns + int(fields["max_ns"])
        while len(starts) < int(fields["max_runs"]):
            starts.append(self._device.now_ns)
            latencies.append(self._run())
            if self._device.now_ns >= end and len(starts) >= int(fields["min_runs"]):
                break
        return _told(np.array(starts, np.int64), np.array(latencies, np.int64))

    def _bare_loop(self, fields: dict[str, Any]) -> dict[str, Any]:
        runs = max(1, int(fields["max_ns"]) // self._model.bare_ns)
        self._device.now_ns += runs * self._model.bare_ns
        return {"median_ns": float(self._model.bare_ns), "runs": runs}

    def _profile(self, fields: dict[str, Any]) -> dict[str, Any]:
        times_us = [time_us for _, time_us, _ in self._model.operators]
        run_us = sum(times_us)
        runs = min(int(fields["max_runs"]), max(1, int(fields["max_ns"]) // max(1, 2000 * run_us)))
        self._device.now_ns += runs * 2000 * run_us  # each run with the profiler, and once more without it
        return {
            "operators": [
                {
                    "subgraph": 0,
                    "delegated": delegated,
                    "partition": 0 if delegated else -1,
                    "number": number,
                    "tag": tag,
                    "container": False,
                }
                for number, (tag, _, delegated) in enumerate(self._model.operators)
            ],
            "elapsed_us": encode_array(np.tile(np.array(times_us, np.int64), (runs, 1))),
            "calls": encode_array(np.ones((runs, len(times_us)), np.int64)),
            "invoke_us": encode_array(np.full(runs, run_us, np.int64)),
            "plain_ns": encode_array(np.full(runs, 1000 * run_us, np.int64)),
        }

    def _predict(self, fields: dict[str, Any]) -> dict[str, Any]:
        start, stop = int(fields["start"]), int(fields["stop"])
        if self._model.predict_ns:  # a request ends with the image during which its time runs out
            stop = min(stop, start + max(1, -(-int(fields["max_ns"]) // self._model.predict_ns)))
            self._device.now_ns += (stop - start) * self._model.predict_ns
        if self._model.scores is not None:
            scores = np.array(self._model.scores(start, stop), np.float32)
        else:
            scores = np.eye(self._model.classes, dtype=np.float32)[np.arange(start, stop) % self._model.classes]
        return {"scores": encode_array(scores)}


def _told(starts: np.ndarray[Any, Any], latencies: np.ndarray[Any, Any]) -> dict[str, Any]:
    return {"start_ns": encode_array(starts), "latency_ns": encode_array(latencies)}
