"""The adapters that Vulkan shows on this machine, through its loader: names, kinds and drivers. Changes nothing.

Sources: the Vulkan specification's structures (``vulkan_core.h``), written as ctypes.
"""

from __future__ import annotations

import ctypes
import struct
from ctypes import POINTER, byref, c_char_p, c_int, c_uint32, c_uint64, c_void_p
from typing import Any, Dict, List

from .android import why_no_gpu as why_no_gpu_of_phone
from .gpu_words import adapter
from .refusal import Refusal

_LIBRARY = "libvulkan.so.1"
_APPLICATION_INFO, _INSTANCE_CREATE_INFO = 0, 1
_PROPERTIES_2, _DRIVER_PROPERTIES = 1000059001, 1000196000
_VERSION_1_1 = (1 << 22) | (1 << 12)
_INCOMPATIBLE_DRIVER = -9
_KINDS = {1: "integrated", 2: "discrete", 3: "virtual", 4: "cpu"}


class _ApplicationInfo(ctypes.Structure):
    _fields_ = [
        ("kind", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("version", c_uint32),
        ("engine_name", c_char_p),
        ("engine_version", c_uint32),
        ("api_version", c_uint32),
    ]


class _InstanceCreateInfo(ctypes.Structure):
    _fields_ = [
        ("kind", c_int),
        ("next", c_void_p),
        ("flags", c_uint32),
        ("application", POINTER(_ApplicationInfo)),
        ("layer_count", c_uint32),
        ("layers", c_void_p),
        ("extension_count", c_uint32),
        ("extensions", c_void_p),
    ]


class _DriverProperties(ctypes.Structure):
    _fields_ = [
        ("kind", c_int),
        ("next", c_void_p),
        ("driver_id", c_int),
        ("name", ctypes.c_char * 256),
        ("info", ctypes.c_char * 256),
        ("conformance", ctypes.c_uint8 * 4),
    ]


class _Properties2(ctypes.Structure):
    """``VkPhysicalDeviceProperties2``; the properties' 824 bytes are held by more, aligned as theirs are."""

    _fields_ = [("kind", c_int), ("next", c_void_p), ("properties", c_uint64 * 128)]


def list_adapters() -> List[Dict[str, Any]]:
    """Return each adapter's name, kind, software, driver and api_version, in Vulkan's order.

    Raises:
        Refusal: ``no-gpu`` where there is none; the line says what is missing.
    """
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        missing = "%s cannot be loaded: Vulkan is not installed" % _LIBRARY
        raise Refusal("no-gpu", why_no_gpu_of_phone() or missing) from error
    instance = _create_instance(library)
    try:
        found = [_describe(library, device) for device in _devices(library, instance)]
    finally:
        library.vkDestroyInstance(instance, None)
    if not found:
        raise Refusal("no-gpu", "Vulkan's drivers show no adapter")
    return found


def complete(found: Dict[str, Any]) -> Dict[str, Any]:
    """Return an adapter with driver and API version where Vulkan has exactly one of that name."""
    try:
        named = [other for other in list_adapters() if other["name"] == found["name"]]
    except Refusal:
        return found
    return {**named[0], **found} if len(named) == 1 else found


def _create_instance(library: Any) -> Any:
    application = _ApplicationInfo(kind=_APPLICATION_INFO, name=b"edgebench", api_version=_VERSION_1_1)
    wanted = _InstanceCreateInfo(kind=_INSTANCE_CREATE_INFO, application=ctypes.pointer(application))
    library.vkDestroyInstance.argtypes, library.vkDestroyInstance.restype = [c_void_p, c_void_p], None
    instance = c_void_p()
    status = library.vkCreateInstance(byref(wanted), None, byref(instance))
    if status == _INCOMPATIBLE_DRIVER:
        raise Refusal("no-gpu", "Vulkan finds no driver")
    if status:
        raise Refusal("no-gpu", "Vulkan does not start (vkCreateInstance answered %d)" % status)
    return instance


def _devices(library: Any, instance: Any) -> List[Any]:
    listing = library.vkEnumeratePhysicalDevices
    listing.argtypes = [c_void_p, POINTER(c_uint32), c_void_p]
    count = c_uint32()
    status = listing(instance, byref(count), None)
    devices = (c_void_p * count.value)()
    status = status or listing(instance, byref(count), devices)
    if status < 0:
        raise Refusal("no-gpu", "Vulkan lists no adapter (vkEnumeratePhysicalDevices answered %d)" % status)
    return list(devices[: count.value])


def _describe(library: Any, device: Any) -> Dict[str, Any]:
    driver = _DriverProperties(kind=_DRIVER_PROPERTIES)
    properties = _Properties2(kind=_PROPERTIES_2, next=ctypes.addressof(driver))
    ask = library.vkGetPhysicalDeviceProperties2
    ask.argtypes, ask.restype = [c_void_p, c_void_p], None
    ask(device, byref(properties))
    # VkPhysicalDeviceProperties: API version, driver's version, vendor, device, type, name.
    version, _, _, _, kind, name = struct.unpack_from("=5I256s", properties.properties)
    words = [text.decode("utf-8", "replace") for text in (driver.name, driver.info) if text]
    told = adapter(name.split(b"\0", 1)[0].decode("utf-8", "replace"), _KINDS.get(kind, "other"))
    told["driver"] = " ".join(words) or None
    told["api_version"] = "%d.%d.%d" % (version >> 22 & 0x7F, version >> 12 & 0x3FF, version & 0xFFF)
    return told
