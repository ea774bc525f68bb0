"""Reads the binary ``BenchmarkResult`` that ``--result_file_path`` writes: more digits than the log, and no words.

The message is small, so the wire format of protocol buffers is read here. Fields that a later release adds are passed
over; a field of another kind than it has to be is an error.

=========================  ================================================================================
field                      what it holds
=========================  ================================================================================
name = 1                   text
latency_metrics = 2        floats in ms: avg 1, min 2, max 3, stddev 4, median 5, p5 6, p95 7, init 8,
                           first_inference 9, average_warm_up 10
memory_metrics = 3         init_footprint_kb 1 and overall_footprint_kb 2 (integers), peak_mem_mb 3 (float)
misc_metrics = 4           model_size_mb 1, num_runs 2, num_warmup_runs 3, model_throughput_in_mb_per_sec 4
=========================  ================================================================================
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import ProtocolError
from .figures import Footprint, Statistics

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_NAME, _LATENCY, _MEMORY, _MISC = 1, 2, 3, 4
_LATENCIES = range(1, 11)
_MAX_SHIFT, _64_BITS = 63, (1 << 64) - 1
_MS = 1_000_000
#: What is larger than any run could be was written by something else.
_LARGEST = 1e15

Value = int | bytes


@dataclass(frozen=True)
class BenchmarkResult:
    """What the file says, in ns and bytes; None where it says nothing."""

    warmup: Statistics | None = None
    measured: Statistics | None = None
    init_ns: float | None = None
    first_inference_ns: float | None = None
    footprint: Footprint = field(default_factory=Footprint)
    model_size_bytes: int | None = None


def parse_result(data: bytes) -> BenchmarkResult:
    """Return the content of a result file.

    Raises:
        ProtocolError: it is none, or it is cut off.
    """
    messages: dict[int, dict[int, Value]] = {_LATENCY: {}, _MEMORY: {}, _MISC: {}}
    for number, value in _fields(data):
        if number == _NAME and not isinstance(value, bytes):
            raise ProtocolError("the result file has a number where its name has to be")
        if number in messages:
            # A message that comes in parts is the sum of them.
            messages[number].update(dict(_fields(_as_bytes(value))))
    latency, memory, misc = messages[_LATENCY], messages[_MEMORY], messages[_MISC]
    if not any(number in latency for number in _LATENCIES):
        raise ProtocolError(f"the result file has no latency in it ({len(data)} bytes)")
    count, warmup_count = _count(misc, 2), _count(misc, 3)
    size_mb = _float(misc, 1)
    return BenchmarkResult(
        warmup=Statistics(warmup_count, first_ns=_ns(latency, 9), mean_ns=_ns(latency, 10)),
        measured=Statistics(
            count=count,
            min_ns=_ns(latency, 2),
            max_ns=_ns(latency, 3),
            mean_ns=_ns(latency, 1),
            stdev_ns=_ns(latency, 4),
            median_ns=_ns(latency, 5),
            p5_ns=_ns(latency, 6),
            p95_ns=_ns(latency, 7),
        ),
        init_ns=_ns(latency, 8),
        first_inference_ns=_ns(latency, 9) if warmup_count != 0 else None,
        footprint=Footprint(_kib(memory, 1), _kib(memory, 2), _peak(memory)),
        model_size_bytes=round(size_mb * 1e6) if size_mb and size_mb > 0 else None,
    )


def _ns(message: dict[int, Value], number: int) -> float | None:
    value = _float(message, number)
    if value is not None and not 0 <= value < _LARGEST:
        raise ProtocolError(f"the result file has a time of {value:g} ms in field {number}")
    # Single precision: seven digits are all that there are.
    return None if value is None else float(f"{value * _MS:.7g}")


def _kib(message: dict[int, Value], number: int) -> int | None:
    value = _integer(message, number)
    return None if value is None or value < 0 else value * 1024


def _peak(message: dict[int, Value]) -> int | None:
    """Return the peak, None where it was not looked at: then it is below 0."""
    value = _float(message, 3)
    return None if value is None or value <= 0 else round(value * 2**20)


def _float(message: dict[int, Value], number: int) -> float | None:
    value = message.get(number)
    if value is None:
        return None
    if not isinstance(value, bytes) or len(value) != 4:
        raise ProtocolError(f"the result file's field {number} is no float")
    found: float = struct.unpack("<f", value)[0]
    return found if math.isfinite(found) else None


def _integer(message: dict[int, Value], number: int) -> int | None:
    value = message.get(number)
    if value is None:
        return None
    if not isinstance(value, int):
        raise ProtocolError(f"the result file's field {number} is no integer")
    return value - (1 << 64) if value >= 1 << 63 else value


def _count(message: dict[int, Value], number: int) -> int | None:
    value = _integer(message, number)
    if value is not None and not 0 <= value < 1 << 31:
        raise ProtocolError(f"the result file has {value} runs in field {number}")
    return value


def _as_bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise ProtocolError("the result file has a number where a message has to be")
    return value


def _fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """Yield (number, value) of a message's fields: an integer, or the bytes of a float, text or message."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if not number:
            raise ProtocolError("the result file is no protocol buffer: it has a field 0")
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield number, value
            continue
        if kind == _BYTES:
            length, place = _varint(data, place)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ProtocolError(f"the result file is no protocol buffer: wire type {kind}")
        if place + length > len(data):
            raise ProtocolError(f"the result file is cut off: it ends at byte {len(data)} of at least {place + length}")
        yield number, data[place : place + length]
        place += length


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(data) and shift <= _MAX_SHIFT:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if not byte & 0x80:
            return value & _64_BITS, place
    raise ProtocolError(f"the result file is cut off in a number at byte {place}")
