"""What a Raspberry Pi's firmware says through its tool ``vcgencmd``.

Bits of ``get_throttled``: Raspberry Pi documentation, "vcgencmd", get_throttled. ``measure_clock arm`` counts the real
clock, which the kernel's own figure, the clock it asked for, may exceed.
"""

from __future__ import annotations

import re
from typing import Any, Dict

from .programs import Ask, NotInstalled, ask_program
from .tree import Unreadable, shown

_BITS = {0: "under-voltage", 1: "clock capped", 2: "throttled", 3: "soft temperature limit"}
#: The same causes, remembered since boot.
_REMEMBERED_SHIFT = 16
_PROGRAM = "vcgencmd"


def decode_throttled(value: int) -> Dict[str, Any]:
    """Return the causes that hold ``now`` and those seen ``since_boot``, with the value as ``raw``."""
    return {
        "raw": value,
        "now": [name for bit, name in _BITS.items() if value >> bit & 1],
        "since_boot": [name for bit, name in _BITS.items() if value >> (bit + _REMEMBERED_SHIFT) & 1],
    }


def firmware_throttling(ask: Ask = ask_program) -> Dict[str, Any]:
    """Return the decoded throttle bits. Raises Unreadable where the tool is absent or says something else."""
    text = _asked(ask, "get_throttled")
    found = re.fullmatch(r"throttled=0x([0-9a-fA-F]{1,8})", text)
    if found is None:
        raise Unreadable("vcgencmd get_throttled: not understood: %s" % shown(text))
    return decode_throttled(int(found.group(1), 16))


def measured_clock_hz(ask: Ask = ask_program) -> int:
    """Return the processor's measured clock. Raises Unreadable where the tool is absent or says something else."""
    text = _asked(ask, "measure_clock", "arm")
    found = re.fullmatch(r"frequency\(\d+\)=(\d{1,12})", text)
    if found is None:
        raise Unreadable("vcgencmd measure_clock arm: not understood: %s" % shown(text))
    return int(found.group(1))


def _asked(ask: Ask, *arguments: str) -> str:
    try:
        return ask(_PROGRAM, *arguments)
    except NotInstalled as error:
        raise Unreadable("%s (it belongs to Raspberry Pi systems)" % error) from None
