"""What the worker's tests share: the tiny real models, a Service that is ready, another interpreter."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edgebench.worker.engines import Engine, LoadRequest, engine_class
from edgebench.worker.runtimes import Runtime, load_runtime
from edgebench.worker.service import Service, answer_to

Array = np.ndarray[Any, Any]

MODELS = Path(__file__).resolve().parent.parent / "fixtures" / "models"
WORKER_SOURCES = sorted((Path(__file__).resolve().parents[2] / "bench" / "worker").glob("*.py"))
#: Real value of a pixel in the colour models: pixel / 127.5 - 1.
COLOUR_TABLE = (np.arange(256, dtype=np.float32) / np.float32(127.5) - 1)[None]
#: The weights of channels_first, batch4 and gray, as make_models.py draws them.
WEIGHTS = np.random.default_rng(0).normal(size=(3, 7)).astype(np.float32)
OTHER_PYTHON_VARIABLE = "EDGEBENCH_TFLITE_PYTHON"


def model(name: str) -> str:
    """Return the path of a fixture model."""
    path = MODELS / f"{name}.tflite"
    assert path.is_file(), path
    return str(path)


def load_fields(path: str, **changes: Any) -> dict[str, Any]:
    """Return the fields of a load request."""
    fields: dict[str, Any] = {"model_path": path, "engine": "interpreter", "delegate": "default", "threads": 1}
    return {**fields, **changes}


def runtime() -> Runtime:
    """Return this Python's runtime."""
    return load_runtime()


def engine(path: str, **changes: Any) -> Engine:
    """Load a model in this process."""
    request = LoadRequest(**load_fields(path, **changes))
    return engine_class(runtime(), request)(runtime(), request)


def ask(service: Service, command: str, **fields: Any) -> dict[str, Any]:
    """Send one request in-process."""
    return answer_to(service, {"cmd": command, **fields})


def ready_service() -> Service:
    """Return a Service that has said hello."""
    service = Service()
    assert ask(service, "hello")["ok"]
    return service


def loaded_service(name: str, **changes: Any) -> Service:
    """Return a Service with a fixture model loaded."""
    service = ready_service()
    answer = ask(service, "load", **load_fields(model(name), **changes))
    assert answer["ok"], answer
    return service


def softmax_of_mean(real: Array, weights: Array = WEIGHTS) -> Array:
    """Return what channels_first, batch4 and gray compute, for real values [n, height, width, channels]."""
    logits = real.astype(np.float64).mean(axis=(1, 2)) @ weights.astype(np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def other_python() -> str:
    """Return another interpreter with a TFLite runtime, or skip."""
    python = os.environ.get(OTHER_PYTHON_VARIABLE)
    if not python or shutil.which(python) is None:
        pytest.skip(f"{OTHER_PYTHON_VARIABLE} names no interpreter with an old TFLite runtime")
    return python
