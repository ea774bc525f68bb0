"""LiteRT's ``CompiledModel`` (ai-edge-litert 2 and newer) on the CPU."""

from __future__ import annotations

import importlib
import time
from typing import Any, Dict, List, Sequence

import numpy as np

from .batching import resized_shapes
from .engines import Engine, LoadRequest
from .inputs import Tensor, dtype_name
from .refusal import Refusal, one_line
from .runtime_words import explain
from .runtimes import Runtime

#: The first release in which this engine was seen to work.
_SINCE = "2.2.0"
#: What ``TensorBuffer.write`` and ``read`` can move.
_BINDING_DTYPES = ("float32", "float16", "int32", "int8", "uint8", "bool", "bfloat16")


class CompiledEngine(Engine):
    """One signature of a model in a ``CompiledModel`` with its own input and output buffers."""

    def __init__(self, runtime: Runtime, request: LoadRequest) -> None:
        self._runtime, self._request = runtime, request
        self._quantization: Dict[str, Tensor] = {}
        module = _module(runtime, "compiled_model")
        options = _options(runtime, request)
        try:
            self._open(module, options)
        except (RuntimeError, ValueError, IndexError) as error:
            raise self._reason(error) from error
        self.invoke = self._bound_invoke()

    def _open(self, module: Any, options: Any) -> None:
        start = time.perf_counter_ns()
        self._model = module.CompiledModel.from_file(self._request.model_path, options=options)
        compiled_ns = time.perf_counter_ns() - start
        self._signature = self._select_signature(self._request.signature)
        key = list(self._model.get_signature_list())[self._signature]
        if self._request.batch is not None:
            self._resize(key, self._request.batch)
        listing = self._model.get_signature_list()[key]
        self.inputs = _tensors(self._model.get_input_tensor_details(key), listing["inputs"])
        self.outputs = _tensors(self._model.get_output_tensor_details(key), listing["outputs"])
        self._check_dtypes()
        start = time.perf_counter_ns()
        self._in = self._model.create_input_buffers(self._signature)
        self._out = self._model.create_output_buffers(self._signature)
        self.load_ns = compiled_ns + time.perf_counter_ns() - start

    def set_inputs(self, arrays: Sequence[Any]) -> None:
        for tensor, buffer, array in zip(self.inputs, self._in, arrays):
            try:
                buffer.write(np.ascontiguousarray(array))
            except (RuntimeError, ValueError) as error:
                raise Refusal("input-refused", "input '%s': %s" % (tensor.name, one_line(error))) from error

    def read_output(self, position: int) -> Any:
        tensor = self.outputs[position]
        count = int(np.prod(tensor.shape))
        try:
            flat = self._out[position].read(count, np.dtype(tensor.dtype).type)
        except (RuntimeError, ValueError) as error:
            raise Refusal("output-unreadable", "output '%s': %s" % (tensor.name, one_line(error))) from error
        return np.asarray(flat).reshape(tensor.shape)

    def describe(self, tensor: Tensor) -> Dict[str, Any]:
        # Asking the classic interpreter would add its memory to the very process whose memory is measured.
        return {**tensor.describe(), "scale": None, "zero_point": None, "dynamic": None}

    def input_tensor(self, position: int) -> Tensor:
        return self._with_quantization(self.inputs[position])

    def output_tensor(self, position: int) -> Tensor:
        return self._with_quantization(self.outputs[position])

    def delegation(self) -> Dict[str, Any]:
        full = bool(self._model.is_fully_accelerated())
        says = "fully accelerated" if full else "not fully accelerated"
        return {
            "fully_accelerated": full,
            "unavailable": "CompiledModel does not list its nodes to Python; it only says: %s" % says,
        }

    def _bound_invoke(self) -> Any:
        model, signature = self._model, self._signature
        inputs, outputs = self._in, self._out
        return lambda: model.run_by_index(signature, inputs, outputs)

    def _select_signature(self, key: Any) -> int:
        if key is None:
            return 0
        index = int(self._model.get_signature_index(key))
        if index < 0:
            names = ", ".join(sorted(self._model.get_signature_list())) or "none"
            raise Refusal("no-signature", "the model has no signature '%s' (it has: %s)" % (key, names))
        return index

    def _resize(self, key: str, batch: int) -> None:
        order = self._model.get_signature_list()[key]["inputs"]
        tensors = _tensors(self._model.get_input_tensor_details(key), order)
        for position, shape in enumerate(resized_shapes([tensor.shape for tensor in tensors], batch)):
            # Not strict: most models have their batch fixed at 1, and many run with another all the same.
            self._model.resize_input_tensor(position, list(shape), self._signature, strict=False)

    def _check_dtypes(self) -> None:
        for tensor in self.inputs + self.outputs:
            if tensor.dtype not in _BINDING_DTYPES:
                raise Refusal(
                    "dtype",
                    "CompiledModel's Python binding cannot move %s tensors ('%s'); use --engine interpreter"
                    % (tensor.dtype, tensor.name),
                )

    def _reason(self, error: Exception) -> Refusal:
        """CompiledModel's errors give a source line of the runtime only, so let the classic interpreter say why."""
        from .classic import ClassicEngine

        try:
            ClassicEngine(self._runtime, self._request._replace(engine="interpreter", weight_cache=None))
        except Refusal as reason:
            return reason
        return explain(error)

    def _with_quantization(self, tensor: Tensor) -> Tensor:
        """CompiledModel does not tell scale and zero point; the classic interpreter reads them from the same file."""
        if not self._quantization:
            interpreter = self._runtime.module.Interpreter(model_path=self._request.model_path)
            details = interpreter.get_tensor_details()
            if self._request.signature is not None:
                runner = interpreter.get_signature_runner(self._request.signature)
                details = [*runner.get_input_details().values(), *runner.get_output_details().values()]
            for detail in details:
                scale, zero_point = detail["quantization"]
                self._quantization[str(detail["name"])] = tensor._replace(
                    scale=float(scale), zero_point=int(zero_point)
                )
        known = self._quantization.get(tensor.name)
        if known is None:
            return tensor
        return tensor._replace(scale=known.scale, zero_point=known.zero_point)


def import_compiled(runtime: Runtime) -> None:
    """Import what the engine needs. Raises Refusal where this runtime lacks it."""
    for name in ("compiled_model", "cpu_kernel_mode", "cpu_options", "options", "hardware_accelerator"):
        _module(runtime, name)


def _module(runtime: Runtime, name: str) -> Any:
    """Return a module of ai-edge-litert; older releases have no CompiledModel, or one without CPU options."""
    needed = "engine compiled needs ai-edge-litert %s or newer, this is %s %s"
    refusal = Refusal("no-engine", needed % (_SINCE, runtime.package, runtime.version))
    if runtime.name != "litert":
        raise refusal
    try:
        return importlib.import_module("ai_edge_litert." + name)
    except ImportError as error:
        raise refusal from error


def _options(runtime: Runtime, request: LoadRequest) -> Any:
    kernel_mode = _module(runtime, "cpu_kernel_mode").CpuKernelMode
    cpu_options = _module(runtime, "cpu_options").CpuOptions
    options = _module(runtime, "options").Options
    accelerator = _module(runtime, "hardware_accelerator").HardwareAccelerator
    modes = {"default": None, "xnnpack": kernel_mode.DELEGATE, "none": kernel_mode.BUILTIN}
    wanted = {"num_threads": request.threads, "kernel_mode": modes[request.delegate]}
    if request.weight_cache is not None:
        wanted["xnnpack_weight_cache_path"] = request.weight_cache
    try:
        cpu = cpu_options(**wanted)
    except TypeError as error:
        raise Refusal("no-weight-cache", "%s %s cannot set it" % (runtime.package, runtime.version)) from error
    return options(hardware_accelerators=accelerator.CPU, cpu_options=cpu)


def _tensors(details: Dict[str, Any], order: Sequence[str]) -> List[Tensor]:
    return [
        Tensor(
            name=str(details[name]["name"]),
            tensor_index=int(details[name]["index"]),
            shape=tuple(max(1, int(size)) for size in details[name]["shape"]),
            dtype=dtype_name(details[name]["dtype"]),
            scale=0.0,
            zero_point=0,
        )
        for name in order
    ]
