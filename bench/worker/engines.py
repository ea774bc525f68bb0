"""What an engine is, and the choice of one."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from .inputs import Tensor
from .refusal import Refusal
from .runtimes import Runtime


class LoadRequest(NamedTuple):
    """What to load and how: ``delegate`` is default, xnnpack, none, gpu or external.

    ``exclusive`` keeps the runtime's default delegates out, so that what an external one took can be told apart.
    ``batch`` is the number of items a run, None for the model's own; see :mod:`.batching`.
    ``weight_cache`` is the file that XNNPACK writes its packed weights to, or reads them from where it exists.
    ``native`` runs engine compiled through the C API, which moves all dtypes, on the CPU too. ``preserve`` keeps what
    is between layers, for the classic interpreter to show.
    """

    model_path: str
    engine: str
    delegate: str
    threads: int
    signature: Optional[str] = None
    delegate_library: Optional[str] = None
    delegate_options: Optional[Dict[str, str]] = None
    exclusive: Optional[bool] = None
    batch: Optional[int] = None
    weight_cache: Optional[str] = None
    native: Optional[bool] = None
    preserve: Optional[bool] = None


class Engine(ABC):
    """A loaded model. ``invoke`` runs it once and is the only thing a measurement times.

    ``load_ns`` is what opening the file, applying delegates and allocating tensors took, and nothing else.
    """

    load_ns: int
    inputs: List[Tensor]
    outputs: List[Tensor]
    invoke: Callable[[], Any]

    @abstractmethod
    def set_inputs(self, arrays: Sequence[Any]) -> None:
        """Copy one array per input, of the input's own dtype and shape."""

    @abstractmethod
    def read_output(self, position: int) -> Any:
        """Return a copy of output ``position``."""

    @abstractmethod
    def delegation(self) -> Dict[str, Any]:
        """Return what the delegate took, see :mod:`.delegation`; or why that is unknown, as ``unavailable``."""

    def adapter(self) -> Dict[str, Any]:
        """Return name, kind, software and what else is known of the GPU that runs the model.

        Raises:
            Refusal: ``no-adapter`` where no GPU runs it, or the runtime does not tell which.
        """
        raise Refusal("no-adapter", "no GPU runs this model")

    def describe(self, tensor: Tensor) -> Dict[str, Any]:
        """Return the JSON form of an input or output as far as this engine knows it."""
        return tensor.describe()

    def input_tensor(self, position: int) -> Tensor:
        """Return the description of input ``position`` with its quantization."""
        return self.inputs[position]

    def output_tensor(self, position: int) -> Tensor:
        """Return the description of output ``position`` with its quantization."""
        return self.outputs[position]


def import_engine(runtime: Runtime, request: LoadRequest) -> int:
    """Import what an engine needs of the runtime beside what is there, and return what that took in ns.

    Raises:
        Refusal: ``no-engine``, when this runtime does not have it.
    """
    if request.engine != "compiled" or is_native(request):
        return 0
    from .compiled import import_compiled

    start = time.perf_counter_ns()
    import_compiled(runtime)
    return time.perf_counter_ns() - start


def engine_class(runtime: Runtime, request: LoadRequest) -> Callable[[Runtime, LoadRequest], Engine]:
    """Return what opens a model as asked for, with all that it needs imported: loading a model is timed.

    Raises:
        Refusal: ``no-engine``, when this runtime does not have it.
    """
    if request.engine == "compiled" and is_native(request):
        from .native_engine import NativeEngine

        return NativeEngine
    import_engine(runtime, request)
    if request.engine == "compiled":
        from .compiled import CompiledEngine

        return CompiledEngine
    from .classic import ClassicEngine

    return ClassicEngine


def is_native(request: LoadRequest) -> bool:
    """Return whether engine compiled goes through the C API: a GPU can be told from the CPU only there."""
    return bool(request.native) or request.delegate == "gpu"
