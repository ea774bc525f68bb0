"""The worker's commands. One loaded model a process: a model may crash, hang or leak without harming another."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Optional

import numpy as np

from . import PROTOCOL_VERSION, affinity, truth
from .engines import Engine, LoadRequest, engine_class, import_engine
from .images import ImageClassifier, describe_images
from .inputs import real_values, seeded_input, spread, step_of
from .memory import memory_snapshot
from .pacing import paced, run_window
from .protocol import decode_array, encode_array, read_requests, take_over_streams, write_answer
from .refusal import Refusal, one_line
from .runtimes import Runtime, load_runtime
from .scratch import drop_scratch, file_state, make_scratch
from .timing import burst

if TYPE_CHECKING:
    from .bare import BareLoop
    from .end_to_end import PhotoClassifier
    from .layers import Layers
    from .profiling import Profile

Answer = Dict[str, Any]


class Start(NamedTuple):
    """How long this process took to be ready: importing numpy, and importing what only the worker needs."""

    numpy_ns: int = 0
    own_ns: int = 0


class Service:
    """Answers requests; keeps the runtime, the engine and the classifier between them."""

    def __init__(self, start: Start = Start()) -> None:  # noqa: B008 - immutable
        self._start = start
        self._runtime: Optional[Runtime] = None
        self._engine: Optional[Engine] = None
        self._classifier: Optional[ImageClassifier] = None
        self._profile: Optional[Profile] = None
        self._bare: Optional[BareLoop] = None
        self._photos: Optional[PhotoClassifier] = None
        self._scratch: List[str] = []
        self._layers: Optional[Layers] = None
        self.commands: Dict[str, Callable[[Answer], Answer]] = {
            "hello": self.hello,
            "find_cpus": self.find_cpus,
            "memory": self.memory,
            "state": self.state,
            "machine": self.machine,
            "load": self.load,
            "first": self.first,
            "burst": self.burst,
            "paced": self.paced,
            "window": self.window,
            "check_batch": self.check_batch,
            "outputs": self.outputs,
            "adapter": self.adapter,
            "adapters": self.adapters,
            "open_images": self.open_images,
            "predict": self.predict,
            "run_row": self.run_row,
            "open_profile": self.open_profile,
            "profile": self.profile,
            "open_bare": self.open_bare,
            "bare_loop": self.bare_loop,
            "ready": self.ready,
            "open_photos": self.open_photos,
            "photos": self.photos,
            "make_scratch": self.make_scratch,
            "drop_scratch": self.drop_scratch,
            "file_state": self.file_state,
            "open_layers": self.open_layers,
            "layers": self.layers,
            "layer_channels": self.layer_channels,
        }

    def close(self) -> None:
        """Remove what this process put aside, where nobody has asked for it."""
        for path in self._scratch:
            with contextlib.suppress(Refusal):
                drop_scratch(path)

    def ready(self, _request: Answer) -> Answer:
        """Say that this process can answer, before any runtime is imported, and what its start was made of."""
        return self._start._asdict()

    def hello(self, request: Answer) -> Answer:
        """Import the runtime and say who answers. Runs on ``cpus`` alone from then on, where they are given."""
        # Before the runtime: threads that it starts run where this one may.
        cpus = affinity.pin(str(request["cpus"])) if request.get("cpus") else []
        self._runtime = load_runtime(request.get("runtime"))
        return {
            "protocol": PROTOCOL_VERSION,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "machine": platform.machine(),
            "pid": os.getpid(),
            "runtime": self._runtime.describe(),
            "cpus": cpus,
        }

    def find_cpus(self, request: Answer) -> Answer:
        """Say which CPUs a choice names here, and change nothing."""
        return {"cpus": affinity.resolve(str(request["cpus"]))}

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
        """Load and allocate the model; ``load_ns`` covers both and nothing of our own.

        ``import_ns`` is what importing more of the runtime for this engine took before.
        """
        runtime, wanted = self._imported(), _load_request(request)
        import_ns = import_engine(runtime, wanted)
        self._engine = engine_class(runtime, wanted)(runtime, wanted)
        return {
            "import_ns": import_ns,
            "load_ns": self._engine.load_ns,
            "inputs": [self._engine.describe(tensor) for tensor in self._engine.inputs],
            "outputs": [self._engine.describe(tensor) for tensor in self._engine.outputs],
            "delegation": self._engine.delegation(),
        }

    def first(self, request: Answer) -> Answer:
        """Set seeded inputs, run once, and prove that every output can be read: ``answer_ns`` covers all three."""
        engine = self._loaded()
        arrays = [seeded_input(tensor, int(request["seed"])) for tensor in engine.inputs]
        before = time.perf_counter_ns()
        engine.set_inputs(arrays)
        start = time.perf_counter_ns()
        engine.invoke()
        latency_ns = time.perf_counter_ns() - start
        for position in range(len(engine.outputs)):
            engine.read_output(position)
        return {"start_ns": start, "latency_ns": latency_ns, "answer_ns": time.perf_counter_ns() - before}

    def burst(self, request: Answer) -> Answer:
        """Run the timed loop."""
        min_runs, max_runs = int(request["min_runs"]), int(request["max_runs"])
        return _told(*burst(self._loaded().invoke, min_runs, max_runs, int(request["max_ns"])))

    def paced(self, request: Answer) -> Answer:
        """Run once every ``gap_ns``, see :func:`.pacing.paced`."""
        return _told(*paced(self._loaded().invoke, int(request["gap_ns"]), int(request["runs"])))

    def window(self, request: Answer) -> Answer:
        """Run from ``start_ns`` to ``stop_ns``, see :func:`.pacing.run_window`."""
        start_ns, stop_ns = int(request["start_ns"]), int(request["stop_ns"])
        return _told(*run_window(self._loaded().invoke, start_ns, stop_ns, int(request["max_runs"])))

    def check_batch(self, request: Answer) -> Answer:
        """Prove that the model takes a batch, see :func:`.batching.check_batch`; nothing stays loaded."""
        from .batching import check_batch

        check_batch(self._imported(), _load_request(request), int(request["seed"]))
        return {}

    def outputs(self, request: Answer) -> Answer:
        """Return the dequantised outputs of the last run, float64 and flat, with how far apart two integers are.

        ``step`` is the real value of one step of a quantized output, 0.0 for floats, and None for plain integers, which
        count or name something. Of an output with more than ``at_most`` values so many are told, evenly spread.
        """
        at_most = request.get("at_most")
        engine = self._loaded()
        answers: List[Answer] = []
        for position in range(len(engine.outputs)):
            tensor = engine.output_tensor(position)
            values = spread(real_values(engine.read_output(position), tensor), at_most)
            answers.append({"name": tensor.name, "step": step_of(tensor), "values": encode_array(values)})
        return {"outputs": answers}

    def adapter(self, _request: Answer) -> Answer:
        """Return the GPU that runs the loaded model."""
        return {"adapter": self._loaded().adapter()}

    def adapters(self, _request: Answer) -> Answer:
        """Return the GPUs that Vulkan shows here. Needs no model."""
        from .vulkan import list_adapters

        return {"adapters": list_adapters()}

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

    def run_row(self, request: Answer) -> Answer:
        """Run one row of the pixel file; ``outputs`` tells of it."""
        if self._classifier is None:
            raise Refusal("protocol", "run_row before open_images")
        self._classifier.feed(int(request["row"]))
        self._loaded().invoke()
        return {}

    def open_profile(self, request: Answer) -> Answer:
        """Load a model with LiteRT's profiler, instead of the one profiled before."""
        from .profiling import open_profile

        if self._profile is not None:
            self._profile.close()
            self._profile = None
        self._profile = open_profile(self._runtime, _load_request(request), int(request["seed"]))
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
        self._bare = BareLoop(self._runtime, _load_request(request), int(request["seed"]))
        return {}

    def bare_loop(self, request: Answer) -> Answer:
        """Run a bare loop, see :class:`.bare.BareLoop`."""
        if self._bare is None:
            raise Refusal("protocol", "bare_loop before open_bare")
        return self._bare.run(int(request["max_ns"]))

    def _imported(self) -> Runtime:
        if self._runtime is None:
            raise Refusal("protocol", "load before hello")
        return self._runtime

    def open_photos(self, request: Answer) -> Answer:
        """Get ready to answer image files, see :class:`.end_to_end.PhotoClassifier`."""
        from .end_to_end import PhotoClassifier

        table = decode_array(request["table"])
        self._photos = PhotoClassifier(self._loaded(), list(request["paths"]), str(request["resize"]), table)
        return {}

    def photos(self, request: Answer) -> Answer:
        """Answer image files in turn, timing each step."""
        if self._photos is None:
            raise Refusal("protocol", "photos before open_photos")
        parts = self._photos.run(int(request["min_runs"]), int(request["max_runs"]), int(request["max_ns"]))
        return {"parts_ns": encode_array(parts)}

    def make_scratch(self, _request: Answer) -> Answer:
        """Make a temporary folder; it is removed when this process ends in peace."""
        path = make_scratch()
        self._scratch.append(path)
        return {"path": path}

    def drop_scratch(self, request: Answer) -> Answer:
        """Remove a temporary folder, also one that another worker made."""
        drop_scratch(str(request["path"]))
        return {}

    def file_state(self, request: Answer) -> Answer:
        """Say how large a file is and when it was last written, or that there is none."""
        return {"found": file_state(str(request["path"]))}

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


def _load_request(request: Answer) -> LoadRequest:
    fields: Dict[str, Any] = {key: request.get(key) for key in LoadRequest._fields}
    return LoadRequest(**fields)


def _told(starts: Any, latencies: Any) -> Answer:
    return {"start_ns": encode_array(starts), "latency_ns": encode_array(latencies)}


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


def main(began_ns: Optional[int] = None, numpy_ns: int = 0) -> None:
    """Answer requests until the controller closes its end.

    ``began_ns`` is when this program began (None: now), ``numpy_ns`` what importing numpy took since.
    """
    requests, answers = take_over_streams()
    die_with_parent()
    own_ns = 0 if began_ns is None else time.perf_counter_ns() - began_ns - numpy_ns
    service = Service(Start(numpy_ns, own_ns))
    try:
        for request in read_requests(requests):
            write_answer(answers, answer_to(service, request))
    finally:
        service.close()
