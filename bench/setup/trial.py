"""Whether a device's environment runs a model at all: a worker, its runtime, and the smallest model once."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from ..devices.base import Device
from ..errors import DeviceRefused, WorkerError
from ..smallest import write_smallest_model
from ..worker.runtimes import RUNTIMES

#: The first start compiles every module; a small board takes a minute.
_TIMEOUT_S = 300.0
_NAMES = {package: name for name, (package, _module) in RUNTIMES.items()}


@dataclass(frozen=True)
class Trial:
    """What ran: versions, how long the worker took to answer with its runtime loaded, and one inference."""

    python: str
    numpy: str
    package: str
    version: str
    start_s: float
    inference_ns: int


def try_out(device: Device, package: str) -> Trial:
    """Run the smallest model once in the device's environment, by the runtime of that package.

    Raises:
        DeviceRefused: it does not run, in the worker's words.
        DeviceLost: the connection went.
    """
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
            model = device.place(write_smallest_model(Path(folder)))
            with device.start_worker(device.default_python()) as worker:
                hello = worker.request("hello", _TIMEOUT_S, runtime=_NAMES[package])
                start_s = time.monotonic() - began
                worker.request(
                    "load", _TIMEOUT_S, model_path=model, engine="interpreter", delegate="default", threads=1
                )
                first = worker.request("first", _TIMEOUT_S, seed=0)
    except WorkerError as error:
        raise DeviceRefused(f"{device.name}: the runtime does not run in its environment: {error}") from error
    runtime = hello["runtime"]
    return Trial(
        python=str(hello["python"]),
        numpy=str(hello["numpy"]),
        package=str(runtime["package"]),
        version=str(runtime["version"]),
        start_s=start_s,
        inference_ns=int(first["latency_ns"]),
    )
