"""LiteRT's C API through ctypes: struct layouts, prototypes and status checks. Nothing else knows them.

Sources: LiteRT's headers ``litert/c/litert_*.h``, and what the libraries of :data:`CHECKED_VERSIONS` were seen to do
(x86-64; the structs hold only C types whose size ctypes knows, so aarch64 has the same layout). Another release may
differ without any sign, so what it answers is tested before it is believed: see :mod:`.events` and
:class:`.native.NativeModel`.
"""

from __future__ import annotations

import ctypes
import os
import re
from ctypes import (
    POINTER,
    c_bool,
    c_char_p,
    c_float,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any, Dict, List, Optional, Tuple

from .refusal import Refusal
from .runtimes import Runtime

#: Releases of ai-edge-litert on which every layout and prototype here was tried.
CHECKED_VERSIONS = ("2.2.0", "2.3.0")
#: Before it, a model is created by other arguments and a compiled model has no profiler (seen on 2.1.0).
_SINCE = (2, 2)

CPU, GPU, NPU = 1, 2, 4
LOCK_READ, LOCK_WRITE = 0, 1
MAX_RANK = 8
#: ``LiteRtEnvOptionTag``: the folder in which accelerators are looked for.
_RUNTIME_LIBRARY_DIR = 22
#: ``LiteRtAnyType``: a C string.
_ANY_STRING = 8
#: ``LiteRtQuantizationTypeId``: one scale and zero point for the whole tensor.
_PER_TENSOR = 1


class Layout(ctypes.Structure):
    """``LiteRtLayout``: dimensions beyond ``rank`` are undefined, open sizes are negative."""

    _fields_ = [
        ("rank", c_uint, 7),
        ("has_strides", c_uint, 1),
        ("dimensions", c_int32 * MAX_RANK),
        ("strides", c_uint32 * MAX_RANK),
    ]


class RankedTensorType(ctypes.Structure):
    """``LiteRtRankedTensorType``."""

    _fields_ = [("element_type", c_int), ("layout", Layout)]


class PerTensorQuantization(ctypes.Structure):
    """``LiteRtQuantizationPerTensor``: real = (q - zero_point) * scale."""

    _fields_ = [("scale", c_float), ("zero_point", c_int64)]


class TextValue(ctypes.Structure):
    """``LiteRtAny`` with a C string in it: the kind of value, then the value."""

    _fields_ = [("kind", c_int), ("text", c_char_p)]


class EnvironmentOption(ctypes.Structure):
    """``LiteRtEnvOption``: a tag, then the value."""

    _fields_ = [("tag", c_int), ("value", TextValue)]


class ProfiledEvent(ctypes.Structure):
    """``ProfiledEventData``. ``tag`` is the address of a C string that the profiler owns until it is started again."""

    _fields_ = [
        ("tag", c_size_t),
        ("event_type", c_int),
        ("start_us", c_uint64),
        ("elapsed_us", c_uint64),
        ("begin_memory", c_size_t * 3),
        ("end_memory", c_size_t * 3),
        ("metadata1", c_uint64),
        ("metadata2", c_uint64),
        ("source", c_int),
    ]


#: ``LiteRtElementType`` -> numpy's name, for what numpy can hold.
ELEMENT_DTYPES = {
    1: "float32",
    2: "int32",
    3: "uint8",
    4: "int64",
    6: "bool",
    7: "int16",
    8: "complex64",
    9: "int8",
    10: "float16",
    11: "float64",
    12: "complex128",
    13: "uint64",
    16: "uint32",
    17: "uint16",
}
#: Element types that numpy cannot hold, by name, to say which one it was.
OTHER_ELEMENTS = {5: "string", 14: "resource", 15: "variant", 18: "int4", 19: "bfloat16", 20: "int2"}

#: ``LiteRtStatus`` values that a caller can meet here.
_STATUS = {
    1: "invalid argument",
    2: "memory allocation failure",
    3: "runtime failure",
    4: "missing input tensor",
    5: "unsupported",
    6: "not found",
    8: "wrong version",
    9: "unknown error",
    500: "file input/output error",
    501: "invalid flatbuffer",
    502: "dynamic loading error",
    504: "compilation error",
    1000: "index out of bounds",
}

_HANDLE, _OUT_HANDLE = c_void_p, POINTER(c_void_p)
_OUT_SIZE, _OUT_BOOL, _OUT_TEXT = POINTER(c_size_t), POINTER(c_bool), POINTER(c_char_p)
#: Functions that answer a status: name -> argument types.
_CALLS: Dict[str, List[Any]] = {
    "LiteRtCreateEnvironment": [c_int, c_void_p, _OUT_HANDLE],
    "LiteRtCreateModelFromFile": [_HANDLE, c_char_p, _OUT_HANDLE],
    "LiteRtCreateOptions": [_OUT_HANDLE],
    "LiteRtSetOptionsHardwareAccelerators": [_HANDLE, c_int],
    "LiteRtCreateOpaqueOptions": [c_char_p, c_void_p, c_void_p, _OUT_HANDLE],
    "LiteRtAddOpaqueOptions": [_HANDLE, _HANDLE],
    "LiteRtCreateCompiledModel": [_HANDLE, _HANDLE, _HANDLE, _OUT_HANDLE],
    "LiteRtCompiledModelIsFullyAccelerated": [_HANDLE, _OUT_BOOL],
    "LiteRtCompiledModelIsNonCpuFullyAccelerated": [_HANDLE, _OUT_BOOL],
    "LiteRtGetNumModelSubgraphs": [_HANDLE, _OUT_SIZE],
    "LiteRtGetNumModelSignatures": [_HANDLE, _OUT_SIZE],
    "LiteRtGetModelSignature": [_HANDLE, c_size_t, _OUT_HANDLE],
    "LiteRtGetSignatureKey": [_HANDLE, _OUT_TEXT],
    "LiteRtGetNumSignatureInputs": [_HANDLE, _OUT_SIZE],
    "LiteRtGetNumSignatureOutputs": [_HANDLE, _OUT_SIZE],
    "LiteRtGetSignatureInputTensorByIndex": [_HANDLE, c_size_t, _OUT_HANDLE],
    "LiteRtGetSignatureOutputTensorByIndex": [_HANDLE, c_size_t, _OUT_HANDLE],
    "LiteRtGetTensorName": [_HANDLE, _OUT_TEXT],
    "LiteRtGetQuantizationTypeId": [_HANDLE, POINTER(c_int)],
    "LiteRtGetPerTensorQuantization": [_HANDLE, POINTER(PerTensorQuantization)],
    "LiteRtGetRankedTensorType": [_HANDLE, POINTER(RankedTensorType)],
    "LiteRtGetCompiledModelInputTensorLayout": [_HANDLE, c_size_t, c_size_t, POINTER(Layout)],
    "LiteRtGetCompiledModelOutputTensorLayouts": [_HANDLE, c_size_t, c_size_t, POINTER(Layout), c_bool],
    "LiteRtGetCompiledModelInputBufferRequirements": [_HANDLE, c_size_t, c_size_t, _OUT_HANDLE],
    "LiteRtGetCompiledModelOutputBufferRequirements": [_HANDLE, c_size_t, c_size_t, _OUT_HANDLE],
    "LiteRtCreateManagedTensorBufferFromRequirements": [_HANDLE, POINTER(RankedTensorType), _HANDLE, _OUT_HANDLE],
    "LiteRtGetTensorBufferPackedSize": [_HANDLE, _OUT_SIZE],
    "LiteRtLockTensorBuffer": [_HANDLE, _OUT_HANDLE, c_int],
    "LiteRtUnlockTensorBuffer": [_HANDLE],
    "LiteRtRunCompiledModel": [_HANDLE, c_size_t, c_size_t, _OUT_HANDLE, c_size_t, _OUT_HANDLE],
    "LiteRtCompiledModelGetProfiler": [_HANDLE, _OUT_HANDLE],
    "LiteRtStartProfiler": [_HANDLE],
    "LiteRtStopProfiler": [_HANDLE],
    "LiteRtGetNumProfilerEvents": [_HANDLE, POINTER(c_int)],
    "LiteRtGetProfilerEvents": [_HANDLE, c_int, c_void_p],
}
#: Functions that free one handle and answer nothing.
_DESTROYERS = (
    "LiteRtDestroyEnvironment",
    "LiteRtDestroyModel",
    "LiteRtDestroyOptions",
    "LiteRtDestroyOpaqueOptions",
    "LiteRtDestroyCompiledModel",
    "LiteRtDestroyTensorBuffer",
)
#: Functions that a checked release may lack (2.2.0 does).
_OPTIONAL = ("LiteRtCompiledModelIsNonCpuFullyAccelerated",)


class Library:
    """A loaded ``libLiteRt.so`` with its prototypes set. ``checked`` is False for a release that nobody tried."""

    def __init__(self, path: str, version: str) -> None:
        try:
            self._library = ctypes.CDLL(path)
        except OSError as error:
            raise Refusal("no-profile", "%s cannot be loaded: %s" % (path, error)) from error
        self.version = version
        self.checked = version in CHECKED_VERSIONS
        self._functions = {name: self._bind(name, c_int, types) for name, types in _CALLS.items()}
        for name in _DESTROYERS:
            self._functions[name] = self._bind(name, None, [_HANDLE])
        libc = ctypes.CDLL(None)
        self._strdup, self._free = libc.strdup, libc.free
        self._strdup.restype, self._strdup.argtypes = c_void_p, [c_char_p]

    def has(self, name: str) -> bool:
        """Return whether the library exports the function."""
        return self._functions[name] is not None

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function. Raises Refusal with its name and the status' meaning unless the status is ok."""
        status = self._functions[name](*arguments)
        if status:
            meaning = _STATUS.get(status, "status %d" % status)
            raise Refusal("litert-status", "LiteRT's C API %s answered: %s" % (name, meaning))

    def handle(self, name: str, *arguments: Any) -> Any:
        """Call a function whose last argument receives a handle, and return the handle."""
        found = c_void_p()
        self.call(name, *arguments, ctypes.byref(found))
        if not found.value:
            raise Refusal("litert-status", "LiteRT's C API %s answered nothing" % name)
        return found

    def size(self, name: str, *arguments: Any) -> int:
        """Call a function whose last argument receives a count, and return the count."""
        found = c_size_t()
        self.call(name, *arguments, ctypes.byref(found))
        return int(found.value)

    def text(self, name: str, *arguments: Any) -> str:
        """Call a function whose last argument receives a C string, and return it."""
        found = c_char_p()
        self.call(name, *arguments, ctypes.byref(found))
        return (found.value or b"").decode("utf-8", "replace")

    def environment(self, folder: Optional[str]) -> Any:
        """Create an environment, which looks for accelerators in ``folder``; with None it finds the CPU's alone."""
        if folder is None:
            return self.handle("LiteRtCreateEnvironment", 0, None)
        place = TextValue(_ANY_STRING, os.fsencode(folder))  # copied by the library
        option = EnvironmentOption(_RUNTIME_LIBRARY_DIR, place)
        return self.handle("LiteRtCreateEnvironment", 1, ctypes.byref(option))

    def quantization(self, tensor: Any) -> Tuple[float, int]:
        """Return a tensor's scale and zero point; 0.0 and 0 where it has none, or one a channel."""
        kind = c_int()
        self.call("LiteRtGetQuantizationTypeId", tensor, ctypes.byref(kind))
        if kind.value != _PER_TENSOR:
            return 0.0, 0
        found = PerTensorQuantization()
        self.call("LiteRtGetPerTensorQuantization", tensor, ctypes.byref(found))
        return float(found.scale), int(found.zero_point)

    def flag(self, name: str, *arguments: Any) -> bool:
        """Call a function whose last argument receives a truth value, and return it."""
        found = c_bool()
        self.call(name, *arguments, ctypes.byref(found))
        return bool(found.value)

    def destroy(self, name: str, handle: Any) -> None:
        """Free a handle."""
        self._functions[name](handle)

    def add_options(self, options: Any, identifier: str, toml: str) -> None:
        """Attach a group of options, as TOML text, to compilation options; they own it afterwards."""
        # The library frees the text with the function given here, so it must come from the same allocator.
        payload = c_void_p(self._strdup(toml.encode("utf-8")))
        opaque = self.handle("LiteRtCreateOpaqueOptions", identifier.encode("ascii"), payload, self._free)
        try:
            self.call("LiteRtAddOpaqueOptions", options, opaque)
        except Refusal:
            self.destroy("LiteRtDestroyOpaqueOptions", opaque)
            raise

    def _bind(self, name: str, restype: Any, types: List[Any]) -> Any:
        try:
            function = getattr(self._library, name)
        except AttributeError:
            if name in _OPTIONAL:
                return None
            raise Refusal(
                "no-profile", "ai-edge-litert %s lacks the function %s; %s" % (self.version, name, checked_text())
            ) from None
        function.restype, function.argtypes = restype, types
        return function


def checked_text() -> str:
    """Return the clause that says which releases were tried."""
    return "the C API was checked on %s" % " and ".join(CHECKED_VERSIONS)


def open_library(runtime: Runtime, purpose: str = "per-operator times") -> Library:
    """Load the C library that lies in the runtime's own package. ``purpose`` says in a refusal what needs it.

    Raises:
        Refusal: ``no-profile``, when this runtime has none or an older one.
    """
    needed = "%s need ai-edge-litert %d.%d or newer" % (purpose, *_SINCE)
    if runtime.name != "litert":
        raise Refusal("no-profile", "%s; %s %s has no such API" % (needed, runtime.package, runtime.version))
    if _release(runtime.version) < _SINCE:
        raise Refusal("no-profile", "%s, this is %s" % (needed, runtime.version))
    path = os.path.join(library_folder(runtime), "libLiteRt.so")
    if not os.path.exists(path):
        raise Refusal("no-profile", "%s with libLiteRt.so, which this build of it lacks" % needed)
    return Library(path, runtime.version)


def library_folder(runtime: Runtime) -> str:
    """Return the folder of ai-edge-litert's package, where its libraries lie."""
    return os.path.dirname(os.path.abspath(str(runtime.module.__file__)))


def is_fully_accelerated(library: Library, compiled_model: Any) -> bool:
    """Return what LiteRT says of a compiled model: True even where it fell back to the CPU in silence."""
    return library.flag("LiteRtCompiledModelIsFullyAccelerated", compiled_model)


def is_non_cpu_fully_accelerated(library: Library, compiled_model: Any) -> Optional[bool]:
    """Return whether a GPU or NPU runs the whole model; None where the library cannot tell (before 2.3.0)."""
    name = "LiteRtCompiledModelIsNonCpuFullyAccelerated"
    return library.flag(name, compiled_model) if library.has(name) else None


def _release(version: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
