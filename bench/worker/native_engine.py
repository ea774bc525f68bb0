"""Engine ``compiled`` through LiteRT's C API: on the GPU, and on the CPU with all dtypes to compare a GPU with."""

from __future__ import annotations

import time
from typing import Any, Dict, Optional, Sequence

from . import capi
from .engines import Engine, LoadRequest
from .gpu_words import Split, has_dynamic_tensors, read_adapter, read_split, why_no_gpu
from .native import NativeModel, NativeRequest
from .overhear import overheard
from .refusal import Refusal
from .runtimes import Runtime

#: The first release that tells whether a GPU ran the model or the CPU did in its place.
_GPU_SINCE = "2.3.0"
_TRUTH = "LiteRtCompiledModelIsNonCpuFullyAccelerated"


class NativeEngine(Engine):
    """One signature of a model. With delegate ``gpu`` a run ends when the CPU can read every output."""

    def __init__(self, runtime: Runtime, request: LoadRequest) -> None:
        self._gpu = request.delegate == "gpu"
        if request.batch is not None:
            raise Refusal("no-batch", "through LiteRT's C API, as delegate gpu runs, a model keeps its own batch")
        if request.weight_cache is not None:
            raise Refusal("no-weight-cache", "through LiteRT's C API, as delegate gpu runs, XNNPACK's cache is not set")
        self._library = _open_library(runtime, self._gpu)
        native = NativeRequest(
            request.model_path,
            request.delegate,
            request.threads,
            request.signature,
            capi.CPU | capi.GPU if self._gpu else capi.CPU,
            library_folder=capi.library_folder(runtime) if self._gpu else None,
        )
        with overheard() as said:
            start = time.perf_counter_ns()
            refusal: Optional[Refusal] = None
            try:
                self._model = NativeModel(self._library, native)
            except Refusal as error:
                refusal = error
            self.load_ns = time.perf_counter_ns() - start
        self._words = said[0]
        if refusal is not None:
            raise self._reason(runtime, request, refusal) from refusal
        self.inputs, self.outputs = self._model.inputs, self._model.outputs
        self.invoke = self._model.run_to_the_end
        self._delegation = self._gpu_delegation() if self._gpu else {"unavailable": "LiteRT's C API lists no nodes"}

    def set_inputs(self, arrays: Sequence[Any]) -> None:
        self._model.set_inputs(arrays)

    def read_output(self, position: int) -> Any:
        return self._model.read_output(position)

    def delegation(self) -> Dict[str, Any]:
        return self._delegation

    def adapter(self) -> Dict[str, Any]:
        """Return name, kind, software, and driver and API version where Vulkan knows exactly one GPU of that name.

        Raises:
            Refusal: ``no-adapter`` where the runtime does not tell which it chose.
        """
        from .vulkan import complete

        found = read_adapter(self._words)
        if found is None:
            raise Refusal("no-adapter", "the runtime does not tell which adapter it chose")
        return complete(found)

    def _gpu_delegation(self) -> Dict[str, Any]:
        """Return what the GPU took. Raises Refusal where the CPU ran all of it without a word."""
        whole = self._model.is_non_cpu_fully_accelerated()
        if whole:
            return {
                "fully_accelerated": True,
                "unavailable": "LiteRT counts nodes only where the GPU leaves some to the CPU",
            }
        split = read_split(self._words)
        if split is None:
            self._model.close()
            reason = why_no_gpu(self._words) or "LiteRT ran all of the model on the CPU and does not say why"
            raise Refusal("no-gpu", "no GPU: " + reason)
        return _split_report(split)

    def _reason(self, runtime: Runtime, request: LoadRequest, refusal: Refusal) -> Refusal:
        """The C API answers with a number only: the cause is in what was written meanwhile, or in the model."""
        if refusal.code != "litert-status":
            return refusal
        reason = why_no_gpu(self._words) if self._gpu else None
        if reason is not None:
            return Refusal("no-gpu", "no GPU: " + reason)
        if self._gpu and has_dynamic_tensors(self._words):
            return Refusal("dynamic-shape", "delegate gpu needs tensors of fixed size; some of this model's are open")
        from .classic import ClassicEngine

        try:
            ClassicEngine(runtime, request._replace(engine="interpreter", delegate="default"))
        except Refusal as cause:
            return cause
        return refusal


def _split_report(split: Split) -> Dict[str, Any]:
    """Return the answer's fields on a model that the GPU runs in part, or not at all."""
    return {
        "total_nodes": split.total,
        "delegated_nodes": split.taken,
        "partitions": None if split.taken else 0,
        "cpu_operators": split.operators,
        "unavailable": "LiteRT does not count the GPU's partitions",
        "notes": ["the GPU left to the CPU: %s" % "; ".join(split.reasons)] if split.reasons else [],
    }


def _open_library(runtime: Runtime, gpu: bool) -> capi.Library:
    if not gpu:
        return capi.open_library(runtime, "comparisons with a GPU")
    needed = "delegate gpu needs ai-edge-litert %s or newer, this is %s %s"
    refusal = Refusal("no-gpu", needed % (_GPU_SINCE, runtime.package, runtime.version))
    try:
        library = capi.open_library(runtime)
    except Refusal as error:
        raise refusal from error
    if not library.has(_TRUTH):
        raise refusal
    return library
