"""The worker's commands. One loaded model a process: a model may crash, hang or leak without harming another."""

from __future__ import annotations

import os
import platform
import sys
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional

import numpy as np

from . import PROTOCOL_VERSION, truth
from .engines import Engine, LoadRequest, engine_class
from .images import ImageClassifier, describe_images
from .inputs import seeded_input
from .memory import memory_snapshot
from .protocol import decode_array, encode_array, read_requests, take_over_streams, write_answer
from .refusal import Refusal, one_line
from .runtimes import Runtime, load_runtime
from .timing import burst

if TYPE_CHECKING:
    from .bare import BareLoop
    from .layers import Layers
    from .profiling import Profile

Answer = Dict[str, Any]


class Service:
    """Answers requests; keeps the runtime, the engine and the classifier between them."""

    def __init__(self) -> None:
        self._runtime: Optional[Runtime] = None
        self._engine: Optional[Engine] = None
        self._classifier: Optional[ImageClassifier] = None
        self._profile: Optional[Profile] = None
        self._bare: Optional[BareLoop] = None
        self._layers: Optional[Layers] = None
        self.commands: Dict[str, Callable[[Answer], Answer]] = {
            "hello": self.hello,
            "memory": self.memory,
            "state": self.state,
            "machine": self.machine,
            "load": self.load,
            "first": self.first,
            "burst": self.burst,
            "open_images": self.open_images,
            "predict": self.predict,
            "open_profile": self.open_profile,
            "profile": self.profile,
            "open_bare": self.open_bare,
            "bare_loop": self.bare_loop,
            "open_layers": self.open_layers,
            "layers": self.layers,
            "layer_channels": self.layer_channels,
        }

    def hello(self, request: Answer) -> Answer:
        """Import the runtime and say who answers."""
        self._runtime = load_runtime(request.get("runtime"))
        return {
            "protocol": PROTOCOL_VERSION,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "machine": platform.machine(),
            "pid": os.getpid(),
            "runtime": self._runtime.describe(),
        }

    def memory(self, _request: Answer) -> Answer:
        """Return this process's memory now and its high-water mark."""
        return memory_snapshot()

    def state(self, _request: Answer) -> Answer:
        """Return what disturbs now: counters of this process's threads, and the machine's clocks and temperatures."""
        return truth.snapshot()

    def machine(self, _request: Answer) -> Answer:
        """Return what lasts about this machine: board, limits, signs of an emulator."""
        return truth.machine()

    def load(self, request: Answer) -> Answer:
        """Load and allocate the model; ``load_ns`` covers both and nothing of our own."""
        if self._runtime is None:
            raise Refusal("protocol", "load before hello")
        fields: Dict[str, Any] = {key: request.get(key) for key in LoadRequest._fields}
        wanted = LoadRequest(**fields)
        self._engine = engine_class(self._runtime, wanted.engine)(self._runtime, wanted)
        return {
            "load_ns": self._engine.load_ns,
            "inputs": [self._engine.describe(tensor) for tensor in self._engine.inputs],
            "outputs": [self._engine.describe(tensor) for tensor in self._engine.outputs],
            "delegation": self._engine.delegation(),
        }

    def first(self, request: Answer) -> Answer:
        """Set seeded inputs, run once, and prove that every output can be read."""
        engine = self._loaded()
        engine.set_inputs([seeded_input(tensor, int(request["seed"])) for tensor in engine.inputs])
        start = time.perf_counter_ns()
        engine.invoke()
        latency_ns = time.perf_counter_ns() - start
        for position in range(len(engine.outputs)):
            engine.read_output(position)
        return {"start_ns": start, "latency_ns": latency_ns}

    def burst(self, request: Answer) -> Answer:
        """Run the timed loop."""
        starts, latencies = burst(
            self._loaded().invoke, int(request["min_runs"]), int(request["max_runs"]), int(request["max_ns"])
        )
        return {"start_ns": encode_array(starts), "latency_ns": encode_array(latencies)}

    def open_images(self, request: Answer) -> Answer:
        """Say what images the model takes and, where ``pixels_path`` is given, get ready to classify them."""
        engine = self._loaded()
        answer = describe_images(engine)
        if request.get("pixels_path"):
            self._classifier = ImageClassifier(engine, request["pixels_path"], decode_array(request["table"]))
        return answer

    def predict(self, request: Answer) -> Answer:
        """Classify rows from ``start`` to ``stop``, or as many as ``max_ns`` allows: the scores' rows tell."""
        if self._classifier is None:
            raise Refusal("protocol", "predict before open_images")
        position, stop = int(request["start"]), int(request["stop"])
        deadline = time.perf_counter_ns() + int(request["max_ns"])
        parts: List[Any] = []
        while position < stop:
            upto = min(stop, position + self._classifier.batch)
            parts.append(self._classifier.scores(position, upto))
            position = upto
            if time.perf_counter_ns() >= deadline:
                break
        return {"scores": encode_array(np.concatenate(parts))}

    def open_profile(self, request: Answer) -> Answer:
        """Load a model with LiteRT's profiler, instead of the one profiled before."""
        from .profiling import open_profile

        if self._profile is not None:
            self._profile.close()
            self._profile = None
        fields: Dict[str, Any] = {key: request.get(key) for key in LoadRequest._fields}
        self._profile = open_profile(self._runtime, LoadRequest(**fields), int(request["seed"]))
        return self._profile.describe()

    def profile(self, request: Answer) -> Answer:
        """Profile runs, see :func:`.profiling.tabulate_runs`."""
        from .profiling import tabulate_runs

        if self._profile is None:
            raise Refusal("protocol", "profile before open_profile")
        runs = self._profile.record(int(request["max_runs"]), int(request["max_ns"]))
        keys, arrays = tabulate_runs(runs)
        told: Answer = {name: encode_array(array) for name, array in arrays.items()}
        return {"operators": [key._asdict() for key in keys], **told}

    def open_bare(self, request: Answer) -> Answer:
        """Load a model for bare loops, instead of the one before."""
        from .bare import BareLoop

        if self._bare is not None:
            self._bare.close()
            self._bare = None
        fields: Dict[str, Any] = {key: request.get(key) for key in LoadRequest._fields}
        self._bare = BareLoop(self._runtime, LoadRequest(**fields), int(request["seed"]))
        return {}

    def bare_loop(self, request: Answer) -> Answer:
        """Run a bare loop, see :class:`.bare.BareLoop`."""
        if self._bare is None:
            raise Refusal("protocol", "bare_loop before open_bare")
        return self._bare.run(int(request["max_ns"]))

    def open_layers(self, request: Answer) -> Answer:
        """Open two models to compare what is between their layers, see :class:`.layers.Layers`."""
        from .layers import open_layers

        self._layers = None
        self._layers = open_layers(self._runtime, request)
        return self._layers.describe()

    def layers(self, request: Answer) -> Answer:
        """Compare rows from ``start`` to ``stop``, or as many as ``max_ns`` allows."""
        from .layers import compare_rows

        if self._layers is None:
            raise Refusal("protocol", "layers before open_layers")
        deadline = time.perf_counter_ns() + int(request["max_ns"])
        start, stop = int(request["start"]), int(request["stop"])
        return compare_rows(self._layers, start, stop, lambda: time.perf_counter_ns() >= deadline)

    def layer_channels(self, _request: Answer) -> Answer:
        """Return the channel ranges of all rows compared so far."""
        if self._layers is None:
            raise Refusal("protocol", "layer_channels before open_layers")
        return {"channels": self._layers.channels()}

    def _loaded(self) -> Engine:
        if self._engine is None:
            raise Refusal("protocol", "no model is loaded")
        return self._engine


def answer_to(service: Service, request: Answer) -> Answer:
    """Return the answer to one request; whatever goes wrong becomes an answer too."""
    try:
        command = service.commands.get(str(request.get("cmd")))
        if command is None:
            raise Refusal("protocol", "unknown command %r" % request.get("cmd"))
        return {"ok": True, **command(request)}
    except Refusal as refusal:
        return {"ok": False, "code": refusal.code, "message": one_line(refusal)}
    except MemoryError:
        return {"ok": False, "code": "out-of-memory", "message": "the worker ran out of memory"}
    except Exception as error:  # the controller must hear of any failure, whatever a runtime raises
        return {"ok": False, "code": "runtime-refused", "message": "%s: %s" % (type(error).__name__, one_line(error))}


def die_with_parent() -> None:
    """Ask Linux to kill this process when the controller dies, so that a hanging model leaves no orphan."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes
    import signal

    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG, prctl(2)


def main() -> None:
    """Answer requests until the controller closes its end."""
    requests, answers = take_over_streams()
    die_with_parent()
    service = Service()
    for request in read_requests(requests):
        write_answer(answers, answer_to(service, request))
