"""A device that runs nothing: scripted workers on a virtual clock, for tests of everything above the worker.

Public, so that users can test their own gates and reports without a board::

    device = FakeDevice({"float32": FakeModel(latency_ns=8_000_000), "int8": FakeModel(latency_ns=4_000_000)})
    edgebench.api.run_spec(Spec(models=("models/sample",)), device=device)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MemoryExceeded, WorkerError
from ..records import Environment
from ..worker import PROTOCOL_VERSION
from ..worker.protocol import encode_array
from .base import Device, WorkerLink

_IMAGE: Mapping[str, Any] = {
    "name": "image",
    "shape": [1, 8, 8, 3],
    "dtype": "float32",
    "scale": 0.0,
    "zero_point": 0,
    "dynamic": False,
}


_ADAPTER: Mapping[str, Any] = {"name": "Fake GPU", "kind": "discrete", "software": False}


@dataclass(frozen=True)
class FakeModel:
    """How one model behaves.

    ``latency_ns`` is one number, or a function of the run's index since loading. ``fails`` maps a command from
    ``load`` on to the error that it ends in. ``scores`` gives scores [rows, classes] for rows ``start`` to ``stop``.
    ``state`` gives fields of a snapshot (:mod:`edgebench.worker.truth`) taken at a time in ns; without it a snapshot
    tells nothing but its time.
    ``bare_ns`` is the latency in a bare loop. ``adapter`` is the GPU that runs it with delegate gpu, in the fields of
    :class:`edgebench.records.Adapter`, ``outputs`` its values there, and ``cpu_outputs`` those that the GPU's are
    compared with; ``cpu_fails`` is the error that loading it for the comparison ends in.
    """

    latency_ns: int | Callable[[int], int] = 1_000_000
    peak_rss_bytes: int = 50_000_000
    classes: int = 7
    delegated_nodes: int = 3
    fails: Mapping[str, WorkerError] = field(default_factory=dict)
    scores: Callable[[int, int], Sequence[Sequence[float]]] | None = None
    state: Callable[[int], Mapping[str, Any]] | None = None
    bare_ns: int = 1_000_000
    adapter: Mapping[str, Any] = field(default_factory=lambda: dict(_ADAPTER))
    outputs: Sequence[float] = (0.25, 0.75)
    cpu_outputs: Sequence[float] = (0.25, 0.75)
    cpu_fails: WorkerError | None = None


class FakeDevice(Device):
    """Answers for models by the stem of their file. ``log`` lists (worker number, command) in the order asked.

    ``machine`` are the lasting facts (:func:`edgebench.worker.truth.machine`) that its workers tell, none by default.
    """

    name = "fake"

    def __init__(self, models: Mapping[str, FakeModel], machine: Mapping[str, Any] | None = None) -> None:
        self.models = models
        self.machine = dict(machine or {})
        self.now_ns = 0
        self.log: list[tuple[int, str]] = []
        self.open_workers = 0
        self._started = 0

    def start_worker(self, python: str) -> WorkerLink:  # noqa: ARG002
        self._started += 1
        self.open_workers += 1
        return _FakeLink(self, self._started)

    def place(self, path: Path) -> str:
        return str(path)

    def default_python(self) -> str:
        return "python3"

    def clock_ns(self) -> int:
        return self.now_ns

    def environment(self) -> Environment:
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
        self._on_gpu = False
        self._limit_bytes: int | None = None

    def limit_memory(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes

    def request(self, command: str, timeout_s: float, **fields: Any) -> dict[str, Any]:  # noqa: ARG002
        self._device.log.append((self._number, command))
        if command in ("load", "open_bare"):
            self._model = self._device.models[Path(fields["model_path"]).stem]
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
            "memory": lambda _: {"rss_bytes": 30_000_000, "peak_rss_bytes": self._model.peak_rss_bytes},
            "state": self._state,
            "machine": lambda _: {"unavailable": {}, **self._device.machine},
            "load": self._load,
            "first": lambda _: {"start_ns": self._device.now_ns, "latency_ns": self._run()},
            "burst": self._burst,
            "open_images": lambda _: {
                "height": 8,
                "width": 8,
                "channels": 3,
                "input": _IMAGE,
                "scores": self._model.classes,
            },
            "predict": self._predict,
            "outputs": lambda _: self._outputs(),
            "adapter": lambda _: {"adapter": dict(self._model.adapter)},
            "adapters": lambda _: {"adapters": [dict(_ADAPTER)]},
            "open_bare": lambda _: {},
            "bare_loop": self._bare_loop,
        }
        return {"ok": True, **answers[command](fields)}

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._device.open_workers -= 1

    def _hello(self, _: dict[str, Any]) -> dict[str, Any]:
        runtime = {"name": "litert", "package": "ai-edge-litert", "version": "0", "import_ns": 1}
        return {
            "protocol": PROTOCOL_VERSION,
            "python": "3",
            "numpy": "1",
            "machine": "fake",
            "pid": self._number,
            "runtime": runtime,
        }

    def _state(self, _: dict[str, Any]) -> dict[str, Any]:
        now_ns = self._device.now_ns
        told = self._model.state(now_ns) if self._model.state is not None else {}
        return {"taken_ns": now_ns, "pid": self._number, "unavailable": {}, **told}

    def _outputs(self) -> dict[str, Any]:
        values = self._model.outputs if self._on_gpu else self._model.cpu_outputs
        return {"outputs": [{"name": "scores", "step": 0.0, "values": encode_array(np.array(values, np.float64))}]}

    def _load(self, fields: dict[str, Any]) -> dict[str, Any]:
        self._on_gpu = fields.get("delegate") == "gpu"
        taken = self._model.delegated_nodes
        delegation = {
            "total_nodes": 3,
            "delegated_nodes": taken,
            "partitions": min(1, taken),
            "cpu_operators": {"SOFTMAX": 3 - taken} if taken < 3 else {},
        }
        output = {**_IMAGE, "name": "scores", "shape": [1, self._model.classes]}
        return {"load_ns": 5_000_000, "inputs": [dict(_IMAGE)], "outputs": [output], "delegation": delegation}

    def _run(self) -> int:
        latency = self._model.latency_ns
        taken = latency if isinstance(latency, int) else latency(self._runs)
        self._runs += 1
        self._device.now_ns += taken
        return taken

    def _burst(self, fields: dict[str, Any]) -> dict[str, Any]:
        starts: list[int] = []
        latencies: list[int] = []
        end = self._device.now_ns + int(fields["max_ns"])
        while len(starts) < int(fields["max_runs"]):
            starts.append(self._device.now_ns)
            latencies.append(self._run())
            if self._device.now_ns >= end and len(starts) >= int(fields["min_runs"]):
                break
        return {
            "start_ns": encode_array(np.array(starts, np.int64)),
            "latency_ns": encode_array(np.array(latencies, np.int64)),
        }

    def _bare_loop(self, fields: dict[str, Any]) -> dict[str, Any]:
        runs = max(1, int(fields["max_ns"]) // self._model.bare_ns)
        self._device.now_ns += runs * self._model.bare_ns
        return {"median_ns": float(self._model.bare_ns), "runs": runs}

    def _predict(self, fields: dict[str, Any]) -> dict[str, Any]:
        start, stop = int(fields["start"]), int(fields["stop"])
        if self._model.scores is not None:
            scores = np.array(self._model.scores(start, stop), np.float32)
        else:
            scores = np.eye(self._model.classes, dtype=np.float32)[np.arange(start, stop) % self._model.classes]
        return {"scores": encode_array(scores)}
