"""The classic ``Interpreter`` of ai-edge-litert, tflite-runtime and tf.lite."""

from __future__ import annotations

import time
import warnings
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from .batching import resized_shapes
from .delegation import delegation_report
from .engines import Engine, LoadRequest
from .inputs import Tensor, dtype_name
from .refusal import Refusal, one_line
from .runtime_words import explain
from .runtimes import Runtime


class ClassicEngine(Engine):
    """One signature (or the main graph) of a model in an ``Interpreter``."""

    def __init__(self, runtime: Runtime, request: LoadRequest) -> None:
        start = time.perf_counter_ns()
        self._interpreter = _create(runtime, request)
        created_ns = time.perf_counter_ns() - start
        self._subgraph = 0
        self._names: Optional[Dict[str, List[Any]]] = None
        if request.signature is not None:
            self._select_signature(request.signature)
        if request.batch is not None:
            self._resize(request.batch)
        before = self._nodes()  # only known until the delegates are applied, and listing takes milliseconds of our own
        start = time.perf_counter_ns()
        try:
            self._allocate()
        except (RuntimeError, ValueError) as error:
            raise explain(error) from error
        self.load_ns = created_ns + time.perf_counter_ns() - start
        if request.batch is not None and request.signature is not None:
            self._select_signature(request.signature)  # its shapes are others now
        self.inputs = [self._tensor(detail) for detail in self._details("input")]
        self.outputs = [self._tensor(detail) for detail in self._details("output")]
        self._delegation = self._delegation_from(before)
        self.invoke = self._bound_invoke()

    def set_inputs(self, arrays: Sequence[Any]) -> None:
        for tensor, array in zip(self.inputs, arrays):
            try:
                if self._subgraph:
                    self._interpreter._interpreter.SetTensor(tensor.tensor_index, array, self._subgraph)
                else:
                    self._interpreter.set_tensor(tensor.tensor_index, array)
            except (ValueError, RuntimeError) as error:
                raise Refusal("input-refused", "input '%s': %s" % (tensor.name, one_line(error))) from error

    def read_output(self, position: int) -> Any:
        tensor = self.outputs[position]
        try:
            return self._interpreter.get_tensor(tensor.tensor_index, self._subgraph)
        except (ValueError, RuntimeError) as error:
            raise Refusal(
                "output-unreadable",
                "output '%s' cannot be read after a run (%s): the graph leaves it inconsistent"
                % (tensor.name, one_line(error).rstrip(".")),
            ) from error

    def delegation(self) -> Dict[str, Any]:
        return self._delegation

    def _bound_invoke(self) -> Any:
        if not self._subgraph:
            return self._interpreter.invoke
        wrapper, subgraph = self._interpreter._interpreter, self._subgraph
        return lambda: wrapper.Invoke(subgraph)

    def _select_signature(self, key: str) -> None:
        known = self._interpreter.get_signature_list()
        if key not in known:
            names = ", ".join(sorted(known)) or "none"
            raise Refusal("no-signature", "the model has no signature '%s' (it has: %s)" % (key, names))
        runner = self._interpreter.get_signature_runner(key)
        self._subgraph = int(getattr(runner, "_subgraph_index", 0))
        self._names = {
            "input": list(runner.get_input_details().values()),
            "output": list(runner.get_output_details().values()),
        }

    def _resize(self, batch: int) -> None:
        shapes = [tuple(int(size) for size in detail["shape"]) for detail in self._details("input")]
        for detail, shape in zip(self._details("input"), resized_shapes(shapes, batch)):
            size = np.array(shape, np.int32)
            if self._subgraph:
                self._interpreter._interpreter.ResizeInputTensor(int(detail["index"]), size, False, self._subgraph)
            else:
                self._interpreter.resize_tensor_input(int(detail["index"]), size)

    def _details(self, side: str) -> List[Any]:
        if self._names is not None:
            return self._names[side]
        if side == "input":
            return list(self._interpreter.get_input_details())
        return list(self._interpreter.get_output_details())

    def _allocate(self) -> None:
        if self._subgraph:
            self._interpreter._interpreter.AllocateTensors(self._subgraph)
        else:
            self._interpreter.allocate_tensors()

    @staticmethod
    def _tensor(detail: Any) -> Tensor:
        scale, zero_point = detail.get("quantization", (0.0, 0))
        signature = detail.get("shape_signature", detail["shape"])
        return Tensor(
            name=str(detail["name"]),
            tensor_index=int(detail["index"]),
            shape=tuple(int(size) for size in detail["shape"]),
            dtype=dtype_name(detail["dtype"]),
            scale=float(scale),
            zero_point=int(zero_point),
            dynamic=any(int(size) < 0 for size in signature),
        )

    def _nodes(self) -> Optional[List[Dict[str, Any]]]:
        try:
            return list(self._interpreter._get_ops_details())
        except (AttributeError, ValueError, RuntimeError):
            return None

    def _delegation_from(self, before: Optional[List[Dict[str, Any]]]) -> Dict[str, Any]:
        if self._subgraph:
            return {"unavailable": "the runtime lists the nodes of the main graph only, not of this signature"}
        after = self._nodes()
        if before is None or after is None:
            return {"unavailable": "this runtime does not list its nodes"}
        return delegation_report(before, after, [tensor.tensor_index for tensor in self.outputs])


def _create(runtime: Runtime, request: LoadRequest) -> Any:
    if request.weight_cache is not None:
        raise Refusal("no-weight-cache", "the Interpreter cannot set it from Python; use --engine compiled")
    module = runtime.module
    options: Dict[str, Any] = {"model_path": request.model_path, "num_threads": request.threads}
    if request.delegate == "none" or request.exclusive:
        resolver = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        options["experimental_op_resolver_type"] = resolver
    if request.delegate == "gpu":
        raise Refusal("no-engine", "engine interpreter has no GPU delegate; use --engine compiled")
    if request.delegate == "external":
        options["experimental_delegates"] = [_load_delegate(module, request)]
    try:
        return _preserving(runtime, options) if request.preserve else module.Interpreter(**options)
    except (ValueError, RuntimeError) as error:
        raise explain(error) from error


def _preserving(runtime: Runtime, options: Dict[str, Any]) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that this takes memory is why it is asked for only here
            return runtime.module.Interpreter(experimental_preserve_all_tensors=True, **options)
    except TypeError as error:
        raise Refusal(
            "no-intermediates",
            "%s %s cannot keep what is between layers; use ai-edge-litert" % (runtime.package, runtime.version),
        ) from error


def _load_delegate(module: Any, request: LoadRequest) -> Any:
    try:
        return module.load_delegate(request.delegate_library, request.delegate_options or None)
    except (OSError, ValueError, AttributeError, RuntimeError) as error:
        reason = one_line(error) or "it returned no delegate"
        raise Refusal("delegate-refused", "delegate %s: %s" % (request.delegate_library, reason)) from error
