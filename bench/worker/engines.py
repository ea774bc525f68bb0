"""What an engine is, and the choice of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from .inputs import Tensor
from .runtimes import Runtime


class LoadRequest(NamedTuple):
    """What to load and how: ``delegate`` is default, xnnpack, none or external.

    ``exclusive`` keeps the runtime's default delegates out, so that what an external one took can be told apart;
    ``preserve`` keeps what is between layers, for the classic interpreter to show.
    """

    model_path: str
    engine: str
    delegate: str
    threads: int
    signature: Optional[str] = None
    delegate_library: Optional[str] = None
    delegate_options: Optional[Dict[str, str]] = None
    exclusive: Optional[bool] = None
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

    def describe(self, tensor: Tensor) -> Dict[str, Any]:
        """Return the JSON form of an input or output as far as this engine knows it."""
        return tensor.describe()

    def input_tensor(self, position: int) -> Tensor:
        """Return the description of input ``position`` with its quantization."""
        return self.inputs[position]

    def output_tensor(self, position: int) -> Tensor:
        """Return the description of output ``position`` with its quantization."""
        return self.outputs[position]


def engine_class(runtime: Runtime, name: str) -> Callable[[Runtime, LoadRequest], Engine]:
    """Return what opens a model with that engine, with all that it needs imported: loading a model is timed.

    Raises:
        Refusal: ``no-engine``, when this runtime does not have it.
    """
    if name == "compiled":
        from .compiled import CompiledEngine, import_compiled

        import_compiled(runtime)
        return CompiledEngine
    from .classic import ClassicEngine

    return ClassicEngine
