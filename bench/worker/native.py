"""A model in LiteRT's compiled engine through the C API, which moves every numeric dtype and has a profiler."""

from __future__ import annotations

import ctypes
from contextlib import ExitStack
from ctypes import byref, c_void_p
from typing import Any, List, NamedTuple, Optional, Sequence

import numpy as np

from . import capi
from .inputs import Tensor
from .refusal import Refusal

#: What ``--delegate`` means to the CPU accelerator; ``default`` leaves it the choice.
KERNEL_MODES = {"default": None, "xnnpack": "delegate", "none": "builtin", "gpu": None}


class NativeRequest(NamedTuple):
    """What to load and how. ``accelerators`` is a sum of ``capi.CPU``, ``GPU`` and ``NPU``.

    All but the CPU's are libraries, looked for in ``library_folder``.
    """

    model_path: str
    delegate: str
    threads: int
    signature: Optional[str] = None
    accelerators: int = capi.CPU
    profiling: bool = False
    library_folder: Optional[str] = None


class NativeModel:
    """One signature of a model with its own buffers. ``close`` frees every handle; so does leaving a ``with`` block."""

    def __init__(self, library: capi.Library, request: NativeRequest) -> None:
        self._library = library
        self.inputs: List[Tensor] = []
        self.outputs: List[Tensor] = []
        self._in: List[Any] = []
        self._out: List[Any] = []
        with ExitStack() as stack:
            self._open(stack, request)
            self._handles = stack.pop_all()

    def __enter__(self) -> NativeModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free every handle, last made first. May be called twice."""
        self._handles.close()

    def run(self) -> None:
        """Run once. On a GPU this only starts the work: whoever reads an output waits for it."""
        self._library.call("LiteRtRunCompiledModel", *self._run_arguments)

    def run_to_the_end(self) -> None:
        """Run once, and make every output readable for the CPU."""
        call = self._library.call
        call("LiteRtRunCompiledModel", *self._run_arguments)
        address = c_void_p()
        for buffer in self._out:
            call("LiteRtLockTensorBuffer", buffer, byref(address), capi.LOCK_READ)
            call("LiteRtUnlockTensorBuffer", buffer)

    def set_inputs(self, arrays: Sequence[Any]) -> None:
        """Copy one array per input, of the input's own dtype and shape."""
        for tensor, buffer, array in zip(self.inputs, self._in, arrays):
            plain = np.ascontiguousarray(array, dtype=tensor.dtype)
            ctypes.memmove(self._lock(buffer, capi.LOCK_WRITE), plain.ctypes.data, plain.nbytes)
            self._library.call("LiteRtUnlockTensorBuffer", buffer)

    def read_output(self, position: int) -> "np.ndarray[Any, Any]":
        """Return a copy of output ``position``."""
        tensor, buffer = self.outputs[position], self._out[position]
        found = np.empty(tensor.shape, dtype=tensor.dtype)
        ctypes.memmove(found.ctypes.data, self._lock(buffer, capi.LOCK_READ), found.nbytes)
        self._library.call("LiteRtUnlockTensorBuffer", buffer)
        return found

    def _lock(self, buffer: Any, mode: int) -> Any:
        address = c_void_p()
        self._library.call("LiteRtLockTensorBuffer", buffer, byref(address), mode)
        return address

    def profiler(self) -> Any:
        """Return the handle of the model's profiler, which the model owns. Raises Refusal where there is none."""
        return self._library.handle("LiteRtCompiledModelGetProfiler", self._compiled)

    def is_fully_accelerated(self) -> bool:
        """Return what LiteRT says; see :func:`.capi.is_fully_accelerated`."""
        return capi.is_fully_accelerated(self._library, self._compiled)

    def is_non_cpu_fully_accelerated(self) -> Optional[bool]:
        """Return the truth about GPU and NPU; see :func:`.capi.is_non_cpu_fully_accelerated`."""
        return capi.is_non_cpu_fully_accelerated(self._library, self._compiled)

    def _open(self, stack: ExitStack, request: NativeRequest) -> None:
        library = self._library
        path = request.model_path.encode("utf-8", "surrogateescape")
        self._environment = library.environment(request.library_folder)
        stack.callback(library.destroy, "LiteRtDestroyEnvironment", self._environment)
        model = self._own(stack, "LiteRtDestroyModel", "LiteRtCreateModelFromFile", self._environment, path)
        options = self._own(stack, "LiteRtDestroyOptions", "LiteRtCreateOptions")
        _fill_options(library, options, request)
        self._compiled = self._own(
            stack, "LiteRtDestroyCompiledModel", "LiteRtCreateCompiledModel", self._environment, model, options
        )
        self.subgraphs = library.size("LiteRtGetNumModelSubgraphs", model)
        self._signature = _signature_index(library, model, request.signature)
        signature = library.handle("LiteRtGetModelSignature", model, self._signature)
        self._make_inputs(stack, signature)
        self._make_outputs(stack, signature)
        self._run_arguments = (
            self._compiled,
            self._signature,
            len(self._in),
            (c_void_p * len(self._in))(*self._in),
            len(self._out),
            (c_void_p * len(self._out))(*self._out),
        )

    def _own(self, stack: ExitStack, destroyer: str, creator: str, *arguments: Any) -> Any:
        handle = self._library.handle(creator, *arguments)
        stack.callback(self._library.destroy, destroyer, handle)
        return handle

    def _make_inputs(self, stack: ExitStack, signature: Any) -> None:
        library = self._library
        for index in range(library.size("LiteRtGetNumSignatureInputs", signature)):
            tensor = library.handle("LiteRtGetSignatureInputTensorByIndex", signature, index)
            layout = capi.Layout()
            library.call(
                "LiteRtGetCompiledModelInputTensorLayout", self._compiled, self._signature, index, byref(layout)
            )
            buffer = self._buffer(stack, "Input", index, tensor, layout, self.inputs)
            self._in.append(buffer)

    def _make_outputs(self, stack: ExitStack, signature: Any) -> None:
        library = self._library
        count = library.size("LiteRtGetNumSignatureOutputs", signature)
        layouts = (capi.Layout * count)()
        name = "LiteRtGetCompiledModelOutputTensorLayouts"
        library.call(name, self._compiled, self._signature, count, layouts, True)
        for index in range(count):
            tensor = library.handle("LiteRtGetSignatureOutputTensorByIndex", signature, index)
            buffer = self._buffer(stack, "Output", index, tensor, layouts[index], self.outputs)
            self._out.append(buffer)

    def _buffer(self, stack: ExitStack, side: str, index: int, tensor: Any, layout: Any, told: List[Tensor]) -> Any:
        library = self._library
        kind = capi.RankedTensorType()
        library.call("LiteRtGetRankedTensorType", tensor, byref(kind))
        is_open = any(int(size) < 0 for size in kind.layout.dimensions[: int(kind.layout.rank)])
        kind.layout = layout
        scale, zero_point = library.quantization(tensor)
        description = _describe(library.text("LiteRtGetTensorName", tensor), side.lower(), kind)._replace(
            scale=scale, zero_point=zero_point, dynamic=is_open
        )
        needs = library.handle(
            "LiteRtGetCompiledModel%sBufferRequirements" % side, self._compiled, self._signature, index
        )
        buffer = self._own(
            stack,
            "LiteRtDestroyTensorBuffer",
            "LiteRtCreateManagedTensorBufferFromRequirements",
            self._environment,
            byref(kind),
            needs,
        )
        held = library.size("LiteRtGetTensorBufferPackedSize", buffer)
        wanted = int(np.prod(description.shape)) * np.dtype(description.dtype).itemsize
        if held != wanted:
            raise Refusal(
                "no-profile",
                "%s '%s' has %d bytes where its shape needs %d: ai-edge-litert %s has other structs; %s"
                % (side.lower(), description.name, held, wanted, library.version, capi.checked_text()),
            )
        told.append(description)
        return buffer


def _fill_options(library: capi.Library, options: Any, request: NativeRequest) -> None:
    library.call("LiteRtSetOptionsHardwareAccelerators", options, request.accelerators)
    if request.profiling:
        library.add_options(options, "runtime_options_string", "enable_profiling = true\n")
    lines = ["num_threads = %d" % request.threads]
    mode = KERNEL_MODES[request.delegate]
    if mode is not None:
        lines.append('kernel_mode = "%s"' % mode)
    library.add_options(options, "xnnpack", "\n".join(lines) + "\n")


def _signature_index(library: capi.Library, model: Any, wanted: Optional[str]) -> int:
    if wanted is None:
        return 0
    keys = []
    for index in range(library.size("LiteRtGetNumModelSignatures", model)):
        signature = library.handle("LiteRtGetModelSignature", model, index)
        keys.append(library.text("LiteRtGetSignatureKey", signature))
    if wanted not in keys:
        # LiteRT makes up a signature for a model without any.
        names = ", ".join(sorted(key for key in keys if not key.startswith("<"))) or "none"
        raise Refusal("no-signature", "the model has no signature '%s' (it has: %s)" % (wanted, names))
    return keys.index(wanted)


def _describe(name: str, side: str, kind: Any) -> Tensor:
    """Return the tensor, or refuse what cannot be moved or cannot be true."""
    other = capi.OTHER_ELEMENTS.get(kind.element_type)
    if other is not None:
        raise Refusal("dtype", "%s '%s' is of type %s, which LiteRT's C API cannot hand over" % (side, name, other))
    dtype = capi.ELEMENT_DTYPES.get(kind.element_type)
    rank = int(kind.layout.rank)
    if dtype is None or rank > capi.MAX_RANK:
        raise Refusal(
            "no-profile",
            "%s '%s' has element type %d and rank %d, which cannot be: %s"
            % (side, name, kind.element_type, rank, capi.checked_text()),
        )
    shape = tuple(int(size) for size in kind.layout.dimensions[:rank])
    if any(size < 0 for size in shape):
        raise Refusal("dynamic-shape", "%s '%s' has shape %s, open until the model runs" % (side, name, list(shape)))
    return Tensor(name=name, tensor_index=-1, shape=shape, dtype=dtype, scale=0.0, zero_point=0)
