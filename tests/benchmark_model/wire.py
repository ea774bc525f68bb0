"""Writes protocol buffers, for what has to be read back."""

from __future__ import annotations

import struct
from collections.abc import Mapping

LATENCY = ("avg", "min", "max", "stddev", "median", "p5", "p95", "init", "first_inference", "average_warm_up")


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def floating(number: int, value: float) -> bytes:
    return varint(number << 3 | 5) + struct.pack("<f", value)


def integer(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def result(
    latency_ms: Mapping[str, float], *, memory: bytes = b"", runs: int = 50, warmups: int = 3, size_mb: float = 1.5
) -> bytes:
    """Return a result file with these latencies, in the order of the fields."""
    latency = b"".join(floating(LATENCY.index(name) + 1, value) for name, value in latency_ms.items())
    misc = floating(1, size_mb) + integer(2, runs) + integer(3, warmups) + floating(4, 7.5)
    return message(1, b"name") + message(2, latency) + message(3, memory) + message(4, misc)
